"""Score a verb model, a noun model, and the actions that their detections join to.

An action is a pair of a verb and a noun. Detections of the two models that overlap are joined
(asl_mmaction/evaluation/functional/joint_detections.py says how); those of the same action and
video then go through SoftNMS. All three are scored by the ActivityNet protocol.

Example:
    python tools/analysis/epic_actions.py verb/detections.json noun/detections.json
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from asl_mmaction.evaluation.functional import Instances, average_precision, join_detections
from asl_mmaction.evaluation.metrics.reports import write_json
from asl_mmaction.ops.soft_nms import soft_nms


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('verbs', type=Path, help='detections.json of the verb model')
    parser.add_argument('nouns', type=Path, help='detections.json of the noun model')
    folder = Path('data/epic100')
    for task in ('verb', 'noun'):
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


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        report = evaluate(args)
        if args.out is not None:
            write_json(args.out, report)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print('mAP in percent     ' + ' '.join(f'@{tiou:<5g}' for tiou in args.tious) + ' average')
    for task, values in report['metrics'].items():
        row = ' '.join(f'{100 * value:6.2f}' for value in [*values['mAP@'], values['mAP']])
        count = report['protocol']['classes'][task]
        print(f'{task:6} {count:5} classes {row}')
    protocol = report['protocol']
    print(f'{protocol["videos"]} videos, {protocol["ground_truths"]} ground truths')
    return 0


def evaluate(args: argparse.Namespace) -> dict:
    """Metrics, protocol, and the joined actions by video."""
    (verb_classes, verbs), (noun_classes, nouns) = (
        read_annotations(path, args.subset)
        for path in (args.verb_annotations, args.noun_annotations)
    )
    names = sorted(verbs)
    truths = pair_ground_truths(verbs, nouns, names)
    found = [
        read_detections(args.verbs, verb_classes, names),
        read_detections(args.nouns, noun_classes, names),
    ]
    actions = join_detections(
        *found,
        len(verb_classes),
        len(noun_classes),
        min_tiou=args.min_tiou,
        max_per_video=5 * args.max_per_video,
    )
    actions = thin_out(actions, args.sigma, args.max_per_video)
    segments = truths[:, 1:3]
    videos, verb, noun = truths[:, [0, 3, 4]].astype(int).T
    pair = verb * len(noun_classes) + noun
    # Classes without ground truth do not count, and there are 29,100 pairs.
    present = np.unique(pair)
    scored = Instances(*(column[np.isin(actions.labels, present)] for column in actions))
    scored = scored._replace(labels=np.searchsorted(present, scored.labels))
    tables = {
        'verb': (verb, found[0], len(verb_classes)),
        'noun': (noun, found[1], len(noun_classes)),
        'action': (np.searchsorted(present, pair), scored, len(present)),
    }
    metrics, classes = {}, {}
    for task, (labels, detections, num_classes) in tables.items():
        result = average_precision(
            Instances(videos, segments, labels), detections, num_classes, args.tious
        )
        metrics[task] = {'mAP': float(result.mean_ap.mean()), 'mAP@': result.mean_ap.tolist()}
        classes[task] = int((result.num_ground_truths > 0).sum())
    return {
        'metrics': metrics,
        'protocol': {
            'tiou_thresholds': args.tious,
            'subset': args.subset,
            'videos': len(names),
            'ground_truths': len(truths),
            'classes': classes,
            'min_tiou': args.min_tiou,
            'sigma': args.sigma,
            'max_per_video': args.max_per_video,
        },
        'results': describe(actions, names, verb_classes, noun_classes),
    }


def read_annotations(path: Path, subset: str) -> tuple[list[str], dict[str, list[dict]]]:
    """Classes, and the annotations of each video of a subset."""
    content = json.loads(path.read_text(encoding='utf-8'))
    videos = {
        name: video['annotations']
        for name, video in content['database'].items()
        if video['subset'] == subset
    }
    if not videos:
        raise ValueError(f'{path}: expected videos of subset {subset!r} but got none')
    return content['classes'], videos


def pair_ground_truths(verbs: dict, nouns: dict, names: list[str]) -> np.ndarray:
    """Rows (video, start, end, verb, noun): both files list the same segments in the same order."""
    rows = []
    for video, name in enumerate(names):
        pairs = verbs[name], nouns.get(name, [])
        if [verb['segment'] for verb in pairs[0]] != [noun['segment'] for noun in pairs[1]]:
            raise ValueError(
                f'video {name!r}: expected the same segments of verbs and nouns but got others: '
                'prepare both with --as-published'
            )
        rows += [
            (video, *verb['segment'], verb['label_id'], noun['label_id'])
            for verb, noun in zip(*pairs, strict=True)
        ]
    return np.array(rows, dtype=float).reshape(-1, 5)


def read_detections(path: Path, classes: list[str], names: list[str]) -> Instances:
    """Detections that TALMetric wrote, of the named videos, numbered in their order."""
    results = json.loads(path.read_text(encoding='utf-8'))['results']
    numbers = {name: number for number, name in enumerate(names)}
    labels = {name: label for label, name in enumerate(classes)}
    rows = []
    for video, detections in results.items():
        if video not in numbers:
            raise ValueError(f'{path}: expected videos of the subset but got {video!r}')
        for found in detections:
            if found['label'] not in labels:
                raise ValueError(
                    f'{path}: video {video!r}: expected a class of the annotations but got '
                    f'{found["label"]!r}'
                )
            rows.append((numbers[video], *found['segment'], labels[found['label']], found['score']))
    table = np.array(rows, dtype=float).reshape(-1, 5)
    return Instances(table[:, 0].astype(int), table[:, 1:3], table[:, 3].astype(int), table[:, 4])


def thin_out(actions: Instances, sigma: float, max_per_video: int) -> Instances:
    """SoftNMS in each video, per action."""
    parts = [Instances(*(column[:0] for column in actions))]
    for video in np.unique(actions.videos):
        own = actions.videos == video
        kept = soft_nms(
            actions.segments[own],
            actions.scores[own],
            actions.labels[own],
            sigma=sigma,
            min_score=0.0,
            max_per_video=max_per_video,
        )
        videos = np.full(len(kept.scores), video)
        parts.append(Instances(videos, kept.segments, kept.labels, kept.scores))
    return Instances(*(np.concatenate(column) for column in zip(*parts, strict=True)))


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
