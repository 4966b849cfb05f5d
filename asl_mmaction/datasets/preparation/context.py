"""Synthetic sequences with context: what goes with an action and is none.

An action of a class is the act in its scene: two feature directions, equally strong. In many
stretches of background of the same videos the scene is there without the act, and stronger: as
water is for swimming. The rest of the background is empty. All steps share a level in one more
direction, as features behind a ReLU do, so that emptiness too can be told by a network without
biases.

The labels of the videos cannot tell the act from its scene. Neither can a click on an action, which
shows both; a click on the background can.
"""

import os
from typing import Any

import numpy as np

from asl_mmaction.datasets.preparation.click_simulation import (
    ClickRule,
    background_stretches,
    write_simulated_clicks,
)
from asl_mmaction.datasets.preparation.dataset_writer import write_dataset
from asl_mmaction.datasets.preparation.synthetic import check_request, write_videos
from asl_mmaction.structures.feature_grid import FeatureGrid

CLASSES = ('swim', 'ski', 'ride', 'row')
FEAT_DIM = 16
GRID = FeatureGrid(fps=10, feat_stride=4, clip_len=8)

NUM_STEPS = (60, 110)  # of a video
ACTION_STEPS = (8, 25)
GAP_STEPS = (5, 20)
MAX_CLASSES = 2  # of a video
CONTEXT_CHANCE = 0.6  # of a stretch of background
ACTION_HEIGHT = 3.0  # of act and scene together
CONTEXT_HEIGHT = 3.9  # of the scene without the act
LEVEL = 3.0  # of every step
NOISE = 0.6
#: Click file -> how its clicks are drawn.
CLICK_FILES = {
    'background_clicks.json': ClickRule(),
    'background_clicks_0.25.json': ClickRule(per_stretch=0.25),
    'background_clicks_0.5.json': ClickRule(per_stretch=0.5),
    'background_clicks_2.json': ClickRule(per_stretch=2),
    'action_clicks.json': ClickRule(per_stretch=0, action='uniform'),
    'all_clicks.json': ClickRule(action='uniform'),
}


def generate(
    out: str | os.PathLike,
    *,
    seed: int = 0,
    num_train: int = 120,
    num_test: int = 60,
    click_seed: int = 0,
) -> None:
    """Write the data set: ``features/<video>.npy`` (T, 16), ``annotations.json`` and click files.

    The click files are those of the training videos: :data:`CLICK_FILES`. One seed gives the same
    bytes each time, and the first videos do not depend on how many follow.

    Args:
        out: Folder; replaced if it holds what an earlier call has written.
        seed: Of everything random, but for the clicks.
        num_train: Videos of subset ``training``.
        num_test: Videos of subset ``test``.
        click_seed: Of the clicks.

    Raises:
        ValueError: A number of videos is not positive, or a seed is negative.
        FileExistsError: ``out`` holds other things.
    """
    check_request(seed, num_train, num_test)
    with write_dataset(out, made_by=__name__) as writer:
        database = write_videos(writer, make_video, GRID.fps, seed, num_train, num_test)
        grid = {'fps': GRID.fps, 'feat_stride': GRID.feat_stride, 'clip_len': GRID.clip_len}
        writer.annotations(
            {
                'version': f'synthetic context, seed {seed}',
                'classes': CLASSES,
                'grid': grid,
                'database': database,
            }
        )
        write_simulated_clicks(writer.root, database, CLICK_FILES, click_seed)


def make_video(seed: int, subset: int, index: int) -> tuple[np.ndarray, float, list[dict]]:
    """One sequence.

    Returns:
        Feature (T, 16) float32; duration in seconds; the schema's annotations, by time.
    """
    acts, scenes, level = _directions(seed)
    rng = np.random.default_rng((seed, 1 + subset, index))
    num_steps = int(rng.integers(NUM_STEPS[0], NUM_STEPS[1] + 1))
    duration = ((num_steps - 1) * GRID.feat_stride + GRID.clip_len) / GRID.fps
    classes = rng.permutation(len(CLASSES))[: rng.integers(1, MAX_CLASSES + 1)]
    feature = LEVEL * level + NOISE * rng.standard_normal((num_steps, FEAT_DIM))
    times = GRID.to_seconds(np.arange(num_steps, dtype=np.float64))
    annotations: list[dict[str, Any]] = []
    for start, end in _place_actions(rng, duration):
        label = int(rng.choice(classes))
        action = ACTION_HEIGHT * (acts[label] + scenes[label]) / np.sqrt(2)
        feature[(times >= start) & (times < end)] += action
        annotations.append({'segment': [start, end], 'label': CLASSES[label], 'label_id': label})
    present = sorted({item['label_id'] for item in annotations})
    segments = np.array([item['segment'] for item in annotations])
    for start, end in background_stretches(duration, segments):
        chance, label = rng.random(), int(rng.choice(present))
        if chance < CONTEXT_CHANCE:
            feature[(times >= start) & (times < end)] += CONTEXT_HEIGHT * scenes[label]
    return feature.astype(np.float32), duration, annotations


def _directions(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthonormal feature directions: of the acts (K, 16), the scenes (K, 16), the level (16,)."""
    square = np.random.default_rng((seed, 0)).standard_normal((FEAT_DIM, FEAT_DIM))
    rows = np.linalg.qr(square)[0]
    count = len(CLASSES)
    return rows[:count], rows[count : 2 * count], rows[2 * count]


def _place_actions(rng: np.random.Generator, duration: float) -> list[tuple[float, float]]:
    """Starts and ends in seconds; at least one action, no two overlap."""
    step = GRID.feat_stride / GRID.fps
    actions: list[tuple[float, float]] = []
    end = 0.0
    while True:
        start = end + step * rng.uniform(*GAP_STEPS)
        end = start + step * rng.uniform(*ACTION_STEPS)
        if end > duration:
            return actions
        actions.append((round(float(start), 3), round(float(end), 3)))
