"""Draw timelines: what was found in recordings, as written by tools/test.py --out."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

FORMATS = ('png', 'pdf', 'svg', 'html')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('detections', type=Path, nargs='?', help='detections.json')
    parser.add_argument(
        'annotations',
        type=Path,
        nargs='?',
        help='annotation file of the data set; without, the detections alone are drawn',
    )
    parser.add_argument(
        '--results',
        nargs='+',
        metavar='NAME=FILE',
        help='several results in one picture, in place of detections.json; also proposals.json',
    )
    parser.add_argument(
        '--out', type=Path, default=Path('timelines'), help='folder of the pictures'
    )
    parser.add_argument(
        '--format', nargs='+', choices=FORMATS, default=['png'], help='html: pages and an index'
    )
    parser.add_argument(
        '--videos', nargs='+', help='names of videos; without, all of the detections'
    )
    parser.add_argument('--score-threshold', type=float, default=0.3)
    parser.add_argument(
        '--verdict',
        type=float,
        nargs='?',
        const=0.5,
        metavar='TIOU',
        help='tell what is correct, wrong and missed, at this tIoU (0.5)',
    )
    parser.add_argument('--width', type=float, default=10.0, help='inches; pictures only')
    parser.add_argument('--font', type=float, default=12.0, help='points; pictures only')
    parser.add_argument(
        '--from', type=float, default=0.0, dest='start', metavar='SECONDS', help='pictures only'
    )
    parser.add_argument('--to', type=float, dest='end', metavar='SECONDS', help='pictures only')
    parser.add_argument(
        '--sensitivity',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='draw what this training learned below; pictures only',
    )
    parser.add_argument(
        '--clicks',
        type=Path,
        metavar='FILE',
        help='click file; its marks lie in the rows of the ground truths',
    )
    parser.add_argument(
        '--video-dir',
        type=Path,
        help='where NAME.mp4 and the like are: pages play them, pictures show frames of them',
    )
    parser.add_argument(
        '--frames', type=int, default=8, metavar='N', help='how many frames a picture shows'
    )
    parser.add_argument(
        '--embed', action='store_true', help='put the video into the page, if it is below 20 MB'
    )
    args = parser.parse_args(argv)
    if args.results:
        if args.annotations:
            parser.error('expected --results or detections.json but got both')
        args.annotations, args.detections = args.detections, None
    elif not args.detections:
        parser.error('expected detections.json or --results but got neither')
    needs = {
        '--verdict': args.verdict is not None,
        '--sensitivity': bool(args.sensitivity),
        '--clicks': args.clicks is not None,
    }
    for option, given in needs.items():
        if given and not args.annotations:
            parser.error(f'expected an annotation file with {option} but got none')
    if args.embed and not args.video_dir:
        parser.error('expected --video-dir with --embed but got none')
    return args


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from matplotlib.figure import Figure
from thumbnails import find_video, read_frames

import asl_mmaction  # noqa: F401  first: it repairs and registers
from asl_mmaction.apis import read_class_gaussians
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.evaluation.functional import with_matches
from asl_mmaction.files.annotations import read_checked_annotations
from asl_mmaction.files.clicks import Click, read_click_file
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.results import read_duration, read_results
from asl_mmaction.files.writing import check_file_name, hint_at_same_name
from asl_mmaction.visualization import (
    ClassGaussians,
    Recording,
    draw_timeline,
    page_name,
    save_figure,
    write_html_index,
    write_html_timeline,
)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        count = draw(args)
    print(f'wrote {count} pictures to {args.out}')
    return 0


def draw(args: argparse.Namespace) -> int:
    """Draw each video that was asked for; the number of recordings."""
    files = named_files(args.results) if args.results else {'model': args.detections}
    contents = {name: read_results(path, labels=None) for name, path in files.items()}
    annotations = read_checked_annotations(args.annotations) if args.annotations else None
    gaussians = None
    if args.sensitivity:
        config, checkpoint = args.sensitivity
        gaussians = read_class_gaussians(config, checkpoint)
    recordings = list(read_recordings(args, files, contents, annotations))
    if gaussians is not None:
        check_classes(recordings, gaussians.classes, args)
    pages = {}
    for recording in recordings:
        name = check_file_name(recording.video_name)
        video = find_video(args.video_dir, recording.video_name)
        figure = None
        for form in args.format:
            path = args.out / f'{page_name(name) if form == "html" else name}.{form}'
            if form == 'html':
                pages[path] = recording
                write_html_timeline(
                    path,
                    recording,
                    video=video,
                    embed=args.embed,
                    score_threshold=args.score_threshold,
                )
            else:
                figure = figure or draw_picture(recording, video, gaussians, args)
                save_figure(figure, path)
    if pages:
        write_html_index(args.out / 'index.html', pages, score_threshold=args.score_threshold)
    return len(recordings)


def draw_picture(
    recording: Recording,
    video: Path | None,
    gaussians: ClassGaussians | None,
    args: argparse.Namespace,
) -> Figure:
    """The timeline of one recording, with frames of its video if there is one."""
    end = recording.duration if args.end is None else min(args.end, recording.duration)
    return draw_timeline(
        recording,
        score_threshold=args.score_threshold,
        start=args.start,
        end=end,
        width=args.width,
        font=args.font,
        gaussians=gaussians,
        frames=read_frames(video, args.start, end, args.frames) if video else (),
    )


def named_files(pairs: list[str]) -> dict[str, Path]:
    """``['ASL=a.json']`` -> ``{'ASL': Path('a.json')}``."""
    files: dict[str, Path] = {}
    for pair in pairs:
        name, equal, path = pair.partition('=')
        if not (name and equal and path) or name in files:
            raise ValueMistake(f'expected --results NAME=FILE, each name once, but got {pair!r}')
        files[name] = Path(path)
    return files


def read_recordings(
    args: argparse.Namespace,
    files: Mapping[str, Path],
    contents: Mapping[str, Mapping],
    annotations: Mapping | None,
) -> list[Recording]:
    """What is to be drawn, in the order of the files."""
    database = annotations['database'] if annotations else None
    videos = args.videos or list(dict.fromkeys(v for c in contents.values() for v in c['results']))
    holders = {path: contents[name]['results'] for name, path in files.items()}
    for path, holder in {**holders, **({args.annotations: database} if database else {})}.items():
        unknown = [video for video in videos if video not in holder]
        if unknown:
            raise ValueMistake(f'expected a video of {path} but got {unknown[0]!r}')
    classes = class_order([annotations or {}, *contents.values()])
    clicks = read_clicks(args, database, videos, classes) if args.clicks else {}
    recordings, guessed = [], []
    for video in videos:
        rows = {name: content['results'][video] for name, content in contents.items()}
        truth = database[video]['annotations'] if database else None
        if database:
            told = [database[video]['duration']]
        else:
            durations = (read_duration(files[name], contents[name], video) for name in files)
            told = [duration for duration in durations if duration is not None]
        if not told:
            guessed.append(video)
            told = [row['segment'][1] for part in rows.values() for row in part]
        duration = max(told, default=0)
        if args.verdict is not None:
            rows = {name: with_matches(truth, part, args.verdict) for name, part in rows.items()}
        marks = clicks.get(video, ())
        recordings.append(
            Recording(video, duration or 1.0, rows, truth, args.verdict, classes, marks)
        )
    if guessed:
        print(
            f'no file says how long {len(guessed)} of {len(recordings)} recordings are: these are '
            'drawn up to the end of their last detection'
        )
    return recordings


def read_clicks(
    args: argparse.Namespace, database: Mapping, videos: list[str], classes: list[str]
) -> dict[str, list[Click]]:
    """The clicks within the videos that are drawn; what is left out is printed."""
    clicks = read_click_file(args.clicks).clicks
    unknown = [video for video in clicks if video not in database]
    if unknown:
        raise ValueMistake(
            f'{args.clicks}: expected videos of {args.annotations} but got {unknown[0]!r}'
            f'{hint_at_same_name(unknown[0], database)}'
        )
    labels = {row['label'] for video in database.values() for row in video['annotations']}
    known = {None, *classes, *labels}
    given, kept = 0, {}
    for video in videos:
        for click in clicks.get(video, ()):
            if click.label not in known:
                raise ValueMistake(
                    f'{args.clicks}: video {video!r}: expected a class of {args.annotations} '
                    f'but got a click on {click.label!r}'
                )
            given += 1
            if 0 <= click.time <= database[video]['duration']:
                kept.setdefault(video, []).append(click)
    outside = given - sum(map(len, kept.values()))
    if not given:
        print(f'{args.clicks}: no click lies in any of the {len(videos)} recordings that are drawn')
    elif outside:
        print(f'{args.clicks}: {outside} of {given} clicks lie outside of their recordings')
    return kept


def class_order(contents: list[Mapping]) -> list[str]:
    """The classes in the order of the data set, from the first file that has one."""
    for content in contents:
        for key in ('classes', 'taxonomy'):
            names = content.get(key)
            if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
                return names
    return []


def check_classes(recordings: list[Recording], classes: tuple[str, ...], args) -> None:
    """Refuse ground truths of classes that the training of ``--sensitivity`` does not have."""
    for recording in recordings:
        unknown = sorted({row['label'] for row in recording.ground_truths}.difference(classes))
        if unknown:
            raise ValueMistake(
                f'{args.annotations}: video {recording.video_name!r}: expected the classes of '
                f'{args.sensitivity[1]} but got {unknown[0]!r}'
            )


if __name__ == '__main__':
    sys.exit(main())
