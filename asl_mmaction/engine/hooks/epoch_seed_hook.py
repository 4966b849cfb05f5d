"""Random numbers that depend on the epoch, not on what ran before it."""

import random

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds Python, NumPy and torch at the start of every epoch from seed, epoch and rank.

    mmengine's checkpoints do not hold the state of the random generators. With this hook a
    training that was interrupted, and resumed at an epoch, draws what the uninterrupted one
    draws (with ``num_workers=0``; a worker process keeps generators of its own).
    """

    def before_train_epoch(self, runner: Runner) -> None:
        """See mmengine's Hook."""
        sequence = np.random.SeedSequence((runner.seed or 0, runner.epoch, get_rank()))
        seed = int(sequence.generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  the generator that transforms draw from
        torch.manual_seed(seed)
