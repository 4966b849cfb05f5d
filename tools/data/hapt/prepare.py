"""Prepare HAPT (UCI 341): raw inertial signals -> window features and one annotation file.

``python tools/data/hapt/prepare.py SOURCE [--clips [--click-seed N]] [--out data/hapt]``; README.md
beside this file says where SOURCE comes from and what is written.
"""

import argparse
import io
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'source',
        type=Path,
        help='the original distribution (folder or zip), or a folder with hapt.json and raw/*.npy',
    )
    parser.add_argument(
        '--clips', action='store_true', help='cut into clips of few classes, with click files'
    )
    parser.add_argument('--click-seed', type=int, help='of the clicks of --clips; 0')
    parser.add_argument('--out', type=Path, help='folder; data/hapt, or data/hapt_clips')
    args = parser.parse_args(argv)
    if args.click_seed is not None and not args.clips:
        parser.error('expected --click-seed with --clips alone')
    return args


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import numpy as np

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.click_simulation import ClickRule, write_simulated_clicks
from asl_mmaction.datasets.preparation.dataset_writer import count_table, write_dataset
from asl_mmaction.files.archives import walk_files
from asl_mmaction.files.mistakes import FileMistake, ValueMistake
from asl_mmaction.files.reading import in_context, read_object, videos_of

FPS = 50.0
CLIP_LEN = 50  # samples in a window
FEAT_STRIDE = 25  # samples between windows
CLIP_SECONDS = 20.0  # least length of a clip
#: A gap between actions shorter than a step has no click.
STEP = FEAT_STRIDE / FPS
CLICK_FILES = {
    'background_clicks.json': ClickRule(min_gap=STEP),
    'background_clicks_0.25.json': ClickRule(per_stretch=0.25, min_gap=STEP),
    'background_clicks_0.5.json': ClickRule(per_stretch=0.5, min_gap=STEP),
    'background_clicks_2.json': ClickRule(per_stretch=2, min_gap=STEP),
    'background_clicks_noisy.json': ClickRule(noise=0.08, min_gap=STEP),
    'action_clicks.json': ClickRule(per_stretch=0, action='uniform'),
    'all_clicks.json': ClickRule(min_gap=STEP, action='uniform'),
    'every_step.json': ClickRule(every=STEP / 2),  # no click lies halfway between two steps
}
NUM_CHANNELS = 6  # accelerometer x y z (g), gyroscope x y z (rad/s)
CLASSES = (
    'WALKING',
    'WALKING_UPSTAIRS',
    'WALKING_DOWNSTAIRS',
    'SITTING',
    'STANDING',
    'LAYING',
    'STAND_TO_SIT',
    'SIT_TO_STAND',
    'SIT_TO_LIE',
    'LIE_TO_SIT',
    'STAND_TO_LIE',
    'LIE_TO_STAND',
)
#: The official split is by subject: these are the nine of the distribution's test part.
TEST_SUBJECTS = frozenset({2, 4, 9, 10, 12, 13, 18, 20, 24})
#: Of the whole distribution: recordings and instances of each subset.
OFFICIAL_COUNTS = {'training': (42, 849), 'test': (19, 365)}


@dataclass
class Recording:
    """One untrimmed recording.

    Attributes:
        signal: (samples, 6) float32.
        annotations: (start, end, class index); seconds.
    """

    signal: np.ndarray
    annotations: list[tuple[float, float, int]]


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    out = args.out or Path('data/hapt_clips' if args.clips else 'data/hapt')
    with report_mistakes():
        recordings = read_recordings(args.source)
        statistics = training_statistics(recordings)
        if args.clips:
            recordings = {
                f'{name}_{number:02d}': clip
                for name, recording in recordings.items()
                for number, clip in enumerate(cut_into_clips(recording))
            }
        click_seed = (args.click_seed or 0) if args.clips else None
        write_recordings(recordings, out, statistics, click_seed)
    counts = [(subset(name), len(item.annotations)) for name, item in recordings.items()]
    print(count_table('recordings', counts, 'official', OFFICIAL_COUNTS))
    print(f'written to {out}')
    return 0


# Reading


