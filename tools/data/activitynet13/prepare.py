"""Prepare ActivityNet-1.3, ActivityNet-1.2 or HACS: annotations of three forms -> one file.

``python tools/data/activitynet13/prepare.py SOURCE [...] [--release activitynet13] [--out DIR]``;
README.md beside this file says where SOURCE comes from.
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
        help='activity_net.v1-3.min.json or a JSON file of the same form (TSP, ActionFormer, '
        "OpenTAD); or mmaction2's anet_anno_{train,val,test}.json or anet_anno_action.json",
    )
    parser.add_argument(
        '--subsets',
        type=Path,
        help="file of the official form that tells the subset of each video (mmaction2's "
        'anet_anno_action.json does not)',
    )
    parser.add_argument(
        '--release',
        choices=['activitynet13', 'activitynet12', 'hacs'],
        default='activitynet13',
        help='ActivityNet-1.3',
    )
    parser.add_argument('--exclude', type=Path, help='file with names of videos to leave out')
    parser.add_argument(
        '--as-published', action='store_true', help='keep what published evaluations count'
    )
    parser.add_argument('--out', type=Path, help='folder; data/RELEASE')
    args = parser.parse_args(argv)
    args.out = args.out or Path('data', args.release)
    return args


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.conversion import (
    read_database,
    rename_subset,
    write_sources,
)
from asl_mmaction.datasets.preparation.source import Source, SourceVideo
from asl_mmaction.files.reading import in_context, read_object, videos_of

SUBSETS = {'training': 'training', 'validation': 'validation', 'testing': 'test', 'test': 'test'}
PREFIX = 'v_'  # of file names; the official names have none
#: Release -> its name, and the videos and segments of the official file. Fewer videos: those whose
#: features are missing, or blocked. HACS v1.1.1 leaves out some videos of v1.1, which is counted.
RELEASES = {
    'activitynet13': (
        'ActivityNet 1.3',
        {'training': (10024, 15410), 'validation': (4926, 7654), 'test': (5044, 0)},
    ),
    'activitynet12': (
        'ActivityNet 1.2',
        {'training': (4819, 7151), 'validation': (2383, 3582), 'test': (2480, 0)},
    ),
    'hacs': ('HACS Segments', {}),
}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    version, known = RELEASES[args.release]
    with report_mistakes():
        source = read(args.sources, args.subsets, version)
        print(write_sources({'annotations.json': source}, args, args.sources, known))
    return 0


def read(paths: list[Path], subsets: Path | None, version: str) -> Source:
    """Read sources of any form; classes are all labels, sorted, which is the official order."""
    source = Source(version, [])
    known = videos_of(subsets, read_object(subsets)) if subsets else {}
    for path in paths:
        content = read_object(path)
        if 'database' in content:
            read_database(path, content, source, SUBSETS)
        else:
            read_mmaction2(path, content, source, known)
    names = [name for name in source.videos if name.startswith(PREFIX)]
    for name in names:
        video = source.videos.pop(name)
        with in_context(f'{video.file}: video {name!r}', 'each video once'):
            source.add(name.removeprefix(PREFIX), video)
    source.classes = sorted(
        {label for video in source.videos.values() for _, _, label in video.actions}
    )
    return source


def read_mmaction2(path: Path, content: Mapping, source: Source, known: Mapping) -> None:
    """Videos by name with ``duration_second``; the subset is in the file's name or in ``known``."""
    words = {'train': 'training', 'val': 'validation', 'test': 'test'}
    of_file = words.get(path.stem.rpartition('_')[2])
    for name, video in content.items():
        subset = of_file
        if subset is None:
            with in_context(f'{path}: video {name!r}', 'its subset in the file --subsets'):
                subset = rename_subset(known[name.removeprefix(PREFIX)]['subset'], SUBSETS)
        form = 'duration_second and annotations of segment and label'
        with in_context(f'{path}: video {name!r}', form):
            target = SourceVideo(path, subset, video['duration_second'])
            for item in video['annotations']:
                target.add(item['segment'], item['label'])
            source.add(name, target)


if __name__ == '__main__':
    sys.exit(main())
