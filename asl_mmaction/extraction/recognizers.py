"""The recognisers of mmaction2 as what turns clips of frames into features."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from asl_mmaction.extraction.networks import Image, Network
from asl_mmaction.files.checkpoint import load_weights, read_checkpoint
from asl_mmaction.files.mistakes import FileMistake, ValueMistake
from asl_mmaction.files.reading import check_file

#: What chooses and reads frames in a pipeline of mmaction2's; here that is the reader's work.
SAMPLING = ('SampleFrames', 'UniformSample', 'DenseSampleFrames', 'UntrimmedSampleFrames')
READING = (
    *('DecordInit', 'DecordDecode', 'OpenCVInit', 'OpenCVDecode', 'PyAVInit', 'PyAVDecode'),
    *('PIMSInit', 'PIMSDecode', 'RawFrameDecode'),
)


class RecognizerNetwork(Network):
    """The backbone of a recogniser of mmaction2's, behind its own test pipeline.

    What the pipeline does between reading and ``FormatShape`` (resizing, crops) is done to each
    frame. Features are averaged over space, time and crops; outputs of several pathways (SlowFast)
    are put side by side. Neck and head are left out.

    Args:
        recognizer: config file, ``'mmaction::recognition/...py'``, or a config, with ``model`` and
            ``test_pipeline``.
        checkpoint: of the recogniser, a path or an address; read safely (weights only). Without,
            the weights are random, the same ones each time.
        center_crop: one crop in the middle in place of the pipeline's three or ten.

    Raises:
        FileMistake: no such config or checkpoint.
        ValueMistake: no recogniser of RGB frames, no test pipeline, or weights that do not fit.
    """

    def __init__(
        self,
        recognizer: str | os.PathLike | Config | Mapping,
        checkpoint: str | os.PathLike | None = None,
        *,
        center_crop: bool = False,
    ) -> None:
        import mmaction.models  # noqa: F401  registers recognisers; takes seconds

        config = _load_config(recognizer)
        given = isinstance(recognizer, (Config, Mapping))
        self.name = 'a recogniser of the config' if given else str(recognizer)
        self.checkpoint = None if checkpoint is None else str(checkpoint)
        steps = _test_pipeline(config, self.name)
        model = config.get('model') or {}
        kind = model.get('type')
        if kind not in ('Recognizer2D', 'Recognizer3D'):
            raise ValueMistake(
                f'{self.name}: expected a Recognizer2D or Recognizer3D of mmaction2 but got '
                f'{kind}; --backbone takes any other network'
            )
        self.is_2d = kind == 'Recognizer2D'
        with DefaultScope.overwrite_default_scope('mmaction'), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.model = MODELS.build(
                {**copy.deepcopy(model), 'cls_head': None, 'neck': None}
            ).eval()
            frame_steps, clip_steps, sampling = _split(steps, self.name)
            if center_crop:
                frame_steps = [_center_crop(step) for step in frame_steps]
            self._prepare = Compose([TRANSFORMS.build(step) for step in frame_steps])
            self._pack = Compose([TRANSFORMS.build(step) for step in clip_steps])
        self.pipeline = json.loads(json.dumps(frame_steps, default=str))
        if checkpoint is not None:
            content = read_checkpoint(checkpoint)
            state = content.get('state_dict')
            state = state if isinstance(state, dict) else content  # or weights alone
            state = {key: x for key, x in state.items() if key.startswith('backbone.')}
            load_weights(self.model, {'state_dict': state}, checkpoint)
        if self.is_2d:
            self.own_frames = getattr(self.model.backbone, 'num_segments', None)
            self.strict = self.own_frames is not None
        else:
            self.own_frames = sampling.get('clip_len', 1)
            self.own_interval = sampling.get('frame_interval', 1)
        self.framewise = self.is_2d and _is_framewise(self.model)

    def prepare(self, image: Image) -> list[np.ndarray]:
        """The frame's views (crops), each (H', W', 3)."""
        results = {
            'imgs': [image],
            'img_shape': image.shape[:2],
            'original_shape': image.shape[:2],
            'modality': 'RGB',
            'num_clips': 1,
            'clip_len': 1,
        }
        return list(self._prepare(results)['imgs'])

    def stack(self, clips: Sequence[Sequence[list[np.ndarray]]]) -> Tensor:
        """(N, views, C, T, H, W) of a 3D recogniser, (N, views * T, C, H, W) of a 2D one."""
        packed = []
        for clip in clips:
            views = zip(*clip, strict=True)
            imgs = [image for view in views for image in view]
            counts = (len(clip), 1) if self.is_2d else (1, len(clip))
            results = {
                'imgs': imgs,
                'num_clips': counts[0],
                'clip_len': counts[1],
                'modality': 'RGB',
            }
            packed.append(self._pack(results)['inputs'])
        return torch.stack(packed)

    def forward(self, batch: Tensor) -> Tensor:
        """See the class."""
        data = {'inputs': list(batch), 'data_samples': None}
        inputs = self.model.data_preprocessor(data, False)['inputs']
        output, _ = self.model.extract_feat(inputs, stage='backbone')
        return pool(output, len(batch))


