"""Synthetic untrimmed sequences in which it is known where a frame matters.

All actions begin alike (a bump along one feature direction), end alike (another one) and keep up
a weak common level in between. Only a short *moment* tells the class: a bump along the direction
of the class, at a position inside the action that is also its own (:data:`MOMENTS`, in the units
of the class Gaussians: (t - centre) / length). Neighbouring actions may overlap. Anywhere there
may be a weaker moment or beginning that belongs to no action, and everything lies in noise, white
and slowly drifting.
"""

import os
from collections.abc import Callable

import numpy as np

from asl_mmaction.datasets.preparation.dataset_writer import DatasetWriter, write_dataset
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.structures.feature_grid import FeatureGrid

#: Class -> position of its moment in the action; -0.5 is the start, 0.5 the end.
MOMENTS = {'early': -0.3, 'rising': -0.15, 'middle': 0.0, 'falling': 0.2, 'late': 0.35}
CLASSES = tuple(MOMENTS)
FEAT_DIM = 24
GRID = FeatureGrid(fps=10, feat_stride=4, clip_len=8)

#: Mark of origin of the folders written, also of those of before this module was moved.
MADE_BY = 'asl_mmaction.datasets.synthetic'

NUM_STEPS = (128, 384)  # per video
ACTION_STEPS = (8, 64)  # log-uniform
MEAN_GAP_STEPS = 14.0
OVERLAP_CHANCE = 0.3
MAX_OVERLAP = 0.4  # of the shorter of two neighbours
MOMENT_JITTER = 0.02
AMPLITUDE_SPREAD = 0.2  # of the logarithm
EDGE_HEIGHT, LEVEL_HEIGHT, MOMENT_HEIGHT = 3.0, 1.0, 4.0
EDGE_PLACE = 0.06  # centre of the first and last bump: this part of the length from the border
BUMP_WIDTH = 0.05  # standard deviation of a bump, of the length
MIN_BUMP_STEPS = 0.8
DISTRACTORS_PER_STEP = 0.005
DISTRACTOR_SCALE = 0.7
WHITE_NOISE, DRIFT_NOISE, DRIFT_KEEP = 0.7, 0.4, 0.95


def generate(
    out: str | os.PathLike, *, seed: int = 0, num_train: int = 120, num_test: int = 40
) -> None:
    """Write the data set: ``features/<video>.npy`` (T, 24) and ``annotations.json``.

    The annotation file also holds ``planted``, a copy of :data:`MOMENTS`. One seed gives the same
    bytes each time, and the first videos do not depend on how many follow.

    Args:
        out: Folder; replaced if it holds what an earlier call has written.
        seed: Of everything random.
        num_train: Videos of subset ``training``.
        num_test: Videos of subset ``test``.

    Raises:
        ValueError: A number of videos is not positive, or the seed is negative.
        FileExistsError: ``out`` holds other things.
    """
    check_request(seed, num_train, num_test)
    with write_dataset(out, made_by=MADE_BY) as writer:
        database = write_videos(writer, make_video, GRID.fps, seed, num_train, num_test)
        writer.annotations(
            {
                'version': f'synthetic, seed {seed}',
                'classes': CLASSES,
                'grid': {
                    'fps': GRID.fps,
                    'feat_stride': GRID.feat_stride,
                    'clip_len': GRID.clip_len,
                },
                'planted': MOMENTS,
                'database': database,
            }
        )


def check_request(seed: int, num_train: int, num_test: int) -> None:
    """Refuse a number of videos that is not positive, and a negative seed."""
    if num_train < 1 or num_test < 1:
        raise ValueMistake(
            f'expected at least one video per subset but got {num_train}, {num_test}'
        )
    if seed < 0:
        raise ValueMistake(f'expected seed >= 0 but got {seed}')


def write_videos(
    writer: DatasetWriter,
    make_video: Callable[[int, int, int], tuple[np.ndarray, float, list[dict]]],
    fps: float,
    seed: int,
    num_train: int,
    num_test: int,
) -> dict[str, dict]:
    """Write the features of both subsets.

    Args:
        writer: Of the data set.
        make_video: (seed, number of the subset, index in it) -> feature, duration, annotations.
        fps: Frames a second of each.
        seed: Of everything random.
        num_train: Videos of subset ``training``.
        num_test: Videos of subset ``test``.

    Returns:
        The schema's database.
    """
    database: dict[str, dict] = {}
    for number, (subset, count) in enumerate((('training', num_train), ('test', num_test))):
        for index in range(count):
            video = f'{subset}_{index:04d}'
            feature, duration, annotations = make_video(seed, number, index)
            writer.feature(video, feature)
            database[video] = {
                'subset': subset,
                'duration': duration,
                'fps': fps,
                'annotations': annotations,
            }
    return database


