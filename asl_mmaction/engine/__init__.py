from asl_mmaction.engine.autocast_optim_wrapper import BFloat16OptimWrapper

__all__ = ['BFloat16OptimWrapper']
