"""Your own data in one command: a table of actions and a folder of features -> a data set to train.

``python tools/data/from_csv.py actions.csv --features feats/ --fps 25 --stride 4 --clip-len 16
--out data/kitchen`` writes ``annotations.json`` and two configs, ``my_asl.py`` and
``my_baseline.py``, whose numbers are worked out from the data; docs/own_data.md has it all.
"""

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'actions',
        type=Path,
        help='CSV file with columns video, label, start, end (and subset, duration, fps); or JSON '
        "of ActivityNet's form, PointTAD's, mmaction2's or Label Studio's",
    )
    parser.add_argument('--features', type=Path, required=True, help='folder, a file a recording')
    parser.add_argument('--out', type=Path, required=True, help='folder for the data set')
    grid = parser.add_argument_group('features (what sidecars say may be left out)')
    grid.add_argument('--fps', type=positive, help='frames, or samples, of a second')
    grid.add_argument('--stride', type=positive, help='frames between two steps')
    grid.add_argument('--clip-len', type=positive, help='frames that a step sees')
    grid.add_argument('--key', help='name of the array in files that hold several')
    table = parser.add_argument_group('actions')
    table.add_argument(
        '--columns',
        nargs='+',
        default=[],
        metavar='WHAT=NAME',
        help='columns with other names than usual: video, label, start, end, subset, duration, fps',
    )
    table.add_argument(
        '--unit',
        choices=['seconds', 'milliseconds', 'frames'],
        help='of the times (default: by the column names)',
    )
    table.add_argument('--durations', type=Path, help='CSV or JSON of the recordings (seconds)')
    table.add_argument('--classes', type=Path, help='names of the classes, in the order of labels')
    table.add_argument('--skip-missing', action='store_true', help='leave out what has no feature')
    parts = parser.add_argument_group('what to test on (default: a column subset, or by chance)')
    parts.add_argument('--test', type=Path, help='names of the recordings to test on, in a file')
    parts.add_argument('--test-fraction', type=float, help='of the recordings, by chance (0.3)')
    parts.add_argument('--seed', type=int, default=0, help='of the chance')
    parts.add_argument(
        '--subsets',
        nargs='+',
        default=[],
        metavar='NAME=SUBSET',
        help='what other names of subsets mean, e.g. validation=training',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace what is in --out')
    return parser.parse_args(argv)


def positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f'expected a number > 0 but got {text!r}')
    return int(number) if number == int(number) else number


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import numpy as np
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope

import asl_mmaction  # noqa: F401 (registers its parts)
from asl_mmaction.apis import load_config
from asl_mmaction.cli.arguments import parse_pairs
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.action_rows import (
    COLUMNS,
    Row,
    Rows,
    in_lines,
    read_rows,
)
from asl_mmaction.datasets.preparation.conversion import convert
from asl_mmaction.datasets.preparation.feature_folder import (
    Feature,
    find_features,
    read_features,
    unread_features,
)
from asl_mmaction.datasets.preparation.other_forms import read_json_rows
from asl_mmaction.datasets.preparation.own_data import make_source, untold_durations
from asl_mmaction.datasets.preparation.plan import Choice, make_plan
from asl_mmaction.datasets.preparation.plan_config import asl_config, baseline_config, is_dense
from asl_mmaction.datasets.preparation.source import Source
from asl_mmaction.datasets.preparation.splitting import find_test_subset, give_subsets
from asl_mmaction.datasets.preparation.statistics import Recording, Statistics
from asl_mmaction.datasets.transforms.lengths import FeatureLength, explain, length_mismatch
from asl_mmaction.files.annotations import segments_of
from asl_mmaction.files.mistakes import FileExistsMistake, ValueMistake
from asl_mmaction.files.reading import read_classes, read_durations, read_names
from asl_mmaction.files.writing import prepare_folder, write_json
from asl_mmaction.structures.feature_grid import GRID_KEYS

