"""mmaction2's BSN on our data sets: TEM (what every step is), then PEM (how good a proposal is).

What lies between them, PGM, is :mod:`asl_mmaction.baselines.pgm`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.models.localizers import PEM
from mmaction.registry import METRICS, MODELS
from mmaction.structures import ActionDataSample
from mmengine.evaluator import BaseMetric
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn import functional as F

from asl_mmaction.baselines.pgm import PGM_COLUMNS
from asl_mmaction.baselines.proposals import select_proposals
from asl_mmaction.baselines.windows import WindowedLocalizer
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.writing import check_file_name
from asl_mmaction.models.localizers import BaseLocalizer
from asl_mmaction.structures.detections import video_bounds
from asl_mmaction.structures.segments import segment_tiou


@MODELS.register_module()
class WindowedTEM(WindowedLocalizer):
    """mmaction2's TEM for our data sets: actionness and boundary scores of every step.

    It is made of convolutions alone: in prediction a sequence of any length goes through as it is.
    ``window_overlap`` and ``windows_per_batch`` have nothing to do, and there is no post-processor.

    Args:
        **kwargs: Of :class:`WindowedLocalizer`.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(post_processor=None, **kwargs)

    def predict_video(self, feature: Tensor, sample: ActionDataSample) -> ActionDataSample:
        """``pred_instances`` of one video, one for each step in it: what TEM says of it.

        ``segments`` (T, 2) float64 seconds that the steps stand for, ``scores`` (T, 3): action,
        start, end. Steps that lie wholly outside of the video are left out.
        """
        scores = self.localizer([feature.T], None, mode='tensor')[0].T
        steps = torch.arange(len(feature), dtype=torch.float64, device=feature.device)
        edges = torch.stack([steps - 0.5, steps + 0.5], dim=1)
        segments = sample.grid.to_seconds(edges)
        inside = (segments[:, 0] < sample.duration) & (segments[:, 1] > 0)
        sample.pred_instances = InstanceData(
            segments=segments[inside], scores=scores.float()[inside]
        )
        return sample


