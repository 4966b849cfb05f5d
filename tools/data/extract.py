"""Features of videos: ``python tools/data/extract.py videos/ --recognizer CONFIG --out DIR``.

Writes ``DIR/<name>.npy`` (steps, channels) for each video and beside it ``DIR/<name>.json``, which
says how it was made: TALDataset and TALInferencer take the grid from there. What is there already
is left alone, and what was begun goes on where it ended, so an interrupted run is simply started
again. Under ``torchrun`` the processes share the videos.
"""

import argparse
import glob
import os
import sys
from collections.abc import Iterable
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('videos', nargs='+', help='files, folders, patterns such as "new/*.mp4"')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='for the features')
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument(
        '--recognizer',
        metavar='CONFIG',
        help='config of a recogniser of mmaction2, a file or mmaction::recognition/...py',
    )
    network.add_argument(
        '--backbone', metavar='MODULE:CALLABLE', help='any other network: see docs/from_video.md'
    )
    parser.add_argument('--checkpoint', help='of the recogniser; without, its weights are random')
    parser.add_argument('--stride', type=int, required=True, help='frames from step to step')
    parser.add_argument('--clip-len', type=int, help="frames of a clip; default: the recogniser's")
    parser.add_argument(
        '--frame-interval', type=int, help='the network sees every so-manieth frame of a clip'
    )
    parser.add_argument('--fps', type=float, help='bring all videos to this frame rate')
    parser.add_argument(
        '--center-crop',
        action='store_true',
        default=None,
        help="one crop in place of the three or ten of the recogniser's test pipeline",
    )
    parser.add_argument('--batch-size', type=int, help='clips at once (default: 8)')
    parser.add_argument('--device', help='such as cpu or cuda:0')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace features made by other settings'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
import cv2
import torch
from rich.console import Console

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.recordings import RecordingBar, list_failures, say
from asl_mmaction.extraction.extractor import FeatureExtractor, build_extractor
from asl_mmaction.extraction.video import VIDEO_SUFFIXES
from asl_mmaction.files.clock import clock
from asl_mmaction.files.mistakes import FileMistake, Mistake, ValueMistake


@report_mistakes()
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    cv2.setNumThreads(1)  # its threads would take turns with the network's
    rank, processes = (int(os.environ.get(key, default)) for key, default in RANKS.items())
    videos = find_videos(args.videos)
    mine = share(videos, rank, processes)
    extractor = build_extractor(
        {key: value for key in SETTINGS if (value := getattr(args, key)) is not None},
        device=args.device or find_device(),
    )
    console = Console(file=sys.stdout)
    where = f' (process {rank + 1} of {processes})' if processes > 1 else ''
    say(console, f'{len(mine)} videos{where}; {describe(extractor)}')
    done, bad = extract(mine, extractor, args, console)
    there = len(mine) - done - len(bad)
    say(console, f'wrote {done} features into {args.out}{where}, {there} were there already')
    return list_failures(console, bad, f'{len(bad)} could not be done:')


RANKS = {'RANK': 0, 'WORLD_SIZE': 1}
SETTINGS = ('recognizer', 'checkpoint', 'backbone', 'clip_len', 'stride', 'frame_interval')
SETTINGS += ('fps', 'batch_size', 'center_crop')


def find_videos(inputs: Iterable[str]) -> dict[str, Path]:
    """Videos by name: that of the file, without its ending; in a folder, the path from there.

    Raises:
        FileMistake: there is no video in a place.
        ValueMistake: two videos of one name.
    """
    found: dict[str, Path] = {}
    for place in inputs:
        folder = Path(place) if os.path.isdir(place) else None
        if folder is not None:
            files = sorted(f for f in folder.rglob('*') if f.suffix.lower() in VIDEO_SUFFIXES)
        else:
            files = [Path(f) for f in sorted(glob.glob(place, recursive=True))] or [Path(place)]
        if folder is not None and not files:
            raise FileMistake(f'expected videos in {place} but got none')
        for file in files:
            name = str(file.relative_to(folder) if folder else file.name)
            name = os.path.splitext(name)[0]
            if found.setdefault(name, file) != file:
                raise ValueMistake(
                    f'expected videos of different names but {found[name]} and {file} are both '
                    f'{name}'
                )
    return found


def share(videos: dict[str, Path], rank: int, processes: int) -> dict[str, Path]:
    """The videos of one of several processes: about as many bytes for each."""
    sizes = {name: file.stat().st_size if file.is_file() else 0 for name, file in videos.items()}
    loads, owner = [0] * processes, {}
    for name in sorted(videos, key=lambda name: (-sizes[name], name)):
        owner[name] = min(range(processes), key=loads.__getitem__)
        loads[owner[name]] += max(1, sizes[name])
    return {name: file for name, file in videos.items() if owner[name] == rank}


def find_device() -> str:
    """A GPU for each process of a machine, or the CPU."""
    if not torch.cuda.is_available():
        return 'cpu'
    return f'cuda:{int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count()}'


def describe(extractor: FeatureExtractor) -> str:
    """The network and the grid in one line."""
    network, sampling = extractor.network, extractor.sampling
    weights = network.checkpoint or 'RANDOM weights'
    weights = '' if network.brings_weights else f', {weights}'
    return (
        f'{network.name}{weights}: {extractor.dim} numbers for each clip of {sampling.clip_len} '
        f'frames ({sampling.num_frames} seen), every {sampling.stride} frames'
    )


def extract(
    videos: dict[str, Path], extractor: FeatureExtractor, args: argparse.Namespace, console: Console
) -> tuple[int, list[str]]:
    """Write the features of all; how many were written, and a line for each that failed."""
    done, bad = 0, []
    with RecordingBar(console, len(videos)) as bar:
        for name, video in videos.items():
            out = args.out / f'{name}.npy'
            content = None
            try:
                content = extractor.write(video, out, overwrite=args.overwrite, progress=bar.frames)
            except (Mistake, PermissionError) as error:
                bad.append(' '.join(str(error).split()))
                say(console, f'{video.name}  {bad[-1]}')
            if content is not None:
                done += 1
                say(
                    console,
                    f'{video.name}  {clock(content["duration"])}  {content["T"]} steps  '
                    f'{bar.speed(content["frames"]):.0f} frames/s',
                )
            bar.step()
    return done, bad


if __name__ == '__main__':
    sys.exit(main())
