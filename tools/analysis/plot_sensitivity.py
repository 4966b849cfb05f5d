"""Draw what a training learned: the Gaussians of all classes, or what each frame weighs."""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file, or asl_mmaction::asl/asl_hapt.py')
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--out', type=Path, default=Path('sensitivity.png'), help='png, pdf or svg')
    parser.add_argument(
        '--planted', type=Path, help="annotation file with 'planted': class -> known moment"
    )
    parser.add_argument(
        '--recording',
        metavar='NAME',
        help='what each frame of this recording of the test data weighs, in place of the classes',
    )
    parser.add_argument('--video', type=Path, help='file of that recording, for frames above')
    parser.add_argument('--frames', type=int, default=8, metavar='N', help='how many of them')
    parser.add_argument('--from', type=float, default=0.0, dest='start', metavar='SECONDS')
    parser.add_argument('--to', type=float, dest='end', metavar='SECONDS')
    parser.add_argument('--width', type=float, default=10.0, help='inches, of a recording')
    parser.add_argument('--font', type=float, default=12.0, help='points, of a recording')
    args = parser.parse_args(argv)
    if args.video and args.recording is None:
        parser.error('expected --recording with --video but got none')
    return args


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from matplotlib.figure import Figure
from thumbnails import read_frames

import asl_mmaction  # noqa: F401  first: it repairs and registers
from asl_mmaction.apis import read_action_sensitivity, read_class_gaussians
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.files.reading import finite, in_context, read_object
from asl_mmaction.visualization import draw_action_sensitivity, draw_gaussians, save_figure


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        if args.recording is not None:
            save_figure(draw_recording(args), args.out)
        else:
            draw_classes(args)
    print(f'wrote {args.out}')
    return 0


def draw_recording(args: argparse.Namespace) -> Figure:
    """p, q and h of the frames of one recording."""
    recording, actions = read_action_sensitivity(args.config, args.checkpoint, args.recording)
    end = recording.duration if args.end is None else min(args.end, recording.duration)
    return draw_action_sensitivity(
        recording,
        actions,
        start=args.start,
        end=end,
        width=args.width,
        font=args.font,
        frames=read_frames(args.video, args.start, end, args.frames) if args.video else (),
    )


def draw_classes(args: argparse.Namespace) -> None:
    """The Gaussians of all classes: a picture, and their numbers."""
    planted = read_planted(args.planted) if args.planted else None
    gaussians = read_class_gaussians(args.config, args.checkpoint)
    save_figure(draw_gaussians(gaussians, planted), args.out)
    for index, name in enumerate(gaussians.classes):
        values = (
            f'{kind} mu {mu:+.3f} sigma {sigma:.3f}'
            for kind in ('cls', 'loc')
            for mu, sigma in zip(
                getattr(gaussians, f'mu_{kind}')[index],
                getattr(gaussians, f'sigma_{kind}')[index],
                strict=True,
            )
        )
        print(f'{name}: {", ".join(values)}')


def read_planted(path: Path) -> dict[str, float]:
    """Class -> position of its moment within an instance."""
    content = read_object(path)
    with in_context(str(path), "'planted': class -> moment"):
        return {name: finite('a moment', moment) for name, moment in content['planted'].items()}


if __name__ == '__main__':
    sys.exit(main())
