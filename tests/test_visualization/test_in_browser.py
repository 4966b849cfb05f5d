"""The pages as a reader has them: in a browser, with mouse, keys and a video that plays."""

import re
from dataclasses import replace

import av
import numpy as np
import pytest

from asl_mmaction.files.clicks import Click
from asl_mmaction.visualization import Recording, write_html_index, write_html_timeline
from asl_mmaction.visualization import html_timeline as module
from asl_mmaction.visualization.timeline import assign_lanes
from tests.browser import Browser, find_browser

pytestmark = pytest.mark.skipif(find_browser() is None, reason='needs Chromium')

TRUTH = [
    {'label': 'pour', 'segment': [1.0, 3.0]},
    {'label': 'stir', 'segment': [2.0, 6.0]},
    {'label': 'pour', 'segment': [7.0, 9.0]},
]
FOUND = [
    {'label': 'stir', 'segment': [2.0, 7.0], 'score': 0.9, 'match': 1},
    {'label': 'pour', 'segment': [1.0, 2.5], 'score': 0.6, 'match': 0},
    {'label': 'pour', 'segment': [5.0000004, 6.0], 'score': 0.4, 'match': None},
    {'label': 'pour', 'segment': [7.0, 8.5], 'score': 0.2, 'match': 2},
]
RECORDING = Recording('v', 10.0, {'ASL': FOUND}, TRUTH, 0.5)
COUNT = """Object.fromEntries(['truth', 'found', 'correct', 'wrong', 'missed'].map(
    (kind) => [kind, document.querySelectorAll(`#bands .${kind}`).length]))"""
BOX = """(() => {{ const box = bars.find((bar) => bar.getAttribute('aria-label').startsWith({!r}))
    .getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }})()"""
