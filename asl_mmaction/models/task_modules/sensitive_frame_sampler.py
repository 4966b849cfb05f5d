"""Which frames of each ground truth are its sensitive ones, as pooling weights (section 3.3)."""

from typing import NamedTuple

import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.point_targets import GroundTruths

# Log-density of a frame that must not be chosen.
NEVER = -1e30


class FramePooling(NamedTuple):
    """Pooling weights over level-0 frames; ``weights @ feats`` gives the pooled features.

    The contrast is of directions, so each row of ``cls`` and ``loc`` is divided by its largest p:
    however small, p neither vanishes nor has the gradient of a length that does not count.

    Attributes:
        cls: (N, G, T), p_cls / count on the classification-sensitive frames T_cls, else 0 (eq. 12).
        loc: (N, G, T), p_loc / count on the localization-sensitive frames T_loc, else 0 (eq. 12).
        background: (N, G + B, T), 1 / count on the frames just outside of the segment (eq. 13);
            behind these, 1 on the frame of each of B background clicks.
        has_frames: (N, G) bool, False for padding and for an action before or after all frames.
        has_background: (N, G + B) bool, False where no frame is left outside, and for a click that
            does not count.
    """

    cls: Tensor
    loc: Tensor
    background: Tensor
    has_frames: Tensor
    has_background: Tensor


@TASK_UTILS.register_module()
class SensitiveFrameSampler:
    """Samples around the most sensitive frames of each ground truth.

    The most sensitive frame of a kind is the in-segment frame at which its Gaussian is highest: for
    classification one, for localization one at the start and one at the end. Frames
    within ``delta`` times the length of it are taken, cut to the segment. Without class-level
    Gaussians all of them lie around the centre and weigh 1.

    A background click is a negative that a person has chosen: its frame is one more background. On
    a frame of a ground truth it does not count.

    Args:
        delta: Reach around a sensitive frame, and of the background on either side of the segment,
            as a share of the segment's length.
    """

    def __init__(self, *, delta: float = 0.2) -> None:
        if delta <= 0:
            raise ValueMistake(f'expected delta > 0 but got {delta}')
        self.delta = delta

    def __call__(
        self, ground_truths: GroundTruths, mask: Tensor, class_level: nn.Module | None
    ) -> FramePooling:
        """Sample.

        Args:
            ground_truths: (N, G) of them.
            mask: (N, T) bool, valid level-0 frames.
            class_level: The class-level evaluator, or None.
        """
        start = at_least_float32(ground_truths.segments[..., :1])  # (N, G, 1)
        end = at_least_float32(ground_truths.segments[..., 1:])
        frames = torch.arange(mask.size(1), device=mask.device, dtype=start.dtype)  # (T,)
        valid = mask[:, None] & ground_truths.masks[..., None]  # (N, G, T)
        length = (end - start).clamp(min=1e-6)
        center = (start + end) / 2
        inside = _frames_of(frames, start, end, center, mask) & valid
        # In [-0.5, 0.5] also for the one frame of an action that is shorter than a frame.
        distance = ((frames - center) / length).clamp(-0.5, 0.5)  # (N, G, T)
        reach = self.delta * length

        with torch.no_grad():
            before = (frames >= start - reach) & (frames <= start)
            after = (frames >= end) & (frames <= end + reach)
            outside = (before | after) & valid
        labels = ground_truths.labels.unsqueeze(-1)
        cls, loc = (
            self._pool(class_level, kind, distance, inside, frames, reach, labels)
            for kind in ('cls', 'loc')
        )
        if ground_truths.clicks is not None:
            clicked = frames == ground_truths.clicks[..., None]  # (N, B, T)
            outside = torch.cat([outside, clicked & ~inside.any(1, True)], dim=1)
        return FramePooling(cls, loc, _mean_weights(outside), inside.any(-1), outside.any(-1))

    def _pool(self, class_level, kind, distance, inside, frames, reach, labels) -> Tensor:
        """(N, G, T): p / |T| on the in-segment frames close to a most sensitive one, else 0."""
        if class_level is None or not class_level.num_gaussians(kind):
            density = -(distance**2).unsqueeze(-1)  # around the centre
            log_p = None
        else:
            density = class_level.log_density(kind, distance, labels)  # (N, G, T, n)
            log_p = density.logsumexp(-1)
            if kind == 'cls':
                density = log_p.unsqueeze(-1)
        with torch.no_grad():
            density = density.masked_fill(~inside.unsqueeze(-1), NEVER)
            peak = frames[density.argmax(2)]  # (N, G, n)
            close = (frames[:, None] - peak.unsqueeze(2)).abs() <= reach.unsqueeze(-1)
            near = close.any(-1) & inside
        if log_p is None:
            return _mean_weights(near)
        log_p = log_p.masked_fill(~near, NEVER)
        return _mean_weights(near) * (log_p - log_p.detach().amax(-1, keepdim=True)).exp()


def _frames_of(frames: Tensor, start: Tensor, end: Tensor, center: Tensor, mask: Tensor) -> Tensor:
    """(N, G, T) bool: the frames in a segment; of one that holds none, the frame nearest to it.

    None where the segment lies more than half a step before the first frame or after the last.
    """
    last = (mask.sum(1) - 1).clamp(min=0).to(start.dtype)[:, None, None]
    inside = (frames >= start) & (frames <= end) & (frames <= last)
    nearest = torch.minimum(center.round().clamp(min=0), last)
    beside = (end >= -0.5) & (start <= last + 0.5) & ~inside.any(-1, keepdim=True)
    return inside | ((frames == nearest) & beside)


def _mean_weights(chosen: Tensor) -> Tensor:
    """(N, G, T) bool -> weights that average over the chosen frames; 0 where there is none."""
    return chosen / chosen.sum(-1, keepdim=True).clamp(min=1)
