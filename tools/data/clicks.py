"""Click files: draw clicks from a full annotation, or convert those of other projects.

``python tools/data/clicks.py simulate ANNOTATIONS --out FILE`` draws clicks in the videos of one
subset (asl_mmaction/datasets/preparation/click_simulation.py says how).

``python tools/data/clicks.py convert SOURCE [SOURCE ...] --annotations ANNOTATIONS --out FILE``
reads background clicks of BackTAL, single frames of SF-Net, and points of LACP and HR-Pro, and puts
all of them into one file (asl_mmaction/datasets/preparation/click_files.py says by which rules).

``python tools/data/clicks.py ask CONFIG CHECKPOINT --out FILE.csv`` lists the moments of the
training videos at which a trained model is most in doubt. Fill in the column ``label`` with
``background`` or a class, leave blank what you cannot tell, and convert the list like the others.
"""

import argparse
import csv
import sys
from collections import Counter
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest='command', required=True)
    draw = commands.add_parser('simulate', help='draw clicks from a full annotation')
    draw.add_argument('annotations', type=Path)
    draw.add_argument('--subset', default='training')
    draw.add_argument('--seed', type=int, default=0)
    draw.add_argument('--per-stretch', type=float, default=1.0, help='background clicks; 0: none')
    draw.add_argument(
        '--keep', choices=['all', 'human'], default='all', help='stretches that are clicked'
    )
    draw.add_argument('--min-gap', type=float, help='seconds of the least stretch; one step')
    draw.add_argument('--noise', type=float, default=0.0, help='share of misplaced clicks')
    draw.add_argument(
        '--action', choices=['uniform', 'gaussian'], help='one click in each action too'
    )
    draw.add_argument('--every', type=float, help='seconds between clicks on everything, instead')
    read = commands.add_parser('convert', help='convert the click files of another project')
    read.add_argument('source', type=Path, nargs='+')
    read.add_argument('--annotations', type=Path, help='of the videos; without, nothing is checked')
    read.add_argument('--fps', help='of clicks given as frames: a number, or a JSON file by video')
    ask = commands.add_parser('ask', help='list the most doubtful moments of training videos')
    ask.add_argument('config', help='config file of a weakly supervised training')
    ask.add_argument('checkpoint', type=Path)
    ask.add_argument('--per-video', type=int, default=1, help='most moments of a video')
    ask.add_argument(
        '--min-distance', type=float, default=2.0, help='seconds between moments and clicks'
    )
    ask.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='settings to change'
    )
    for command in (draw, read, ask):
        command.add_argument('--out', type=Path, required=True)
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from asl_mmaction.apis import find_doubtful_moments, load_config
from asl_mmaction.cli.arguments import parse_cfg_options
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.click_files import (
    clean_clicks,
    count_inside,
    read_foreign_clicks,
)
from asl_mmaction.datasets.preparation.click_simulation import (
    ClickRule,
    simulate_clicks,
)
from asl_mmaction.files.annotations import find_classes, read_checked_annotations
from asl_mmaction.files.clicks import write_click_file
from asl_mmaction.files.mistakes import FileExistsMistake, ValueMistake
from asl_mmaction.files.reading import finite, in_context, read_object, videos_of
from asl_mmaction.files.writing import prepare_folder, replaced

SCHEMA = 'the schema of TALDataset'
ASKED = ('video', 'time', 'class', 'probability', 'probability of background', 'label')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        counts = {'simulate': simulate, 'convert': convert, 'ask': list_moments}[args.command](args)
    width = max(map(len, counts)) + 2
    print('\n'.join(f'{what:<{width}}{count:>7}' for what, count in counts.items()))
    print(f'written to {args.out}')
    return 0


def check_out(out: Path, *read: Path) -> None:
    """Raises ValueError if what would be written takes the place of what is read."""
    for path in read:
        if out.resolve() == path.resolve():
            raise ValueMistake(f'expected --out to be another file than {path}, which is read')


