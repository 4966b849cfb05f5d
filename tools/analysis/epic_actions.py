"""Score a verb model, a noun model, and the actions that their detections join to.

An action is a pair of a verb and a noun. Detections of the two models that overlap are joined
(asl_mmaction/evaluation/functional/joint_detections.py says how); those of the same action and
video then go through SoftNMS. All three are scored by the ActivityNet protocol.

Example:
    python tools/analysis/epic_actions.py verb/detections.json noun/detections.json
"""

import argparse
import sys
from pathlib import Path

TASKS = ('verb', 'noun', 'action')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('verbs', type=Path, help='detections.json of the verb model')
    parser.add_argument('nouns', type=Path, help='detections.json of the noun model')
    folder = Path('data/epic100')
    for task in TASKS:
        parser.add_argument(
            f'--{task}-annotations', type=Path, default=folder / f'annotations_{task}.json'
        )
    parser.add_argument('--subset', default='validation')
    parser.add_argument('--tious', nargs='+', type=float, default=[0.1, 0.2, 0.3, 0.4, 0.5])
    parser.add_argument('--min-tiou', type=float, default=0.5, help='of a verb and a noun to join')
    parser.add_argument('--sigma', type=float, default=0.4, help='of SoftNMS')
    parser.add_argument('--max-per-video', type=int, default=2000, help='actions')
    parser.add_argument('--out', type=Path, help='write metrics and actions into this JSON file')
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import numpy as np

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.evaluation.functional import Instances, average_precision, join_detections
from asl_mmaction.evaluation.metrics.reports import SIMULATED
from asl_mmaction.files.annotations import read_checked_annotations
from asl_mmaction.files.mistakes import Mistake, ValueMistake
from asl_mmaction.files.results import read_results
from asl_mmaction.files.writing import hint_at_same_name, write_json
from asl_mmaction.ops.soft_nms import soft_nms
from asl_mmaction.structures.limits import REPORTED_SCORE, describe_left_out


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        if args.out is not None and args.out.is_dir():
            raise Mistake(f'expected a file for --out but got {args.out}, which is a folder')
        report, left_out = evaluate(args)
        if args.out is not None:
            write_json(args.out, report)
    if report['protocol'].get('simulated'):
        print(SIMULATED)
    print('mAP, % ' + ' '.join(f'@{tiou:<5g}' for tiou in args.tious) + ' average')
    for task, values in report['metrics'].items():
        row = ' '.join(f'{100 * value:6.2f}' for value in [*values['mAP@'], values['mAP']])
        counted = report['protocol'][task]
        print(f'{task:6} {row}   {counted["classes"]} classes, {counted["ground_truths"]} segments')
    print(f'{report["protocol"]["videos"]} videos')
    if left_out is not None:
        print(left_out)
    return 0


def evaluate(args: argparse.Namespace) -> tuple[dict, str | None]:
    """Metrics, protocol, and the joined actions by video; a line on those that were left out."""
    files = {task: getattr(args, f'{task}_annotations') for task in TASKS}
    contents = {task: read_subset(path, args.subset) for task, path in files.items()}
    names = sorted({name for content in contents.values() for name in content['database']})
    classes = {task: content['classes'] for task, content in contents.items()}
    pairs = pair_numbers(classes, files['action'])
    found, simulated = {}, any(content.get('simulated') for content in contents.values())
    for task, path in (('verb', args.verbs), ('noun', args.nouns)):
        detections = read_results(path)
        missing = [name for name in names if name not in detections['results']]
        if missing:
            raise ValueMistake(
                f'{path}: expected results of all {len(names)} videos of subset {args.subset!r} '
                f'but got none of {len(missing)}, such as {missing[0]!r}'
                f'{hint_at_same_name(missing[0], detections["results"])}'
            )
        found[task] = as_instances(detections['results'], classes[task], names, path)
        simulated = simulated or bool(detections.get('simulated'))
    actions = join_detections(
        found['verb'],
        found['noun'],
        len(classes['verb']),
        len(classes['noun']),
        min_tiou=args.min_tiou,
        max_per_video=5 * args.max_per_video,
    )
    actions, counts = thin_out(actions, args.sigma, args.max_per_video)
    left_out = describe_left_out(
        f'--max-per-video {args.max_per_video}',
        'actions',
        {name: counts.get(number, 0) for number, name in enumerate(names)},
    )
    # What is no class of the annotations has no ground truth, and does not count.
    known = Instances(*(column[np.isin(actions.labels, pairs)] for column in actions))
    order = np.argsort(pairs)
    labels = order[np.searchsorted(pairs, known.labels, sorter=order)]
    found['action'] = known._replace(labels=labels)
    metrics, counted = {}, {}
    for task, content in contents.items():
        truths = {name: video['annotations'] for name, video in content['database'].items()}
        truths = as_instances(truths, classes[task], names, files[task])
        result = average_precision(truths, found[task], len(classes[task]), args.tious)
        metrics[task] = {'mAP': float(result.mean_ap.mean()), 'mAP@': result.mean_ap.tolist()}
        counted[task] = {
            'classes': int((result.num_ground_truths > 0).sum()),
            'ground_truths': int(result.num_ground_truths.sum()),
        }
    report = {
        'metrics': metrics,
        'protocol': {
            'tiou_thresholds': args.tious,
            'subset': args.subset,
            'videos': len(names),
            **counted,
            'min_tiou': args.min_tiou,
            'sigma': args.sigma,
            'max_per_video': args.max_per_video,
            **({'simulated': True} if simulated else {}),
        },
        'results': describe(actions, names, classes['verb'], classes['noun']),
    }
    return report, left_out


