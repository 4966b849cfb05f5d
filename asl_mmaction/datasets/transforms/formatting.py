"""The pipeline's last step: one sample as the model takes it."""

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmaction.structures import ActionDataSample
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData

from asl_mmaction.datasets.transforms.notices import Notice
from asl_mmaction.files.mistakes import ValueMistake


@TRANSFORMS.register_module()
class PackTALInputs(BaseTransform):
    """Pack a sample: from here on segments are in grid values.

    Required keys: ``feature`` (T, C), ``grid``, ``video_name``, ``duration``. Optional:
    ``segments``, ``labels``, ``scored_segments``, ``scored_labels`` (absent at inference: no
    ground truth); ``video_labels``, ``click_times``, ``click_labels`` (of a training set with
    weak supervision or a click file).

    A click belongs to the step that stands nearest, a click before the first step or behind the
    last one to that step. Clicks of one step that agree are one; a step on which clicks of several
    classes fall counts as not clicked, and the first of these is warned of.

    Returns of ``transform``::

        inputs          (T, C) float32 tensor
        data_samples    ActionDataSample
            .gt_instances     InstanceData: segments (G, 2) float32 GRID, labels (G,) int64
            .gt_label         (K,) float32, 1 for each class that occurs; with ``video_labels``
            .gt_clicks        InstanceData: steps (M,) int64, each once, labels (M,) int64,
                              K = background; with ``video_labels``
            .video_name       str
            .duration         float, seconds
            .num_steps        T
            .grid             FeatureGrid of these T steps
            .scored_segments  (G', 2) float64, SECONDS, all of the video, as in the file
            .scored_labels    (G',) int64

    Args:
        class_agnostic: The labels to train on, ``gt_instances.labels``, are all 0, for a model of
            one class that finds actions whatever they are; ``scored_labels``, to be scored, stay.

    Raises:
        ValueError: The feature holds NaN or Inf; the message names the video and the file.
    """

    def __init__(self, *, class_agnostic: bool = False) -> None:
        self.class_agnostic = class_agnostic
        self.notice = Notice()

    def transform(self, results: dict) -> dict:
        """Pack; see the class."""
        # the one copy, of what the temporal transforms have left
        feature = np.array(results['feature'], dtype=np.float32, order='C')
        if not np.isfinite(feature).all():
            bad = np.flatnonzero(~np.isfinite(feature).all(axis=1))
            raise ValueMistake(
                f'video {results["video_name"]!r}: '
                f'{results.get("feature_path", "the feature array")}: expected finite numbers '
                f'but got NaN or Inf in step {results["grid"].origin + bad[0]:g}'
            )
        segments = results.get('segments', np.zeros((0, 2)))
        labels = results.get('labels', np.zeros(0, dtype=np.int64))
        sample = ActionDataSample(
            metainfo={
                'video_name': results['video_name'],
                'duration': results['duration'],
                'num_steps': len(feature),
                'grid': results['grid'],
                'scored_segments': results.get('scored_segments', segments),
                'scored_labels': results.get('scored_labels', labels),
            }
        )
        sample.gt_instances = InstanceData(
            segments=torch.from_numpy(results['grid'].to_grid(segments)).float(),
            labels=torch.from_numpy(np.zeros_like(labels) if self.class_agnostic else labels),
        )
        if 'video_labels' in results:
            sample.gt_label = torch.from_numpy(results['video_labels'])
            steps, labels = self._clicked_steps(results)
            sample.gt_clicks = InstanceData(
                steps=torch.from_numpy(steps), labels=torch.from_numpy(labels)
            )
        return {'inputs': torch.from_numpy(feature), 'data_samples': sample}

    def _clicked_steps(self, results: dict) -> tuple[np.ndarray, np.ndarray]:
        num_steps = len(results['feature'])
        steps = results['grid'].nearest_steps(results['click_times'], num_steps)
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
