"""Prepare Ego4D Moments Queries: annotations of two forms -> one annotation file.

``python tools/data/ego4d/prepare.py SOURCE [...] [--out data/ego4d]``; README.md beside this file
says where SOURCE comes from.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'sources',
        type=Path,
        nargs='+',
        help='the official moments_train.json, moments_val.json, moments_test_unannotated.json, '
        'or a JSON file of ActionFormer or OpenTAD',
    )
    parser.add_argument('--exclude', type=Path, help='file with names of videos to leave out')
    parser.add_argument(
        '--as-published', action='store_true', help='keep what published evaluations count'
    )
    parser.add_argument('--out', type=Path, default=Path('data/ego4d'))
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.conversion import (
    read_database,
    rename_subset,
    write_sources,
)
from asl_mmaction.datasets.preparation.source import Source, SourceVideo
from asl_mmaction.files.reading import in_context, read_object

SUBSETS = {
    'train': 'training',
    'training': 'training',
    'val': 'validation',
    'validation': 'validation',
    'test': 'test',
    'testing': 'test',
}
#: Moments Queries v1, primary labels only.
KNOWN = {'training': (1486, 13559), 'validation': (521, 4296)}
FPS_RANGE = (10.0, 100.0)  # outside it, a clip's times are broken


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        source = read(args.sources)
        print(write_sources({'annotations.json': source}, args, args.sources, KNOWN))
    return 0


def read(paths: list[Path]) -> Source:
    """Read sources of any form; classes are all labels, sorted."""
    source = Source('Ego4D Moments Queries', [])
    for path in paths:
        content = read_object(path)
        if isinstance(content.get('videos'), list):
            for video in content['videos']:
                name = video.get('video_uid') if isinstance(video, dict) else video
                with in_context(f'{path}: video {name!r}', 'clips and labels of moments_*.json'):
                    read_video(path, video, source)
        else:
            read_database(path, content, source, SUBSETS)
    source.classes = sorted(
        {label for video in source.videos.values() for _, _, label in video.actions}
    )
    return source


def read_video(path: Path, video: Mapping, source: Source) -> None:
    """The official form: clips of a video; primary labels of all annotators; times of the video."""
    subset = rename_subset(video['split'], SUBSETS)
    for clip in video['clips']:
        start, end = max(float(clip['video_start_sec']), 0.0), float(clip['video_end_sec'])
        frames = clip['video_end_frame'] - max(clip['video_start_frame'], 0)
        if end <= start or not FPS_RANGE[0] <= frames / (end - start) <= FPS_RANGE[1]:
            source.counts[subset, 'clips of impossible frame rate: dropped'] += 1
            continue
        target = SourceVideo(path, subset, end - start, fps=frames / (end - start))
        for annotator in clip.get('annotations') or ():
            for item in annotator['labels']:
                if not item['primary']:
                    source.counts[subset, 'labels that are not primary: dropped'] += 1
                    continue
                times = (item[f'video_{edge}_time'] - start for edge in ('start', 'end'))
                target.add(tuple(times), item['label'])
        with in_context(f'clip {clip["clip_uid"]!r}', 'each clip once'):
            source.add(clip['clip_uid'], target)


if __name__ == '__main__':
    sys.exit(main())
