"""The pipeline's last step under weak supervision: labels and clicks in place of segments."""

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmengine.structures import InstanceData

from asl_mmaction.datasets.transforms.formatting import PackTALInputs
from asl_mmaction.datasets.transforms.notices import Notice
from asl_mmaction.files.mistakes import ValueMistake


@TRANSFORMS.register_module()
class PackWeakInputs(PackTALInputs):
    """Pack a training sample of video labels and clicks.

    A click belongs to the step that stands nearest, a click before the first step or behind the
    last one to that step. Clicks of one step that agree are one; a step on which clicks of several
    classes fall counts as not clicked, and the first of these is warned of.

    Required keys: those of :class:`PackTALInputs`, and ``video_labels``, ``click_times``,
    ``click_labels``, which :class:`TALDataset` gives under weak supervision.

    Returns of ``transform``: as :class:`PackTALInputs`, but in place of ``gt_instances``::

        .gt_label       (K,) float32, 1 for each class that occurs in the video
        .gt_clicks      InstanceData: steps (M,) int64, each once; labels (M,) int64, K = background

    Raises:
        ValueError: The sample is not one of weak supervision.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notice = Notice()

    def transform(self, results: dict) -> dict:
        """Pack; see the class."""
        if 'video_labels' not in results:
            raise ValueMistake(
                f'video {results["video_name"]!r}: expected video_labels, as a dataset with '
                "supervision='click' or 'video' gives them in training, but got a sample without"
            )
        packed = super().transform(results)
        sample = packed['data_samples']
        del sample.gt_instances
        sample.gt_label = torch.from_numpy(results['video_labels'])
        steps, labels = self._clicked_steps(results, len(packed['inputs']))
        sample.gt_clicks = InstanceData(
            steps=torch.from_numpy(steps), labels=torch.from_numpy(labels)
        )
        return packed

    def _clicked_steps(self, results: dict, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        places = np.rint(results['grid'].to_grid(results['click_times']))
        steps = places.clip(0, num_steps - 1).astype(np.int64)
        unique, index = np.unique(steps, return_inverse=True)
        lowest = np.full(len(unique), np.iinfo(np.int64).max)
        highest = np.full(len(unique), -1)
        np.minimum.at(lowest, index, results['click_labels'])
        np.maximum.at(highest, index, results['click_labels'])
        agreed = lowest == highest
        if not agreed.all():
            self.notice.warn(
                f'video {results["video_name"]!r}: {(~agreed).sum()} of {len(unique)} clicked '
                'steps have clicks of several classes and count as not clicked; other videos may '
                'have such too'
            )
        return unique[agreed], lowest[agreed]
