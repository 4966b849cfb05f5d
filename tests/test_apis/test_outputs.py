"""A folder of results: complete at any time, and gone on with."""

import json

import pytest

from asl_mmaction.apis import outputs
from asl_mmaction.apis.inputs import Input
from asl_mmaction.apis.outputs import ResultFolder, check_count, check_file, write_file

ABOUT = {'classes': ['cut', 'stir'], 'model': 'm', 'score_threshold': 0.0, 'top_k': None}


def found(name, *labels):
    detections = [
        {'label': label, 'label_id': 0, 'score': 0.9 - 0.5 * i, 'segment': [i + 0.5, i + 2.0]}
        for i, label in enumerate(labels)
    ]
    return {'video_name': name, 'duration': 7.25, 'detections': detections}


def open_folder(folder, *, formats=('json', 'csv'), draw=(), about=ABOUT, **settings):
    return ResultFolder(folder, formats=formats, draw=draw, about=about, **settings)


def test_files_of_all_and_of_each(tmp_path):
    with open_folder(tmp_path / 'out', formats=('json', 'csv', 'srt', 'vtt')) as folder:
        folder.add(found('a/v', 'cut', 'stir'), 'in/v.npy')
        folder.add(found('w'), None)
    content = json.loads((tmp_path / 'out' / 'detections.json').read_text())
    assert content['results'] == {
        'a/v': [
            {'segment': [0.5, 2.0], 'score': 0.9, 'label': 'cut'},
            {'segment': [1.5, 3.0], 'score': 0.4, 'label': 'stir'},
        ],
        'w': [],
    }
    assert content['classes'] == ['cut', 'stir']
    assert content['videos'] == {
        'a/v': {'duration': 7.25, 'file': 'in/v.npy'},
        'w': {'duration': 7.25, 'file': None},
    }
    assert 'simulated' not in content
    names = {str(p.relative_to(tmp_path / 'out')) for p in (tmp_path / 'out').rglob('*.*')}
    subtitles = {f'{name}.{form}' for name in ('a/v', 'w') for form in ('srt', 'vtt')}
    assert names == {'detections.json', 'detections.csv', *subtitles}
    assert (tmp_path / 'out/detections.csv').read_text().count('\n') == 3
    assert [path.name for path in folder.written] == ['detections.json', 'detections.csv']


def test_pictures_and_pages_link_each_other(tmp_path):
    video = tmp_path / 'v.mp4'
    video.touch()
    with open_folder(tmp_path / 'out', draw=('png', 'html'), simulated=True) as folder:
        for name in ('v', 'index', 'index_page'):
            drawn = folder.draw(found(name, 'cut'), video)
            folder.add(found(name, 'cut'), str(video))
            assert all(path.stat().st_size > 500 for path in drawn)
    assert [path.name for path in drawn] == ['index_page.png', 'index_page_page.html']
    assert [path.name for path in folder.written][-1] == 'index.html'
    page = (tmp_path / 'out' / 'index.html').read_text()
    assert 'v.html' in page
    assert 'index_page.html' in page
    assert 'index_page_page.html' in page
    for name in ('index', 'index_page'):  # each has the page of its own recording
        own = (tmp_path / 'out' / f'{name}_page.html').read_text()
        assert f'<h1>{name}</h1>' in own
    assert '../v.mp4' in (tmp_path / 'out' / 'v.html').read_text()
    assert json.loads((tmp_path / 'out' / 'detections.json').read_text())['simulated'] is True


def test_what_was_added_is_there_before_the_end(tmp_path, monkeypatch):
    clock = iter(range(0, 10000, 100))  # each look at the clock is 100 s after the one before
    monkeypatch.setattr(outputs.time, 'monotonic', lambda: next(clock))
    folder = open_folder(tmp_path)
    written = []
    for name in 'abcd':
        folder.add(found(name, 'cut'), None)
        written.append(sorted(json.loads((tmp_path / 'detections.json').read_text())['results']))
    # Writing takes 100 s, so the next one is 2000 s away.
    assert written == [['a']] * 4
    for name in range(20):
        folder.add(found(str(name), 'cut'), None)
    assert len(json.loads((tmp_path / 'detections.json').read_text())['results']) > 20
    folder.add(found('last', 'cut'), None)
    with folder:
        pass
    assert 'last' in json.loads((tmp_path / 'detections.json').read_text())['results']


