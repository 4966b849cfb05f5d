"""Check the data of a config before training: ``python tools/data/check.py CONFIG``.

Builds every dataset of the config, opens every feature file and compares the two, and looks which
segments no point of the config's model is assigned to. Errors (what would stop or spoil a training)
make the exit code 1; warnings do not.
"""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config')
    parser.add_argument(
        '--draw', type=int, default=0, metavar='N', help='draw the actions of N training videos'
    )
    parser.add_argument(
        '--out', type=Path, help='folder for the pictures (default: work_dirs/CONFIG/check)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='settings to change'
    )
    args = parser.parse_args(argv)
    known_by_name = args.config.isidentifier() or '::' in args.config  # of an installed package
    if not known_by_name and not os.path.exists(args.config):
        parser.error(f'expected a config file but got {args.config}, which does not exist')
    if args.draw < 0:
        parser.error(f'expected --draw N >= 0 but got {args.draw}')
    return args


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import numpy as np
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import nn

import asl_mmaction  # noqa: F401 (registers its parts)
from asl_mmaction.apis import load_config
from asl_mmaction.apis.classes import check_classes
from asl_mmaction.apis.datasets import dataset_configs
from asl_mmaction.cli.arguments import parse_cfg_options
from asl_mmaction.cli.checks.coverage import Video, find_uncovered
from asl_mmaction.cli.checks.dataset import Report, check
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.screen import filter_console
from asl_mmaction.datasets.transforms.lengths import explain, systematic_difference
from asl_mmaction.files.mistakes import Mistake

SHOWN = 5  # findings of one kind


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    filter_console(MMLogger.get_current_instance())
    with report_mistakes():
        config = load_config(args.config, parse_cfg_options(args.cfg_options))
        init_default_scope('mmaction')
        datasets = different_datasets(config)
        print(f'{args.config}: {"; ".join(title for title, _ in datasets)}', flush=True)
        reports = [check(title, dataset) for title, dataset in datasets]
        head = build_head(config)
    errors = length_errors(reports)
    warn_of_untrained_classes(reports)
    if head is not None:
        for report in reports:
            check_coverage(report, head)
    for video, places in repeats('train', reports):
        reports[0].warn('videos given twice', f'{video} in {places}')
    print('\n'.join(summary(reports)))
    if args.draw:
        with report_mistakes():
            draw(reports, args)
    errors += [error for report in reports for error in report.errors] + leaks(reports)
    errors += nothing_to_train_on(reports)
    try:
        check_classes(config, {f'the {r.title} data': list(r.labels) for r in reports})
    except ValueError as error:
        errors.append(str(error))
    for error in errors[: SHOWN * 4]:
        print(f'error: {error}')
    print(f'{len(errors)} errors' if errors else 'no errors')
    return 1 if errors else 0


def draw(reports: list[Report], args: argparse.Namespace) -> None:
    """Draw videos of the first data set, that of training if there is one."""
    from asl_mmaction.cli.checks.drawing import draw_ground_truth  # loads matplotlib

    folder = args.out or Path('work_dirs') / Path(args.config).stem / 'check'
    report = reports[0]
    paths = draw_ground_truth(report.samples, list(report.labels), args.draw, folder)
    print(f'{len(paths)} pictures of {report.title} written to {folder}')


def different_datasets(config: Config) -> list[tuple[str, dict]]:
    """The different datasets of a config: ('train', ...), ('val, test', ...).

    Those that a wrapper joins are numbered: ('train 1', ...), ('train 2', ...).
    """
    found: list[tuple[list[str], dict]] = []
    for name in ('train', 'val', 'test'):
        parts = dataset_configs(config, f'{name}_dataloader').values()
        for number, part in enumerate(parts, 1):
            title = f'{name} {number}' if len(parts) > 1 else name
            same = [titles for titles, other in found if other == part]
            if same:
                same[0].append(title)
            else:
                found.append(([title], part))
    if not found:
        raise Mistake(f'expected dataloaders in {config.filename} but it has none')
    return [(', '.join(titles), part) for titles, part in found]


def build_head(config: Config) -> nn.Module | None:
    """The head of the config's model; None if it has none, or one that assigns no points.

    With the whole model, which gives its parts their widths.
    """
    model = config.get('model') or {}
    if 'type' not in model or 'head' not in model:
        return None
    head = getattr(MODELS.build(model), 'head', None)
    return head if hasattr(head, 'assigner') else None


def check_coverage(report: Report, head: nn.Module) -> None:
    """Look for segments that nothing is learned of, as no point is assigned to them.

    A few are dirt; most of them, or all of a class, are an error.
    """
    classes = list(report.labels)
    uncovered = find_uncovered(report.trained, head)
    report.uncovered = len(uncovered)
    for item in uncovered:
        start, end = item.segment
        report.warn(
            f'segments that nothing is learned of, {item.reason}',
            f'{item.video} {start:g}..{end:g} s {classes[item.label]} ({item.length:.3g} steps)',
        )
    counts = Counter(label for video in report.trained for label in video.labels.tolist())
    lost = Counter(item.label for item in uncovered)
    if 2 * lost.total() > counts.total():
        report.errors.append(
            f'{report.title}: expected segments that a point of the model is assigned to but got '
            f'{lost.total()} of {counts.total()} without any: see the warnings'
        )
        return
    for label, count in sorted(lost.items()):
        if count == counts[label]:
            report.errors.append(
                f'{report.title}: expected a point of the model for some segment of class '
                f'{classes[label]!r} but got none for all {count}: see the warnings'
            )


