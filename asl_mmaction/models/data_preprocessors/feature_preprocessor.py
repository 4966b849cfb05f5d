"""From a list of feature sequences to one padded batch."""

from collections.abc import Sequence
from typing import Any

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asl_mmaction.structures.point_targets import GroundTruths


@MODELS.register_module()
class FeaturePreprocessor(BaseDataPreprocessor):
    """Pads features to the longest of the batch and ground truths to the most of the batch.

    Args:
        size_divisor: The padded length is a multiple of it: the stride of the coarsest level.
        min_len: Least padded length in steps; the crop length, and a ``gt_divisor`` that no video
            exceeds, make shapes that never change.
        gt_divisor: The padded number of ground truths is a multiple of it, that of clicks too.
    """

    def __init__(
        self,
        *,
        size_divisor: int = 32,
        min_len: int = 0,
        gt_divisor: int = 8,
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking)
        self.size_divisor = size_divisor
        self.min_len = min_len
        self.gt_divisor = gt_divisor
        #: Largest sizes of the training batches so far, to which all later ones are padded, so that
        #: shapes seldom change; None: to their own. What records a shape sets it to ``{}``.
        self.largest: dict[str, int] | None = None

    def forward(self, data: dict, training: bool = False) -> dict:
        """Move a batch to the device and pad it.

        Args:
            data: ``inputs``, N tensors (T_n, C), and ``data_samples``, N of them.
            training: Add the padded ground truths.

        Returns:
            ``inputs`` (N, T, C) of torch's default type, ``masks`` (N, T) bool, ``data_samples``
            and ``ground_truths`` (None unless training): :class:`GroundTruths`, or what a child
            makes of the samples.
        """
        samples = data['data_samples']
        lengths = [len(feature) for feature in data['inputs']]
        longest = _round_up(max([*lengths, self.min_len, 1]), self.size_divisor)
        if training:
            longest = self._keep('steps', longest)
        moved = self.cast_data(
            dict(
                features=data['inputs'],
                lengths=torch.tensor(lengths),
                ground_truths=self.pad_ground_truths(samples, longest) if training else None,
            )
        )
        # Padded there: the host does not touch features that the loader has pinned.
        first = moved['features'][0]
        shape = len(lengths), longest, first.size(1)
        inputs = first.new_empty(shape, dtype=torch.get_default_dtype())  # that of the weights
        for row, feature in zip(inputs, moved['features'], strict=True):
            row[: len(feature)] = feature
            row[len(feature) :] = 0
        masks = torch.arange(longest, device=first.device) < moved['lengths'][:, None]
        return dict(
            inputs=inputs,
            masks=masks,
            ground_truths=moved['ground_truths'],
            data_samples=samples,
        )

    def cast_data(self, data: Any) -> Any:
        """mmengine's, through pinned memory, so that the host does not wait for a GPU."""
        if isinstance(data, Tensor) and data.device.type == 'cpu' and self.device.type == 'cuda':
            data = data.pin_memory()
        return super().cast_data(data)

    def pad_ground_truths(self, samples: Sequence, num_steps: int) -> tuple:
        """What the batch is trained on, on the host: a named tuple, here :class:`GroundTruths`.

        Args:
            samples: N data samples.
            num_steps: T, the padded length.
        """
        instances = [sample.gt_instances for sample in samples]
        counts = torch.tensor([len(each.labels) for each in instances])
        most = self._keep('actions', _round_up(max(int(counts.max()), 1), self.gt_divisor))
        # Padding is a ground truth of positive length, so that no formula divides by zero.
        filler = torch.tensor([0.0, 1.0]).expand(most, 2)
        segments = pad_sequence(
            [torch.cat([x.segments.float(), filler[len(x) :]]) for x in instances],
            batch_first=True,
        )
        longest = instances[0].labels.new_zeros(most)
        labels = pad_sequence([*(x.labels for x in instances), longest], batch_first=True)[:-1]
        masks = torch.arange(most) < counts[:, None]
        return GroundTruths(segments, labels, masks, self._pad_clicks(samples))

    def _pad_clicks(self, samples: Sequence) -> Tensor | None:
        """(N, B) steps of the background clicks, -1 on padding; None of samples without clicks."""
        if not any('gt_clicks' in sample for sample in samples):
            return None
        clicks = []
        for sample in samples:
            # Of a data set without a click file, in a batch of several
            if 'gt_clicks' not in sample:
                clicks.append(torch.zeros(0, dtype=torch.int64))
                continue
            background = sample.gt_clicks.labels == len(sample.gt_label)
            clicks.append(sample.gt_clicks.steps[background])
        most = self._keep('clicks', _round_up(max(map(len, clicks)), self.gt_divisor))
        longest = clicks[0].new_zeros(most)
        return pad_sequence([*clicks, longest], batch_first=True, padding_value=-1)[:-1]

    def _keep(self, name: str, size: int) -> int:
        """A size of a training batch, or the largest so far."""
        if self.largest is None:
            return size
        self.largest[name] = max(size, self.largest.get(name, 0))
        return self.largest[name]


def _round_up(value: int, divisor: int) -> int:
    return -(-value // divisor) * divisor