def test_a_run_that_is_interrupted_leaves_what_it_has(tmp_path):
    folder = open_folder(tmp_path)
    for name in 'abc':
        folder.add(found(name, 'cut'), None)
    with pytest.raises(KeyboardInterrupt), folder:
        raise KeyboardInterrupt
    with open_folder(tmp_path, resume=True, draw=('html',)) as folder:
        assert [name in folder for name in 'abcd'] == [True, True, True, False]
        folder.draw(found('d', 'stir'))
        folder.add(found('d', 'stir'), None)
    content = json.loads((tmp_path / 'detections.json').read_text())
    assert sorted(content['results']) == [*'abcd']
    assert content['videos']['a'] == {'duration': 7.25, 'file': None}
    assert content['results']['a'] == [{'segment': [0.5, 2.0], 'score': 0.9, 'label': 'cut'}]
    page = (tmp_path / 'index.html').read_text()
    assert 'd.html' in page
    assert 'a.html' not in page  # never drawn
    with open_folder(tmp_path, resume=True, draw=('html',)):
        pass
    assert 'd.html' in (tmp_path / 'index.html').read_text()


def run(folder, names, *, formats=('json', 'srt'), draw=('html',), **settings):
    """As TALInferencer writes what it finds in recordings."""
    with open_folder(folder, formats=formats, draw=draw, **settings) as opened:
        todo = [item.name for item in opened.begin([Input(name) for name in names])]
        for name in todo:
            opened.draw(found(name, 'cut'))
            opened.add(found(name, 'cut'), None)
    return todo


def test_what_somebody_else_wrote_is_not_replaced(tmp_path):
    """Subtitles of a film in the folder of the films, or a page of a web site."""
    own = tmp_path / 'b.srt'
    own.write_text('mine')
    message = f'expected a folder without b.srt but {tmp_path} has it: name another folder; '
    with pytest.raises(FileExistsError, match=message + 'overwrite .*, resume goes on'):
        run(tmp_path, 'ab')
    assert [path.name for path in tmp_path.iterdir()] == ['b.srt']
    assert run(tmp_path, 'a') == ['a']
    # A recording or a format more: what the first run did not write is still somebody else's.
    with pytest.raises(FileExistsError, match=message + 'overwrite replaces files$'):
        run(tmp_path, 'ab', resume=True)
    assert own.read_text() == 'mine'
    assert run(tmp_path, 'ab', resume=True, formats=('json',)) == ['b']
    assert run(tmp_path, 'ab', overwrite=True) == ['a', 'b']
    assert own.read_text() != 'mine'


def test_results_are_replaced_if_that_is_asked_for_alone(tmp_path):
    assert run(tmp_path, 'ab') == ['a', 'b']
    before = (tmp_path / 'detections.json').read_bytes()
    with pytest.raises(FileExistsError, match=r'without detections\.json .* and 5 more that would'):
        run(tmp_path, 'ab')  # index.html, a.srt, a.html, b.srt, b.html
    with pytest.raises(FileExistsError, match=r'without detections\.json '):
        run(tmp_path, 'c')
    assert (tmp_path / 'detections.json').read_bytes() == before
    assert run(tmp_path, 'abc', resume=True) == ['c']
    assert run(tmp_path, 'c', overwrite=True) == ['c']
    assert list(json.loads((tmp_path / 'detections.json').read_text())['results']) == ['c']


