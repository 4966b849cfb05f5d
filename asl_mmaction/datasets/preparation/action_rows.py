"""Actions as people have them: a table with a row each, or what an annotation tool exports."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import check_file, finite, in_context, positive

#: What a column is -> names of it, the best first; case, spaces and dashes do not count.
COLUMNS = {
    'video': ('video', 'video_name', 'video_id', 'recording', 'file', 'filename', 'file_name',
              'file_upload', 'name'),
    'label': ('label', 'class', 'action', 'activity', 'category', 'class_name', 'label_name'),
    'start': ('start', 'start_time', 'start_s', 'start_sec', 'start_seconds', 'start_ms',
              'start_frame', 'begin', 'onset', 't_start', 'from'),
    'end': ('end', 'end_time', 'end_s', 'end_sec', 'end_seconds', 'end_ms', 'end_frame', 'stop',
            'stop_time', 'stop_frame', 'offset', 't_end', 'to'),
    'subset': ('subset', 'split', 'set'),
    'duration': ('duration', 'duration_s', 'duration_seconds', 'video_duration'),
    'fps': ('fps', 'frame_rate'),
}  # fmt: skip
NEEDED = ('video', 'label', 'start', 'end')
#: Unit of the times -> seconds of one; frames depend on the recording.
UNITS = {'seconds': 1.0, 'milliseconds': 1e-3, 'frames': None}
UNIT_OF_ENDING = {'frame': 'frames', 'frames': 'frames', 'ms': 'milliseconds'}
#: Keys under which Label Studio has the names of the classes of a region.
REGION_LABELS = ('timelinelabels', 'timeserieslabels', 'labels', 'videolabels', 'hypertextlabels')
CLOCK = re.compile(r'(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d*)?)')


@dataclass
class Row:
    """One action; without a label, a recording that may have none.

    Attributes:
        where: Place in the file, such as ``'line 7'``.
        video: As the file has it: a name, a path, a URL.
        label: Name of the class.
        start: In ``unit``.
        end: In ``unit``.
        unit: Of :data:`UNITS`.
        subset: As the file has it.
        duration: Seconds.
        fps: Frames per second of the video.
    """

    where: str
    video: str
    label: str | None = None
    start: float = 0.0
    end: float = 0.0
    unit: str = 'seconds'
    subset: str | None = None
    duration: float | None = None
    fps: float | None = None

    def seconds(self, fps: float | None) -> tuple[float, float]:
        """Start and end.

        Raises:
            ValueError: They are in frames and nothing tells how many a second has.
        """
        scale = UNITS[self.unit]
        if scale is None:
            rate = self.fps or fps
            if rate is None:
                raise ValueMistake(f'{self.where}: expected fps for times in frames but got none')
            scale = 1 / rate
        return self.start * scale, self.end * scale


@dataclass
class Rows:
    """What a file says.

    Attributes:
        rows: In the file's order.
        notes: What was not plain, and is to be said -> the rows that it is said of, each as in
            :attr:`Row.where`; none: the whole file.
    """

    rows: list[Row] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def note(self, what: str, where: str | None = None) -> None:
        """Keep what is to be said, and the row that it is said of."""
        places = self.notes.setdefault(what, [])
        if where is not None and where not in places[-1:]:
            places.append(where)


def in_lines(places: Sequence[str]) -> str:
    """``['a.csv: line 4', 'a.csv: line 7']`` -> ``' (line 4 and 1 more)'``; none -> ``''``."""
    if not places:
        return ''
    more = f' and {len(places) - 1} more' if len(places) > 1 else ''
    return f' ({places[0].rpartition(": ")[2]}{more})'


def read_rows(path: Path, columns: Mapping[str, str], unit: str | None = None) -> Rows:
    """Read a CSV file with a header: columns in any order, by their usual or given names.

    The text is UTF-8, or UTF-16 where it begins with a byte order mark, as Excel's "Unicode text".
    Between the columns stand commas, semicolons, tabs or bars. Times are numbers or
    ``h:mm:ss.fff``; decimals may have a comma where that does not part the columns. A row without
    label, start and end names a recording, which may have no action. A cell of Label Studio in
    place of label, start and end holds all actions of a recording as JSON.

    Args:
        path: The file.
        columns: What a column is (a key of :data:`COLUMNS`) -> its name in the file, where it is
            another than usual.
        unit: Of :data:`UNITS`; None: as the names of the columns say, or seconds.

    Raises:
        FileNotFoundError: There is none.
        ValueError: A column is missing, or a row is not of the form.
    """
    check_file(path, 'a CSV file')
    with in_context(str(path), 'a CSV file in UTF-8'):
        text = _read_text(path)
        header = next((line for line in text.splitlines() if line.strip()), '')
        delimiter = max(',;\t|', key=header.count)
        found = Rows()
        if delimiter != ',':
            found.note(f'columns parted by {delimiter!r}')
        reader = csv.reader(io.StringIO(text), delimiter=delimiter)
        names = next((row for row in reader if any(map(str.strip, row))), [])
        places, regions = _find_columns(names, columns)
        unit = unit or _unit_of(names[places['start']] if 'start' in places else '')
        for cells in reader:
            if not any(map(str.strip, cells)):
                continue
            with in_context(f'line {reader.line_num}'):
                if len(cells) != len(names):
                    hint = ': decimal commas need quotes' if delimiter == ',' else ''
                    inside = sum(cell.rstrip('\n').count('\n') for cell in cells)
                    if inside:
                        hint = f': a quote opens in line {reader.line_num - inside}'
                    raise ValueMistake(f'expected {len(names)} values but got {len(cells)}{hint}')
                values = {what: cells[place].strip() for what, place in places.items()}
                where = f'{path}: line {reader.line_num}'
                if regions is None:
                    found.rows.append(_read_row(where, values, unit, found))
                else:
                    found.rows += _read_cell(where, values, cells[regions], unit)
    if not found.rows:
        raise ValueMistake(f'{path}: expected rows below the header but got none')
    points, commas = (f'times as decimals with a {mark}' for mark in ('point', 'comma'))
    if commas not in found.notes:
        found.notes.pop(points, None)  # plain
    elif points in found.notes:
        found.note('both marks are read as decimal: does one of them mark thousands?')
    return found


def _read_text(path: Path) -> str:
    with path.open('rb') as file:
        head = file.read(4)
    if head == b'PK\x03\x04':
        raise ValueMistake('expected text but got a workbook, or another zip file; save it as CSV')
    marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return path.read_text(encoding='utf-16' if marked else 'utf-8-sig')
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b'\n') + 1
        raise ValueMistake(
            f'line {line}: expected text in UTF-8 but got byte {error.object[error.start]:#x}; '
            'Excel saves it as "CSV UTF-8"'
        ) from error


def _find_columns(names: list[str], given: Mapping[str, str]) -> tuple[dict[str, int], int | None]:
    """Place of each column, and of the one that has the JSON of Label Studio."""
    plain = [re.sub(r'[\s\-]+', '_', name.strip().lower()) for name in names]
    places = {}
    for what, usual in COLUMNS.items():
        wanted: Sequence[str] = [given[what].strip()] if what in given else usual
        pool = [name.strip() for name in names] if what in given else plain
        hits = [pool.index(name) for name in wanted if name in pool]
        if hits:
            places[what] = hits[0]
            if pool.count(pool[hits[0]]) > 1:
                raise ValueMistake(
                    f'expected one column {pool[hits[0]]!r} but got {pool.count(pool[hits[0]])}'
                )
    missing = [what for what in NEEDED if what not in places]
    if not missing:
        return places, None
    if not {'start', 'end'} & set(places) and 'video' in places:
        region = [i for i, name in enumerate(plain) if name in ('label', 'videolabels', 'tricks')]
        if region:
            places.pop('label', None)
            return places, region[0]
    common = ', '.join(COLUMNS[missing[0]][:4])
    raise ValueMistake(
        f'expected a column {missing[0]!r} ({common}, ... or --columns {missing[0]}=NAME) '
        f'but got {[name.strip() for name in names]}'
    )


def _unit_of(name: str) -> str:
    return UNIT_OF_ENDING.get(re.split(r'[\s_\-]+', name.strip().lower())[-1], 'seconds')


def _read_row(where: str, values: Mapping[str, str], unit: str, found: Rows) -> Row:
    if not values['video']:
        raise ValueMistake('expected the name of a video but got an empty cell')
    row = Row(where, values['video'], unit=unit, subset=values.get('subset') or None)
    for what in ('duration', 'fps'):
        if values.get(what):
            setattr(row, what, positive(f'{what}, a number', values[what].replace(',', '.')))
    action = [values[what] for what in ('label', 'start', 'end')]
    if not any(action):
        return row
    for what, value in zip(('label', 'start', 'end'), action, strict=True):
        if not value:
            raise ValueMistake(f'expected a {what} but got an empty cell')
    times = []
    for what in ('start', 'end'):
        number, form = _read_time(what, values[what])
        times.append(number if form != 'h:mm:ss' else number / (UNITS[unit] or 1))
        if form:
            found.note(f'times as {form}', where)
            if form == 'h:mm:ss' and unit != 'seconds':
                raise ValueMistake(f'expected {what} in {unit} but got {values[what]!r}')
    if values['label'] != ' '.join(values['label'].split()):
        found.note('labels with spaces in a row: one is left', where)
    row.label, row.start, row.end = ' '.join(values['label'].split()), *times
    return row


def _read_time(what: str, text: str) -> tuple[float, str]:
    """A number, and the form that is worth a note: ``'3,5'`` -> 3.5, ``'1:02:03.5'`` -> 3723.5."""
    comma = re.fullmatch(r'[\d:.]*\d,\d+', text)
    form = 'decimals with a comma' if comma else 'decimals with a point' if '.' in text else ''
    text = text.replace(',', '.') if comma else text
    clock = CLOCK.fullmatch(text)
    if clock is None:
        return finite(f'{what}, a number or h:mm:ss,', text), form
    hours, minutes, seconds = (float(part or 0) for part in clock.groups())
    if seconds >= 60 or (clock[1] and minutes >= 60):
        raise ValueMistake(f'expected {what}, a number or h:mm:ss, but got {text!r}')
    return 3600 * hours + 60 * minutes + seconds, 'h:mm:ss'


# Label Studio


def read_label_studio(path: Path, content: list) -> Rows:
    """Actions of its JSON export: a list of tasks with regions of a time line."""
    found = Rows()
    for number, task in enumerate(content, 1):
        where = f'{path}: task {number}'
        with in_context(where, 'a task of Label Studio with data and annotations'):
            data = task.get('data', task)
            video = next(str(data[name]) for name in COLUMNS['video'] if data.get(name))
            fields = {'video': video, 'subset': str(data.get('subset') or '')}
            if 'annotations' in task:  # the full export
                done = [item for item in task['annotations'] if not item.get('was_cancelled')]
                if len(done) > 1:
                    found.note('recordings with several annotations: the last is taken', where)
                results = done[-1]['result'] if done else []
                regions = [item['value'] for item in results if 'value' in item]
            else:  # JSON-MIN: the regions stand under the name of the control
                regions = next((v for v in task.values() if _are_regions(v)), [])
            found.rows += list(_read_regions(where, fields, regions, 'seconds'))
    if not found.rows:
        raise ValueMistake(f'{path}: expected tasks of Label Studio but got none')
    return found


def _read_cell(where: str, values: Mapping[str, str], cell: str, unit: str) -> list[Row]:
    try:
        regions = json.loads(cell) if cell.strip() else []
    except ValueError:  # plain text
        regions = None
    if regions != [] and not _are_regions(regions):
        raise ValueMistake(
            f'expected columns start and end, or regions of Label Studio, but got {cell!r}'
        )
    return list(_read_regions(where, values, regions or [], unit))


def _are_regions(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(item, dict) and ('ranges' in item or 'start' in item) for item in value
    )


def _read_regions(where: str, fields: Mapping[str, str], regions: list, unit: str) -> Iterator[Row]:
    """Ranges of frames, the first of which is 1, or start and end in seconds."""
    base: dict[str, Any] = dict(video=fields['video'], subset=fields.get('subset') or None)
    yield Row(where, **base)
    for region in regions:
        labels = next((region[key] for key in REGION_LABELS if region.get(key)), None)
        if labels is None:
            continue  # a region without a class: a text, a rating
        for label in [labels] if isinstance(labels, str) else labels:
            for item in region.get('ranges', [region]):
                start, end = (finite(edge, item[edge]) for edge in ('start', 'end'))
                in_frames = 'ranges' in region
                yield Row(
                    where,
                    **base,
                    label=' '.join(label.split()),
                    start=start - 1 if in_frames else start,
                    end=end,
                    unit='frames' if in_frames else unit,
                )