TIOU_THRESHOLDS = [0.3, 0.4, 0.5, 0.6, 0.7]
FILES = ('annotations.json', 'my_baseline.py', 'my_asl.py')
SHOWN = 6
#: In five recordings or more some action ends later than at this share, unless the time is wrong.
EARLY = 0.75
#: Counts of what lies behind the end.
OUTSIDE = ('outside the video: dropped', 'partly outside: cut')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        args.columns = parse_pairs(args.columns, '--columns')
        args.subsets = parse_pairs(args.subsets, '--subsets')
        check_out(args.out, args.overwrite)
        table = read(args)
        found, pattern = find_features(args.features, table.rows, skip_missing=args.skip_missing)
        left_out = len({row.video for row in table.rows} - set(found))
        rows = [replace(row, video=found[row.video]) for row in table.rows if row.video in found]
        own_fps = {row.video: None for row in rows}
        own_fps.update({row.video: row.fps for row in rows if row.fps})
        lengths = {
            found.get(video, video): length
            for video, length in (read_durations(args.durations) if args.durations else {}).items()
        }
        own_fps.update({v: lengths[v][1] for v in own_fps if v in lengths and lengths[v][1]})
        features, width, layout, notes = read_features(
            args.features, pattern, own_fps, grid_settings(args), args.key
        )
        durations = {video: seconds for video, (seconds, _) in lengths.items()}
        if args.durations:
            notes += check_durations(args.durations, durations, own_fps)
        classes = read_classes(args.classes) if args.classes else None
        source = make_source(args.actions, rows, features, durations, classes)
        check_lengths(source, features)
        tested = args.test and (args.test, [found.get(n, n) for n in read_names(args.test)])
        notes += give_subsets(
            source,
            rows,
            args.actions,
            test=tested,
            fraction=args.test_fraction,
            seed=args.seed,
            words=args.subsets,
        )
        content = convert(source)
        training = subset_statistics(content['database'], features, width)
        plan = make_plan(training)
        if left_out:
            notes.append(f'{left_out} recordings without a feature file: left out')
        notes += unread_features(features)
        notes += [what + in_lines(places) for what, places in table.notes.items()]
        untold = untold_durations(rows, features, durations)
        notes += remarks(content, rows, features, untold)
        load = {'key': args.key} if args.key else {}
        load |= {'layout': layout} if layout else {}
        write(args, content, settings(args, content, features, width, pattern), load, plan)
        print('\n'.join(report(args, content, features, notes, plan)))
    return 0


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse to replace files, which may have been edited, and a path that no config can have."""
    path = str(out.absolute())
    wrong = [mark for mark in ("'", '"', '\n', '\r', '{{') if mark in path]
    if wrong:  # mmengine puts it into the text of a config as it is
        raise ValueMistake(f'expected --out without {wrong[0]!r} in its path but got {path!r}')
    there = [name for name in FILES if (out / name).exists()]
    if there and not overwrite:
        raise FileExistsMistake(
            f'expected a new folder but got {out / there[0]}, which exists; --overwrite replaces it'
        )


def read(args: argparse.Namespace) -> Rows:
    unknown = [what for what in args.columns if what not in COLUMNS]
    if unknown:
        raise ValueMistake(f'expected --columns of {", ".join(COLUMNS)} but got {unknown[0]!r}')
    if args.actions.suffix.lower() == '.json':
        return read_json_rows(args.actions, read_classes(args.classes) if args.classes else None)
    return read_rows(args.actions, args.columns, args.unit)


def grid_settings(args: argparse.Namespace) -> dict[str, float]:
    given = zip(GRID_KEYS, (args.fps, args.stride, args.clip_len), strict=True)
    return {name: value for name, value in given if value is not None}


def check_durations(path: Path, durations: Mapping, videos: Mapping) -> list[str]:
    """Refuse a file of durations that has those of other recordings alone; what it lacks."""
    missing = [video for video in videos if video not in durations]
    if len(missing) == len(videos):
        raise ValueMistake(
            f'{path}: expected durations of recordings such as {missing[0]!r} but got those of '
            f'{", ".join(map(repr, list(durations)[:3])) or "none"}'
        )
    return [f'{len(missing)} recordings without a duration in {path}'] if missing else []


def check_lengths(source: Source, features: Mapping[str, Feature]) -> None:
    """Refuse durations and features that do not fit; what would explain it is named."""
    lengths, wrong = [], []
    for name, video in source.videos.items():
        feature = features[name]
        lengths.append(FeatureLength(video.duration, feature.grid, feature.num_steps))
        sample = {'video_name': name, 'grid': feature.grid, 'duration': video.duration}
        wrong.append(length_mismatch(sample, feature.num_steps))
    mismatches = [text for text in wrong if text]
    if mismatches:
        others = len(mismatches) - 1
        reason = explain(lengths)
        raise ValueMistake(
            mismatches[0]
            + (f', and {others} more like that' if others else '')
            + (f'; {reason.text}' if reason else '')
        )


def subset_statistics(database: Mapping, features: Mapping[str, Feature], width: int) -> Statistics:
    recordings = []
    for name, video in database.items():
        if video['subset'] == 'training':
            segments = features[name].grid.to_grid(segments_of(video['annotations']))
            recordings.append(Recording(features[name].num_steps, segments))
    return Statistics.of(recordings, width)


def remarks(
    content: dict, rows: list[Row], features: Mapping[str, Feature], untold: set[str]
) -> list[str]:
    """What was left out or looks odd, a line each. Of ``untold`` the features tell the duration."""
    totals: Counter = Counter()
    for counts in content['conversion']['counts'].values():
        totals.update(counts)
    known = ('videos', 'segments', 'segments in the source')
    backwards = [row.where for row in rows if row.label is not None and row.end < row.start]
    places = {'end before start: dropped': in_lines(backwards)}
    notes = [
        f'{n} {what}{places.get(what, "")}'
        for what, n in sorted(totals.items())
        if what not in known
    ]
    database = content['database']
    ends = {
        name: segments_of(video['annotations']).max(initial=0) / video['duration']
        for name, video in database.items()
    }
    latest = max(ends.values())
    by_features = len(untold & {name for name, end in ends.items() if end}) >= 5
    if totals['segments'] >= 5 and 60 * latest <= 1:
        or_grid = ', or as if --fps or --stride were not those of the features'
        notes.append(
            'all actions end in the first 1/60 of their recordings, as if in minutes'
            f'{or_grid if by_features else ""}'
        )
    elif by_features and latest <= EARLY:
        notes.append(
            f'all actions end in the first {100 * latest:.0f} % of what the features cover: are '
            '--fps and --stride those of the features?'
        )
    if untold and any(totals[what] for what in OUTSIDE):
        notes.append(
            'no duration is given, so a recording ends with its features: if many actions lie '
            'behind that, --fps or --stride is wrong'
        )
    few = sum(feature.num_steps < 8 for feature in features.values())
    if few:
        notes.append(f'{few} recordings of fewer than 8 steps')
    return notes


def settings(
    args: argparse.Namespace,
    content: dict,
    features: Mapping[str, Feature],
    width: int,
    pattern: str,
) -> dict:
    """What the config says of the data."""
    grids = [feature.grid for feature in features.values()]
    grid = {}
    for name in GRID_KEYS:
        values = {getattr(item, name) for item in grids}
        if len(values) == 1:
            value = values.pop()
            grid[name] = int(value) if value == int(value) else value
    own = [name for name in GRID_KEYS if name not in grid]
    if 'fps' in grid:
        for video in content['database'].values():
            del video['fps']
    try:
        folder = Path(os.path.relpath(args.features, args.out)).as_posix()
    except ValueError:  # another drive
        folder = args.features.resolve().as_posix()
    return {
        'feature_folder': folder,
        'feature_file': pattern,
        'feat_dim': width,
        'num_classes': len(content['classes']),
        'grid': (grid, f'{" and ".join(own)}: of each recording' if own else ''),
        'train_subset': 'training',
        'test_subset': find_test_subset({n: v['subset'] for n, v in content['database'].items()}),
        'tiou_thresholds': (TIOU_THRESHOLDS, 'mAP is their average; those of your field'),
    }


def write(
    args: argparse.Namespace,
    content: dict,
    about: dict,
    load: dict,
    plan: Mapping[str, Choice],
) -> None:
    prepare_folder(args.out)
    write_json(args.out / FILES[0], content)
    texts = baseline_config(args.out.name, about, load, plan), asl_config(plan)
    for name, text in zip(FILES[1:], texts, strict=True):
        (args.out / name).write_text(text, encoding='utf-8')


def report(
    args: argparse.Namespace,
    content: dict,
    features: Mapping[str, Feature],
    notes: list[str],
    plan: Mapping[str, Choice],
) -> list[str]:
    database = content['database']
    counts = Counter(item['label'] for v in database.values() for item in v['annotations'])
    shown = [f'{label} {counts[label]}' for label in content['classes'][:SHOWN]]
    more = ', ...' if len(content['classes']) > SHOWN else ''
    segments = {name: segments_of(v['annotations']) for name, v in database.items()}
    seconds = np.concatenate([np.diff(own)[:, 0] for own in segments.values()])
    steps = np.concatenate(
        [np.diff(features[name].grid.to_grid(own))[:, 0] for name, own in segments.items()]
    )
    parts = []
    for subset in ('training', 'validation', 'test'):
        videos = [v for v in database.values() if v['subset'] == subset]
        if videos:
            actions = sum(len(v['annotations']) for v in videos)
            parts.append(f'{subset} {len(videos)} recordings, {actions} actions')
    lines = [
        f'{len(database)} recordings, {counts.total()} actions, {len(content["classes"])} classes '
        f'({", ".join(shown)}{more}); lengths {seconds.min():.1f}..{seconds.max():.1f} s = '
        f'{steps.min():.0f}..{steps.max():.0f} steps',
        '; '.join(parts),
        *(f'note: {note}' for note in notes),
        'the plan:',
    ]
    name_width = max(map(len, plan)) + 2
    for choice in plan.values():
        lines.append(f'  {choice.name.ljust(name_width)}{choice.value}  ({choice.reason})')
    if is_dense(plan):
        lines.append(
            '  my_asl.py, as actions overlap: points chosen by what they predict, at any place in '
            'an action and on two levels; scores times the predicted quality'
        )
    asl, baseline = (count_parameters(args.out / name) for name in ('my_asl.py', 'my_baseline.py'))
    lines.append(
        f'wrote {args.out / FILES[0]}, configs: my_asl.py ({asl:.1f} M parameters), '
        f'my_baseline.py ({baseline:.1f} M)'
    )
    has_tools = Path('tools/train.py').is_file()  # not beside an installed package
    check, train = (
        ('python tools/data/check.py', 'python tools/train.py')
        if has_tools
        else ('mim run asl_mmaction check', 'mim train asl_mmaction')
    )
    config = args.out / 'my_asl.py'
    return [*lines, f'next: {check} {config}', f'then: {train} {config}']


def count_parameters(path: Path) -> float:
    """Millions, of the model of a config."""
    init_default_scope('mmaction')
    model = MODELS.build(load_config(path).model)
    return sum(value.numel() for value in model.parameters()) / 1e6


if __name__ == '__main__':
    sys.exit(main())