def read_recordings(source: Path) -> dict[str, Recording]:
    """Read all recordings, in either form.

    Returns:
        Name (``expNN_userNN``) -> recording, sorted by name.

    Raises:
        FileNotFoundError: ``source`` or a part of it is missing.
        ValueError: A file's content is not what the distribution's README promises.
    """
    if not source.exists():
        raise FileMistake(f'expected a folder or zip file but got {source}, which does not exist')
    if (source / 'hapt.json').is_file():
        recordings = _read_arrays(source)
    else:
        recordings = _read_distribution(source)
    for name, recording in recordings.items():
        _check(name, recording)
    return dict(sorted(recordings.items()))


def _read_arrays(folder: Path) -> dict[str, Recording]:
    path = folder / 'hapt.json'
    labels = {name: index for index, name in enumerate(CLASSES)}
    recordings = {}
    for name, video in videos_of(path, read_object(path)).items():
        with in_context(
            f'{path}: video {name!r}', 'segments, labels and a raw/<video>.npy of HAPT'
        ):
            signal = np.load(folder / 'raw' / f'{name}.npy', allow_pickle=False)
            annotations = [
                (*map(float, item['segment']), labels[item['label']])
                for item in video['annotations']
            ]
            recordings[name] = Recording(signal, annotations)
    return recordings


def _read_distribution(source: Path) -> dict[str, Recording]:
    files: dict[str, Callable[[], bytes]] = {}
    for name, read in walk_files(source):
        if re.fullmatch(r'labels\.txt|(acc|gyro)_exp\d+_user\d+\.txt', name):
            files[name] = read
    names = sorted(name[len('acc_') : -len('.txt')] for name in files if name.startswith('acc_'))
    if not names or 'labels.txt' not in files:
        raise FileMistake(
            f'{source}: expected acc_expNN_userNN.txt, gyro_expNN_userNN.txt and labels.txt '
            f'(or hapt.json and raw/), but found {len(names)} acc files and '
            f'{"a" if "labels.txt" in files else "no"} labels.txt'
        )
    recordings = {}
    for name in names:
        parts = []
        for sensor in ('acc', 'gyro'):
            file = f'{sensor}_{name}.txt'
            if file not in files:
                raise FileMistake(f'{source}: {file} is missing')
            parts.append(_read_table(file, files[file]()).astype(np.float32))
        if len(parts[0]) != len(parts[1]):
            raise ValueMistake(f'{name}: expected as many gyro as acc samples ({len(parts[0])}), '
                             f'but got {len(parts[1])}')  # fmt: skip
        recordings[name] = Recording(np.concatenate(parts, axis=1), [])
    _add_labels(recordings, _read_table('labels.txt', files['labels.txt']()))
    return recordings


