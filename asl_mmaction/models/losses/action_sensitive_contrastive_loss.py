"""The Action Sensitive Contrastive Loss (ASCL)."""

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS, TASK_UTILS
from mmengine import dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.point_targets import GroundTruths


def contrastive_loss(
    feats: Tensor,
    labels: Tensor,
    valid: Tensor,
    background: Tensor,
    background_valid: Tensor,
    tau: float,
) -> Tensor:
    """Loss of each sensitive feature against all others (eq. 14).

    Positives of a feature are the other features of its class, negatives those of other classes and
    all background features: ``-log(sum_pos exp(cos / tau) / (sum_pos + sum_neg) exp(cos / tau))``.

    Args:
        feats: (A, C), any length: cosine similarity.
        labels: (A,) int64 classes.
        valid: (A,) bool.
        background: (B, C).
        background_valid: (B,) bool.
        tau: Temperature.

    Returns:
        (A,) float32 (float64 of float64); 0 for a feature that is not valid or has no positive.
    """
    feats = F.normalize(at_least_float32(feats), dim=-1)
    background = F.normalize(at_least_float32(background), dim=-1)
    with torch.autocast(feats.device.type, enabled=False):  # tau magnifies what is rounded away
        similarity = feats @ torch.cat([feats, background]).T / tau  # (A, A + B)
    itself = torch.eye(len(feats), dtype=torch.bool, device=feats.device)
    others = valid[None] & ~itself  # (A, A)
    same = others & (labels[:, None] == labels[None])
    hidden = torch.finfo(similarity.dtype).min
    everyone = torch.cat([others, background_valid[None].expand(len(feats), -1)], dim=1)
    log_all = similarity.masked_fill(~everyone, hidden).logsumexp(1)
    log_positive = similarity[:, : len(feats)].masked_fill(~same, hidden).logsumexp(1)
    counted = valid & same.any(1)
    return torch.where(counted, log_all - log_positive, 0.0)


@MODELS.register_module()
class ActionSensitiveContrastiveLoss(nn.Module):
    """ASCL on level-0 features (section 3.3, eq. 11-14).

    Of every ground truth the features of its classification-sensitive and of its
    localization-sensitive frames are pooled; they attract those of the same class and repel
    those of other classes, of the background around the ground truths, and of background clicks.

    Args:
        sampler: Config of the sensitive-frame sampler (it holds delta).
        tau: Temperature.
        loss_weight: Lambda of eq. 15.
        gather: Contrast with the features of all processes in distributed training.
    """

    def __init__(
        self,
        *,
        sampler: dict | None = None,
        tau: float = 0.07,
        loss_weight: float = 0.3,
        gather: bool = False,
    ) -> None:
        super().__init__()
        if tau <= 0:
            raise ValueMistake(f'expected tau > 0 but got {tau}')
        self.sampler = TASK_UTILS.build(sampler or dict(type='SensitiveFrameSampler'))
        self.tau = tau
        self.loss_weight = loss_weight
        self.gather = gather

    def forward(
        self,
        feats: Tensor,
        mask: Tensor,
        ground_truths: GroundTruths,
        class_level: nn.Module | None = None,
    ) -> Tensor:
        """Scalar loss; 0, with a gradient path, where the batch has no ground truth.

        A ground truth before the first or after the last frame has no feature and does not count.

        Args:
            feats: (N, T, C) level-0 features of the encoder.
            mask: (N, T) bool.
            ground_truths: (N, G) of them.
            class_level: The class-level evaluator, whose Gaussians choose and weigh the frames.
        """
        pooling = self.sampler(ground_truths, mask, class_level)
        # Rows: cls of all G, loc of all G, background.
        weights = torch.cat([pooling.cls, pooling.loc, pooling.background], dim=1)  # (N, R, T)
        with torch.autocast(feats.device.type, enabled=False):
            pooled = torch.bmm(weights, at_least_float32(feats))  # (N, R, C)
        sizes = [2 * pooling.cls.size(1), pooling.background.size(1)]
        feats, background = pooled.split(sizes, dim=1)
        valid, labels = pooling.has_frames.repeat(1, 2), ground_truths.labels.repeat(1, 2)
        background_valid = pooling.has_background
        if self.gather and dist.get_world_size() > 1:
            feats, valid, labels = _gather_padded(feats, valid, labels)
            background, background_valid = _gather_padded(background, background_valid)
        loss = contrastive_loss(
            feats.flatten(0, 1),
            labels.flatten(),
            valid.flatten(),
            background.flatten(0, 1),
            background_valid.flatten(),
            self.tau,
        )
        return self.loss_weight * loss.sum() / valid.sum().clamp(min=1)


def _gather_padded(pooled: Tensor, *others: Tensor) -> list[Tensor]:
    """Rows of all processes, (N, R, ...) each, padded to the largest N and R among them.

    Args:
        pooled: (N, R, C), with a gradient.
        *others: (N, R), without.

    The gradient flows back to the process that a row came from. Every process then computes the
    loss of the joint batch, so the mean over processes that data-parallel training takes
    is that loss.
    """
    num_videos, num_rows = pooled.shape[:2]
    sizes = torch.tensor([num_videos, num_rows], device=pooled.device)
    dist.all_reduce(sizes, op='max')
    max_videos, max_rows = sizes.tolist()

    def pad(x: Tensor) -> Tensor:  # (N, R, ...) -> (max_videos, max_rows, ...)
        tail = (0, 0) * (x.dim() - 2)
        return F.pad(x, (*tail, 0, max_rows - num_rows, 0, max_videos - num_videos))

    with torch.no_grad():
        rest = [torch.cat(dist.all_gather(pad(x))) for x in others]
    return [torch.cat(list(all_gather(pad(pooled)))), *rest]
