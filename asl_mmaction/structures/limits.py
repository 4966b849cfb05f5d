"""What the limits on candidates and detections leave out, and the line that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: What a limit leaves out counts if its score is above this; nearly all with a lower one are noise.
REPORTED_SCORE = 0.1


@dataclass(frozen=True)  # mmengine takes named tuples apart on their way to the metrics
class Limits:
    """The limits of a post-processor, and what they left out of one video.

    Attributes:
        pre_nms_topk: Candidates of a window.
        max_per_video: Detections of a recording that is as long as one window.
        max_detections: Detections of this video, what the two come to.
        candidates: How many that score above :data:`REPORTED_SCORE` ``pre_nms_topk`` left out.
        detections: How many that score above it ``max_detections`` left out.
    """

    pre_nms_topk: int
    max_per_video: int
    max_detections: int
    candidates: int
    detections: int

    @property
    def settings(self) -> str:
        """The two limits as they were configured, for messages."""
        return f'max_per_video={self.max_per_video} and pre_nms_topk={self.pre_nms_topk}'


def describe_limits(limits: Mapping[str, Limits | None]) -> str | None:
    """One line on what was left out of the videos of a run, or None if nothing was.

    Args:
        limits: By name of every video; None where they are not known.
    """
    limits = {name: video for name, video in limits.items() if video is not None}
    parts = []
    for setting, what in (('max_per_video', 'detections'), ('pre_nms_topk', 'candidates')):
        counts = {name: getattr(video, what) for name, video in limits.items()}
        values = {str(getattr(video, setting)) for video in limits.values()}
        parts.append(describe_left_out(f'{setting}={"/".join(values)}', what, counts))
    return '; '.join(filter(None, parts)) or None


def describe_left_out(setting: str, what: str, counts: Mapping[str, int]) -> str | None:
    """One line on what a limit left out, or None if nothing.

    Args:
        setting: The limit, such as 'max_per_video=200'.
        what: Such as 'detections'.
        counts: By name of every video, how many that score above :data:`REPORTED_SCORE`.
    """
    total = sum(counts.values())
    if not total:
        return None
    worst = max(counts, key=counts.__getitem__)
    return (
        f'{setting} left out {total} {what} that score above {REPORTED_SCORE} in '
        f'{sum(map(bool, counts.values()))} of {len(counts)} videos, the most ({counts[worst]}) in '
        f'video {worst!r}'
    )
