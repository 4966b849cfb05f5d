"""Class level of the Action Sensitivity Evaluator: Gaussians over the position in the action."""

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.layers import clamp_into_range

MODES = ('learnable', 'fixed', 'none')
# mu of one and of two Gaussians at the start (section 3.2).
START_MU = {1: (0.0,), 2: (-0.5, 0.5)}


@MODELS.register_module()
class ClassSensitivity(BaseModule):
    """Sensitivity of a position d in an action of class c (eq. 3-4).

    ``d = (t - centre) / length``, in [-0.5, 0.5]. Classification: one Gaussian around the middle.
    Localization: the sum of two, around start and end. Each class has its own mu and sigma.

    Args:
        num_classes: Number of classes K.
        cls: ``'learnable'``, ``'fixed'`` or ``'none'``: the Gaussians of classification.
        loc: The same of localization.
        num_cls: Gaussians of classification, 1 or 2.
        num_loc: Gaussians of localization, 1 or 2.
        shared: Use the Gaussians of classification for localization as well: p_loc = p_cls
            (``loc``, ``num_loc`` and ``loc_denominator`` do not count then).
        sigma_init: Sigma at the start.
        sigma_range: Sigma is clamped to it wherever it is used.
        loc_denominator: ``'variance'``: 2 * sigma, as eq. 4 is printed, or ``'std'``:
            2 * sigma**2, as in eq. 3.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        cls: str = 'learnable',
        loc: str = 'learnable',
        num_cls: int = 1,
        num_loc: int = 2,
        shared: bool = False,
        sigma_init: float = 1.0,
        sigma_range: tuple[float, float] = (0.05, 5.0),
        loc_denominator: str = 'variance',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for name, mode, count in (('cls', cls, num_cls), ('loc', loc, num_loc)):
            if mode not in MODES:
                raise ValueMistake(f'expected {name} to be one of {MODES} but got {mode!r}')
            if count not in START_MU:
                raise ValueMistake(
                    f"expected num_{name} to be 1 or 2 (0 is {name}='none') but got {count}"
                )
        if loc_denominator not in ('variance', 'std'):
            raise ValueMistake(
                f"expected loc_denominator to be 'variance' or 'std' but got {loc_denominator!r}"
            )
        if not 0 < sigma_range[0] <= sigma_init <= sigma_range[1]:
            raise ValueMistake(
                f'expected sigma_range with 0 < low <= sigma_init={sigma_init} <= high '
                f'but got {tuple(sigma_range)}'
            )
        self.modes = {'cls': cls, 'loc': cls if shared else loc}
        self.shared = shared
        self.sigma_range = tuple(sigma_range)
        self.loc_denominator = loc_denominator
        for kind, count in (('cls', num_cls), ('loc', num_loc)):
            if self.modes[kind] == 'none' or (shared and kind == 'loc'):
                continue
            learnable = self.modes[kind] == 'learnable'
            mu = torch.tensor(START_MU[count]).repeat(num_classes, 1)  # (K, n)
            sigma = torch.full_like(mu, sigma_init)
            self.register_parameter(f'mu_{kind}', nn.Parameter(mu, requires_grad=learnable))
            self.register_parameter(f'sigma_{kind}', nn.Parameter(sigma, requires_grad=learnable))

    def gaussians(self, kind: str) -> tuple[Tensor, Tensor]:
        """mu and clamped sigma, both (K, n), of ``'cls'`` or ``'loc'``."""
        name = 'cls' if self.shared else kind
        sigma = getattr(self, f'sigma_{name}')
        return getattr(self, f'mu_{name}'), clamp_into_range(sigma, *self.sigma_range)

    def num_gaussians(self, kind: str) -> int:
        """Number of Gaussians of ``'cls'`` or ``'loc'``."""
        return 0 if self.modes[kind] == 'none' else self.gaussians(kind)[0].size(1)

    def variance(self, kind: str) -> Tensor:
        """Half of the denominator of eq. 3 (``'cls'``) or eq. 4 (``'loc'``): (K, n)."""
        sigma = self.gaussians(kind)[1]
        printed = kind == 'loc' and self.loc_denominator == 'variance' and not self.shared
        return sigma if printed else sigma**2

    def log_density(self, kind: str, distance: Tensor, labels: Tensor) -> Tensor:
        """Logarithm of each Gaussian.

        Args:
            kind: ``'cls'`` or ``'loc'``.
            distance: (...) position d in the action.
            labels: Int64 class, of a shape that broadcasts with ``distance``.

        Returns:
            (..., n).
        """
        mu, variance = self.gaussians(kind)[0], self.variance(kind)
        return -((distance.unsqueeze(-1) - mu[labels]) ** 2) / (2 * variance[labels])

    def forward(self, distance: Tensor, labels: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """p_cls and p_loc, both of the shape of ``distance``; None where there is no Gaussian."""
        p_cls, p_loc = (
            self.log_density(kind, distance, labels).exp().sum(-1)
            if self.num_gaussians(kind)
            else None
            for kind in ('cls', 'loc')
        )
        return p_cls, p_loc