def test_files_of_a_run_that_was_killed_before_the_table_are_its_own(tmp_path):
    folder = open_folder(tmp_path, formats=('json', 'srt'), draw=('html',))
    folder.begin([Input('a'), Input('b')])
    folder.draw(found('a', 'cut'))
    assert run(tmp_path, 'ab', resume=True) == ['a', 'b']


@pytest.mark.parametrize(
    ('journal', 'message'),
    [
        ('{"files": ["a', r'infer\.json: expected JSON but got .*; overwrite replaces it$'),
        ('{"files": 1}', r"infer\.json: expected 'files' by name but got 1; overwrite"),
        ('{"files": [1]}', r"infer\.json: expected 'files' by name but got \[1\]; overwrite"),
        ('{"files": "a"}', r"infer\.json: expected 'files' by name but got 'a'; overwrite"),
    ],
)
def test_a_damaged_list_of_files_stops_no_overwriting(tmp_path, journal, message):
    run(tmp_path, 'a')
    (tmp_path / '.infer.json').write_text(journal)
    with pytest.raises(ValueError, match=message):
        run(tmp_path, 'ab', resume=True)
    assert run(tmp_path, 'ab', overwrite=True) == ['a', 'b']
    assert run(tmp_path, 'abc', resume=True) == ['c']


def test_a_link_that_leads_nowhere_is_a_file_that_is_there(tmp_path):
    for name in ('a.srt', 'x.csv'):
        (tmp_path / name).symlink_to(tmp_path / 'nowhere')
    with pytest.raises(FileExistsError, match=r'a folder without a\.srt but'):
        run(tmp_path, 'a')
    with pytest.raises(FileExistsError, match=r'x\.csv is there'):
        check_file(tmp_path / 'x.csv')
    assert (tmp_path / 'a.srt').is_symlink()


def test_files_of_recordings_keep_dots_in_their_names(tmp_path):
    with open_folder(tmp_path, formats=('json', 'srt'), draw=('svg',)) as folder:
        folder.add(found('take.1', 'cut'), None)
        assert [path.name for path in folder.draw(found('take.1', 'cut'))] == ['take.1.svg']
    assert (tmp_path / 'take.1.srt').is_file()


@pytest.mark.parametrize(('threshold', 'shown'), [(0.0, 1), (0.5, 1), (0.3, 2)])
def test_pictures_of_any_score_show_the_likely_ones(tmp_path, threshold, shown):
    """Scores 0.9 and 0.4; 0.3 stands for a threshold of 0."""
    about = {**ABOUT, 'score_threshold': threshold, 'classes': ['stir', 'cut']}
    with open_folder(tmp_path, draw=('svg', 'html'), about=about) as folder:
        prediction = found('v', 'cut', 'stir', 'stir')
        if threshold == 0:  # just below what is shown
            prediction['detections'][1]['score'] = 0.29
        folder.add(prediction, None)
        folder.draw(prediction)
    text = (tmp_path / 'v.svg').read_text()
    assert f'v: {shown} detection' in text.replace('\xa0', ' ')
    page = (tmp_path / 'v.html').read_text()
    assert f'"threshold": {threshold or 0.3}' in page
    assert '"classes": ["stir", "cut"]' in page
    assert f'what scores {threshold or 0.3} or more' in (tmp_path / 'index.html').read_text()