def pool(output: Any, num_clips: int) -> Tensor:
    """What a backbone returns -> (N, C): the mean over views, frames and all positions.

    Args:
        output: (N * M, C) or (N * M, C, ...), or a tuple of such; a list [patch tokens, class
            token] (MViT) stands for its class token.
        num_clips: N.
    """
    if isinstance(output, list):
        output = output[-1]
    if isinstance(output, tuple):
        return torch.cat([pool(part, num_clips) for part in output], dim=1)
    if not isinstance(output, Tensor) or output.ndim not in (2, 4, 5):
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueMistake(
            f'expected a backbone whose output is (N, C), (N, C, H, W) or (N, C, T, H, W) '
            f'but got {found}'
        )
    if output.ndim > 2:
        output = output.flatten(2).mean(2)
    return output.reshape(num_clips, -1, output.shape[1]).mean(1)


def _load_config(recognizer: str | os.PathLike | Config | Mapping) -> Config:
    if isinstance(recognizer, (Config, Mapping)):
        return Config(dict(recognizer))
    if '::' in str(recognizer):
        try:
            return get_config(str(recognizer))
        except (OSError, AssertionError, ImportError) as error:
            raise FileMistake(f'expected a config but got {recognizer}: {error}') from error
    check_file(recognizer, 'a config file')
    return Config.fromfile(recognizer)


def _test_pipeline(config: Config, name: str) -> list[dict]:
    loader = config.get('test_dataloader') or {}
    steps = config.get('test_pipeline') or (loader.get('dataset') or {}).get('pipeline')
    if not steps:
        raise ValueMistake(f'{name}: expected a test_dataloader with a pipeline but got none')
    return steps


def _split(steps: list[dict], name: str) -> tuple[list[dict], list[dict], dict]:
    """The steps for each frame, those for each clip, and the one that samples."""
    kinds = [step['type'] for step in steps]
    if 'FormatShape' not in kinds or not any(kind in SAMPLING for kind in kinds):
        raise ValueMistake(
            f'{name}: expected a test pipeline of frames (one of {", ".join(SAMPLING)}, and '
            f'FormatShape) but got {", ".join(kinds)}'
        )
    sampling = next(step for step in steps if step['type'] in SAMPLING)
    place = kinds.index('FormatShape')
    before = [step for step in steps[:place] if step['type'] not in (*SAMPLING, *READING)]
    return before, steps[place:], sampling


def _center_crop(step: dict) -> dict:
    crops = step['type'] in ('ThreeCrop', 'TenCrop')
    return {**step, 'type': 'CenterCrop'} if crops else step


def _is_framewise(model: nn.Module) -> bool:
    """Whether frames do not meet in a 2D backbone: known of these, not of those that shift."""
    from mmaction.models import MobileNetV2, ResNet

    return model.backbone_from != 'mmaction2' or type(model.backbone) in (ResNet, MobileNetV2)
