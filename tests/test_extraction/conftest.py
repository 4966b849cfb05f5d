"""Videos whose frames carry their number, and recognisers that are small."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from mmengine.config import Config

BLOCK, BITS = 16, 12


def picture(number, width=192, height=48):
    """(H, W, 3) uint8 whose top row of blocks is a number in binary; below, its own pattern."""
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(BITS):
        image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)
    pattern = np.random.default_rng(number).integers(0, 256, (4, 4, 3))
    image[BLOCK:] = pattern.repeat(-(-(height - BLOCK) // 4), 0)[: height - BLOCK].repeat(
        -(-width // 4), 1
    )[:, :width]
    return image


def read_number(image):
    """What :func:`picture` has written, after a codec."""
    middles = image[BLOCK // 2, BLOCK // 2 : BITS * BLOCK : BLOCK].mean(-1)
    return sum(int(value > 127) << bit for bit, value in enumerate(middles))


def write_video(path, times, *, rate=30, clock=Fraction(1, 1000), options=None, audio=None):
    """Frames 0, 1, ... at times in seconds."""
    with av.open(str(path), 'w', options=options or {}) as container:
        stream = container.add_stream('libx264', rate=rate)
        stream.width, stream.height, stream.pix_fmt = 192, 48, 'yuv420p'
        stream.codec_context.time_base = clock
        sound = container.add_stream(audio, rate=8000) if audio else None
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), 'rgb24')
            frame.pts, frame.time_base = round(time / clock), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            for start in range(0, round(8000 * times[-1]), 1024):
                kind, form = (np.float32, 'fltp') if audio == 'aac' else (np.int16, 's16')
                silence = np.zeros((1, 1024), kind)
                frame = av.AudioFrame.from_ndarray(silence, format=form, layout='mono')
                frame.sample_rate, frame.pts = 8000, start
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path


@pytest.fixture(scope='session')
def plain_video(tmp_path_factory):
    """100 frames at 25 a second."""
    path = tmp_path_factory.mktemp('video') / 'plain.mp4'
    return write_video(path, np.arange(100) / 25, rate=25)


def turned(source, path, matrix):
    """A copy of an .mp4 that players turn; matrix: its upper left 2 x 2 entries, row by row."""
    content = bytearray(source.read_bytes())
    start = content.index(b'tkhd') + 4 + 4 + 20 + 16  # type; version; version 0's times; fields
    a, b, c, d = (round(value * 65536) for value in matrix)
    content[start : start + 36] = struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def pipeline(formatted, sampling, *steps):
    return [
        dict(type='DecordInit'),
        sampling,
        dict(type='DecordDecode'),
        *steps,
        dict(type='FormatShape', input_format=formatted),
        dict(type='PackActionInputs'),
    ]


def recognizer(kind, backbone, sampling, *steps):
    formatted = 'NCHW' if kind == 'Recognizer2D' else 'NCTHW'
    preprocessor = dict(
        type='ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape=formatted,
    )
    return Config(
        dict(
            model=dict(
                type=kind,
                backbone=backbone,
                cls_head=dict(type='TSNHead', num_classes=5, in_channels=512),
                data_preprocessor=preprocessor,
            ),
            test_pipeline=pipeline(formatted, sampling, *steps),
        )
    )


STAGE = dict(num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,), norm_eval=False)
RESIZE = dict(type='Resize', scale=(-1, 32))
CENTER = dict(type='CenterCrop', crop_size=32)
THREE = dict(type='ThreeCrop', crop_size=32)
SEGMENTS = dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, test_mode=True)


def frames_of(clip_len, interval=1):
    return dict(
        type='SampleFrames',
        clip_len=clip_len,
        frame_interval=interval,
        num_clips=1,
        test_mode=True,
    )


RECOGNIZERS = {
    'tsn': lambda: recognizer(
        'Recognizer2D', dict(type='ResNet', depth=18, **STAGE), SEGMENTS, RESIZE, THREE
    ),
    'mobilenet': lambda: recognizer(
        'Recognizer2D', dict(type='MobileNetV2', widen_factor=0.25), SEGMENTS, RESIZE, CENTER
    ),
    'tsm': lambda: recognizer(
        'Recognizer2D',
        dict(type='MobileNetV2TSM', widen_factor=0.25, num_segments=8, shift_div=8),
        SEGMENTS,
        RESIZE,
        CENTER,
    ),
    'i3d': lambda: recognizer(
        'Recognizer3D',
        dict(type='ResNet3d', depth=18, pretrained2d=False, base_channels=8, norm_eval=False),
        frames_of(8, 2),
        RESIZE,
        THREE,
    ),
    'slowfast': lambda: recognizer(
        'Recognizer3D',
        dict(
            type='ResNet3dSlowFast',
            pretrained=None,
            resample_rate=4,
            speed_ratio=4,
            channel_ratio=4,
            slow_pathway=dict(
                type='resnet3d',
                depth=18,
                pretrained=None,
                base_channels=16,
                lateral=True,
                conv1_kernel=(1, 7, 7),
                dilations=(1, 1, 1, 1),
                conv1_stride_t=1,
                pool1_stride_t=1,
                inflate=(0, 0, 1, 1),
                norm_eval=False,
            ),
            fast_pathway=dict(
                type='resnet3d',
                depth=18,
                pretrained=None,
                lateral=False,
                base_channels=4,
                conv1_kernel=(5, 7, 7),
                conv1_stride_t=1,
                pool1_stride_t=1,
                norm_eval=False,
            ),
        ),
        frames_of(16),
        RESIZE,
        CENTER,
    ),
    'videomae': lambda: recognizer(
        'Recognizer3D',
        dict(
            type='VisionTransformer',
            img_size=32,
            patch_size=16,
            embed_dims=32,
            depth=2,
            num_heads=2,
            num_frames=8,
            norm_cfg=dict(type='LN', eps=1e-6),
        ),
        frames_of(8),
        RESIZE,
        CENTER,
    ),
}
