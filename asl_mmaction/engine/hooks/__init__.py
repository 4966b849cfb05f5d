from asl_mmaction.engine.hooks.compile_hook import CompileHook
from asl_mmaction.engine.hooks.cuda_graph_hook import CudaGraphHook
from asl_mmaction.engine.hooks.epoch_seed_hook import EpochSeedHook
from asl_mmaction.engine.hooks.one_ema_hook import OneEMAHook
from asl_mmaction.engine.hooks.paced_checkpoint_hook import PacedCheckpointHook
from asl_mmaction.engine.hooks.step_log_hook import OneSyncRuntimeInfoHook

__all__ = [
    'CompileHook',
    'CudaGraphHook',
    'EpochSeedHook',
    'OneEMAHook',
    'OneSyncRuntimeInfoHook',
    'PacedCheckpointHook',
]