def test_nothing_yet_is_nothing_to_go_on_with(tmp_path):
    with open_folder(tmp_path, resume=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_results_of_other_weights_or_of_another_file_are_not_gone_on_with(tmp_path):
    about = {**ABOUT, 'weights_sha256': 'a', 'settings_sha256': 'b'}
    for place in ('one', 'two'):
        (tmp_path / place).mkdir()
        (tmp_path / place / 'v.npy').touch()
    ours, others = (Input('v', (str(tmp_path / x / 'v.npy'),)) for x in ('one', 'two'))
    with open_folder(tmp_path / 'out', about=about) as folder:
        assert folder.begin([ours]) == [ours]
        folder.add(found('v', 'cut'), ours.file)
    for key, word in (('weights_sha256', 'weights'), ('settings_sha256', 'settings of the config')):
        with pytest.raises(
            ValueError, match=f'json: expected results of these {word} .* others: n'
        ):
            open_folder(tmp_path / 'out', resume=True, about={**about, key: 'c'})
    folder = open_folder(tmp_path / 'out', resume=True, about=about)
    assert folder.begin([ours, Input('w')]) == [Input('w')]
    with pytest.raises(ValueError, match=r"video 'v': expected results of .*two/v\.npy to go on w"):
        folder.begin([others])
    (tmp_path / 'one' / 'v.npy').unlink()  # moved: what it was is not known
    assert folder.begin([others]) == []


def test_results_of_another_model_or_setting_are_not_gone_on_with(tmp_path):
    with open_folder(tmp_path) as folder:
        folder.add(found('a', 'cut'), None)
    for change, message in (
        ({'model': 'n'}, r"detections\.json: expected results with model 'n' .* with 'm'"),
        ({'score_threshold': 0.5}, r'with score_threshold 0\.5 to go on with but .* with 0\.0'),
    ):
        with pytest.raises(ValueError, match=message):
            open_folder(tmp_path, resume=True, about={**ABOUT, **change})
    with pytest.raises(ValueError, match='expected json among the formats to resume'):
        open_folder(tmp_path, resume=True, formats=('csv',))
    (tmp_path / 'detections.json').write_text(
        json.dumps({**ABOUT, 'results': {'a': [{'segment': [0, 1], 'score': 1, 'label': 'cut'}]}})
    )
    with pytest.raises(ValueError, match="expected a duration of 'a' but got none"):
        open_folder(tmp_path, resume=True)
    content = json.loads((tmp_path / 'detections.json').read_text())
    (tmp_path / 'detections.json').write_text(json.dumps({**content, 'videos': {'a': 7.25}}))
    with pytest.raises(ValueError, match="expected a duration of 'a' but got none"):
        open_folder(tmp_path, resume=True)


def test_unknown_formats(tmp_path):
    for settings, message in (
        ({'formats': ('txt',)}, r"expected formats with some of .* but got 'txt'"),
        ({'formats': 'json'}, r"expected formats with some of .* but got 'json'"),
        ({'draw': ('gif',)}, r"expected draw with some of .* but got 'gif'"),
    ):
        with pytest.raises(ValueError, match=message):
            open_folder(tmp_path, **settings)
    with pytest.raises(ValueError, match=r'ends in json, csv, srt, vtt but got .*a\.txt'):
        check_file(tmp_path / 'a.txt')
    with pytest.raises(ValueError, match=r'expected one recording for subtitles in .* but got 2'):
        check_count(tmp_path / 'a.srt', 2)
    with pytest.raises(ValueError, match=r'expected one recording for subtitles in .* but got 0'):
        check_count(tmp_path / 'a.srt', 0)
    (tmp_path / 'b.json').mkdir()
    with pytest.raises(ValueError, match=r'expected a file to write but got the folder .*b\.json'):
        check_file(tmp_path / 'b.json')
    check_count(tmp_path / 'a.srt', 1)
    check_count(tmp_path / 'a.csv', 2)


def test_the_ending_of_a_name_decides(tmp_path):
    rows = {'v': [([0.5, 2.0], 0.9, 'cut')]}
    for kind, start in (('json', '{'), ('csv', 'video,label,'), ('srt', '1\n'), ('vtt', 'WEBVTT')):
        path = tmp_path / f'a.{kind}'
        check_file(path)
        write_file(path, rows, simulated=False)
        assert path.read_text().startswith(start)
        with pytest.raises(FileExistsError, match=f'a new file but .*a.{kind} is there: overwrite'):
            check_file(path)
        check_file(path, overwrite=True)
    check_file(tmp_path / 'A.JSON')
    write_file(tmp_path / 'A.JSON', rows, simulated=True)
    assert json.loads((tmp_path / 'A.JSON').read_text())['simulated'] is True
