"""Speed of feature extraction, beside the network alone and mmaction2's clip_feature_extraction.

    OMP_NUM_THREADS=1 python benchmarks/bench_extraction.py

A TSN with ResNet-50 at 224 x 224, one crop, random weights, on a video that is rendered here or on
``--video``. Every ``--stride``-th frame is a step. ``network`` runs the same batches, ready made.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import mmaction
import numpy as np
import torch
from common import machine  # first: it checks and repairs the stack

from asl_mmaction.extraction.clips import Run
from asl_mmaction.extraction.extractor import FeatureExtractor
from asl_mmaction.extraction.recognizers import RecognizerNetwork
from asl_mmaction.extraction.video import Video

MIM = Path(mmaction.__file__).parent / '.mim'
TOOL = MIM / 'tools' / 'misc' / 'clip_feature_extraction.py'
TSN = 'tsn/tsn_imagenet-pretrained-r50_8xb32-1x1x3-100e_kinetics400-rgb.py'


def render(path: Path, seconds: int, width: int, height: int) -> Path:
    """A video of noise that drifts, 25 frames a second, H.264."""
    rng = np.random.default_rng(0)
    noise = cv2.resize(rng.integers(0, 256, (90, 160, 3), np.uint8), (2 * width, 2 * height))
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        for number in range(25 * seconds):
            x, y = number % width, 3 * number % height
            frame = np.ascontiguousarray(noise[y : y + height, x : x + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, 'rgb24')))
        container.mux(stream.encode(None))
    return path


def timed(function, *args) -> tuple[float, float]:
    """Seconds, and those of all processors together, which others on the machine do not change."""
    start, worked = time.perf_counter(), time.process_time()
    function(*args)
    return time.perf_counter() - start, time.process_time() - worked


def network_alone(extractor: FeatureExtractor, video: Path) -> list[torch.Tensor]:
    """The batches that the network gets, ready made."""
    frames = extractor._prepared(Video(video), 0)
    clips = [[run.value] for run in frames if isinstance(run, Run) and run.value is not None]
    size = extractor.batch_size
    return [extractor.network.stack(clips[k : k + size]) for k in range(0, len(clips), size)]


def theirs(config: Path, checkpoint: Path, video: Path, folder: Path, stride: int) -> None:
    """mmaction2's tool on the same video, a step at the same distance."""
    (folder / 'list.txt').write_text(f'{video.name} 0\n')
    sys.argv = [str(TOOL), str(config), str(checkpoint), str(folder / 'theirs')]
    sys.argv += ['--video-list', str(folder / 'list.txt'), '--video-root', str(video.parent)]
    sys.argv += ['--long-video-mode', '--clip-interval', str(stride), '--frame-interval', '1']
    sys.argv += ['--cfg-options', 'test_dataloader.num_workers=0']
    sys.argv += ['test_dataloader.persistent_workers=False']
    sys.argv += ['test_dataloader.dataset.pipeline.1.num_clips=1']  # of a 2D network, its frames
    (folder / 'theirs').mkdir(exist_ok=True)
    runpy.run_path(str(TOOL), run_name='__main__')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--video', type=Path)
    parser.add_argument('--seconds', type=int, default=20)
    parser.add_argument('--size', type=int, nargs=2, default=(640, 360), metavar=('W', 'H'))
    parser.add_argument('--stride', type=int, default=4)
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--theirs', action='store_true', help="run mmaction2's tool too")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = args.video or render(folder / 'video.mp4', args.seconds, *args.size)
        network = RecognizerNetwork(f'mmaction::recognition/{TSN}', center_crop=True)
        extractor = FeatureExtractor(
            network, stride=args.stride, clip_len=1, batch_size=args.batch_size, device='cpu'
        )
        batches = network_alone(extractor, video)
        steps = sum(map(len, batches))
        frames = Video(video)
        _, reading = timed(lambda: [picture.image for picture in frames.pictures()])
        print(f'{machine()}; {video.name}, {frames.num_frames} frames, {steps} steps')
        print(f'reading alone: {1000 * reading / frames.num_frames:.1f} ms of a processor a frame')

        def alone() -> None:
            with torch.inference_mode():
                for batch in batches:
                    network.forward(batch)

        rows: dict[str, list[tuple[float, float]]] = {'network': [], 'extract': []}
        for _ in range(args.repeats):
            rows['network'].append(timed(alone))
            rows['extract'].append(timed(extractor.extract, video))
        if args.theirs:
            checkpoint = folder / 'weights.pth'
            torch.save({'state_dict': network.model.state_dict()}, checkpoint)
            config = MIM / 'configs' / 'recognition' / TSN
            rows['mmaction2'] = [
                timed(theirs, config, checkpoint, video.resolve(), folder, args.stride)
            ]
    for name in rows:
        (seconds, worked), (least, least_worked) = (
            tuple(map(min, zip(*rows[key], strict=True))) for key in (name, 'network')
        )
        print(
            f'{name:10} {seconds:6.2f} s  {frames.num_frames / seconds:6.1f} frames/s  '
            f'{seconds / least:.2f} x network; of processors {worked:6.2f} s  '
            f'{worked / least_worked:.2f} x network'
        )


if __name__ == '__main__':
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    main()
