"""An annotation file of another project as it is: what a reader gives and :func:`convert` takes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import positive, read_label, read_segment


@dataclass
class SourceVideo:
    """One video as a file has it.

    Attributes:
        file: That file.
        subset: Subset under its name in the schema.
        duration: Seconds.
        actions: (start, end, class name); seconds.
        fps: Frames per second, where known.

    Raises:
        ValueError: Duration or fps is not a number > 0.
    """

    file: Path
    subset: str
    duration: float
    actions: list[tuple[float, float, str]] = field(default_factory=list)
    fps: float | None = None

    def __post_init__(self) -> None:
        self.duration = positive('a duration', self.duration)
        self.fps = None if self.fps is None else positive('fps', self.fps)

    def add(self, segment: Iterable, label: str) -> None:
        """Add an action; errors are those of :func:`read_segment` and :func:`read_label`."""
        self.actions.append((*read_segment(segment), read_label(label)))


@dataclass
class Source:
    """An annotation file as it is.

    Attributes:
        version: What the schema's ``version`` is to say.
        classes: Class names in the order of their labels.
        videos: Name -> video.
        counts: (subset, what) -> number: what the reader itself has left out or changed.
    """

    version: str
    classes: Sequence[str]
    videos: dict[str, SourceVideo] = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)

    def add(self, name: str, video: SourceVideo) -> None:
        """Add a video.

        Raises:
            ValueError: There is one of this name.
        """
        if name in self.videos:
            other = self.videos[name]
            raise ValueMistake(
                f'expected each video once but got it ({video.subset}, {video.duration} s) '
                f'and in {other.file} ({other.subset}, {other.duration} s)'
            )
        self.videos[name] = video
