"""Class activations of every step, learned from video labels and clicks (BaS-Net, BackTAL)."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.layers import AffinityConv1d, LocalAffinity, neighbor_mask, neighbors
from asl_mmaction.ops.masked_topk import masked_mean, topk_counts, topk_mask
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.activations import ActivationScores
from asl_mmaction.structures.weak_labels import WeakLabels

CLICK_BRANCHES = {'base': ('base',), 'supp': ('supp',), 'both': ('base', 'supp')}


class BranchOutputs(NamedTuple):
    """Raw predictions; ``base`` sees the features, ``supp`` those that the filter leaves.

    Attributes:
        base: (N, T, K + 1) class activations, logits, background last. None at inference.
        supp: (N, T, K + 1), the same of the other branch.
        filter_weights: (N, T) in [0, 1], what the filter leaves of each step; 0 on padding.
        embeddings: (N, T, E) of length 1, 0 on padding; None without affinity.
        magnitudes: (N, T) length of the features behind the first layer of ``supp``; None in
            training.
    """

    base: Tensor | None
    supp: Tensor
    filter_weights: Tensor
    embeddings: Tensor | None
    magnitudes: Tensor | None


class StepFilter(nn.Module):
    """How much of an action every step is: two 1x1 convolutions and a sigmoid.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width between the two.
    """

    def __init__(self, in_channels: int, hidden_channels: int = 512) -> None:
        super().__init__()
        self.hidden = nn.Linear(in_channels, hidden_channels)
        self.out = nn.Linear(hidden_channels, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, T, C), (N, T) -> (N, T) in [0, 1], 0 on padding."""
        return self.out(F.leaky_relu(self.hidden(x))).squeeze(-1).sigmoid() * mask


