"""Small pictures of a video, for the tools that draw."""

from pathlib import Path

import cv2
import numpy as np

from asl_mmaction.extraction.video import Video
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.writing import check_file_name
from asl_mmaction.visualization import frame_times

WIDTH = 240  # pixels


def read_frames(path: Path, start: float, end: float, count: int) -> list[np.ndarray]:
    """What is seen in the middle of each of ``count`` parts of [start, end] seconds: (H, W, 3) RGB.

    What lies behind the end of the video is left black.
    """
    video = Video(path)
    wanted = (frame_times(start, end, count) * video.fps).astype(int).tolist()
    frames: list[np.ndarray] = []
    for picture in video.pictures():
        while len(frames) < count and wanted[len(frames)] < picture.end:
            height, width = picture.image.shape[:2]
            size = (WIDTH, max(round(height * WIDTH / width), 1))
            frames.append(cv2.resize(picture.image, size, interpolation=cv2.INTER_AREA))
        if len(frames) == count:
            break
    black = np.zeros_like(frames[0]) if frames else np.zeros((WIDTH, WIDTH, 3), np.uint8)
    return frames + [black] * (count - len(frames))


def find_video(folder: Path | None, name: str) -> Path | None:
    """The file of a video, whatever its suffix.

    Raises:
        ValueMistake: There is none, or more than one.
    """
    if folder is None:
        return None
    stem = folder / check_file_name(name)
    found = [path for path in stem.parent.glob('*') if path.stem == stem.name]
    if len(found) != 1:
        raise ValueMistake(f'expected one video {stem}.* but got {len(found)} files of that name')
    return found[0]