def length_errors(reports: list[Report]) -> list[str]:
    """Features of another length than duration and grid make, and what may be the reason.

    What explains the files of all datasets is said once; else each dataset is looked at alone.
    """
    joined = [length for report in reports for length, _ in report.lengths]
    errors = []
    for group in [reports] if explain(joined) else [[report] for report in reports]:
        found = [(r.title, *pair) for r in group for pair in r.lengths]
        reason = explain([length for _, length, _ in found])
        wrong = [f'{title}: {mismatch}' if mismatch else '' for title, _, mismatch in found]
        if reason is not None:
            first, *others = filter(None, wrong)
            others = f', and {len(others)} more like that' if others else ''
            errors.append(f'{first}{others}; {reason.text}')
            wrong = [line for line, fits in zip(wrong, reason.fits, strict=True) if not fits]
        else:
            difference = systematic_difference([length for _, length, _ in found])
            group[0].notes += [difference] if difference else []
        errors += filter(None, wrong)
    return errors


def leaks(reports: list[Report]) -> list[str]:
    """Videos that are trained on and tested on, or that one test has twice."""
    errors = [
        f'video {video!r} is in {places}, and the results of a test are one for each name'
        for loader in ('val', 'test')
        for video, places in repeats(loader, reports)
    ]
    trained = {video for r in reports if r.places('train') for video in r.videos}
    for report in reports:
        tested = ', '.join(report.places('val') + report.places('test'))
        errors += [
            f'video {video!r} is in {tested} and in training'
            for video in sorted(report.videos & trained)
            if tested
        ]
    return errors


def warn_of_untrained_classes(reports: list[Report]) -> None:
    """Warn of classes that no segment of the training data has."""
    training = [r for r in reports if r.places('train')]
    trained = sum((r.labels for r in training), Counter())  # leaves out those of none
    for name in dict.fromkeys(name for r in reports for name in r.labels) if trained else ():
        if name not in trained:
            training[0].warn('classes without a segment in training', name)


def nothing_to_train_on(reports: list[Report]) -> list[str]:
    """An error where training data was read and no video of it has an action."""
    training = [r for r in reports if r.places('train')]
    if not training or any(r.labels.total() or r.errors for r in training):
        return []
    return [f'{training[0].title}: expected actions to train on but got none']


def repeats(loader: str, reports: list[Report]) -> list[tuple[str, str]]:
    """Videos that several datasets of a loader have, such as ('a', 'val 1 and val 2')."""
    places: dict[str, list[str]] = {}
    for report in reports:
        for place in report.places(loader):
            for video in report.videos:
                places.setdefault(video, []).append(place)
    return [(v, ' and '.join(found)) for v, found in sorted(places.items()) if len(found) > 1]


def summary(reports: list[Report]) -> list[str]:
    """The table of counts, then the warnings."""
    width = max([len(name) for r in reports for name in r.labels] + [15]) + 2
    rows = [['', *(r.title for r in reports)]]
    rows.append(['videos', *(str(len(r.videos)) for r in reports)])
    rows.append(['segments', *(str(r.labels.total()) for r in reports)])
    rows.append(['steps', *(step_range([x.num_steps for x, _ in r.lengths]) for r in reports)])
    rows.append(['lengths, steps', *(length_range(r.trained) for r in reports)])
    if any(r.uncovered is not None for r in reports):
        rows.append(['without a point', *(share_without_point(r) for r in reports)])
    for name in dict.fromkeys(name for r in reports for name in r.labels):
        rows.append([name, *(str(r.labels[name]) for r in reports)])
    column = max(20, *(len(r.title) for r in reports)) + 2
    lines = [row[0].ljust(width) + ''.join(cell.rjust(column) for cell in row[1:]) for row in rows]
    for report in reports:
        for kind, found in report.warnings.items():
            more = ', ...' if len(found) > SHOWN else ''
            lines.append(
                f'warning: {report.title}: {len(found)} {kind}: {", ".join(found[:SHOWN])}{more}'
            )
        lines += [f'warning: {report.title}: {note}' for note in report.notes]
    return lines


def length_range(videos: list[Video]) -> str:
    """Shortest, median and longest action, in steps."""
    lengths = [
        np.diff(video.segments)[:, 0] * video.grid.fps / video.grid.feat_stride for video in videos
    ]
    lengths = np.concatenate(lengths or [np.empty(0)])
    if not len(lengths):
        return '-'
    return f'{lengths.min():.3g}..{np.median(lengths):.3g}..{lengths.max():.3g}'


def share_without_point(report: Report) -> str:
    """Actions that no point of the model is assigned to."""
    total = sum(len(video.labels) for video in report.trained)
    if report.uncovered is None or not total:
        return '-'
    return f'{report.uncovered} ({100 * report.uncovered / total:.2g} %)'


def step_range(steps: list[int]) -> str:
    return f'{min(steps)}..{np.median(steps):g}..{max(steps)}' if steps else '-'


if __name__ == '__main__':
    sys.exit(main())
