"""Pictures of the ground truth, to be looked at before a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from asl_mmaction.files.writing import check_file_name
from asl_mmaction.visualization import Recording, draw_timeline, save_figure


def draw_ground_truth(
    samples: Sequence[Mapping], classes: Sequence[str], count: int, folder: Path
) -> list[Path]:
    """Draw some recordings with an action, spread evenly over the data set.

    Args:
        samples: Of :class:`TALDataset`: ``video_name``, ``duration``, ``scored_segments`` and
            ``scored_labels``.
        classes: Names, in the order of the labels.
        count: Pictures; fewer where there are fewer recordings.
        folder: Where they go, ``<video>.png``.
    """
    full = [sample for sample in samples if len(sample['scored_labels'])]
    places = np.linspace(0, len(full) - 1, min(count, len(full))).round().astype(int)
    paths = []
    for sample in (full[place] for place in places):
        rows = [
            {'segment': segment, 'label': classes[label]}
            for segment, label in zip(
                sample['scored_segments'].tolist(), sample['scored_labels'], strict=True
            )
        ]
        recording = Recording(sample['video_name'], sample['duration'], {}, rows, classes=classes)
        path = folder / f'{check_file_name(sample["video_name"])}.png'
        save_figure(draw_timeline(recording), path)
        paths.append(path)
    return paths