IN_FOCUS = "document.activeElement.getAttribute('aria-label')"
SUMMARY = "document.getElementById('summary').textContent"


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    browser = Browser(find_browser(), tmp_path_factory.mktemp('profile'))
    yield browser
    browser.close()


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    """Ten seconds whose brightness rises, as a browser without licensed codecs plays them."""
    path = tmp_path_factory.mktemp('clips') / 'a #1.webm'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libvpx', rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        for index in range(100):
            image = np.full((48, 64, 3), 2 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(stream.encode())
    return path


@pytest.fixture
def page(browser, tmp_path):
    """Function: write a page and open it."""

    def open_page(recording=RECORDING, window=(), **options):
        path = write_html_timeline(tmp_path / 'v.html', recording, **options)
        browser.open(path, **dict(window))
        return browser

    yield open_page
    assert browser.complaints == []


def middle(box):
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def counts(**given):
    return {**dict.fromkeys(('truth', 'found', 'correct', 'wrong', 'missed'), 0), **given}


def test_bars_stand_at_their_seconds(page):
    browser = page()
    assert browser.run(COUNT) == counts(truth=3, correct=2, wrong=1, missed=1)
    left, _, width, _ = browser.run(
        "(({x, y, width, height}) => [x, y, width, height])($('ticks').getBoundingClientRect())"
    )
    boxes = browser.run(
        """bars.map((bar) => { const box = bar.getBoundingClientRect();
        return [bar.item.start, bar.item.end, box.left, box.right, box.top, box.bottom]; })"""
    )
    for start, end, x0, x1, *_ in boxes:
        assert x0 == pytest.approx(left + start / 10 * width, abs=1)
        assert x1 == pytest.approx(left + end / 10 * width, abs=1)
    for index, a in enumerate(boxes):  # none hides another
        for b in boxes[:index]:
            assert a[2] >= b[3] - 1 or b[2] >= a[3] - 1 or a[4] >= b[5] or b[4] >= a[5]
    assert browser.run(SUMMARY) == '3 ground truths; ASL: 2 correct, 1 wrong, 1 missed'
    assert [re.sub('.*/', '', url) for url in browser.requests] == ['v.html']


def test_detections_that_overlap_lie_in_the_lanes_of_the_pictures(page):
    rng = np.random.default_rng(0)
    starts, scores = rng.integers(0, 80, 30) / 10, np.linspace(0.99, 0.4, 30)
    segments = np.stack([starts, starts + rng.integers(1, 20, 30) / 10], axis=-1)
    rows = [
        {'label': 'a', 'segment': segment.tolist(), 'score': score}
        for segment, score in zip(segments, scores, strict=True)
    ]
    browser = page(Recording('v', 10.0, {'m': rows}))
    found = browser.run('bars.map((bar) => [bar.item.score, bar.offsetTop])')
    found.sort(reverse=True)
    lanes = assign_lanes(segments)
    assert max(lanes) > 2
    tops = np.array(found)[:, 1]
    np.testing.assert_array_equal((tops - tops.min()) / 22, lanes)


def test_the_slider_hides_what_scores_less(page):
    browser = page()
    browser.run("$('score').focus()")
    browser.press('Home')  # all
    assert browser.run(COUNT) == counts(truth=3, correct=3, wrong=1)
    browser.press('End')  # none
    assert browser.run(COUNT) == counts(truth=3, missed=3)
    assert browser.run("$('score-value').textContent") == '1.00'
    for _ in range(40):
        browser.press('ArrowLeft')
    assert browser.run(COUNT) == counts(truth=3, correct=2, missed=1)  # 0.6 itself is shown


def test_classes_and_the_verdict_are_switched_off(page):
    browser = page()
    browser.click(
        *middle(
            browser.run("""(({x, y, width, height}) => [x, y, width, height])(
        document.querySelector('#classes input[value=stir]').getBoundingClientRect())""")
        )
    )
    assert browser.run(COUNT) == counts(truth=2, correct=1, wrong=1, missed=1)
    assert browser.run("$('verdict-switch').offsetHeight") > 0
    browser.run("$('verdict').click()")
    assert browser.run(COUNT) == counts(truth=2, found=2)
    assert browser.run(SUMMARY) == '2 ground truths; ASL: 2 detections'
    browser.run("$('none').click()")
    assert browser.run(COUNT) == counts()
    browser.run("$('all').click()")
    assert browser.run(COUNT) == counts(truth=3, found=3)


def test_without_annotation_there_is_no_verdict(page):
    browser = page(Recording('v', 10.0, {'ASL': FOUND, 'BMN': FOUND[:1]}))
    assert browser.run(COUNT) == counts(found=4)
    assert browser.run("$('verdict-switch').offsetHeight") == 0
    assert browser.run(SUMMARY) == 'ASL: 3 detections; BMN: 1 detection'
    colors = browser.run(
        '[...new Set(bars.filter((bar) => bar.item.score === 0.9)'
        '.map((bar) => getComputedStyle(bar).backgroundColor))].length'
    )
    assert colors == 2


def test_proposals_lie_beside_all_ground_truths(page):
    rows = [{'segment': [1.0, 3.0], 'score': 0.8, 'match': 0}]
    browser = page(Recording('v', 10.0, {'BMN': rows}, TRUTH, 0.5))
    bands = browser.run(
        """[...document.querySelectorAll('.band')].map((band) =>
        [band.getAttribute('aria-label'), band.querySelectorAll('.truth').length,
         band.querySelectorAll('.correct').length, band.querySelectorAll('.missed').length])"""
    )
    assert bands == [['pour', 2, 0, 0], ['stir', 1, 0, 0], ['any class', 3, 1, 2]]


def test_hovering_and_clicking_tell_the_numbers(page):
    browser = page()
    browser.mouse('mouseMoved', *middle(browser.run(BOX.format('stir, 2.00 to 7.00'))))
    browser.wait("$('tip').offsetHeight > 0")
    assert browser.run("$('tip').textContent").splitlines() == [
        'stir',
        '2.00 to 7.00 s',
        'score 0.900',
        'ASL: correct',
        'tIoU 0.80',
    ]
    browser.click(*middle(browser.run(BOX.format('pour, 5.00'))))
    said = 'pour, 5.00 to 6.00 s, score 0.400, ASL: wrong'
    assert browser.run("$('details').textContent") == said
    assert browser.run(IN_FOCUS) == said


def test_keys_go_from_bar_to_bar(page):
    browser = page()
    browser.run("$('scroller').focus()")
    browser.press('Tab')
    assert browser.run(IN_FOCUS) == 'pour, 1.00 to 3.00 s, ground truth'
    for key, expected in (
        ('ArrowRight', 'pour, 7.00 to 9.00 s, ground truth'),
        ('ArrowRight', 'pour, 7.00 to 9.00 s, ground truth'),
        ('ArrowDown', 'pour, 7.00 to 9.00 s, ASL: missed'),
        ('Home', 'pour, 1.00 to 2.50 s, score 0.600, ASL: correct, tIoU 0.75'),
        ('ArrowDown', 'stir, 2.00 to 6.00 s, ground truth'),
        ('ArrowUp', 'pour, 1.00 to 2.50 s, score 0.600, ASL: correct, tIoU 0.75'),
        ('End', 'pour, 7.00 to 9.00 s, ASL: missed'),
        ('ArrowLeft', 'pour, 5.00 to 6.00 s, score 0.400, ASL: wrong'),
    ):
        browser.press(key)
        assert browser.run(IN_FOCUS) == expected, key
    browser.press('Enter')
    assert browser.run("$('details').textContent") == expected
    browser.press('Tab')  # one stop for all bars
    assert not browser.run("document.activeElement.classList.contains('bar')")


def test_a_screen_reader_finds_every_bar_by_name(page):
    tree = page().call('Accessibility.getFullAXTree')['nodes']
    names = [
        (node['role']['value'], node.get('name', {}).get('value'))
        for node in tree
        if not node['ignored']
    ]
    assert ('button', 'pour, 7.00 to 9.00 s, ASL: missed') in names
    assert ('slider', 'score at least') in names
    assert ('checkbox', 'stir') in names
    assert ('region', 'timeline') in names
    assert all(name for role, name in names if role in ('button', 'slider', 'checkbox'))


def test_clicks_are_marks_on_the_row_of_the_ground_truths(page):
    clicks = [Click(6.5, None), Click(8.0, 'pour'), Click(0.0, None)]
    browser = page(replace(RECORDING, clicks=clicks))
    places = {name: browser.run(BOX.format(name)) for name in ('pour, 7.00', 'pour, action click')}
    bar, mark = places.values()
    assert middle(mark) == pytest.approx(middle(bar), abs=0.5)  # 8 s, the lane of the bar
    shapes = browser.run("""Object.fromEntries(['background', 'action'].map((kind) => [kind,
        getComputedStyle(document.querySelector(`#bands .${kind}.click`), '::after').clipPath]))""")
    assert len({*shapes.values(), 'none'}) == 3
    assert browser.run(SUMMARY).startswith('3 ground truths, 2 background clicks, 1 action click; ')
    assert browser.run("document.querySelectorAll('#legend .click').length") == 2
    first = browser.run(BOX.format('background, background click, 0.00'))
    assert first[0] >= browser.run("$('ticks').getBoundingClientRect().left")  # seen whole
    browser.click(*middle(mark))
    assert browser.run("$('details').textContent") == 'pour, action click, 8.00 s'
    tree = browser.call('Accessibility.getFullAXTree')['nodes']
    names = [(node['role']['value'], node.get('name', {}).get('value')) for node in tree]
    assert ('button', 'background, background click, 6.50 s') in names
    browser.run("$('list').open = true")
    browser.wait("document.querySelectorAll('#list tbody tr').length > 0")
    rows = browser.run(
        "[...document.querySelectorAll('#list tbody tr')].map((row) => row.innerText)"
    )
    assert 'background\tbackground click\t6.50\t6.50\t\t' in rows


def test_zoom_keeps_its_place_and_a_drag_moves(page):
    browser = page()
    scroller = "(() => { const s = $('scroller'); return [s.scrollLeft, s.scrollWidth]; })()"
    assert browser.run(scroller)[0] == 0
    wide = browser.run(scroller)[1]
    x, y = middle(browser.run(BOX.format('stir, 2.00 to 7.00')))
    under_mouse = f"({x} - $('ticks').getBoundingClientRect().left) / pixelsPerSecond()"
    before = browser.run(under_mouse)
    browser.mouse('mouseWheel', x, y, deltaX=0, deltaY=-600, modifiers=2)
    browser.wait('zoom > 2')
    assert browser.run(under_mouse) == pytest.approx(before, abs=1 / 50)  # a pixel
    left = browser.run(scroller)[0]
    browser.click(x, y, to=(x - 50, y))
    assert browser.run(scroller)[0] == pytest.approx(left + 50, abs=1)
    assert browser.run("$('details').textContent") == ''  # no click
    browser.run("$('scroller').focus()")
    browser.press('+')
    assert browser.run('zoom') > 7
    browser.press('0')
    assert browser.run(scroller) == [0, wide]


def test_ticks_of_a_long_recording_are_those_in_sight(page):
    rows = [{'label': 'a', 'segment': [i, i + 2], 'score': 0.5} for i in range(0, 36000, 30)]
    browser = page(Recording('long', 36000.0, {'m': rows}))
    assert browser.run('bars.length') == 1200
    browser.run('setZoom(1e9)')
    ticks = browser.run("[...$('ticks').children].map((tick) => tick.textContent)")
    assert len(ticks) < 20
    browser.run("$('scroller').scrollLeft = 1e9")
    browser.wait("$('ticks').lastChild.textContent.startsWith('9:59:59')")
    labels = browser.run("document.querySelector('.label').getBoundingClientRect().right")
    places = '[...$("ticks").children].map((tick) => tick.getBoundingClientRect().left)'
    assert min(browser.run(places)) >= labels - 2  # none below the labels


def test_a_click_moves_the_video_and_the_video_moves_the_playhead(page, video, tmp_path):
    browser = page(video=video)
    browser.wait('video.readyState >= 2')
    assert browser.run('video.duration') == pytest.approx(10, abs=0.2)
    browser.click(*middle(browser.run(BOX.format('pour, 5.00'))))
    browser.wait('!video.seeking')
    assert browser.run('video.currentTime') == pytest.approx(5, abs=1e-5)
    assert browser.run("$('now').textContent") == '0:05.0  stir 0.90, pour 0.40'
    left, *_ = browser.run(BOX.format('pour, 5.00'))
    assert browser.run("$('playhead').getBoundingClientRect().x") == pytest.approx(left, abs=2)
    pixel = """(() => { const canvas = new OffscreenCanvas(1, 1).getContext('2d');
        canvas.drawImage(video, 0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data[0]; })()"""
    alone = write_html_timeline(tmp_path / 'w.html', RECORDING, video=video, embed=True)
    browser.open(alone)
    browser.run('seek(5)')
    browser.wait('!video.seeking && video.readyState >= 2')
    assert browser.run(pixel) == pytest.approx(100, abs=12)  # frame 50 of 2 * index
    browser.run('video.playbackRate = 8; video.play()')
    browser.wait("video.ended && parseFloat($('playhead').style.left) > 95")


def test_a_click_beside_the_bars_moves_the_video(page, video):
    browser = page(video=video)
    browser.wait('video.readyState >= 2')
    x, y, width, _ = browser.run(
        "(({x, y, width, height}) => [x, y, width, height])($('ticks').getBoundingClientRect())"
    )
    browser.click(x + 0.3 * width, y + 5)
    assert browser.run('video.currentTime') == pytest.approx(3, abs=0.02)


def test_a_video_that_does_not_play_is_said(page, tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'no video')
    browser = page(video=tmp_path / 'a.mp4')
    browser.wait("$('broken').offsetHeight > 0")
    assert 'cannot play a.mp4' in browser.run("$('broken').innerText")


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [360, 1280])
def test_nothing_sticks_out_and_text_can_be_read(page, video, scheme, width):
    browser = page(video=video, window={'width': width, 'scheme': scheme})
    assert browser.run('document.documentElement.scrollWidth') <= width
    pairs = [('ink', 'paper'), ('soft', 'paper'), ('ink', 'panel')]
    pairs += [(color, 'paper') for color in ('truth', 'correct', 'wrong', 'now')]
    pairs += [(f'track-{number}', 'paper') for number in range(4)]
    values = browser.run("""(() => { const style = getComputedStyle(document.documentElement);
        return Object.fromEntries(['ink', 'paper', 'soft', 'panel', 'truth', 'correct', 'wrong',
        'now', 'track-0', 'track-1', 'track-2', 'track-3'].map(
        (name) => [name, style.getPropertyValue(`--${name}`)])); })()""")
    for one, other in pairs:  # what WCAG 2 asks of text at level AA
        assert contrast(values[one], values[other]) >= 4.5, (one, other)


