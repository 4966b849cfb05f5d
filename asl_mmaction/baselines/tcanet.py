"""mmaction2's TCANet, which refines the proposals of another model, on sequences of any length."""

from __future__ import annotations

from typing import Any

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from asl_mmaction.baselines.proposals import select_proposals
from asl_mmaction.baselines.windows import WindowedLocalizer, to_window
from asl_mmaction.structures.candidates import Candidates, join_candidates
from asl_mmaction.structures.detections import video_bounds
from asl_mmaction.structures.segments import segment_centers, segment_tiou


@MODELS.register_module()
class WindowedTCANet(WindowedLocalizer):
    """mmaction2's TCANet for our data sets; :class:`AttachProposals` brings the proposals.

    The loss is mmaction2's. It compares proposal i of a video with ground truth i, which are
    unrelated: here the ground truths come in the order of the proposals, to each the one that it
    overlaps most. In prediction each proposal is refined once, in the window whose middle is
    nearest to its own, and all stages of all videos' proposals are candidates, as in mmaction2.
    """

    def forward(self, inputs: list[Tensor], **batch: Any) -> Any:
        """Run the model in full precision: boundaries and their grids are parts of one number."""
        with torch.autocast(inputs[0].device.type, enabled=False):
            return super().forward(inputs, **batch)

    def pack_targets(self, sample: ActionDataSample, num_steps: int) -> ActionDataSample:
        """As mmaction2 has them, parts of the window in [0, 1].

        ``proposals`` (P, 3): start, end, score; ``gt_bbox`` (P, 2): the ground truth of each.
        TCANet cannot do without any: where there is no proposal, the whole sequence is one.
        """
        packed = super().pack_targets(sample, num_steps)
        proposals = to_window(sample.proposals.segments, self.windows.length, num_steps)
        scores = sample.proposals.scores
        if len(proposals) == 0:
            proposals = proposals.new_tensor([[0.0, num_steps / self.windows.length]])
            scores = proposals.new_ones(1)
        truths = packed.gt_instances.gt_bbox
        best = segment_tiou(proposals, truths).argmax(dim=1)
        packed.gt_instances = InstanceData(gt_bbox=truths[best])
        packed.proposals = InstanceData(proposals=torch.cat([proposals, scores[:, None]], dim=1))
        return packed

    def find_candidates(self, feature: Tensor, sample: ActionDataSample) -> Candidates:
        """See the parent; of all stages."""
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
        length = self.windows.length
        starts = torch.tensor(self.windows.starts(len(feature)), device=feature.device)
        steps = min(length, len(feature))
        middles = starts + 0.5 * (steps - 1)
        nearest = (segment_centers(proposals)[:, None] - middles).abs().argmin(dim=1)
        found_scores = feature.new_zeros(3, len(proposals))
        found_segments = feature.new_zeros(3, len(proposals), 2)
        start = starts[nearest]  # (P,)
        for batch, windows in self.windows.batches(feature, start.unique().tolist()):
            context = self.localizer(list(windows.transpose(1, 2)), None, mode='tensor')
            mine = ((start >= batch[0]) & (start <= batch[-1])).nonzero().squeeze(1)
            first = start[mine, None]
            row = torch.searchsorted(torch.tensor(batch, device=start.device), first).squeeze(1)
            boxes = to_window(proposals[mine] - first, length, steps)
            for stage, refine in enumerate(
                (self.localizer.tbr1, self.localizer.tbr2, self.localizer.tbr3)
            ):
                quality, boxes, *_ = refine(boxes, context[row], None, None, False)
                found_scores[stage, mine] = scores[mine] * quality
                found_segments[stage, mine] = boxes * length - 0.5 + first
        return found_scores, found_segments, nearest