def read_subset(path: Path, subset: str) -> dict:
    """An annotation file with the videos of a subset only."""
    content = read_checked_annotations(path)
    videos = {
        name: video for name, video in content['database'].items() if video.get('subset') == subset
    }
    if not videos:
        raise ValueMistake(f'{path}: expected videos of subset {subset!r} but got none')
    if not isinstance(content.get('classes'), list):
        raise ValueMistake(
            f"{path}: expected a list of 'classes' but got {content.get('classes')!r}"
        )
    return {**content, 'database': videos}


def pair_numbers(classes: dict[str, list[str]], path: Path) -> np.ndarray:
    """verb * K + noun of each class of actions, which is named 'verb noun'; K nouns."""
    names = (f'{verb} {noun}' for verb in classes['verb'] for noun in classes['noun'])
    numbers = {name: number for number, name in enumerate(names)}
    unknown = [name for name in classes['action'] if name not in numbers]
    if unknown:
        raise ValueMistake(f'{path}: expected classes of a verb and a noun but got {unknown[0]!r}')
    return np.array([numbers[name] for name in classes['action']])


def as_instances(
    videos: dict[str, list[dict]], classes: list[str], names: list[str], path: Path
) -> Instances:
    """Segments, labels and, of detections, scores of the named videos, numbered in their order."""
    numbers = {name: number for number, name in enumerate(names)}
    labels = {name: label for label, name in enumerate(classes)}
    rows = []
    for video, items in videos.items():
        if video not in numbers:
            raise ValueMistake(f'{path}: expected videos of the subset but got {video!r}')
        for item in items:
            if item['label'] not in labels:
                raise ValueMistake(
                    f'{path}: video {video!r}: expected a class of the annotations but got '
                    f'{item["label"]!r}'
                )
            score = item.get('score', 1.0)
            rows.append((numbers[video], *item['segment'], labels[item['label']], score))
    table = np.array(rows, dtype=float).reshape(-1, 5)
    return Instances(table[:, 0].astype(int), table[:, 1:3], table[:, 3].astype(int), table[:, 4])


def thin_out(
    actions: Instances, sigma: float, max_per_video: int
) -> tuple[Instances, dict[int, int]]:
    """SoftNMS in each video, per action.

    Returns:
        What is kept; by number of the video, how many above REPORTED_SCORE the limit left out.
    """
    parts, left_out = [Instances(*(column[:0] for column in actions))], {}
    for video in np.unique(actions.videos):
        own = actions.videos == video
        kept = soft_nms(
            actions.segments[own],
            actions.scores[own],
            actions.labels[own],
            sigma=sigma,
            min_score=0.0,
            max_per_video=np.count_nonzero(own),
        )
        left_out[int(video)] = int((kept.scores[max_per_video:] > REPORTED_SCORE).sum())
        columns = kept.segments, kept.labels, kept.scores
        segments, labels, scores = (column[:max_per_video] for column in columns)
        parts.append(Instances(np.full(len(scores), video), segments, labels, scores))
    return Instances(*(np.concatenate(column) for column in zip(*parts, strict=True))), left_out


def describe(
    actions: Instances, names: list[str], verb_classes: list[str], noun_classes: list[str]
) -> dict[str, list[dict]]:
    """ActivityNet's form of results; an action is 'verb noun', its two labels beside it."""
    results: dict[str, list[dict]] = {name: [] for name in names}
    for video, segment, label, score in zip(*map(np.ndarray.tolist, actions), strict=True):
        verb, noun = divmod(label, len(noun_classes))
        results[names[video]].append(
            {
                'label': f'{verb_classes[verb]} {noun_classes[noun]}',
                'verb': verb,
                'noun': noun,
                'score': score,
                'segment': segment,
            }
        )
    return results


if __name__ == '__main__':
    sys.exit(main())