def _read_table(file: str, content: bytes) -> np.ndarray:
    width = 5 if file == 'labels.txt' else NUM_CHANNELS // 2
    try:
        table = np.loadtxt(io.BytesIO(content), dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise ValueMistake(f'{file}: expected rows of numbers but got: {error}') from error
    if table.shape[1] != width:
        raise ValueMistake(f'{file}: expected {width} columns but got {table.shape[1]}')
    return table


def _add_labels(recordings: dict[str, Recording], table: np.ndarray) -> None:
    """Rows: experiment, user, activity (from 1), first and last sample (from 1, both included)."""
    by_ids = {tuple(int(n) for n in re.findall(r'\d+', name)): name for name in recordings}
    for experiment, user, activity, first, last in table.astype(np.int64).tolist():
        row = f'labels.txt: row {experiment} {user} {activity} {first} {last}'
        if (experiment, user) not in by_ids:
            raise FileMistake(f'{row}: there is no recording of this experiment and user')
        if not 1 <= activity <= len(CLASSES):
            raise ValueMistake(
                f'{row}: expected an activity of 1..{len(CLASSES)} but got {activity}'
            )
        recording = recordings[by_ids[experiment, user]]
        recording.annotations.append(((first - 1) / FPS, last / FPS, activity - 1))


def _check(name: str, recording: Recording) -> None:
    signal = recording.signal
    if signal.ndim != 2 or signal.shape[1] != NUM_CHANNELS or len(signal) < CLIP_LEN:
        raise ValueMistake(
            f'{name}: expected a signal of ({CLIP_LEN} samples or more, {NUM_CHANNELS}) '
            f'but got {signal.shape}'
        )
    if not np.isfinite(signal).all():
        raise ValueMistake(f'{name}: expected finite samples but got NaN or Inf')
    for start, end, label in recording.annotations:
        if not 0 <= start < end <= len(signal) / FPS:
            raise ValueMistake(
                f'{name}: expected segments within 0..{len(signal) / FPS} s '
                f'but got {start}..{end} s ({CLASSES[label]})'
            )


# Clips


def cut_into_clips(recording: Recording, least: float = CLIP_SECONDS) -> list[Recording]:
    """Cut a recording where no action is, so that the label of a clip says something.

    The next cut is at the first moment at least ``least`` seconds after the last one that no action
    covers: the middle of a gap, or the border of two neighbours.

    Args:
        recording: A whole one.
        least: Seconds.
    """
    duration = len(recording.signal) / FPS
    moments, covered = [], 0.0
    for start, end, _ in [*sorted(recording.annotations), (duration, duration, -1)]:
        if start >= covered and (start > covered or covered > 0):
            moments.append((covered + start) / 2)
        covered = max(covered, end)
    cuts = [0]
    for moment in moments:
        sample = round(moment * FPS)
        if sample - cuts[-1] >= least * FPS and len(recording.signal) - sample >= CLIP_LEN:
            cuts.append(sample)
    return [
        Recording(
            recording.signal[first:last],
            [
                (start - first / FPS, end - first / FPS, label)
                for start, end, label in recording.annotations
                if first / FPS <= (start + end) / 2 < last / FPS
            ],
        )
        for first, last in zip(cuts, [*cuts[1:], len(recording.signal)], strict=True)
    ]


# Writing


def write_recordings(
    recordings: dict[str, Recording],
    out: Path,
    statistics: tuple[np.ndarray, np.ndarray],
    click_seed: int | None = None,
) -> None:
    """Write features and annotations of all recordings into the folder ``out``.

    Args:
        recordings: Whole ones, or clips.
        out: Folder.
        statistics: Mean and standard deviation of each channel.
        click_seed: Of the clicks; None: no click files.
    """
    mean, std = statistics
    database = {}
    with write_dataset(out, made_by='tools/data/hapt/prepare.py') as writer:
        for name, recording in recordings.items():
            writer.feature(name, window_features(recording.signal, mean, std))
            database[name] = {
                'subset': subset(name),
                'duration': len(recording.signal) / FPS,
                'fps': FPS,
                'annotations': [
                    {'segment': [start, end], 'label': CLASSES[label], 'label_id': label}
                    for start, end, label in sorted(recording.annotations)
                ],
            }
        writer.annotations(
            {
                'version': 'HAPT (UCI 341)',
                'classes': CLASSES,
                'grid': {'fps': FPS, 'feat_stride': FEAT_STRIDE, 'clip_len': CLIP_LEN},
                'normalization': {'mean': mean.tolist(), 'std': std.tolist()},
                'database': database,
            }
        )
        if click_seed is not None:
            write_simulated_clicks(writer.root, database, CLICK_FILES, click_seed)


def subset(name: str) -> str:
    """The official subset of a recording ``expNN_userNN``, or of a clip of it."""
    user = name.partition('user')[2].partition('_')[0]
    return 'test' if int(user) in TEST_SUBJECTS else 'training'


def training_statistics(recordings: dict[str, Recording]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel over all training samples; (6,) float64 each."""
    signals = [r.signal for name, r in recordings.items() if subset(name) == 'training']
    if not signals:
        raise ValueMistake('expected training recordings (for the statistics) but got none')
    joint = np.concatenate(signals).astype(np.float64)
    mean, std = joint.mean(axis=0), joint.std(axis=0)
    if not (std > 0).all():
        raise ValueMistake(
            f'expected channels that vary but got standard deviations {std.tolist()}'
        )
    return mean, std


def window_features(signal: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Cut a signal (samples, 6) into flattened z-scored windows: (T, 300) float32.

    Row t holds samples 25 t .. 25 t + 49, sample by sample: column 6 i + c is channel c of the
    window's sample i.
    """
    scored = ((signal - mean) / std).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(scored, CLIP_LEN, axis=0)[::FEAT_STRIDE]
    return windows.transpose(0, 2, 1).reshape(len(windows), -1)  # (T, 6, 50) -> (T, 300)


if __name__ == '__main__':
    sys.exit(main())
