"""mmaction2's TCANet, which refines the proposals of another model, on sequences of any length."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from asl_mmaction.baselines.proposals import select_proposals
from asl_mmaction.baselines.windows import WindowedLocalizer, cut_window, to_window
from asl_mmaction.structures.candidates import Candidates, join_candidates
from asl_mmaction.structures.detections import detections_in_seconds, video_bounds
from asl_mmaction.structures.segments import segment_centers, segment_tiou
from asl_mmaction.structures.windows import window_starts


@MODELS.register_module()
class WindowedTCANet(WindowedLocalizer):
    """mmaction2's TCANet for our data sets; :class:`AttachProposals` brings the proposals.

    The loss is mmaction2's. It compares proposal i of a video with ground truth i, which are
    unrelated: here the ground truths come in the order of the proposals, to each the one that it
    overlaps most. In prediction each proposal is refined once, in the window whose middle is
    nearest to its own, and all stages of all videos' proposals are candidates, as in mmaction2.

    Args:
        post_processor: Config of what thins out the candidates of a video, as one class. The
            localizer's settings of SoftNMS are not used.
        **kwargs: of :class:`WindowedLocalizer`.
    """

    def __init__(self, *, post_processor: dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.post_processor = MODELS.build(post_processor)

    def forward(
        self, inputs: list[Tensor], data_samples: list | None = None, mode: str = 'tensor'
    ) -> dict[str, Tensor] | list[ActionDataSample] | Tensor:
        """Run the model in full precision: boundaries and their grids are parts of one number."""
        with torch.autocast(inputs[0].device.type, enabled=False):
            return super().forward(inputs, data_samples, mode)

    def pack_targets(self, sample: ActionDataSample, num_steps: int) -> ActionDataSample:
        """As mmaction2 has them, parts of the window in [0, 1].

        ``proposals`` (P, 3): start, end, score; ``gt_bbox`` (P, 2): the ground truth of each.
        TCANet cannot do without any: where there is no proposal, the whole sequence is one.
        """
        packed = super().pack_targets(sample, num_steps)
        proposals = to_window(sample.proposals.segments, self.window, num_steps)
        scores = sample.proposals.scores
        if len(proposals) == 0:
            proposals = proposals.new_tensor([[0.0, num_steps / self.window]])
            scores = proposals.new_ones(1)
        truths = packed.gt_instances.gt_bbox
        best = segment_tiou(proposals, truths).argmax(dim=1)
        packed.gt_instances = InstanceData(gt_bbox=truths[best])
        packed.proposals = InstanceData(proposals=torch.cat([proposals, scores[:, None]], dim=1))
        return packed

    def predict_video(self, feature: Tensor, sample: ActionDataSample) -> ActionDataSample:
        """``pred_instances`` of one video: segments in seconds, cut to it; all labels 0."""
        candidates = self.find_candidates(feature, sample)
        found = self.post_processor.thin_out(candidates, len(feature) / self.window)
        sample.pred_instances = detections_in_seconds(found, sample)
        return sample

    def find_candidates(self, feature: Tensor, sample: ActionDataSample) -> Candidates:
        """Candidates of a sequence (T, C), of all its windows, on its grid, before any NMS."""
        scores, segments, windows = self.refine(feature, sample)
        bounds, found = video_bounds(sample), []
        for window in windows.unique():
            mine = windows == window
            stages = scores[:, mine].flatten(), segments[:, mine].flatten(0, 1)
            found.append(select_proposals(*stages, bounds, self.post_processor))
        return join_candidates(found)

    def refine(self, feature: Tensor, sample: ActionDataSample) -> tuple[Tensor, Tensor, Tensor]:
        """What the three stages make of the P proposals of a sequence (T, C).

        Returns:
            (3, P) scores, of the proposal times the quality that the stage foresees; (3, P, 2)
            segments, grid values; (P,) the number of the window that a proposal is refined in.
        """
        proposals = sample.proposals.segments.to(feature)
        scores = sample.proposals.scores.to(feature)
        starts = torch.tensor(
            window_starts(len(feature), self.window, self.window_overlap), device=feature.device
        )
        steps = min(self.window, len(feature))
        middles = starts + 0.5 * (steps - 1)
        nearest = (segment_centers(proposals)[:, None] - middles).abs().argmin(dim=1)
        found_scores = feature.new_zeros(3, len(proposals))
        found_segments = feature.new_zeros(3, len(proposals), 2)
        used, rows = nearest.unique(return_inverse=True)
        for low in range(0, len(used), self.windows_per_batch):
            firsts = starts[used[low : low + self.windows_per_batch]]
            windows = [cut_window(feature, first, self.window) for first in firsts.tolist()]
            context = self.localizer(windows, None, mode='tensor')  # (N, D, window)
            mine = ((rows >= low) & (rows < low + len(firsts))).nonzero().squeeze(1)
            row = rows[mine] - low
            first = firsts[row, None]
            boxes = to_window(proposals[mine] - first, self.window, steps)
            for stage, refine in enumerate(
                (self.localizer.tbr1, self.localizer.tbr2, self.localizer.tbr3)
            ):
                quality, boxes, *_ = refine(boxes, context[row], None, None, False)
                found_scores[stage, mine] = scores[mine] * quality
                found_segments[stage, mine] = boxes * self.window - 0.5 + first
        return found_scores, found_segments, nearest