@METRICS.register_module()
class TEMResults(BaseMetric):
    """No metric: writes what TEM finds, a file for each video, for PGM.

    ``<video>.npy``, (T, 5) float64: see :data:`~asl_mmaction.baselines.pgm.TEM_COLUMNS`.

    Args:
        out_dir: The folder. None: write nothing.
        collect_device: Unused.
        prefix: Unused.
    """

    default_prefix = ''

    def __init__(
        self, out_dir: str | None = None, collect_device: str = 'cpu', prefix: str | None = None
    ) -> None:
        super().__init__(collect_device, prefix)
        self.out_dir = out_dir

    @property
    def keys(self) -> list[str]:
        """Names of all that it gives."""
        return ['steps']

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Write the videos of a batch."""
        for sample in data_samples:
            found = sample['pred_instances']
            table = torch.cat([found['scores'].double(), found['segments']], dim=1)
            self.results.append(len(table))
            if self.out_dir is not None:
                path = Path(self.out_dir, f'{check_file_name(sample["video_name"])}.npy')
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, table.cpu().numpy())

    def compute_metrics(self, results: list) -> dict[str, float]:
        """How many steps there were."""
        return {'steps': float(sum(results))}


@MODELS.register_module()
class BatchedPEM(BaseLocalizer):
    """mmaction2's PEM on the proposals of PGM, which are a data set's features here.

    A "step" is a proposal: (P, 36), see :data:`~asl_mmaction.baselines.pgm.PGM_COLUMNS`.
    PEM's own ``predict`` takes one video and needs the frame counts of ActivityNet's feature files;
    the same scores are found here for each video of a batch.

    Args:
        localizer: Config of mmaction2's PEM. Its settings of SoftNMS are not used.
        post_processor: Config of what thins out the proposals, as one class.
        train_top_k: As many proposals of each video are trained on, those first in the file.
    """

    def __init__(
        self,
        *,
        localizer: dict,
        post_processor: dict,
        train_top_k: int = 500,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            post_processor=post_processor, data_preprocessor=data_preprocessor, init_cfg=init_cfg
        )
        if train_top_k < 1:
            raise ValueMistake(f'expected train_top_k >= 1 but got {train_top_k}')
        self.localizer = MODELS.build(localizer)
        self.train_top_k = train_top_k

    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[ActionDataSample]
    ) -> dict[str, Tensor]:
        """mmaction2's loss of N tables of proposals (P_n, 36), seconds."""
        tables = [table[: self.train_top_k] for table in inputs]
        samples = [self.pack_targets(*pair) for pair in zip(tables, data_samples, strict=True)]
        return self.localizer([table[0, :1] for table in inputs], samples, mode='loss')

    def predict(
        self, inputs: Sequence[Tensor], data_samples: Sequence[ActionDataSample]
    ) -> list[ActionDataSample]:
        """The data samples of N tables (P_n, 36) with ``pred_instances``; all labels 0."""
        pairs = zip(inputs, data_samples, strict=True)
        return [self._predict_video(table, sample) for table, sample in pairs]

    def raw_outputs(
        self, inputs: Sequence[Tensor], data_samples: Sequence[ActionDataSample] | None = None
    ) -> list[Tensor]:
        """The quality (P_n, 1) of the proposals of N tables (P_n, 36)."""
        return [self._qualities(table) for table in inputs]

    def pack_targets(self, table: Tensor, sample: ActionDataSample) -> ActionDataSample:
        """Features (P, 32) and highest tIoU with a ground truth (P,), under mmaction2's names."""
        segments = sample.grid.to_grid(table[:, :2])
        overlaps = segment_tiou(segments, sample.gt_instances.segments)
        nothing = overlaps.new_zeros(len(table), 1)
        packed = ActionDataSample(metainfo={'video_name': sample.video_name})
        packed.gt_instances = InstanceData(
            bsp_feature=table[:, len(PGM_COLUMNS) :],
            reference_temporal_iou=torch.cat([overlaps, nothing], dim=1).amax(dim=1),
        )
        return packed

    def _qualities(self, table: Tensor) -> Tensor:
        # PEM stacks what it is given
        return self.localizer([table[:, len(PGM_COLUMNS) :]], None, mode='tensor')[0]

    def _predict_video(self, table: Tensor, sample: ActionDataSample) -> ActionDataSample:
        scores = self._qualities(table).float()[:, 0] * table[:, 2] * table[:, 3]
        segments = sample.grid.to_grid(table[:, :2].double())
        candidates = select_proposals(scores, segments, video_bounds(sample), self.post_processor)
        return self.detect(candidates, sample)


@MODELS.register_module()
class SampledPEM(PEM):
    """mmaction2's PEM, whose loss counts the proposals that its own sampling chooses.

    There, the loss is averaged over all proposals before it is weighted: the choice has no effect,
    and a batch that has no proposal of high overlap, so that nothing is chosen, gives NaN.
    """

    def loss(self, batch_inputs: Tensor, batch_data_samples: list, **kwargs) -> dict[str, Tensor]:
        """See :meth:`PEM.loss`; 0 where nothing is chosen."""
        truths = [sample.gt_instances for sample in batch_data_samples]
        quality = self._forward(torch.cat([part.bsp_feature for part in truths])).view(-1)
        target = torch.cat([part.reference_temporal_iou for part in truths])
        high = target > self.pem_high_temporal_iou_threshold
        low = target <= self.pem_low_temporal_iou_threshold
        chance = torch.ones_like(target)
        for group, ratio in ((~high & ~low, self.u_ratio_m), (low, self.u_ratio_l)):
            share = ratio * high.sum() / group.sum().clamp(min=1)
            chance = torch.where(group, share, chance)
        chosen = high | (torch.rand_like(target) > 1 - chance)
        losses = F.smooth_l1_loss(quality, target, reduction='none')
        total = (losses * chosen).sum() / chosen.sum().clamp(min=1)
        return {'temporal_iou_loss': total}
