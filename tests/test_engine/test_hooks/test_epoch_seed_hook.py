"""The hook that seeds every epoch: what is drawn depends on seed, epoch and process alone."""

import random
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import torch

from asl_mmaction.engine.hooks import EpochSeedHook


def drawn(seed, epoch, rank):
    """A number of each generator at the start of an epoch."""
    random.random(), torch.rand(3)  # whatever ran before
    with patch('asl_mmaction.engine.hooks.epoch_seed_hook.get_rank', return_value=rank):
        EpochSeedHook().before_train_epoch(SimpleNamespace(seed=seed, epoch=epoch))
    return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002


def test_draws_depend_on_seed_epoch_and_rank_alone():
    draws = [
        drawn(seed, epoch, rank) for seed in (0, 1) for epoch in (0, 1, 7) for rank in (0, 1, 2)
    ]
    for each in zip(*draws, strict=True):  # of every generator
        assert len(set(each)) == len(draws)
    assert drawn(1, 7, 2) == draws[-1]
    assert drawn(None, 1, 0) == drawn(0, 1, 0)
