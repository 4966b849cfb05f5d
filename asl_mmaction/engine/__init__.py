from asl_mmaction.engine import optimizers

__all__ = ['optimizers']
