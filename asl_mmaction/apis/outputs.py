"""A folder of detections: written as they come, and gone on with after an interruption."""

from __future__ import annotations

import os
import reprlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asl_mmaction.apis.inputs import Input
from asl_mmaction.files.annotations import is_names
from asl_mmaction.files.exports import Row, write_subtitles, write_table
from asl_mmaction.files.mistakes import FileExistsMistake, Mistake, ValueMistake
from asl_mmaction.files.reading import read_object
from asl_mmaction.files.results import read_duration, read_results, write_results
from asl_mmaction.files.writing import check_file_name, prepare_folder, write_json
from asl_mmaction.visualization import (
    Recording,
    draw_timeline,
    page_name,
    save_figure,
    write_html_index,
    write_html_timeline,
)

#: Files of all recordings, and one for each.
TABLES, SUBTITLES = ('json', 'csv'), ('srt', 'vtt')
PICTURES = ('png', 'pdf', 'svg', 'html')
#: Pictures of detections of any score show those of this score and more.
SHOWN_FROM = 0.3
#: Entry of a file of results -> what it stands for.
DIGESTS = {
    'weights_sha256': 'weights',
    'settings_sha256': 'settings of the config (model, test pipeline, grid, extractor)',
}
#: In a folder: the files in it that inference has written, or was about to; no other is replaced.
JOURNAL = '.infer.json'
#: Of the time of a run that may go into writing what was written before.
SHARE = 0.05


def check_formats(formats: Sequence[str], draw: Sequence[str]) -> None:
    """Make sure that there are such formats.

    Raises:
        ValueError: There are not.
    """
    for kind, asked, known in (
        ('formats', formats, (*TABLES, *SUBTITLES)),
        ('draw', draw, PICTURES),
    ):
        unknown = [name for name in asked if name not in known]
        if isinstance(asked, str) or unknown:
            wrong = asked if isinstance(asked, str) else unknown[0]
            raise ValueMistake(f'expected {kind} with some of {known} but got {wrong!r}')


def check_file(path: Path, *, overwrite: bool = False) -> None:
    """Make sure that detections can be written into a file of such a name.

    Raises:
        FileExistsError: It is there, and not to be overwritten.
        ValueError: They cannot.
    """
    kind = path.suffix.lower().lstrip('.')
    if path.is_dir():
        raise ValueMistake(f'expected a file to write but got the folder {path}')
    if kind not in (*TABLES, *SUBTITLES):
        raise ValueMistake(
            f'expected a file name that ends in {", ".join((*TABLES, *SUBTITLES))} but got {path}'
        )
    if os.path.lexists(path) and not overwrite:
        raise FileExistsMistake(
            f'expected the name of a new file but {path} is there: overwrite replaces it'
        )
    prepare_folder(path.parent)


def check_count(path: Path, recordings: int) -> None:
    """Make sure that so many recordings go into one file.

    Raises:
        ValueError: They do not: subtitles are of one.
    """
    if path.suffix.lower().lstrip('.') in SUBTITLES and recordings != 1:
        raise ValueMistake(f'expected one recording for subtitles in {path} but got {recordings}')


def write_file(path: Path, rows: Mapping[str, list[Row]], *, simulated: bool) -> None:
    """Write detections, by name of the recording, in the form that a file's name ends in."""
    kind = path.suffix.lower().lstrip('.')
    if kind == 'json':
        write_results(path, rows, simulated=simulated)
    elif kind == 'csv':
        write_table(path, rows)
    else:
        write_subtitles(path, *rows.values())


def rows_of(prediction: Mapping) -> list[Row]:
    """The detections of a prediction as files have them: segment, score, label."""
    return [(x['segment'], x['score'], x['label']) for x in prediction['detections']]


