"""BackTAL: embeddings of background clicks are alike, and unlike those of the action."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.ops.masked_topk import masked_mean, topk_counts, topk_mask
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.weak_labels import WeakLabels


class AffinityTerms(NamedTuple):
    """Terms of the loss for each video, each (N,); 0 where a side is empty.

    Attributes:
        background: Hinge of the least alike clicks.
        action: The same of the action's steps.
        difference: Hinges of the most alike pairs of the two, seen from either side.
    """

    background: Tensor
    action: Tensor
    difference: Tensor


def affinity_terms(
    embeddings: Tensor,
    action: Tensor,
    background: Tensor,
    same_margin: float = 0.5,
    different_margin: float = 0.1,
) -> AffinityTerms:
    """Hinges of the hardest pair of every step.

    Args:
        embeddings: (N, T, E) of length 1.
        action: (N, T) >= 0, how often a step is one of the action's.
        background: (N, T) bool, clicked steps.
        same_margin: Steps of one kind are at least so alike.
        different_margin: Steps of different kinds are at most so alike.
    """
    embeddings = at_least_float32(embeddings)
    acting = action > 0
    with torch.no_grad():  # which pair is the hardest; its cosine is computed again, with gradient
        cosines = embeddings @ embeddings.transpose(1, 2)  # (N, T, T)

    def hardest(others: Tensor, alike: bool) -> Tensor:
        """(N, T): cosine of each step with the most, or the least, alike of the others."""
        missing = -torch.inf if alike else torch.inf
        allowed = cosines.masked_fill(~others[:, None], missing)
        index = allowed.argmax(-1) if alike else allowed.argmin(-1)
        other = embeddings.gather(1, index[..., None].expand_as(embeddings))
        return (embeddings * other).sum(-1)

    def differ(steps: Tensor, others: Tensor) -> Tensor:
        hinges = F.relu(hardest(others, alike=True) - different_margin)
        return masked_mean(hinges, steps * others.any(1, keepdim=True))

    return AffinityTerms(
        masked_mean(F.relu(same_margin - hardest(background, alike=False)), background),
        masked_mean(F.relu(same_margin - hardest(acting, alike=False)), action),
        differ(action, background) + differ(background, acting),
    )


@MODELS.register_module()
class AffinityLoss(nn.Module):
    """Sum of :func:`affinity_terms`, mean over the videos that have background clicks.

    The action's steps of a video are the highest ones of each class that occurs; one that is so
    for two classes counts twice.

    Args:
        ratio: The part of the valid steps that are the highest ones, in (0, 1]; the head gives its
            own where it is left out.
        same_margin: Steps of one kind are at least so alike.
        different_margin: Steps of different kinds are at most so alike.
        action_term: Steps of the action are to be alike too.
        exclude_clicked: A step with a background click is none of the action's.
        loss_weight: Factor of the loss.

    Raises:
        ValueError: The ratio is out of its range.
    """

    def __init__(
        self,
        *,
        ratio: float,
        same_margin: float = 0.5,
        different_margin: float = 0.1,
        action_term: bool = True,
        exclude_clicked: bool = True,
        loss_weight: float = 0.8,
    ) -> None:
        super().__init__()
        if not 0 < ratio <= 1:
            raise ValueMistake(f'expected ratio in (0, 1] but got {ratio}')
        self.ratio = ratio
        self.same_margin = same_margin
        self.different_margin = different_margin
        self.action_term = action_term
        self.exclude_clicked = exclude_clicked
        self.loss_weight = loss_weight

    def forward(
        self, embeddings: Tensor, activations: Tensor, mask: Tensor, labels: WeakLabels
    ) -> Tensor:
        """(N, T, E), (N, T, K + 1) logits, (N, T) mask, labels -> scalar.

        The activations say which steps are the action's, and get no gradient.
        """
        clicked = labels.background_clicks
        allowed = mask & ~clicked if self.exclude_clicked else mask
        counts = topk_counts(mask, self.ratio)
        highest = topk_mask(activations[..., :-1], allowed, counts)  # (N, T, K)
        action = (highest * labels.video_labels[:, None]).sum(-1)
        terms = affinity_terms(embeddings, action, clicked, self.same_margin, self.different_margin)
        loss = terms.background + terms.difference
        if self.action_term:
            loss = loss + terms.action
        return self.loss_weight * masked_mean(loss, clicked.any(1), dim=0)
