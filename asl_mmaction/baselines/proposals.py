"""Proposals of one model: candidates for its own detections, and, from a file, for the next."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from torch import Tensor

from asl_mmaction.files.annotations import segments_of
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import check_file
from asl_mmaction.files.results import read_results
from asl_mmaction.files.writing import hint_at_same_name
from asl_mmaction.structures.candidates import Candidates, DenseCandidates


def select_proposals(
    scores: Tensor, segments: Tensor, bounds: tuple[float, float], post_processor: Any
) -> Candidates:
    """Candidates of a window, or of a video that is run whole, as one class.

    Args:
        scores: (P,).
        segments: (P, 2), grid values.
        bounds: Start and end of the video, grid values.
        post_processor: Such as :class:`SoftNMSPostProcessor`.
    """
    valid = torch.ones_like(scores, dtype=torch.bool)
    found = DenseCandidates(segments[None], scores[None, :, None], valid[None])
    (selected,) = post_processor.select(found, [bounds])
    return selected


@TRANSFORMS.register_module()
class AttachProposals(BaseTransform):
    """Give a packed sample the proposals that a file has for its video.

    Comes after :class:`PackTALInputs`. Of a sequence that was cut, those proposals of which at
    least ``min_overlap`` lies in what is left; what sticks out is cut off.

    Changed key: ``data_samples``, which gets ``proposals``, :class:`InstanceData` of ``segments``
    (P, 2) float32 GRID and ``scores`` (P,) float32, in the order of the file.

    Args:
        path: JSON of ActivityNet's form, seconds:
            ``{"results": {video: [{"segment": [start, end], "score": s}]}}``, such as
            ``proposals.json`` of :class:`AverageRecallMetric`. Read at the first use.
        min_overlap: The least part of a proposal that must remain, in (0, 1].

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is of another form, or lacks a video; or a setting is out of range.
    """

    def __init__(self, *, path: str, min_overlap: float = 0.75) -> None:
        if not 0 < min_overlap <= 1:
            raise ValueMistake(f'expected 0 < min_overlap <= 1 but got {min_overlap}')
        self.path = path
        self.min_overlap = min_overlap

    def transform(self, results: dict) -> dict:
        """Attach; see the class."""
        sample = results['data_samples']
        if sample.video_name not in self._proposals:
            raise ValueMistake(
                f'{self.path}: expected proposals of video {sample.video_name!r} but got those of '
                f'{len(self._proposals)} others, such as {next(iter(self._proposals), None)!r}'
                f'{hint_at_same_name(sample.video_name, self._proposals)}'
            )
        segments, scores = self._proposals[sample.video_name]
        segments = sample.grid.to_grid(segments)
        cut = segments.clip(-0.5, len(results['inputs']) - 0.5)
        length = cut[:, 1] - cut[:, 0]
        kept = (length > 0) & (length >= self.min_overlap * (segments[:, 1] - segments[:, 0]))
        sample.proposals = InstanceData(
            segments=torch.from_numpy(cut[kept]).float(),
            scores=torch.from_numpy(scores[kept]).float(),
        )
        return results

    @cached_property
    def _proposals(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return read_proposals(self.path)


def read_proposals(path: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Segments (P, 2) in seconds and scores (P,) of each video, float64; see `AttachProposals`."""
    check_file(path, 'a file of proposals, as tools/test.py --out writes it,')
    return {
        video: (
            segments_of(items),
            np.array([item['score'] for item in items], dtype=np.float64),
        )
        for video, items in read_results(Path(path), labels=False)['results'].items()
    }
