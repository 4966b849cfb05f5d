"""Draw timelines: ground truth and detections of videos, as written by tools/test.py --out."""

import argparse
import sys
from pathlib import Path

from results import read_annotations, read_results

import asl_mmaction  # noqa: F401  first: it repairs and registers
from asl_mmaction.apis import read_class_gaussians
from asl_mmaction.cli.arguments import read_config, report_mistakes
from asl_mmaction.files.writing import check_file_name
from asl_mmaction.visualization import draw_timeline, save_figure


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('detections', type=Path, help='detections.json')
    parser.add_argument('annotations', type=Path, help='annotation file of the data set')
    parser.add_argument(
        '--out', type=Path, default=Path('timelines'), help='folder of the pictures'
    )
    parser.add_argument(
        '--videos', nargs='+', help='names of videos; without, all of the detections'
    )
    parser.add_argument('--score-threshold', type=float, default=0.3)
    parser.add_argument(
        '--sensitivity',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='draw what this training learned below',
    )
    args = parser.parse_args(argv)
    with report_mistakes():
        count = draw(args)
    print(f'wrote {count} pictures to {args.out}')
    return 0


def draw(args: argparse.Namespace) -> int:
    """Draw each video that was asked for; the number of pictures."""
    results = read_results(args.detections)['results']
    database = read_annotations(args.annotations)['database']
    gaussians = None
    if args.sensitivity:
        config, checkpoint = args.sensitivity
        gaussians = read_class_gaussians(read_config(config, {}), checkpoint)
    videos = args.videos or list(results)
    for holder, name in ((results, args.detections), (database, args.annotations)):
        unknown = [video for video in videos if video not in holder]
        if unknown:
            raise ValueError(f'expected a video of {name} but got {unknown[0]!r}')
    if gaussians is not None:
        for video in videos:
            labels = {item['label'] for item in database[video]['annotations']}
            unknown = sorted(labels.difference(gaussians.classes))
            if unknown:
                raise ValueError(
                    f'{args.annotations}: video {video!r}: expected the classes of '
                    f'{args.sensitivity[1]} but got {unknown[0]!r}'
                )
    for video in videos:
        figure = draw_timeline(
            video,
            database[video]['duration'],
            database[video]['annotations'],
            results[video],
            score_threshold=args.score_threshold,
            gaussians=gaussians,
        )
        save_figure(figure, args.out / f'{check_file_name(video)}.png')
    return len(videos)


if __name__ == '__main__':
    sys.exit(main())