def contrast(one, other):
    """Contrast ratio of two colours, as WCAG 2 defines it."""
    levels = []
    for color in (one, other):
        parts = [int(color.strip()[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        levels.append(np.dot(linear, [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(levels) / min(levels)


def test_names_run_nothing(page, browser, tmp_path):
    evil = '</script><img src=x onerror="window.hit = 1">'
    rows = [{'label': evil, 'segment': [1.0, 2.0], 'score': 0.5}]
    recording = Recording(evil, 10.0, {evil: rows})
    page(recording)
    browser.run('bars[0].click(); $("list").open = true')
    browser.wait("document.querySelectorAll('tbody td').length === 6")
    assert browser.run('window.hit ?? null') is None
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.run("document.querySelector('tbody td').textContent") == evil
    assert browser.run('document.title') == evil
    browser.open(write_html_index(tmp_path / 'i.html', {tmp_path / 'v.html': recording}))
    assert browser.run("document.querySelectorAll('img').length") == 0


def test_an_index_leads_to_its_pages(browser, tmp_path):
    pages = {}
    for name in ('a/b #1', 'c'):
        recording = Recording(name, 10.0, {'m': FOUND if name == 'c' else []})
        pages[write_html_timeline(tmp_path / f'{name}.html', recording)] = recording
    index = write_html_index(tmp_path / 'index.html', pages)
    browser.open(index)
    shown = """[...document.querySelectorAll('tbody tr')].filter((row) => row.offsetHeight)
        .map((row) => row.querySelector('a').textContent)"""
    assert browser.run(shown) == ['a/b #1', 'c']
    browser.run("document.getElementById('find').focus()")
    for key in 'stir':
        browser.press(key)
    assert browser.run(shown) == ['c']
    assert browser.run("document.getElementById('count').textContent") == '1 recording'
    assert browser.run("document.querySelectorAll('rect').length") == 3
    browser.open(index)
    browser.run("document.querySelector('a').click()")
    browser.wait("document.readyState === 'complete' && document.title === 'a/b #1'")
    assert browser.complaints == []


def test_what_is_left_out_is_said(page, monkeypatch):
    monkeypatch.setattr(module, 'MAX_ROWS', 1)
    browser = page(Recording('v', 10.0, {'m': FOUND}))
    assert browser.run(SUMMARY) == '1 detection, the lowest 3 are not in this page'
