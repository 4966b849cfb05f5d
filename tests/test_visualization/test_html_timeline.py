"""The pages without a browser: their data, their links, and text that is not to be trusted."""

import base64
import json
import re
from html.parser import HTMLParser

import pytest

from asl_mmaction.files.clicks import Click
from asl_mmaction.visualization import Recording, write_html_index, write_html_timeline
from asl_mmaction.visualization import html_timeline as module

TRUTH = [{'label': 'jump', 'segment': [5.0, 9.0]}]
FOUND = [
    {'label': 'wave', 'segment': [1.0, 4.0], 'score': 0.5, 'match': None},
    {'label': 'jump', 'segment': [5.5, 9.0], 'score': 0.9, 'match': 0},
]
EVIL = '</script><img src=x onerror="alert(1)">&\'{{ 7 * 7 }}'


class Page(HTMLParser):
    """Title, heading, data, links and video of a page, as a browser reads them."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self.sources, self.links, self.last = [], {}, [], [], ''
        self.text = path.read_text(encoding='utf-8')
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.last = attributes.get('id', tag)
        if tag == 'video':
            self.sources.append(attributes['src'])
        if tag == 'a':
            self.links.append(attributes['href'])

    def handle_data(self, data):
        self.texts.setdefault(self.last, data)

    @property
    def data(self):
        return json.loads(self.texts['data'])


def test_a_page_holds_what_was_given(tmp_path):
    clicks = [Click(9.5, None), Click(6.0, 'jump')]
    recording = Recording('v', 10.0, {'ASL': FOUND}, TRUTH, 0.5, ('wave', 'jump'), clicks)
    path = write_html_timeline(tmp_path / 'new' / 'v.html', recording, score_threshold=0.4)
    assert [file.name for file in path.parent.iterdir()] == ['v.html']
    page = Page(path)
    assert page.texts['title'] == page.texts['h1'] == 'v'
    assert page.sources == []
    assert page.data == {
        'duration': 10.0,
        'tiou': 0.5,
        'threshold': 0.4,
        'classes': ['wave', 'jump', 'background'],
        'anyClass': 'any class',
        'tracks': [
            {
                'name': 'ground truth',
                'truth': True,
                'rows': [{'start': 5.0, 'end': 9.0, 'label': 'jump'}],
                'clicks': [
                    {'kind': 'background click', 'label': 'background', 'start': 9.5, 'end': 9.5},
                    {'kind': 'action click', 'label': 'jump', 'start': 6.0, 'end': 6.0},
                ],
            },
            {
                'name': 'ASL',
                'truth': False,
                'anyClass': False,
                'leftOut': 0,
                'rows': [
                    {'start': 5.5, 'end': 9.0, 'label': 'jump', 'score': 0.9, 'match': 0},
                    {'start': 1.0, 'end': 4.0, 'label': 'wave', 'score': 0.5},
                ],
            },
        ],
    }


def test_a_page_without_annotation_has_no_ground_truth(tmp_path):
    page = Page(write_html_timeline(tmp_path / 'v.html', Recording('v', 10.0, {'ASL': FOUND})))
    assert [track['name'] for track in page.data['tracks']] == ['ASL']
    assert page.data['tiou'] is None


def test_a_page_needs_nothing_from_elsewhere(tmp_path):
    path = write_html_timeline(tmp_path / 'v.html', Recording('v', 10.0, {'ASL': FOUND}))
    text = path.read_text()
    assert not re.findall(r'https?:|//[a-z]+\.|@import|url\(|<link|src=', text)
    assert "default-src 'none'" in text


def test_names_are_text_and_nothing_else(tmp_path):
    rows = [{'label': EVIL, 'segment': [1.0, 2.0], 'score': 0.5}]
    recording = Recording(EVIL, 10.0, {EVIL: rows})
    plain = Recording('v', 10.0, {'m': [{**rows[0], 'label': 'a'}]})
    page = Page(write_html_timeline(tmp_path / 'a.html', recording))
    assert page.tags == Page(write_html_timeline(tmp_path / 'b.html', plain)).tags
    assert page.texts['title'] == page.texts['h1'] == EVIL
    assert page.data['classes'] == [EVIL]
    index = write_html_index(tmp_path / 'i.html', {tmp_path / 'a.html': recording}, title=EVIL)
    other = write_html_index(tmp_path / 'j.html', {tmp_path / 'a.html': plain}, title='x')
    assert Page(index).tags == Page(other).tags
    assert Page(index).texts['a'] == EVIL


def test_a_name_that_is_no_unicode_is_written(tmp_path):
    page = Page(write_html_timeline(tmp_path / 'v.html', Recording('a\udc80', 1.0, {'m': []})))
    assert page.texts['h1'] == 'a\ufffd'


def test_a_video_is_linked_from_where_the_page_is(tmp_path):
    video = tmp_path / 'clips' / 'a #1?%".mp4'
    video.parent.mkdir()
    video.write_bytes(b'x')
    recording = Recording('v', 10.0, {'m': []})
    page = Page(write_html_timeline(tmp_path / 'out' / 'v.html', recording, video=video))
    assert page.sources == ['../clips/a%20%231%3F%25%22.mp4']
    odd = tmp_path / 'javascript:alert(1)'
    odd.write_bytes(b'x')
    page = Page(write_html_timeline(tmp_path / 'v.html', recording, video=odd))
    assert page.sources == ['javascript%3Aalert%281%29']


def test_a_video_is_embedded(tmp_path, monkeypatch):
    video = tmp_path / 'a.MP4'
    video.write_bytes(b'\x00\x01 film')
    recording = Recording('v', 10.0, {'m': []})
    page = Page(write_html_timeline(tmp_path / 'v.html', recording, video=video, embed=True))
    head, content = page.sources[0].split(',')
    assert head == 'data:video/mp4;base64'
    assert base64.b64decode(content) == b'\x00\x01 film'
    monkeypatch.setattr(module, 'MAX_EMBEDDED_BYTES', 6)
    with pytest.raises(ValueError, match=r'at most 6e-06 MB to embed but got .*a\.MP4 of 0\.0 MB'):
        write_html_timeline(tmp_path / 'w.html', recording, video=video, embed=True)
    assert not (tmp_path / 'w.html').exists()


def test_mistakes_name_what_was_expected(tmp_path):
    recording = Recording('v', 10.0, {'m': []})
    with pytest.raises(ValueError, match=r'ends in \.html but got .*v\.htm$'):
        write_html_timeline(tmp_path / 'v.htm', recording)
    with pytest.raises(FileNotFoundError, match=r'expected a video but got .*none\.mp4'):
        write_html_timeline(tmp_path / 'v.html', recording, video=tmp_path / 'none.mp4')
    (tmp_path / 'a.mkv').write_bytes(b'x')
    with pytest.raises(ValueError, match=r'browsers play .* but got .*a\.mkv'):
        write_html_timeline(tmp_path / 'v.html', recording, video=tmp_path / 'a.mkv', embed=True)


def test_a_page_keeps_the_best_and_counts_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'MAX_ROWS', 2)
    rows = [{'label': 'a', 'segment': [i, i + 1], 'score': i / 10} for i in (1, 3, 2)]
    page = Page(write_html_timeline(tmp_path / 'v.html', Recording('v', 10.0, {'m': rows})))
    (track,) = page.data['tracks']
    assert [row['score'] for row in track['rows']] == [0.3, 0.2]
    assert track['leftOut'] == 1


def test_an_index_links_counts_and_draws(tmp_path):
    pages = {
        tmp_path / 'a' / 'b c.html': Recording('a/b c', 10.0, {'m': FOUND}),
        tmp_path / 'd.html': Recording('d', 3700.0, {'m': []}),
    }
    index = write_html_index(tmp_path / 'index.html', pages, score_threshold=0.6)
    page = Page(index)
    assert page.links == ['a/b%20c.html', 'd.html']
    first, second = re.findall(r'<tr>\n<th scope="row">.*?</tr>', page.text, flags=re.S)
    assert 'jump&nbsp;1' in first
    assert 'wave' not in first
    (bar,) = re.findall(r'<rect x="([\d.]+)" y="1" width="([\d.]+)"', first)
    assert bar == ('55.0', '35.0')
    assert '0:10.0' in first
    assert '1:01:40.0' in second
