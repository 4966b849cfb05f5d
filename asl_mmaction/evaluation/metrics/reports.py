"""How results are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SIMULATED = 'SIMULATED features: these numbers mean nothing'


def format_table(
    metrics: Mapping[str, float],
    per_class: Mapping[str, Mapping],
    protocol: Mapping,
    per_length: Mapping[str, Mapping] | None = None,
) -> str:
    """The per-class AP table, in percent, with what was counted below it.

    Args:
        metrics: Values in [0, 1] by name, the columns.
        per_class: By class name, ``ground_truths``, ``detections``, ``ap`` (as ``metrics``, or
            None for a class without ground truth) and perhaps ``recall``, the same.
        protocol: See `TALMetric`.
        per_length: By name of the length, the same, above the row of all.
    """
    cells = [['class', 'GT', 'det', *(name.removeprefix('mAP@') for name in metrics)]]
    sections = [per_class, per_length or {}]
    whole = {**protocol, 'ap': metrics}
    for name, row in [*(item for rows in sections for item in rows.items()), ('all', whole)]:
        values = {**(row['ap'] or {}), **(row.get('recall') or {})}
        counts = [str(row['ground_truths']), str(row['detections'])]
        percent = [f'{100 * values[key]:.1f}' if key in values else '-' for key in metrics]
        cells.append([name, *counts, *percent])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_align(row, widths) for row in cells]
    rule = '-' * len(lines[0])
    excluded = protocol['excluded_videos']
    unknown = protocol['classes_without_ground_truths']
    fusion = protocol.get('score_fusion')
    return '\n'.join(
        [
            *([SIMULATED] if protocol.get('simulated') else []),
            'AP in percent; columns named by a number are AP at that tIoU',
            lines[0],
            rule,
            *lines[1 : 1 + len(per_class)],
            *([rule] if per_length else []),
            *lines[1 + len(per_class) : -1],
            rule,
            lines[-1],
            f'{protocol["videos"]} videos, {protocol["ground_truths"]} ground truths, '
            f'{protocol["detections"]} detections counted'
            + (
                f'; {unknown} of {protocol["classes"]} classes have no ground truth and are left '
                'out of the means'
                if unknown
                else ''
            )
            + (
                f'; {len(excluded)} videos excluded: {", ".join(map(ascii, excluded))}'
                if excluded
                else ''
            ),
            *(
                [
                    f'classes by video scores of {fusion["path"]}, whose best is right in '
                    f'{100 * fusion["top1_accuracy"]:.1f} percent of the videos'
                ]
                if fusion
                else []
            ),
        ]
    )


def _align(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers = row
    aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
    return '  '.join([name.ljust(widths[0]), *aligned])


def format_tiou(tiou: float) -> str:
    """Two decimals, or as many as needed."""
    return f'{tiou:.2f}' if abs(tiou - round(tiou, 2)) < 1e-9 else f'{tiou:g}'


def low_limits(videos: list[dict], most: int) -> str | None:
    """What to say where the post-processor gives fewer detections than Recall@kx asks for.

    Args:
        videos: With ``limits`` (None: not known), ``scores`` and ``scored_labels``.
        most: The largest k.

    Returns:
        One sentence; None: it gives enough.
    """
    full = [
        video
        for video in videos
        if video['limits'] and len(video['scores']) >= video['limits'].max_detections
    ]
    short = [
        video
        for video in full
        if video['limits'].max_detections < most * len(video['scored_labels'])
    ]
    if not short:
        return None
    worst = max(short, key=lambda video: len(video['scored_labels']))
    return (
        f'expected up to {most} detections for each ground truth, for Recall@{most}x, but '
        f'{worst["limits"].settings} give fewer in {len(short)} of {len(videos)} videos, '
        f'as {worst["limits"].max_detections} for {len(worst["scored_labels"])} ground '
        f'truths in video {worst["video_name"]!r}'
    )
