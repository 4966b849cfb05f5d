"""What does a model get wrong, and what does each kind of error cost?

Reads detections.json of a folder, such as `tools/test.py --out` leaves it, and the annotations. The
kinds are those of DETAD. Writes diagnosis.json and a picture beside the results.

Example:
    python tools/analysis/diagnose.py work_dirs/my_asl --annotations data/kitchen/annotations.json
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

#: DETAD's edges: length in seconds, percent of the video, actions of the class in the video.
EDGES = {
    'activitynet': ((30, 60, 120, 180), (20, 40, 60, 80), (1, 4, 8)),
    'thumos14': ((3, 6, 12, 18), (2, 4, 6, 8), (1, 40, 80)),
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('results', type=Path, help='folder of a detections.json, or such a file')
    parser.add_argument('--annotations', type=Path, required=True, help='of the data set')
    parser.add_argument('--subset', nargs='+', help='without: those of the videos with results')
    parser.add_argument(
        '--tiou',
        nargs='+',
        type=float,
        help='thresholds; without: those of the first average in metrics.json beside the results, '
        'or 0.5',
    )
    parser.add_argument('--edges', choices=EDGES, help="DETAD's groups, in place of equal ones")
    parser.add_argument('--picture', type=Path, help='png, pdf or svg; without: diagnosis.png')
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import numpy as np

import asl_mmaction  # noqa: F401  first: it repairs and registers
from asl_mmaction.apis.scored import Protocol, Scored, read_protocol, read_scored
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.evaluation.functional import (
    ERRORS,
    KINDS,
    Diagnosis,
    Instances,
    Matches,
    diagnose,
    diagnose_groups,
    match_detections,
)
from asl_mmaction.evaluation.metrics.reports import SIMULATED
from asl_mmaction.files.mistakes import FileMistake
from asl_mmaction.files.writing import write_json
from asl_mmaction.visualization.diagnosis import draw_diagnosis
from asl_mmaction.visualization.figures import save_figure

#: Groups of as many actions each, where no edges are given.
NUM_GROUPS = 5
#: Of a terminal.
COLUMNS = 80
PROPERTIES = ('length (s)', '% of the recording', 'same class in it')
MEANINGS = {
    'duplicate': 'the right class and place, found already',
    'class': 'the right place, another class',
    'boundary': 'the right class, start or end too far off',
    'both': 'another class, start or end too far off',
    'background': 'where nothing is',
    'missed': 'actions that no detection finds',
}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    path = args.results / 'detections.json' if args.results.is_dir() else args.results
    picture = args.picture or path.with_name('diagnosis.png')
    with report_mistakes():
        if args.results.is_dir() and not path.is_file():
            raise FileMistake(
                f'expected detections.json in {args.results}, as tools/test.py --out writes it, '
                'but got none'
            )
        protocol = read_protocol(path.with_name('metrics.json')) or Protocol({'mAP': [0.5]}, [])
        tious = sorted(set(args.tiou or [])) or next(iter(protocol.averages.values()))
        excluded = protocol.excluded_videos
        scored = read_scored(path, args.annotations, subsets=args.subset, exclude=excluded)
        report = make_report(scored, path, tious, EDGES.get(args.edges))
        write_json(path.with_name('diagnosis.json'), report)
        groups = {
            name: {row['group']: (row['mAP'], row['missed']) for row in rows}
            for name, rows in report['groups'].items()
        }
        profile = np.array([list(shares.values()) for shares in report['profile']])
        title = f'{"/".join(path.resolve().parts[-3:-1])}: mAP {100 * report["mAP"]:.1f}'
        save_figure(draw_diagnosis(KINDS, profile, report['costs'], groups, title), picture)
    print(as_text(report, path))
    print(f'wrote {path.with_name("diagnosis.json")}, {picture}')
    return 0


def make_report(scored: Scored, path: Path, tious: list[float], edges: tuple | None) -> dict:
    """What diagnosis.json holds of the results at the path; shares and mAP in [0, 1].

    Raises:
        FileMistake: There is nothing to find in their recordings.
    """
    truths, found = scored.instances()
    if not len(truths.videos):
        raise FileMistake(
            f'expected actions in the {len(scored.videos)} recordings of {path} but got none'
        )
    classes = scored.classes
    # What overlaps less than a tenth is about no action, unless less is enough.
    options = dict(min_tiou=min(0.1, *tious))
    matches = match_detections(truths, found, len(classes), tious)
    result = diagnose(matches, **options)
    normalized = diagnose(matches, normalize=True, **options)
    return {
        'tiou_thresholds': tious,
        'recordings': len(scored.videos),
        'recordings_without_results': scored.without_results,
        'actions': len(truths.videos),
        'detections': len(found.videos),
        'detections_counted': int(result.counted.sum()),
        'mAP': result.mean_ap,
        'missed': float(result.missed.mean()),
        'costs': dict(zip(ERRORS, result.costs.tolist(), strict=True)),
        'mAP_N': normalized.mean_ap,
        'costs_N': dict(zip(ERRORS, normalized.costs.tolist(), strict=True)),
        'profile': [dict(zip(KINDS, shares, strict=True)) for shares in result.profile.tolist()],
        'confused': confused(truths, found, result, classes),
        'groups': {
            name: group_rows(matches, values, own)
            for name, values, own in zip(
                PROPERTIES, properties(scored, truths), edges or [None] * 3, strict=True
            )
        },
        **({'simulated': True} if scored.simulated else {}),
    }


def properties(scored: Scored, truths: Instances) -> list[np.ndarray]:
    """Length, percent of the recording, number of actions of the class in it: (G,) each."""
    lengths = np.diff(truths.segments)[:, 0]
    durations = np.array([video['duration'] for video in scored.videos])
    keys = truths.videos * len(scored.classes) + truths.labels
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return [lengths, 100 * lengths / durations[truths.videos], counts[inverse]]


def group_rows(matches: Matches, values: np.ndarray, edges: tuple | None) -> list[dict]:
    """One row a group that has actions; up to and including the edge."""
    if edges is None and len(values) == 0:
        return []
    if edges is None:
        inner = np.quantile(values, np.arange(1, NUM_GROUPS) / NUM_GROUPS, method='lower')
        edges = np.unique(inner[inner < values.max()])
    groups = np.searchsorted(edges, values, 'left')
    rows = diagnose_groups(matches, groups, len(edges) + 1)
    named = []
    for group, row in enumerate(rows):
        own = values[groups == group]
        if len(own):
            low, high = (f'{value:.3g}' for value in (own.min(), own.max()))
            named.append(
                {
                    'group': low if low == high else f'{low}..{high}',
                    'actions': row.num_ground_truths,
                    'mAP': row.mean_ap,
                    'missed': row.missed,
                }
            )
    return named


def confused(
    truths: Instances, found: Instances, result: Diagnosis, classes: tuple[str, ...]
) -> list[dict]:
    """Pairs of classes taken for another, most first: mean number over thresholds.

    Of the best N detections of each class alone, which has N actions: those further down are
    guesses that cost nothing.
    """
    best = result.counted & (result.rounds == 0)
    kinds = [KINDS.index('class'), KINDS.index('both')]
    _, wrong = np.nonzero(np.isin(result.kinds, kinds) & best)
    pairs = Counter(
        zip(
            found.labels[wrong].tolist(),
            truths.labels[result.nearest[wrong]].tolist(),
            strict=True,
        )
    )
    return [
        {'detected': classes[one], 'is': classes[other], 'number': number / len(result.kinds)}
        for (one, other), number in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    ]


def as_text(report: dict, path: Path) -> str:
    """One screen."""
    first = report['profile'][0]
    shares = {**first, 'missed': report['missed']}
    tious = report['tiou_thresholds']
    shown = f'{tious[0]:g}' if len(tious) == 1 else f'{tious[0]:g}..{tious[-1]:g}'
    lines = [
        *([SIMULATED] if report.get('simulated') else []),
        f'{path}: {report["recordings"]} recordings, {report["actions"]} actions, '
        f'{report["detections"]} detections',
        f'mAP {100 * report["mAP"]:.1f} at tIoU {shown}',
        f'of the best detections, one for each action, {100 * first["correct"]:.1f} % are correct',
        '',
        'error       % of the best  costs mAP',
    ]
    if report['recordings_without_results']:
        names = report['recordings_without_results']
        lines.insert(1, f'{len(names)} recordings without results, as {names[0]!r}: nothing found')
    lines += [
        f'{kind:<12}{100 * shares[kind]:>13.1f}{100 * report["costs"][kind]:>11.1f}  {meaning}'
        for kind, meaning in MEANINGS.items()
    ]
    for name, rows in report['groups'].items():
        cells = [f'{row["group"]}: {100 * row["mAP"]:.0f}' for row in rows]
        lines += in_lines(f'mAP by {name}: ', cells, ' | ')
    pairs = [
        f'{pair["detected"]} for {pair["is"]} {pair["number"]:.1f}'
        for pair in report['confused'][:4]
    ]
    lines += in_lines('taken for another class: ', pairs or ['none'], ', ')
    return '\n'.join(lines)


def in_lines(title: str, parts: list[str], between: str) -> list[str]:
    """The parts behind a title, in lines of a terminal; no part is broken."""
    lines = [title]
    for number, part in enumerate(parts):
        text = part + (between if number < len(parts) - 1 else '')
        if number and len(lines[-1] + text.rstrip()) > COLUMNS:
            lines[-1] = lines[-1].rstrip()
            lines.append('    ')
        lines[-1] += text
    return lines


if __name__ == '__main__':
    sys.exit(main())
