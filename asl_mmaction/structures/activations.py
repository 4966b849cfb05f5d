"""What a weakly supervised head says of a batch: how much every step is of every class."""

from typing import NamedTuple

from torch import Tensor


class ActivationScores(NamedTuple):
    """What a post-processor makes segments of.

    Attributes:
        activations: (N, T, K) class activations, logits.
        video_scores: (N, K) in [0, 1], probability of each class in the video.
        magnitudes: (N, T) >= 0, how much happens at a step, whatever the class.
        masks: (N, T) bool, True = valid.
    """

    activations: Tensor
    video_scores: Tensor
    magnitudes: Tensor
    masks: Tensor
