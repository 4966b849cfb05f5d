"""Videos of a shape whose motion is the action.

A disc drifts slowly over a grey ground. During an action it is larger: it grows where the action
starts and shrinks where it ends, the same in all classes. What tells the class is a *moment* within
the action, when the disc moves fast: from side to side, up and down, or in circles. Each class has
it at a place of its own (:data:`MOMENTS`, in the units of the class Gaussians:
(t - centre) / length). There are such moments outside of actions too, where the disc stays small.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.writing import write_json

#: Class -> place of its moment in the action; -0.5 is the start, 0.5 the end.
MOMENTS = {'early shake': -0.3, 'middle loop': 0.0, 'late bounce': 0.35}
CLASSES = tuple(MOMENTS)
WIDTH, HEIGHT, FPS = 160, 120, 10
SECONDS = (24.0, 36.0)  # of a video
ACTION_SECONDS = (3.0, 9.0)  # log-uniform
GAP_SECONDS = (1.0, 4.0)
MOMENT_SECONDS = 1.6
DISTRACTOR_CHANCE = 0.3  # of a gap that is long enough
RADIUS, GROWTH, GROWTH_SECONDS = 14.0, 1.6, 0.3
SWING = 26.0  # pixels, to each side
GROUND, COLOURS = 90, ((240, 200, 60), (90, 200, 240), (240, 120, 120), (150, 230, 120))
NOISE = 4.0


def render(
    out: str | os.PathLike, *, seed: int = 0, num_train: int = 48, num_test: int = 12
) -> dict:
    """Write ``videos/<video>.mp4`` (H.264) and ``annotations.json``.

    What an earlier call has written by the same settings is left as it is.

    Args:
        out: Folder.
        seed: Of everything random.
        num_train: Videos of subset ``training``.
        num_test: Videos of subset ``test``.

    Returns:
        The content of the annotation file.

    Raises:
        ValueError: A number of videos is not positive.
    """
    if num_train < 1 or num_test < 1:
        raise ValueMistake(f'expected at least one video a subset but got {num_train}, {num_test}')
    out, database, motions = Path(out), {}, {}
    for number, (subset, count) in enumerate((('training', num_train), ('test', num_test))):
        for index in range(count):
            video = f'{subset}_{index:03d}'
            motions[video], annotations = make_motion(np.random.default_rng((seed, number, index)))
            database[video] = {
                'subset': subset,
                'duration': len(motions[video]) / FPS,
                'annotations': annotations,
            }
    content = {
        'version': f'rendered, seed {seed}',
        'classes': list(CLASSES),
        'planted': MOMENTS,
        'database': database,
    }
    file = out / 'annotations.json'
    same = file.is_file() and json.loads(file.read_text(encoding='utf-8')) == content
    (out / 'videos').mkdir(parents=True, exist_ok=True)
    for number, (video, motion) in enumerate(motions.items()):
        path = out / 'videos' / f'{video}.mp4'
        if not (same and path.is_file()):
            _write_video(path, motion, number)
    write_json(file, content)
    return content


def make_motion(rng: np.random.Generator) -> tuple[np.ndarray, list[dict]]:
    """One video.

    Returns:
        x, y and radius of the disc in each frame, pixels: (frames, 3); the schema's annotations.
    """
    frames = round(rng.uniform(*SECONDS) * FPS)
    seconds = (np.arange(frames) + 0.5) / FPS
    motion = np.empty((frames, 3))
    for axis, size in enumerate((WIDTH, HEIGHT)):
        period, phase = rng.uniform(9, 15), rng.uniform(0, 2 * np.pi)
        motion[:, axis] = size / 2 + 0.15 * size * np.sin(2 * np.pi * seconds / period + phase)
    motion[:, 2] = RADIUS
    annotations: list[dict] = []
    end = 0.0
    while True:
        gap = rng.uniform(*GAP_SECONDS)
        if rng.random() < DISTRACTOR_CHANCE and gap > MOMENT_SECONDS + 1:
            _add_moment(motion, seconds, end + gap / 2, int(rng.integers(len(CLASSES))))
        start = end + gap
        length = np.exp(rng.uniform(*np.log(ACTION_SECONDS)))
        end = start + length
        if end > frames / FPS - 0.5:
            return motion, annotations
        label = int(rng.integers(len(CLASSES)))
        rise = (seconds - start) / GROWTH_SECONDS, (end - seconds) / GROWTH_SECONDS
        motion[:, 2] *= 1 + (GROWTH - 1) * np.clip(np.minimum(*rise), 0, 1)
        _add_moment(motion, seconds, start + (0.5 + MOMENTS[CLASSES[label]]) * length, label)
        segment = [round(float(start), 3), round(float(end), 3)]
        annotations.append({'segment': segment, 'label': CLASSES[label]})


def _add_moment(motion: np.ndarray, seconds: np.ndarray, centre: float, label: int) -> None:
    time = seconds - centre
    height = SWING * np.cos(np.pi * np.clip(time / MOMENT_SECONDS, -0.5, 0.5)) ** 2
    turn = 2 * np.pi * 2.5 * time
    if CLASSES[label] != 'late bounce':
        motion[:, 0] += height * np.sin(turn)
    if CLASSES[label] != 'early shake':
        motion[:, 1] += height * np.cos(turn)


def _write_video(path: Path, motion: np.ndarray, number: int) -> None:
    scratch = path.with_name(f'.{path.name}')
    with av.open(os.fspath(scratch), 'w', format='mp4') as container:
        stream = container.add_stream('libx264', rate=FPS, options={'preset': 'veryfast'})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
        stream.codec_context.thread_count = 1  # the same bytes on machines of more cores
        for image in _draw(motion, number):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, 'rgb24')))
        container.mux(stream.encode(None))
    scratch.replace(path)


def _draw(motion: np.ndarray, number: int) -> Iterator[np.ndarray]:
    """The frames, (H, W, 3) uint8 RGB."""
    rng = np.random.default_rng(number)
    ground = GROUND + NOISE * rng.standard_normal((HEIGHT, WIDTH, 1))
    ground = np.repeat(ground.clip(0, 255).astype(np.uint8), 3, axis=2)
    for x, y, radius in motion:
        image = ground.copy()
        place, size = (round(16 * x), round(16 * y)), round(16 * radius)  # in sixteenths
        cv2.circle(image, place, size, COLOURS[number % len(COLOURS)], -1, cv2.LINE_AA, 4)
        yield image