def make_video(seed: int, subset: int, index: int) -> tuple[np.ndarray, float, list[dict]]:
    """One sequence.

    Returns:
        Feature (T, 24) float32; duration in seconds; the schema's annotations, by time.
    """
    directions = _directions(seed)
    rng = np.random.default_rng((seed, 1 + subset, index))
    num_steps = int(rng.integers(NUM_STEPS[0], NUM_STEPS[1] + 1))
    # the last frames of a video make up less than a step
    rest = rng.uniform(0.01, 0.99) * GRID.feat_stride / GRID.fps
    duration = round(GRID.covered_seconds(num_steps)[1] - rest, 3)
    annotations = _place_actions(rng, duration)

    steps = np.arange(num_steps, dtype=np.float64)
    feature = _noise(rng, num_steps)
    for annotation in annotations:
        start, end = (GRID.to_grid(value) for value in annotation['segment'])
        feature += _action(rng, steps, start, end, annotation['label_id']) @ directions
    feature += _distractors(rng, steps) @ directions
    return feature.astype(np.float32), duration, annotations


# Columns of a sequence before it is turned into features: one per class, beginning, end, level.
_BEGINNING, _END, _LEVEL = len(CLASSES), len(CLASSES) + 1, len(CLASSES) + 2
_NUM_COLUMNS = len(CLASSES) + 3


def _directions(seed: int) -> np.ndarray:
    """Orthonormal feature directions of the columns: (columns, 24)."""
    square = np.random.default_rng((seed, 0)).standard_normal((FEAT_DIM, FEAT_DIM))
    return np.linalg.qr(square)[0][:_NUM_COLUMNS]


def _place_actions(rng: np.random.Generator, duration: float) -> list[dict]:
    step = GRID.feat_stride / GRID.fps
    annotations: list[dict] = []
    end, length, label = rng.exponential(MEAN_GAP_STEPS) * step, 0.0, -1
    while True:
        previous_length, previous_label = length, label
        length = step * np.exp(rng.uniform(*np.log(ACTION_STEPS)))
        label = int(rng.integers(len(CLASSES)))
        start = end + rng.exponential(MEAN_GAP_STEPS) * step
        if rng.random() < OVERLAP_CHANCE and label != previous_label:
            start = end - rng.uniform(0, MAX_OVERLAP) * min(length, previous_length)
        end = start + length
        if end > duration:
            return annotations
        segment = [round(float(start), 3), round(float(end), 3)]
        annotations.append({'segment': segment, 'label': CLASSES[label], 'label_id': label})


def _action(
    rng: np.random.Generator, steps: np.ndarray, start: float, end: float, label: int
) -> np.ndarray:
    """Columns (T, columns) of one action; ``start`` and ``end`` in grid values."""
    length = end - start
    width = max(BUMP_WIDTH * length, MIN_BUMP_STEPS)
    scale = np.exp(AMPLITUDE_SPREAD * rng.standard_normal(3))
    place = 0.5 + MOMENTS[CLASSES[label]] + rng.uniform(-MOMENT_JITTER, MOMENT_JITTER)
    columns = np.zeros((len(steps), _NUM_COLUMNS))
    columns[:, _BEGINNING] = (
        scale[0] * EDGE_HEIGHT * _bump(steps, start + EDGE_PLACE * length, width)
    )
    columns[:, _END] = scale[1] * EDGE_HEIGHT * _bump(steps, end - EDGE_PLACE * length, width)
    columns[:, label] = scale[2] * MOMENT_HEIGHT * _bump(steps, start + place * length, width)
    columns[:, _LEVEL] = LEVEL_HEIGHT * ((steps >= start) & (steps <= end))
    return columns


def _distractors(rng: np.random.Generator, steps: np.ndarray) -> np.ndarray:
    """Moments and beginnings without an action, anywhere: (T, columns)."""
    columns = np.zeros((len(steps), _NUM_COLUMNS))
    for _ in range(rng.poisson(DISTRACTORS_PER_STEP * len(steps))):
        place, width = rng.uniform(0, len(steps)), rng.uniform(MIN_BUMP_STEPS, 2.5)
        kind = int(rng.integers(len(CLASSES) + 1))  # the last one is a beginning
        height = EDGE_HEIGHT if kind == _BEGINNING else MOMENT_HEIGHT
        columns[:, kind] += DISTRACTOR_SCALE * height * _bump(steps, place, width)
    return columns


def _bump(steps: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((steps - centre) / width) ** 2)


def _noise(rng: np.random.Generator, num_steps: int) -> np.ndarray:
    """White noise plus a first-order autoregressive drift: (T, 24)."""
    white = WHITE_NOISE * rng.standard_normal((num_steps, FEAT_DIM))
    drift = DRIFT_NOISE * rng.standard_normal((num_steps, FEAT_DIM))
    kick = np.sqrt(1 - DRIFT_KEEP**2)
    for step in range(1, num_steps):
        drift[step] = DRIFT_KEEP * drift[step - 1] + kick * drift[step]
    return white + drift