@MODELS.register_module()
class ActivationHead(BaseModule):
    """Two branches with shared weights, one of them behind a filter.

    With all slots None it is BaS-Net (Lee et al., AAAI 2020); with all four it is BackTAL (Yang et
    al., TPAMI 2022). A slot never changes what the other parts are called, so a checkpoint with
    the slots loads into a head without.

    Args:
        num_classes: Number of classes K; background is class K.
        in_channels: Width of the features.
        channels: Width of the two layers of the branches.
        filter_channels: Width inside the filter.
        topk_ratio: The part of the steps whose mean is the score of the video, in (0, 1].
        dropout: Of the features that the classifier sees.
        affinity: Settings of :class:`LocalAffinity`; None = plain convolutions.
        loss_mil: Config of the loss of the video labels.
        sparsity_weight: Of the mean filter weight.
        loss_click: Config of the loss of the clicked steps; None = without.
        loss_separation: Config of the loss that holds action and background clicks apart.
        loss_affinity: Config of the loss of the embeddings; needs ``affinity``.
        click_branch: Where ``loss_click`` and ``loss_separation`` apply: ``'base'``, ``'supp'``,
            or ``'both'``, the mean of the two.

    Raises:
        ValueError: A setting is out of its range, or ``loss_affinity`` is without ``affinity``.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        channels: int = 2048,
        filter_channels: int = 512,
        topk_ratio: float = 0.125,
        dropout: float = 0.7,
        affinity: dict | None = None,
        loss_mil: dict | None = None,
        sparsity_weight: float = 0.075,
        loss_click: dict | None = None,
        loss_separation: dict | None = None,
        loss_affinity: dict | None = None,
        click_branch: str = 'base',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not 0 < topk_ratio <= 1:
            raise ValueMistake(f'expected topk_ratio in (0, 1] but got {topk_ratio}')
        if click_branch not in CLICK_BRANCHES:
            raise ValueMistake(
                f'expected click_branch to be one of {tuple(CLICK_BRANCHES)} '
                f'but got {click_branch!r}'
            )
        if loss_affinity is not None and affinity is None:
            raise ValueMistake('expected affinity beside loss_affinity but got None')
        self.num_classes = num_classes
        self.topk_ratio = topk_ratio
        self.sparsity_weight = sparsity_weight
        self.click_branches = CLICK_BRANCHES[click_branch]
        self.in_channels = in_channels
        self.filter = StepFilter(in_channels, filter_channels)
        self.conv1 = AffinityConv1d(in_channels, channels)
        self.conv2 = AffinityConv1d(channels, channels)
        self.dropout = nn.Dropout(dropout, inplace=True)
        self.classifier = nn.Linear(channels, num_classes + 1, bias=False)
        # Behind the others, so that they draw the same initial weights with it and without it.
        self.affinity = None if affinity is None else LocalAffinity(in_channels, **affinity)
        self.loss_mil = MODELS.build(loss_mil or dict(type='TopKMILLoss'))
        ratio = dict(ratio=topk_ratio)
        self.loss_click = None if loss_click is None else MODELS.build(loss_click)
        self.loss_separation, self.loss_affinity = (
            None if loss is None else MODELS.build(loss, default_args=ratio)
            for loss in (loss_separation, loss_affinity)
        )

    def forward(self, x: Tensor, mask: Tensor, branches: int = 2) -> BranchOutputs:
        """Predict.

        Args:
            x: (N, T, C), zero on padding.
            mask: (N, T) bool, True = valid.
            branches: 2, or 1: ``supp`` alone, which is all that inference reads.
        """
        weights = self.filter(x, mask)
        embeddings, taps = None, neighbor_mask(mask, self.conv1.kernel_size).to(weights.dtype)
        if self.affinity is not None:
            embeddings, taps = self.affinity(x, mask)
        # The filter scales a step, and with it all products of the step: both branches share them.
        filtered = taps * neighbors(weights[..., None], taps.size(-1))[..., 0]
        views = torch.stack([taps, filtered][-branches:])  # (B, N, T, k)
        # In place: a layer of all steps and both branches is what fills the memory.
        hidden = F.leaky_relu_(self.conv1(x, views)).flatten(0, 1)
        features = self.dropout(self.conv2(hidden, taps.repeat(branches, 1, 1)))
        activations = self.classifier(F.leaky_relu_(features)).chunk(branches)
        return BranchOutputs(
            base=activations[0] if branches == 2 else None,
            supp=activations[-1],
            filter_weights=weights,
            embeddings=embeddings,
            magnitudes=hidden.norm(dim=-1) if branches == 1 else None,
        )

    def video_scores(self, activations: Tensor, mask: Tensor) -> Tensor:
        """Mean of the k highest steps of each class, k a part of the valid steps of the video.

        (N, T, C) logits, (N, T) -> (N, C) logits.
        """
        values = at_least_float32(activations)
        return masked_mean(values, topk_mask(values, mask, topk_counts(mask, self.topk_ratio)))

    def loss(self, x: Tensor, mask: Tensor, labels: WeakLabels) -> dict[str, Tensor]:
        """Training losses, each under its own key.

        Args:
            x: (N, T, C), zero on padding.
            mask: (N, T) bool, True = valid.
            labels: Of the batch.
        """
        return self.loss_by_feat(self(x, mask), mask, labels)

    def loss_by_feat(
        self, outputs: BranchOutputs, mask: Tensor, labels: WeakLabels
    ) -> dict[str, Tensor]:
        """Losses of raw predictions; dense over (N, T), masked by weights."""
        mil = {
            name: self.loss_mil(
                self.video_scores(getattr(outputs, name), mask),
                F.pad(labels.video_labels, (0, 1), value=background),
            )
            for name, background in (('base', 1.0), ('supp', 0.0))
        }
        losses = {f'loss_{name}': value for name, value in mil.items()}
        weights = at_least_float32(outputs.filter_weights)
        losses['loss_sparsity'] = self.sparsity_weight * masked_mean(weights, mask).mean()
        clicked = [getattr(outputs, name) for name in self.click_branches]
        if self.loss_click is not None:
            values = [self.loss_click(each, labels.click_labels) for each in clicked]
            losses['loss_click'] = sum(values) / len(values)
        if self.loss_separation is not None:
            values = [self.loss_separation(each, mask, labels) for each in clicked]
            losses['loss_separation'] = sum(values) / len(values)
        if self.loss_affinity is not None:
            losses['loss_affinity'] = self.loss_affinity(
                outputs.embeddings, outputs.supp, mask, labels
            )
        return losses

    def predict(self, x: Tensor, mask: Tensor) -> ActivationScores:
        """(N, T, C), (N, T) -> what the post-processor takes."""
        outputs = self(x, mask, branches=1)
        scores = self.video_scores(outputs.supp, mask).softmax(dim=-1)
        return ActivationScores(
            activations=at_least_float32(outputs.supp)[..., :-1],
            video_scores=scores[:, :-1],
            magnitudes=at_least_float32(outputs.magnitudes),
            masks=mask,
        )
