from asl_mmaction.engine import hooks, optimizers

__all__ = ['hooks', 'optimizers']