def simulate(args: argparse.Namespace) -> Counter:
    """Draw and write; gives the counts."""
    check_out(args.out, args.annotations)
    content = read_object(args.annotations)
    with in_context(str(args.annotations), SCHEMA):
        videos = videos_of(args.annotations, content)
        database = {name: x for name, x in videos.items() if x['subset'] == args.subset}
        if not database:
            known = sorted({video['subset'] for video in videos.values()})
            raise ValueMistake(f'expected a subset of {known} but got {args.subset!r}')
        rule = ClickRule(
            seed=args.seed,
            per_stretch=args.per_stretch,
            keep=args.keep,
            min_gap=one_step(content) if args.min_gap is None else args.min_gap,
            noise=args.noise,
            action=args.action,
            every=args.every,
        )
        clicks = simulate_clicks(database, rule)
        inside = count_inside(clicks, database)
        total = sum(map(len, clicks.values()))
        if not total:
            raise ValueMistake(
                f'expected a click in the {len(database)} videos of {args.subset!r} but none was '
                f'drawn: {rule.description}'
            )
    write_click_file(args.out, clicks, source=args.annotations.name, simulated=rule.description)
    background = sum(click.label is None for some in clicks.values() for click in some)
    return Counter(
        {
            'videos': len(clicks),
            'background clicks': background,
            'action clicks': total - background,
            'background clicks inside an action': inside,
        }
    )


def one_step(content: dict) -> float:
    """Seconds of a feature step, as far as the annotation file says; else 0."""
    grid = content.get('grid') or {}
    return grid['feat_stride'] / grid['fps'] if {'feat_stride', 'fps'} <= set(grid) else 0.0


def convert(args: argparse.Namespace) -> Counter:
    """Read, clean and write; gives the counts.

    Raises:
        ValueError: No click is kept, or a file is wrong.
    """
    check_out(args.out, *args.source, *([args.annotations] if args.annotations else []))
    fps, content, classes = None, None, ()
    if args.fps is not None:
        path = Path(args.fps)
        fps = (
            read_object(path) if path.suffix == '.json' else finite('--fps > 0', args.fps, above=0)
        )
    if args.annotations is not None:
        content = read_checked_annotations(args.annotations)
        content['classes'] = classes = find_classes(str(args.annotations), content)
    rows = (row for path in args.source for row in read_foreign_clicks(path, fps, classes))
    clicks, counts = clean_clicks(rows, content)
    if not clicks:
        found = ', '.join(f'{count} {what}' for what, count in counts.items() if count)
        raise ValueMistake(
            f'{", ".join(map(str, args.source))}: expected a click to keep but got none '
            f'({found or "it is empty"})'
        )
    write_click_file(args.out, clicks, source=', '.join(path.name for path in args.source))
    return counts


def list_moments(args: argparse.Namespace) -> Counter:
    """Find and write; gives the counts.

    Raises:
        FileExistsError: The list is there: somebody may have filled it in.
    """
    if args.out.exists():
        raise FileExistsMistake(
            f'expected --out to be a new file but {args.out} is there, perhaps with answers'
        )
    prepare_folder(args.out.parent)
    moments = find_doubtful_moments(
        load_config(args.config, parse_cfg_options(args.cfg_options)),
        args.checkpoint,
        per_video=args.per_video,
        min_distance=args.min_distance,
    )
    if not moments:
        raise ValueMistake(
            f'expected moments that are {args.min_distance:g} s from all clicks but got none: '
            'lower --min-distance'
        )
    rows = [
        (x.video, f'{x.time:.3f}', x.label, f'{x.probability:.3f}', f'{x.background:.3f}', '')
        for x in moments
    ]
    with replaced(args.out) as part, part.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([ASKED, *rows])
    return Counter({'videos': len({x.video for x in moments}), 'moments': len(moments)})


if __name__ == '__main__':
    sys.exit(main())
