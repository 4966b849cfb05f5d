from asl_mmaction.engine import ema, hooks, optimizers

__all__ = ['ema', 'hooks', 'optimizers']
