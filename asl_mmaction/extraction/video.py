"""A video file -> its pictures on a constant frame rate."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import numpy as np

from asl_mmaction.files.mistakes import TypeMistake, ValueMistake
from asl_mmaction.files.reading import check_file, is_number

#: Name endings by which a folder is searched; the reader itself goes by the content.
VIDEO_SUFFIXES = (
    *('.3gp', '.avi', '.flv', '.m2ts', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg'),
    *('.mpg', '.mts', '.ogv', '.ts', '.webm', '.wmv'),
)
#: A file that declares so many seconds more than it holds is cut short; less is the rounding of
#: containers, or a sound track that ends later.
CUT_SHORT = 1.0
#: Time stamps may be out of order by so many seconds; more is a recording that starts anew.
OUT_OF_ORDER = 1.0


class Picture:
    """What is seen on the frames ``first .. end - 1`` of a :class:`Video`."""

    def __init__(self, first: int, end: int, frame: av.VideoFrame) -> None:
        self.first = first
        self.end = end
        self.frame = frame

    @cached_property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8, RGB, the way up in which players show it; decoded at the first use."""
        image = self.frame.to_ndarray(format='rgb24')
        turns = round(self.frame.rotation / 90) % 4  # counter-clockwise
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


class Video:
    """A video on a constant frame rate; sound and everything else is passed over.

    Frame ``k`` stands for the seconds ``k / fps .. (k + 1) / fps`` and is what a player shows in
    the middle of them. So the frames of a video of constant rate are its pictures, and one of
    variable rate is resampled without drift: what was recorded at a time is found at that time.
    Time 0 is where players start: the first time stamp of picture or sound.

    Args:
        path: a file of any format that FFmpeg reads.
        fps: frames a second; without, what the file says, its mean if the rate varies.

    Raises:
        FileMistake: no such file.
        TypeMistake: ``fps`` is no number.
        ValueMistake: no video, or without a frame rate and ``fps`` is not given.
    """

    def __init__(self, path: str | os.PathLike, *, fps: float | None = None) -> None:
        self.path = Path(path)
        if fps is not None and not is_number(fps):
            raise TypeMistake(f'expected fps to be a number but got {fps!r}')
        if fps is not None and fps <= 0:
            raise ValueMistake(f'expected fps > 0 but got {fps}')
        check_file(path, 'a video file')
        with self._opened() as (container, stream):
            rate = stream.average_rate or stream.guessed_rate if fps is None else fps
            declared = _seconds(stream.duration, stream.time_base) if stream.duration else None
            whole = _seconds(container.duration, None) if container.duration else None
            if len(container.streams) == 1:
                declared = declared or whole
            start = container.start_time
        if not rate:
            raise ValueMistake(f'{path}: expected a frame rate in the file but got none; give fps')
        #: Frames a second, as the file has it: 30000 / 1001 and not 29.97.
        self.rate = Fraction(rate) if not isinstance(rate, float) else Fraction(repr(rate))
        self.fps = float(self.rate)
        #: Known once :meth:`pictures` has ended.
        self.num_frames: int | None = None
        #: Seconds, or None: as the file says of the picture, or else of all that it holds.
        longest = declared or whole
        self.declared_duration = None if longest is None else float(longest)
        self._declared = declared
        self._start = None if start is None else _seconds(start, None)

    def pictures(self) -> Iterator[Picture]:
        """All frames from the first to the last, in runs of one picture.

        Memory does not grow with the length.

        Raises:
            ValueMistake: the file is damaged, cut short, or holds no picture.
        """
        shown, first, position = None, 0, Fraction(0)
        for frame, time in self._frames():
            index = max(math.floor(time * self.rate + Fraction(1, 2)), first)
            if shown is not None and index > first:
                yield Picture(first, index, shown)
                first = index
            shown, position = frame, time
        if shown is None:
            raise ValueMistake(f'{self.path}: expected a video but got no picture in it')
        stop = position + self._length(shown)
        if self._declared is not None and self._declared - stop > CUT_SHORT:
            raise ValueMistake(
                f'{self.path}: expected {float(self._declared):.1f} s of video, as the file says, '
                f'but it ends after {float(stop):.1f} s: it is cut short'
            )
        self.num_frames = max(1, math.floor(stop * self.rate + Fraction(1, 2)))
        if first < self.num_frames:  # else it is gone before the middle of its frame
            yield Picture(first, self.num_frames, shown)
        self.num_frames = max(first, self.num_frames)

    def _frames(self) -> Iterator[tuple[av.VideoFrame, Fraction]]:
        """Decoded frames and their seconds from the start."""
        start, last = self._start, None
        with self._opened() as (container, stream):
            stream.thread_type = 'AUTO'
            frames = container.decode(stream)
            while True:
                try:
                    frame = next(frames, None)
                except av.FFmpegError as error:
                    raise ValueMistake(
                        f'{self.path}: expected a video but got one that is damaged or cut short '
                        f'{float(last or 0):.1f} s from its start'
                    ) from error
                if frame is None:
                    return
                if frame.pts is None:
                    time = Fraction(0) if last is None else last + 1 / self.rate
                else:
                    time = _seconds(frame.pts, frame.time_base)
                    start = time if start is None else start
                    time -= start
                if last is not None and last - time > OUT_OF_ORDER:
                    raise ValueMistake(
                        f'{self.path}: expected times that go up but got {float(time):.1f} s '
                        f'behind {float(last):.1f} s'
                    )
                last = time if last is None else max(time, last)
                yield frame, time

    def _length(self, frame: av.VideoFrame) -> Fraction:
        if not frame.duration:
            return 1 / self.rate
        return max(_seconds(frame.duration, frame.time_base), Fraction(0))

    @contextmanager
    def _opened(self) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
        try:
            container = av.open(os.fspath(self.path))
        except (av.FFmpegError, OSError) as error:
            if isinstance(error, PermissionError):
                raise
            raise ValueMistake(
                f'{self.path}: expected a video but got {self._described()}'
            ) from error
        with container:
            streams = [s for s in container.streams.video if not _is_cover(s)]
            if not streams:
                raise ValueMistake(f'{self.path}: expected a video but got a file without pictures')
            yield container, streams[0]

    def _described(self) -> str:
        with open(self.path, 'rb') as file:
            head = file.read(64)
        if not head:
            return 'an empty file'
        if head.lstrip().startswith(b'<'):
            return f'a page of the web: {head[:32]!r}'
        return 'a file that is cut short, damaged, or of another kind'


def _seconds(count: int, unit: Fraction | None) -> Fraction:
    """What FFmpeg counts in a unit of its own; None: in the unit of its containers."""
    return Fraction(count, av.time_base) if unit is None else count * unit


def _is_cover(stream: av.VideoStream) -> bool:
    """A picture that is stored beside music."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)
