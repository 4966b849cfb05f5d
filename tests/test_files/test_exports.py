"""Detections as other programs read them: csv by hand and by the csv module, subtitles by hand."""

import csv

import pytest

from asl_mmaction.files.exports import write_subtitles, write_table

ROWS = [
    ((3723.0041, 3724.5), 0.875, 'cut, <b>fine</b>\n& slow'),
    ([1.5, 1.5], 1 / 3, 'Wärme'),
]


def test_a_table(tmp_path):
    write_table(tmp_path / 'new' / 'a.csv', {'b "x"': ROWS, 'none': []})
    text = (tmp_path / 'new' / 'a.csv').read_text(encoding='utf-8')
    assert text == (
        'video,label,start,end,score\n'
        '"b ""x""",Wärme,1.500,1.500,0.3333\n'
        '"b ""x""","cut, <b>fine</b>\n& slow",3723.004,3724.500,0.8750\n'
    )
    with open(tmp_path / 'new' / 'a.csv', encoding='utf-8', newline='') as file:
        (first, second) = csv.DictReader(file)
    assert second['label'] == ROWS[0][2]
    assert float(first['score']) == 0.3333


def test_subtitles(tmp_path):
    cues = (
        '1\n00:00:01{mark}500 --> 00:00:01{mark}501\nWärme (0.33)\n\n'
        '2\n01:02:03{mark}004 --> 01:02:04{mark}500\n'
        '{text} (0.88)\n'
    )
    plain, escaped = 'cut, <b>fine</b> & slow', 'cut, &lt;b&gt;fine&lt;/b&gt; &amp; slow'
    for name, head, mark, text in (
        ('a.srt', '', ',', plain),
        ('b.VTT', 'WEBVTT\n\n', '.', escaped),
    ):
        write_subtitles(tmp_path / name, ROWS)
        found = (tmp_path / name).read_text(encoding='utf-8')
        assert found == head + cues.format(mark=mark, text=text)


def test_no_subtitles(tmp_path):
    for name, content in (('a.srt', ''), ('a.vtt', 'WEBVTT\n')):
        write_subtitles(tmp_path / name, [])
        assert (tmp_path / name).read_text() == content
    with pytest.raises(ValueError, match=r'in a \.srt or \.vtt file but got .*a\.txt'):
        write_subtitles(tmp_path / 'a.txt', [])
