"""From videos to detections: renders videos, extracts features, trains ASL, looks at a new video.

Nothing is downloaded. What is there from an earlier run, videos and features, is taken again.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo_video'))
    parser.add_argument('--data-root', type=Path, default=Path('data/demo_video'))
    parser.add_argument('--num-train', type=int, default=48, help='training videos')
    parser.add_argument('--num-test', type=int, default=12, help='test videos')
    parser.add_argument('--epochs', type=int, help="instead of the config's number")
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
import cv2
from demo import train_and_test
from mmengine.config import Config
from rich.console import Console

from asl_mmaction.apis import TALInferencer
from asl_mmaction.apis.work_dir import last_checkpoint
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.recordings import say
from asl_mmaction.datasets.preparation.rendered_videos import render
from asl_mmaction.extraction.extractor import FeatureExtractor, build_extractor
from asl_mmaction.visualization import Recording
from asl_mmaction.visualization.html_timeline import write_html_timeline

CONFIG = Path(__file__).resolve().parents[1] / 'configs' / 'asl' / 'asl_demo_video.py'


@report_mistakes()
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    start = time.perf_counter()
    console = Console(file=sys.stdout)
    cv2.setNumThreads(1)

    config = load_demo_config(args)
    content = render(args.data_root, num_train=args.num_train, num_test=args.num_test)
    say(console, f'{len(content["database"])} videos: {(args.data_root / "videos").resolve()}')
    extractor = build_extractor(config.extractor)
    extract(extractor, content['database'], args.data_root, console)
    train_and_test(config, args.work_dir, console)
    metrics = json.loads((args.work_dir / 'metrics.json').read_text())['metrics']
    page = look_at_a_new_video(config, args, console)
    print(
        f'demo-video: mAP@0.5 {100 * metrics["mAP@0.50"]:.1f}  avg {100 * metrics["mAP"]:.1f}  '
        f'({time.perf_counter() - start:.0f} s)  {page.resolve()}'
    )
    return 0


def load_demo_config(args: argparse.Namespace) -> Config:
    """The demo's config with the paths of the command line."""
    config = Config.fromfile(CONFIG)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[name].dataset.data_root = os.fspath(args.data_root)
    config.train_cfg.max_epochs = args.epochs or config.train_cfg.max_epochs
    return config


def extract(extractor: FeatureExtractor, database: dict, root: Path, console: Console) -> None:
    """Features of all videos; now and then a line with the speed."""
    start, frames = time.perf_counter(), 0
    for number, name in enumerate(database, 1):
        written = extractor.write(
            root / 'videos' / f'{name}.mp4', root / 'features' / f'{name}.npy', overwrite=True
        )
        if written is not None:
            frames += written['frames']
        if number % 12 == 0 or number == len(database):
            speed = frames / (time.perf_counter() - start)
            say(console, f'features: {number} of {len(database)}, {speed:.0f} frames/s')


def look_at_a_new_video(config: Config, args: argparse.Namespace, console: Console) -> Path:
    """Render another video, find what happens in it, and write a page that plays it."""
    folder = args.work_dir / 'new'
    content = render(folder, seed=1, num_train=1, num_test=1)
    video = folder / 'videos' / 'test_000.mp4'
    inferencer = TALInferencer(config, last_checkpoint(args.work_dir), show_progress=False)
    (output,) = inferencer(os.fspath(video), features_dir=folder / 'features', score_threshold=0.1)[
        'predictions'
    ]
    truths = content['database']['test_000']['annotations']
    recording = Recording(
        video.name, output['duration'], {'ASL': output['detections']}, ground_truths=truths
    )
    found = [row for row in output['detections'] if row['score'] >= 0.3]
    say(console, f'{video.name}: {len(truths)} actions, {len(found)} found with a score >= 0.3')
    return write_html_timeline(folder / 'test_000.html', recording, video=video)


if __name__ == '__main__':
    sys.exit(main())
