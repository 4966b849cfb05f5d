"""What people wrote down of songs: chords, sections and leads, as McGill Billboard has them.

Chords are those of the ``.lab`` files of MIREX; sections and leads those of SALAMI's text files.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import finite, in_context

PITCHES = ('C', 'Db', 'D', 'Eb', 'E', 'F', 'Gb', 'G', 'Ab', 'A', 'Bb', 'B')
CHORDS = tuple(f'{pitch}:{quality}' for pitch in PITCHES for quality in ('maj', 'min'))
NO_CHORD = ('N', 'X')  # silence, and what is neither major nor minor
SECTIONS = (
    'bridge',
    'chorus',
    'instrumental',
    'interlude',
    'intro',
    'outro',
    'pre-chorus',
    'pre-verse',
    'solo',
    'transition',
    'verse',
)
#: Other words for them.
SECTION_WORDS = {name: name for name in SECTIONS} | {
    'coda': 'outro',
    'fade out': 'outro',
    'fadeout': 'outro',
    'ending': 'outro',
    'pre chorus': 'pre-chorus',
    'prechorus': 'pre-chorus',
    'refrain': 'chorus',
    'trans': 'transition',
}
LEADS = {'voice': 'lead voice', 'guitar': 'lead guitar'}

Action = tuple[float, float, str]  # start, end (s), class


def read_chords(path: Path) -> list[Action]:
    """Major and minor chords of a ``majmin.lab``; the same chord in rows that touch is one.

    Chords of other kinds, silence and a row that ends before it starts are left out; F# is Gb.
    """
    chords: list[Action] = []
    for number, line in enumerate(_text_lines(path), 1):
        with in_context(f'{path}:{number}', 'start, end and a chord'):
            parts = line.split()
            if not parts:
                continue
            start, end = (finite('a time in seconds', part) for part in parts[:2])
            if parts[2] in NO_CHORD or not start < end:
                continue
            label = chord_name(parts[2])
            if chords and chords[-1][2] == label and abs(chords[-1][1] - start) < 1e-3:
                start = chords.pop()[0]
            chords.append((start, end, label))
    return chords


def chord_name(text: str) -> str:
    """``F#:min`` -> ``Gb:min``: one name for each of the 12 pitches."""
    match = re.fullmatch(r'([A-G])([#b]*):(maj|min)', text)
    if match is None:
        raise ValueMistake(f'expected a major or minor chord, N or X but got {text!r}')
    letter, signs, quality = match.groups()
    pitch = PITCHES.index(letter) + signs.count('#') - signs.count('b')
    return f'{PITCHES[pitch % len(PITCHES)]}:{quality}'


@dataclass
class Line:
    """A line of ``salami_chords.txt``: ``time  A, verse, | C:maj | F:maj |, (voice``.

    Attributes:
        time: Where it starts; seconds.
        before: Its words before the bars.
        after: Its words after them.
        has_bars: Whether there are any; ``silence``, ``end`` and noise have none.
    """

    time: float
    before: list[str]
    after: list[str]
    has_bars: bool

    @property
    def is_silence(self) -> bool:
        """Silence between parts of the song, or the end."""
        return not self.has_bars and self.before[:1] in (['silence'], ['end'])


def read_lines(path: Path) -> list[Line]:
    """Read the lines of a ``salami_chords.txt``, whose times are in order."""
    lines: list[Line] = []
    for number, text in enumerate(_text_lines(path), 1):
        if text.startswith('#') or not text.strip():
            continue
        time, _, rest = text.partition('\t')
        with in_context(f'{path}:{number}'):
            seconds = finite('a time in seconds, a tab and text', time)
            if lines and seconds < lines[-1].time:
                raise ValueMistake(f'expected times in order but got {time} after {lines[-1].time}')
        before, bars, rest = rest.partition('|')
        after = rest.rpartition('|')[2] if bars else ''
        lines.append(Line(seconds, _words(before), _words(after), bool(bars)))
    if not lines or 'end' not in lines[-1].before:
        raise ValueMistake(f'{path}: expected a last line "end"')
    return lines


def find_sections(lines: Iterable[Line]) -> Iterator[Action]:
    """Sections: from the line that names one to the next line with bars that starts a part.

    A part starts where words stand before the bars (``B, |``, ``theme, |``) or a section is named
    after them (``|, fadeout``); silence and the end stop it, noise (``Z``) does not.
    """
    start, section = 0.0, None
    for line in lines:
        words = [*line.before, *line.after]
        names = [SECTION_WORDS[word] for word in words if word in SECTION_WORDS]
        if line.is_silence or (line.has_bars and (line.before or names)):
            if section is not None:
                yield start, line.time, section
            start, section = line.time, names[0] if names else None


def find_leads(lines: Iterable[Line]) -> Iterator[Action]:
    """Lead voice and guitar: from the line of ``(voice`` to the end of the line of ``voice)``.

    Brackets nest: the last one that was opened is closed first. One that is never closed says
    nothing of its end and is left out.
    """
    opened: dict[str, list[float]] = {name: [] for name in LEADS}
    closing: list[str] = []
    for line in lines:
        for name in closing:
            yield opened[name].pop(), line.time, LEADS[name]
        closing = []
        for word in line.after:
            name = word.strip('()')
            if name not in LEADS:
                continue
            if word.startswith('('):
                opened[name].append(line.time)
            if word.endswith(')') and closing.count(name) < len(opened[name]):
                closing.append(name)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(',') if word.strip()]


def _text_lines(path: Path) -> list[str]:
    with in_context(str(path), 'a text file'):
        return path.read_text(encoding='utf-8').splitlines()
