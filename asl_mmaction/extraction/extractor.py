"""A video -> its features, in a file with a sidecar."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from asl_mmaction.extraction.clips import ClipSampling, Run, ahead
from asl_mmaction.extraction.networks import AnyNetwork, Network
from asl_mmaction.extraction.recognizers import RecognizerNetwork
from asl_mmaction.extraction.video import Video
from asl_mmaction.extraction.writing import difference, locked, remove_parts, resume, write_header
from asl_mmaction.files.mistakes import FileExistsMistake, Mistake, TypeMistake, ValueMistake
from asl_mmaction.files.sidecar import sidecar_path
from asl_mmaction.files.writing import write_json

T = TypeVar('T')
#: Settings of a config's extractor and their types; None stands for the default.
EXTRACTOR_TYPES: dict[str, tuple[type, ...]] = {
    'recognizer': (str, os.PathLike, Mapping),
    'checkpoint': (str, os.PathLike),
    'backbone': (str,),
    'center_crop': (bool,),
    'fps': (int, float),
    **dict.fromkeys(('clip_len', 'stride', 'frame_interval', 'batch_size'), (int,)),
}


class FeatureExtractor:
    """Features of videos by one network, clip by clip.

    Step ``t`` is computed from the frames ``t * stride .. t * stride + clip_len - 1``:
    :class:`FeatureGrid` with ``feat_stride=stride``. See :class:`ClipSampling`.

    Args:
        network: see :mod:`asl_mmaction.extraction.networks`.
        stride: frames from one step to the next.
        clip_len: frames of a clip. Without, those of the network's own test pipeline.
        frame_interval: of a clip, the network sees every so-manieth frame. Without, it sees as
            many frames as it was made for where ``clip_len`` is a multiple of these, else all.
        fps: bring all videos to this frame rate. Without, each keeps its own.
        batch_size: clips (of a 2D network: frames) that run at once. The features are the same,
            but for the last digits.
        device: without, the GPU where there is one.

    Raises:
        TypeMistake, ValueMistake: a setting is out of its range, or the network does not take clips
            of so many frames.
    """

    def __init__(
        self,
        network: Network,
        *,
        stride: int,
        clip_len: int | None = None,
        frame_interval: int | None = None,
        fps: float | None = None,
        batch_size: int = 8,
        device: str | torch.device | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueMistake(f'expected batch_size >= 1 but got {batch_size}')
        self.network = network
        self.sampling = _sampling(network, clip_len, stride, frame_interval)
        self.fps = fps
        self.batch_size = batch_size
        network.to(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        self.dim = self._find_dim()
        self._digest = network.digest()

    def settings(self) -> dict:
        """What the features depend on besides the video, as the sidecar tells it."""
        asked = {} if self.fps is None else {'fps': float(self.fps)}
        return asked | {
            'feat_stride': self.sampling.stride,
            'clip_len': self.sampling.clip_len,
            'frame_interval': self.sampling.frame_interval,
            'dim': self.dim,
            'pipeline': self.network.pipeline,
            'weights_sha256': self._digest,
        }

    def extract(self, path: str | os.PathLike) -> tuple[np.ndarray, dict]:
        """Features (T, C) float32 of a video, and what a sidecar says of them.

        Raises:
            FileMistake: there is no such file.
            ValueMistake: it is no video, damaged or cut short.
        """
        video = Video(path, fps=self.fps)
        feature = np.concatenate(list(self._steps(video)))
        return feature, self._describe(video, len(feature))

    def write(
        self,
        path: str | os.PathLike,
        out: str | os.PathLike,
        *,
        overwrite: bool = False,
        progress: Callable[[int, float | None], None] = lambda frames, total: None,
    ) -> dict | None:
        """Write the features of a video to ``out`` (``.npy``) and what they are beside it.

        ``out`` is complete or not there. What is done lies in a hidden file meanwhile, from which
        a later call goes on, whatever ended the first; memory does not grow with the video.

        Args:
            path: the video.
            out: is left as it is where it holds the features of this video by these settings.
            overwrite: replace what is there by other settings.
            progress: is called with the frames done and all frames, as far as they are known; at
                first with those of an earlier call.

        Returns:
            What the sidecar says; None where nothing was to do.

        Raises:
            FileExistsMistake: ``out`` is something else, or another process writes it.
            FileMistake, ValueMistake: see :meth:`extract`.
        """
        video, out = Video(path, fps=self.fps), Path(out)
        origin = {'video': video.path.name, 'video_bytes': video.path.stat().st_size}
        if out.exists():
            differs = difference(out, {**self.settings(), **origin})
            if differs is None:
                return None
            if not overwrite:
                raise FileExistsMistake(f'{out}: {differs}; it is not replaced')
            out.unlink()
            sidecar_path(out).unlink(missing_ok=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        key = json.dumps([self.settings(), origin, video.path.stat().st_mtime_ns])
        key = hashlib.sha256(key.encode()).hexdigest()[:16]
        part = out.with_name(f'.{out.name}.{key}.part')
        total = video.declared_duration and video.declared_duration * video.fps
        with locked(part) as file:
            done = resume(file, self.dim, self.batch_size)
            progress(done * self.sampling.stride, total)
            for rows in self._steps(video, done):
                file.write(rows.tobytes())
                done += len(rows)
                progress(done * self.sampling.stride, total)
            content = self._describe(video, done)
            write_header(file, content['T'], self.dim)
            os.fsync(file.fileno())
            write_json(sidecar_path(out), content)
            part.replace(out)
        remove_parts(out)
        return content

    def _describe(self, video: Video, steps: int) -> dict:
        frames = video.num_frames or 0  # known: all its pictures were seen
        return {
            'fps': video.fps,
            **self.settings(),
            'T': steps,
            'frames': frames,
            'duration': float(frames / video.rate),
            'video': video.path.name,
            'video_bytes': video.path.stat().st_size,
            'recognizer': self.network.name,
            'checkpoint': self.network.checkpoint,
        }

    def _steps(self, video: Video, first_step: int = 0) -> Iterator[np.ndarray]:
        """Features from ``first_step`` on, (n, C) float32 at a time."""
        frames = self._prepared(video, first_step)
        if self.network.framewise:
            features = self._of_frames(frames)
            for clips in _batches(self.sampling.slide(features, first_step), self.batch_size):
                yield _as_rows(torch.stack([torch.stack(clip).mean(0) for clip in clips]))
            return
        batches = ahead(
            map(
                self.network.stack,
                _batches(self.sampling.slide(frames, first_step), self.batch_size),
            )
        )
        for batch in batches:
            yield _as_rows(self._forward(batch))

    def _prepared(self, video: Video, first_step: int) -> Iterator[Run]:
        """The frames that clips see, prepared; and the last one, which says how many there are."""
        pictures = video.pictures()
        held = next(pictures)  # a video has one, or it is refused
        for picture in pictures:
            if self.sampling.is_needed(held.first, held.end, first_step):
                yield Run(held.first, held.end, self.network.prepare(held.image))
            held = picture
        short = held.end < self.sampling.clip_len
        if short or self.sampling.is_needed(held.first, held.end, first_step):
            yield Run(held.first, held.end, self.network.prepare(held.image))
        else:
            yield Run(held.first, held.end, None)

    def _of_frames(self, frames: Iterable[Run]) -> Iterator[Run]:
        """Prepared frames -> their features (C,), each computed once."""

        def stack(runs: list[Run]) -> tuple[list[Run], Any]:
            clips = [[run.value] for run in runs if run.value is not None]
            return runs, self.network.stack(clips) if clips else None

        for runs, batch in ahead(map(stack, _batches(frames, self.batch_size))):
            features = iter(() if batch is None else self._forward(batch))
            for run in runs:
                yield run if run.value is None else run._replace(value=next(features))

    @torch.inference_mode()
    def _forward(self, batch: Any) -> Tensor:
        return self.network.forward(batch)

    def _find_dim(self) -> int:
        frames = 1 if self.network.framewise else self.sampling.num_frames
        black = self.network.prepare(np.zeros((240, 320, 3), np.uint8))
        try:
            return self._forward(self.network.stack([[black] * frames])).shape[1]
        except Mistake:
            raise
        except (RuntimeError, ValueError, AssertionError, IndexError) as error:
            raise ValueMistake(
                f'{self.network.name}: expected clips that the network takes but with clips of '
                f'{frames} frames it ends in: {" ".join(str(error).split())[:200]}'
            ) from error


def build_extractor(
    settings: Mapping[str, Any], *, device: str | torch.device | None = None
) -> FeatureExtractor:
    """The extractor that a config's ``extractor`` describes.

    Args:
        settings: ``recognizer`` and perhaps ``checkpoint`` and ``center_crop`` of
            :class:`RecognizerNetwork`, or ``backbone`` of :class:`AnyNetwork`; ``stride`` and any
            other setting of :class:`FeatureExtractor`.
        device: see there.

    Raises:
        TypeMistake: a setting is of another type.
        ValueMistake: it is missing, unknown or out of its range.
    """
    settings = {key: value for key, value in settings.items() if value is not None}
    unknown = sorted(settings.keys() - EXTRACTOR_TYPES.keys())
    if unknown:
        raise ValueMistake(
            f'expected an extractor with keys {sorted(EXTRACTOR_TYPES)} but got {unknown[0]!r}'
        )
    for key, value in settings.items():
        kinds = EXTRACTOR_TYPES[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = ' or '.join(kind.__name__ for kind in kinds)
            raise TypeMistake(f'expected extractor.{key} of type {names} but got {value!r}')
    if settings.get('fps', 1) <= 0:
        raise ValueMistake(f'expected extractor.fps > 0 but got {settings["fps"]}')
    if ('recognizer' in settings) == ('backbone' in settings) or 'stride' not in settings:
        raise ValueMistake(
            'expected an extractor with a stride and either a recognizer or a backbone but got '
            f'{", ".join(settings) or "nothing"}'
        )
    if 'backbone' in settings:
        for key in ('checkpoint', 'center_crop'):
            if settings.pop(key, None):
                raise ValueMistake(f'expected a backbone that brings all of its own but got {key}')
        network: Network = AnyNetwork(settings.pop('backbone'))
    else:
        network = RecognizerNetwork(
            settings.pop('recognizer'),
            settings.pop('checkpoint', None),
            center_crop=settings.pop('center_crop', False),
        )
    return FeatureExtractor(network, device=device, **settings)


def _sampling(
    network: Network, clip_len: int | None, stride: int, frame_interval: int | None
) -> ClipSampling:
    own = network.own_frames
    if clip_len is None:
        if own is None:
            raise ValueMistake(f'expected clip_len, for {network.name} takes any, but got none')
        clip_len = own * (frame_interval or network.own_interval)
    if frame_interval is None:
        frame_interval = 1
        if own is not None and isinstance(clip_len, int) and clip_len % own == 0:
            frame_interval = max(1, clip_len // own)
    sampling = ClipSampling(clip_len, stride, frame_interval)
    if network.strict and sampling.num_frames != own:
        raise ValueMistake(
            f'{network.name}: expected clips of which the network sees {own} frames but '
            f'clip_len={clip_len} and frame_interval={frame_interval} give {sampling.num_frames}'
        )
    return sampling


def _as_rows(features: Tensor) -> np.ndarray:
    return features.float().cpu().numpy()


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch
