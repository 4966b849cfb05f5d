from asl_mmaction.engine.optimizers.bfloat16_optim_wrapper import BFloat16OptimWrapper
from asl_mmaction.engine.optimizers.grouped_constructor import GroupedOptimWrapperConstructor
from asl_mmaction.engine.optimizers.one_sync_optim_wrapper import OneSyncOptimWrapper

__all__ = ['BFloat16OptimWrapper', 'GroupedOptimWrapperConstructor', 'OneSyncOptimWrapper']
