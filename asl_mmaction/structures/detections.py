"""Detections on the grid of a sequence and in the seconds of its video."""

from mmengine.structures import BaseDataElement, InstanceData

from asl_mmaction.structures.segments import clip_segments


def video_bounds(sample: BaseDataElement) -> tuple[float, float]:
    """Start and end of a video on the grid of its sequence.

    Args:
        sample: Of the video, with ``grid`` and ``duration``.
    """
    return sample.grid.to_grid(0.0), sample.grid.to_grid(sample.duration)


def detections_in_seconds(found: InstanceData, sample: BaseDataElement) -> InstanceData:
    """Detections of a post-processor -> those of the video.

    Args:
        found: ``segments`` (M, 2) grid, ``scores`` (M,), ``labels`` (M,); any metainfo.
        sample: Of the video, with ``grid`` and ``duration``.

    Returns:
        The same with ``segments`` in float64 seconds, cut to [0, duration].
    """
    seconds = sample.grid.to_seconds(found.segments.double())
    return InstanceData(
        segments=clip_segments(seconds, 0.0, sample.duration),
        scores=found.scores,
        labels=found.labels,
        metainfo=found.metainfo,
    )
