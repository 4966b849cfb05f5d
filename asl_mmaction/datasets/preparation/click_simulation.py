"""Clicks drawn from a full annotation, in the way in which people click.

The rule comes from what three annotators of THUMOS14 did (BackTAL's files): about one click in each
stretch of background, more often the longer it is, at a place that is uniform within it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from asl_mmaction.files.clicks import Click, write_click_file
from asl_mmaction.files.mistakes import ValueMistake

#: Seconds: a stretch of that length has a click with chance 1 - 1 / e (``keep='human'``).
HUMAN_LENGTH = 1.5
#: Seconds: a misplaced click lies at most so far inside of the action.
MOST_DEEP = 0.3
KEEPS = ('all', 'human')
ACTION_LAWS = ('uniform', 'gaussian')


@dataclass(frozen=True)
class ClickRule:
    """How clicks are drawn.

    Attributes:
        seed: One seed gives the same clicks of a video, whatever the other videos.
        per_stretch: Background clicks of a stretch: its whole part, and one more with the chance
            that is left. Each has a place of its own. 0: no background clicks.
        keep: Stretches that are clicked: ``'all'``, or as people do, with chance
            ``1 - exp(-length / 1.5 s)``.
        min_gap: Seconds; shorter stretches have no click.
        noise: Share of the background clicks that lie up to 0.3 s inside of the action beside.
        action: One click in each action, ``'uniform'`` over it or ``'gaussian'`` around its middle
            (a sixth of its length wide, cut to it); None: no action clicks.
        every: Seconds between clicks on all of the video, of each class that is there then or of
            background, in place of all of these: what labelling every step would give.

    Raises:
        ValueError: A value is out of its range.
    """

    seed: int = 0
    per_stretch: float = 1.0
    keep: str = 'all'
    min_gap: float = 0.0
    noise: float = 0.0
    action: str | None = None
    every: float | None = None

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueMistake(f'expected seed >= 0 but got {self.seed}')
        if self.keep not in KEEPS:
            raise ValueMistake(f'expected keep to be one of {KEEPS} but got {self.keep!r}')
        if self.action not in (None, *ACTION_LAWS):
            raise ValueMistake(
                f'expected action to be one of {ACTION_LAWS} but got {self.action!r}'
            )
        if not (self.per_stretch >= 0 and self.min_gap >= 0 and 0 <= self.noise <= 1):
            raise ValueMistake(
                'expected per_stretch >= 0, min_gap >= 0 and noise in [0, 1] '
                f'but got {self.per_stretch}, {self.min_gap}, {self.noise}'
            )
        if self.every is not None and not self.every > 0:
            raise ValueMistake(f'expected every > 0 seconds but got {self.every}')
        if not self.per_stretch and self.action is None and self.every is None:
            raise ValueMistake('expected background or action clicks to draw but got neither')

    @property
    def description(self) -> dict:
        """What a click file says of it."""
        return asdict(self)


def background_stretches(duration: float, segments: np.ndarray) -> np.ndarray:
    """What no action covers.

    Args:
        duration: Of the video.
        segments: (G, 2) actions, in any order; what lies outside of the video does not count.

    Returns:
        (S, 2) stretches of positive length, by time; unit of the input.
    """
    segments = np.asarray(segments, dtype=np.float64).reshape(-1, 2).clip(0, duration)
    segments = segments[segments[:, 1] > segments[:, 0]]
    segments = segments[np.argsort(segments[:, 0], kind='stable')]
    starts = np.concatenate([[0.0], np.maximum.accumulate(segments[:, 1])])
    ends = np.concatenate([segments[:, 0], [duration]])
    longer = ends > starts
    return np.stack([starts[longer], ends[longer]], axis=1)


def simulate_clicks(database: Mapping[str, Mapping], rule: ClickRule) -> dict[str, list[Click]]:
    """Draw clicks of every video.

    Args:
        database: Videos by name: ``duration`` and ``annotations``, the schema of TALDataset.
        rule: How.

    Returns:
        Clicks by video, by time.
    """
    if rule.every is not None:
        return {name: _clicks_on_all(video, rule.every) for name, video in database.items()}
    return {name: _clicks_of(name, video, rule) for name, video in database.items()}


def _clicks_on_all(video: Mapping, every: float) -> list[Click]:
    clicks = []
    for time in np.arange(every / 2, video['duration'], every).tolist():
        labels = {
            item['label']
            for item in video['annotations']
            if item['segment'][0] <= time <= item['segment'][1]
        }
        clicks += [Click(time, label) for label in sorted(labels)] or [Click(time, None)]
    return clicks


def _clicks_of(name: str, video: Mapping, rule: ClickRule) -> list[Click]:
    segments = [item['segment'] for item in video['annotations']]
    clicks = []
    if rule.per_stretch:
        rng = np.random.default_rng((rule.seed, *name.encode()))
        stretches = background_stretches(video['duration'], np.array(segments))
        clicks += [
            Click(time, None)
            for stretch in stretches
            if stretch[1] - stretch[0] >= rule.min_gap
            for time in _background_times(rng, stretch, video['duration'], rule)
        ]
    if rule.action is not None:
        # A stream of its own: background clicks or none, the action clicks are the same.
        rng = np.random.default_rng((rule.seed, 1, *name.encode()))
        for item in video['annotations']:
            start, end = np.clip(item['segment'], 0, video['duration'])
            if rule.action == 'uniform':
                time = rng.uniform(start, end)
            else:
                time = rng.normal((start + end) / 2, (end - start) / 6)
            if end > start:
                clicks.append(Click(float(np.clip(time, start, end)), item['label']))
    return sorted(clicks, key=lambda click: click.time)


def _background_times(
    rng: np.random.Generator, stretch: np.ndarray, duration: float, rule: ClickRule
) -> list[float]:
    start, end = stretch
    chance = 1.0 if rule.keep == 'all' else 1 - np.exp(-(end - start) / HUMAN_LENGTH)
    clicked = rng.random() < chance
    count = int(rule.per_stretch) + (rng.random() < rule.per_stretch % 1)
    times = []
    for _ in range(count):
        time, misplaced, depth = rng.uniform(start, end), rng.random(), rng.uniform(0, MOST_DEEP)
        borders = [
            (abs(time - x), x, side) for x, side in ((start, -1), (end, 1)) if 0 < x < duration
        ]
        if misplaced < rule.noise and borders:
            _, border, side = min(borders)
            time = np.clip(border + side * depth, 0, duration)
        times.append(float(time))
    return times if clicked else []


def write_simulated_clicks(
    folder: Path, database: Mapping[str, Mapping], rules: Mapping[str, ClickRule], seed: int
) -> None:
    """Write click files of the training videos of ``annotations.json``, beside it.

    Args:
        folder: Of the data set.
        database: See :func:`simulate_clicks`.
        rules: Name of each file -> how its clicks are drawn, but for the seed.
        seed: Of all of them.
    """
    training = {name: video for name, video in database.items() if video['subset'] == 'training'}
    for file, rule in rules.items():
        rule = replace(rule, seed=seed)
        clicks = simulate_clicks(training, rule)
        write_click_file(
            folder / file, clicks, source='annotations.json', simulated=rule.description
        )