class ResultFolder:
    """What is found, in files.

    ``detections.json`` and ``detections.csv`` hold all recordings; they are replaced now and then
    while these are added, at once and as a whole. Subtitles and pictures are files of each
    recording, in folders where its name has some.

    Args:
        folder: Is made.
        formats: Some of ``'json'``, ``'csv'``, ``'srt'``, ``'vtt'``.
        draw: Some of ``'png'``, ``'pdf'``, ``'svg'``, ``'html'``. They show what scores at least
            ``score_threshold``, or 0.3 where that is 0.
        about: Of the model and its settings: what all results in a folder have in common. The JSON
            file has it, and ``classes`` in it is the order in which they are drawn.
        simulated: Whether the model was trained on features that were made up.
        resume: Go on with what is there: keep what is in the JSON file.
        overwrite: Replace files that are there, whoever wrote them.

    Raises:
        ValueError: The folder cannot be written to, an unknown format, results to go on with that
            another model or other settings have made, or that are not to be written as JSON.
    """

    def __init__(
        self,
        folder: Path,
        *,
        formats: Sequence[str],
        draw: Sequence[str],
        about: Mapping[str, Any],
        simulated: bool = False,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        check_formats(formats, draw)
        prepare_folder(folder)
        self.folder, self.formats, self.pictures = folder, formats, draw
        self.about, self.simulated = about, simulated
        self.rows: dict[str, list[Row]] = {}
        self.videos: dict[str, dict] = {}
        self.pages: dict[str | os.PathLike, Recording] = {}
        self.written: list[Path] = []
        self._resume, self._overwrite = resume, overwrite
        self._next_writing = 0.0
        if resume:
            self._go_on()

    def __contains__(self, name: str) -> bool:
        """Whether a recording's detections are there."""
        return name in self.rows

    def begin(self, items: Sequence[Input]) -> list[Input]:
        """Get ready to write what is found in recordings.

        Returns:
            Those whose detections are not there.

        Raises:
            FileExistsError: A file that would be written is there, and not to be overwritten: it is
                no result that is gone on with.
            ValueError: There are detections of another file, of the same name; or a name would
                lead out of the folder.
        """
        todo = self._left_of(items)
        files = self._files_of(todo)
        ours = self._read_journal()
        known = ours | {'detections.json'} if self.rows else ours
        known = known if self._resume else set()
        strange = [x for x in files if x not in known and os.path.lexists(self.folder / x)]
        if strange and not self._overwrite:
            more = f' and {len(strange) - 1} more that would be written' * (len(strange) > 1)
            raise FileExistsMistake(
                f'expected a folder without {strange[0]} but {self.folder} has it{more}: name '
                'another folder; overwrite replaces files'
                + ('' if self._resume else ', resume goes on with results')
            )
        if todo:
            write_json(self.folder / JOURNAL, {'files': sorted(ours.union(files))})
        return todo

    def _read_journal(self) -> set[str]:
        """Names of the files that earlier runs have written, or were about to."""
        path = self.folder / JOURNAL
        if not path.exists():
            return set()
        try:
            files: Any = read_object(path).get('files')
            if not is_names(files):
                raise ValueMistake(
                    f"{path}: expected 'files' by name but got {reprlib.repr(files)}"
                )
        except Mistake as error:
            if self._overwrite:
                return set()
            raise ValueMistake(f'{error}; overwrite replaces it') from error
        return set(files)

    def _files_of(self, items: Sequence[Input]) -> list[str]:
        """Names of the files that are going to be written, those of all recordings first."""
        paths = [self.folder / f'detections.{form}' for form in self.formats if form in TABLES]
        paths += [self.folder / 'index.html'] if 'html' in self.pictures else []
        each = [form for form in (*self.formats, *self.pictures) if form not in TABLES]
        paths += [self._path(item.name, form) for item in items for form in each]
        return [path.relative_to(self.folder).as_posix() for path in paths]

    def _left_of(self, items: Sequence[Input]) -> list[Input]:
        for item in items:
            file = self.videos.get(item.name, {}).get('file')
            if not (isinstance(file, str) and item.file and os.path.exists(file)):
                continue
            if not os.path.samefile(file, item.file):
                raise ValueMistake(
                    f'video {item.name!r}: expected results of {item.file} to go on with but '
                    f'{self.folder} has those of {file}: name another folder'
                )
        return [item for item in items if item.name not in self]

    def _go_on(self) -> None:
        path = self.folder / 'detections.json'
        if 'json' not in self.formats:
            raise ValueMistake(f'expected json among the formats to resume but got {self.formats}')
        if not path.is_file():
            return
        content = read_results(path)
        for key, value in self.about.items():
            if content.get(key) != value and key in DIGESTS:
                raise ValueMistake(
                    f'{path}: expected results of these {DIGESTS[key]} to go on with but it was '
                    'made with others: name another folder, or overwrite in place of resume'
                )
            if content.get(key) != value:
                raise ValueMistake(
                    f'{path}: expected results with {key} {value!r} to go on with but it was made '
                    f'with {content.get(key)!r}'
                )
        for name, rows in content['results'].items():
            duration = read_duration(path, content, name)
            if duration is None:
                raise ValueMistake(f'{path}: expected a duration of {name!r} but got none')
            self.rows[name] = [(list(x['segment']), x['score'], x['label']) for x in rows]
            self.videos[name] = content['videos'][name]
            page = self._path(name, 'html')
            if 'html' in self.pictures and page.is_file():
                self.pages[page] = self._recording(name, duration, self.rows[name])

    def add(self, prediction: Mapping, file: str | None) -> None:
        """Write what was found in a recording, the tables last: what they have is there as a whole.

        Args:
            prediction: ``video_name``, ``duration`` and ``detections``.
            file: That was looked at.
        """
        name = prediction['video_name']
        rows = rows_of(prediction)
        for form in self.formats:
            if form in SUBTITLES:
                write_subtitles(self._path(name, form), rows)
        self.rows[name] = rows
        self.videos[name] = {'duration': prediction['duration'], 'file': file}
        if time.monotonic() >= self._next_writing:
            self._write_tables()

    def draw(self, prediction: Mapping, video: Path | None = None) -> list[Path]:
        """Draw what was found in a recording, before it is added.

        Args:
            prediction: See :meth:`add`.
            video: For the page to play.

        Returns:
            The files.
        """
        if not self.pictures:
            return []
        name = prediction['video_name']
        recording = self._recording(name, prediction['duration'], rows_of(prediction))
        threshold = self.about['score_threshold'] or SHOWN_FROM
        drawn = [self._path(name, form) for form in self.pictures]
        for form, path in zip(self.pictures, drawn, strict=True):
            if form == 'html':
                write_html_timeline(path, recording, video=video, score_threshold=threshold)
                self.pages[path] = recording
            else:
                save_figure(draw_timeline(recording, score_threshold=threshold), path)
        return drawn

    def __enter__(self) -> ResultFolder:
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is not written yet, whatever ended the run."""
        self.written = self._write_tables()
        if self.pages:
            threshold = self.about['score_threshold'] or SHOWN_FROM
            index = self.folder / 'index.html'
            self.written.append(write_html_index(index, self.pages, score_threshold=threshold))

    def _write_tables(self) -> list[Path]:
        start = time.monotonic()
        written = []
        for form in self.formats if self.rows else []:
            path = self.folder / f'detections.{form}'
            if form == 'json':
                about = {**self.about, 'videos': self.videos}
                write_results(path, self.rows, simulated=self.simulated, about=about)
            elif form == 'csv':
                write_table(path, self.rows)
            written += [path] if form in TABLES else []
        end = time.monotonic()
        self._next_writing = end + (end - start) / SHARE
        return written

    def _recording(self, name: str, duration: float, rows: Sequence[Row]) -> Recording:
        found = [
            {'segment': segment, 'score': score, 'label': label} for segment, score, label in rows
        ]
        classes = self.about.get('classes', ())
        return Recording(name, duration, {'found': found}, classes=classes)

    def _path(self, name: str, form: str) -> Path:
        stem = self.folder / check_file_name(page_name(name) if form == 'html' else name)
        return stem.with_name(f'{stem.name}.{form}')
