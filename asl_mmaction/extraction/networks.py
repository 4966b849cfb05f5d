"""What turns clips of frames into features: the interface, and networks of any make."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from asl_mmaction.files.checkpoint import weights_digest
from asl_mmaction.files.mistakes import ValueMistake

Image = np.ndarray


class Network(ABC):
    """Clips of frames -> features.

    Attributes:
        name: what people call it.
        checkpoint: where its weights come from; None: they are random, or it brings its own.
        brings_weights: which of the two.
        pipeline: what is done to each frame, for a reader of the sidecar.
        own_frames: frames of a clip that it was made for, ``own_interval`` apart; None: any number.
        strict: it cannot take another number of frames, and might not notice.
        framewise: each frame is computed by itself, and a clip's feature is the mean of its frames.
    """

    name: str
    checkpoint: str | None = None
    brings_weights: bool = False
    pipeline: list[dict]
    own_frames: int | None = None
    own_interval: int = 1
    strict: bool = False
    framewise: bool = False
    model: Any

    @abstractmethod
    def prepare(self, image: Image) -> Any:
        """One frame (H, W, 3) uint8 RGB as the network wants it; done once for each frame."""

    @abstractmethod
    def stack(self, clips: Sequence[Sequence[Any]]) -> Any:
        """Prepared frames, clip by clip -> a batch for :meth:`forward`, on the CPU."""

    @abstractmethod
    def forward(self, batch: Any) -> Tensor:
        """A batch -> features (N, C) on the device of the network."""

    def to(self, device: torch.device | str) -> None:
        """Move the network."""
        self.model.to(device)

    def digest(self) -> str:
        """SHA-256 of the weights: the same whichever file they came from."""
        return weights_digest(self.model.state_dict())


class AnyNetwork(Network):
    """A network that is no recogniser of mmaction2's.

    Args:
        backbone: ``'module:callable'``; the callable takes nothing and returns the network, a
            ``torch.nn.Module`` (a class of one will do). It is called with clips (N, T, H, W, 3)
            uint8 RGB and returns (N, C), or (N, C, ...), which is averaged. Its attribute
            ``frame_size`` is the (height, width) that it wants.

    Raises:
        ValueMistake: there is no such callable, or it returns something else.
    """

    brings_weights = True

    def __init__(self, backbone: str) -> None:
        self.name = backbone
        model = _find(backbone)()
        size: Any = getattr(model, 'frame_size', None)
        sized = isinstance(size, (tuple, list)) and len(size) == 2
        if not isinstance(model, nn.Module) or not (
            sized and all(isinstance(x, int) for x in size)
        ):
            raise ValueMistake(
                f'expected {backbone} to return a torch.nn.Module with an attribute frame_size '
                f'(height, width) but got {type(model).__name__} with frame_size {size!r}'
            )
        self.height, self.width = size
        self.model = model.eval()
        self.pipeline = [{'type': 'Resize', 'scale': [self.width, self.height]}]

    def prepare(self, image: Image) -> Image:
        """The frame at the size that the network wants."""
        return cv2.resize(image, (self.width, self.height), interpolation=cv2.INTER_AREA)

    def stack(self, clips: Sequence[Sequence[Image]]) -> Tensor:
        """(N, T, H, W, 3) uint8."""
        return torch.from_numpy(np.stack([np.stack(clip) for clip in clips]))

    def forward(self, batch: Tensor) -> Tensor:
        """See the class."""
        output = self.model(batch)
        if not isinstance(output, Tensor) or output.ndim < 2 or len(output) != len(batch):
            found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueMistake(
                f'expected {self.name} to turn {len(batch)} clips into ({len(batch)}, C) '
                f'but got {found}'
            )
        return output.flatten(2).mean(2) if output.ndim > 2 else output


def _find(backbone: str) -> Callable[[], nn.Module]:
    module, _, name = backbone.partition(':')
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueMistake(
            f'expected a backbone module:callable to import but got {backbone!r}: {error}'
        ) from error
    if not callable(found):
        raise ValueMistake(f'expected a backbone module:callable but {backbone!r} is no callable')
    return found
