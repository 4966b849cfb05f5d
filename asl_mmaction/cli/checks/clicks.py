"""Clicks of a training set that nothing of the model reads."""

from __future__ import annotations

import logging

from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import nn
from torch.utils.data import Dataset

from asl_mmaction.apis.datasets import find_datasets
from asl_mmaction.datasets.tal_dataset import TALDataset

#: Parts of a head that learn from clicks.
READERS = ('loss_contrast', 'loss_click')


def warn_of_unread_clicks(model: nn.Module, dataset: Dataset) -> None:
    """Say in one line for each data set that its clicks are of no use to the model.

    Args:
        model: May be wrapped for distributed training.
        dataset: Built, to be trained on; may be wrapped.
    """
    head = getattr(model.module if is_model_wrapper(model) else model, 'head', None)
    if any(getattr(head, name, None) is not None for name in READERS):
        return
    for part in find_datasets(dataset).values():
        if isinstance(part, TALDataset) and part.click_file:
            print_log(
                f'{part.click_file}: nothing is learned from these clicks, as the head has none of '
                f'{", ".join(READERS)}',
                logger='current',
                level=logging.WARNING,
            )
