import argparse
import json
from collections import Counter
from pathlib import Path

import pytest

from asl_mmaction.datasets.preparation import conversion
from asl_mmaction.datasets.preparation.conversion import convert
from asl_mmaction.datasets.preparation.source import Source, SourceVideo

FILE = Path('a.json')

DIRTY = [
    (1.0, 2.0, 'a'),
    (1.0, 2.0, 'b'),  # another class: not given twice
    (1.0, 2.0, 'a'),  # given twice
    (3.0, 3.0, 'a'),  # no length
    (5.0, 4.0, 'a'),  # ends before it starts
    (10.0, 11.0, 'a'),  # outside
    (-2.0, 0.0, 'b'),  # outside
    (-1.0, 1.5, 'b'),  # cut
    (8.0, 12.0, 'b'),  # cut
    (8.0, 10.5, 'b'),  # cut, and then given twice
    (9.0, 10.0 + 1e-9, 'a'),  # rounding
]


def source(actions, subset='training', duration=10.0, classes=('b', 'a')):
    return Source('v', list(classes), {'x': SourceVideo(FILE, subset, duration, list(actions))})


def test_every_rule_by_hand():
    content = convert(source(DIRTY))
    assert content['version'] == 'v'
    assert content['classes'] == ['b', 'a']
    assert content['database']['x'] == {
        'subset': 'training',
        'duration': 10.0,
        'annotations': [
            {'segment': [1.0, 2.0], 'label': 'a', 'label_id': 1},
            {'segment': [1.0, 2.0], 'label': 'b', 'label_id': 0},
            {'segment': [0.0, 1.5], 'label': 'b', 'label_id': 0},
            {'segment': [8.0, 10.0], 'label': 'b', 'label_id': 0},
            {'segment': [9.0, 10.0], 'label': 'a', 'label_id': 1},
        ],
    }
    assert content['conversion'] == {
        'as_published': False,
        'counts': {
            'training': {
                'end before start: dropped': 1,
                'given twice: dropped': 2,
                'outside the video: dropped': 2,
                'partly outside: cut': 3,
                'segments': 5,
                'segments in the source': 11,
                'videos': 1,
                'without length: dropped': 1,
            }
        },
    }


def test_as_published_keeps_all_that_the_schema_can_hold():
    content = convert(source(DIRTY), as_published=True)
    written = [
        (*item['segment'], item['label']) for item in content['database']['x']['annotations']
    ]
    assert written == [action for action in DIRTY if action[1] >= action[0]]
    assert content['conversion']['counts']['training'] == {
        'end before start: dropped': 1,
        'given twice: kept': 1,
        'outside the video: kept': 2,
        'partly outside: kept': 3,
        'segments': 10,
        'segments in the source': 11,
        'videos': 1,
        'without length: kept': 1,
    }


def test_every_segment_is_accounted_for():
    counts = convert(source(DIRTY))['conversion']['counts']['training']
    dropped = sum(count for what, count in counts.items() if what.endswith('dropped'))
    assert counts['segments'] + dropped == counts['segments in the source']


def test_empty_videos_stay_and_are_counted():
    content = convert(source([], subset='test'))
    assert content['database']['x']['annotations'] == []
    assert content['conversion']['counts'] == {'test': {'videos': 1, 'videos without segments': 1}}


@pytest.mark.parametrize(
    ('actions', 'settings', 'message'),
    [
        ([(0, 1, 'c')], {}, "a.json: video 'x': expected one of 2 classes but got 'c'"),
        ([], {'duration': 0.0}, 'expected a duration > 0 but got 0.0'),
        ([], {'duration': float('inf')}, 'expected a duration > 0 but got inf'),
        ([(0, 1, 'a')], {'classes': ('a', 'a')}, 'a.json: expected distinct class names'),
        ([], {'classes': (), 'subset': 'test'}, 'a.json: expected distinct class names'),
        ([], {}, 'a.json: expected actions in the videos of subset training but got 1 videos with'),
        ([(12, 13, 'a')], {}, 'a.json: expected actions in the videos of subset training but got'),
    ],
)
def test_what_no_rule_is_about(actions, settings, message):
    with pytest.raises(ValueError, match=message):
        convert(source(actions, **settings))


@pytest.mark.parametrize('fps', [0, -1, float('nan'), float('inf'), 'fast'])
def test_fps_is_a_number_above_zero(fps):
    with pytest.raises(ValueError, match=f'expected fps > 0 but got {fps!r}'):
        SourceVideo(FILE, 'test', 1.0, fps=fps)


@pytest.mark.parametrize(
    ('segment', 'label', 'message'),
    [
        ([0, float('nan')], 'a', 'expected a segment of start and end, .* but got .0, nan.'),
        ([0, 'x'], 'a', "but got .0, 'x'."),
        ([0, 1, 2], 'a', 'but got .0, 1, 2.'),
        (None, 'a', 'but got None'),
        ([0, 1], None, 'expected the name of a class but got None'),
    ],
)
def test_an_action_is_two_times_and_a_name(segment, label, message):
    video = SourceVideo(FILE, 'test', 1.0)
    with pytest.raises(ValueError, match=message):
        video.add(segment, label)
    assert not video.actions


def test_a_video_is_given_once():
    given = source([])
    with pytest.raises(ValueError, match=r'\(test, 3.0 s\) and in a.json \(training, 10.0 s\)'):
        given.add('x', SourceVideo(Path('b.json'), 'test', 3.0))
    assert given == source([])


def test_table():
    content = convert(source(DIRTY))
    lines = conversion.count_table(content, {'training': (1, 11)}).splitlines()
    assert lines[0].split() == ['training']
    rows = {line.rpartition('  ')[0].strip(): line.split()[-1] for line in lines[1:-2]}
    assert rows == {
        'videos': '1',
        'segments in the source': '11',
        'end before start: dropped': '1',
        'given twice: dropped': '2',
        'outside the video: dropped': '2',
        'partly outside: cut': '3',
        'without length: dropped': '1',
        'segments': '5',
        'videos without segments': '0',
    }
    assert lines[-2].split('  ')[-1].strip() == '1 / 11'
    assert lines[-1] == '2 classes'


def arguments(out, exclude=None):
    return argparse.Namespace(out=out, exclude=exclude, as_published=False)


def test_writing_excludes_and_never_overwrites_the_source(tmp_path):
    given = source(DIRTY)
    given.videos['y'] = SourceVideo(FILE, 'test', 1.0)
    (tmp_path / 'names.txt').write_text('y\n\ny\n')
    args = arguments(tmp_path, tmp_path / 'names.txt')
    text = conversion.write_sources(
        {'annotations.json': given}, args, [tmp_path / 'other.json'], {}
    )
    assert f'written to {tmp_path / "annotations.json"}' in text
    content = json.loads((tmp_path / 'annotations.json').read_text())
    assert list(content['database']) == ['x']
    assert content['conversion']['counts']['test'] == {'videos excluded: dropped': 1}

    before = (tmp_path / 'annotations.json').read_bytes()
    again = {'annotations.json': source([])}
    with pytest.raises(ValueError, match=r'in another folder than the source but got .*\.json'):
        conversion.write_sources(again, arguments(tmp_path), [tmp_path / 'annotations.json'], {})
    with pytest.raises(ValueError, match=r"names.txt: expected names of .* exclude but got 'y'"):
        conversion.write_sources(again, args, [], {})
    (tmp_path / 'names.txt').write_text('x')
    with pytest.raises(ValueError, match=r'v: expected videos but got none'):
        conversion.write_sources({'annotations.json': source([])}, args, [], {})
    with pytest.raises(ValueError, match=r'a.json: expected actions in the videos of subset train'):
        conversion.write_sources({'annotations.json': source([])}, arguments(tmp_path), [], {})
    assert (tmp_path / 'annotations.json').read_bytes() == before


def test_writing_several_is_all_or_nothing(tmp_path):
    args = arguments(tmp_path / 'out')
    both = {'a.json': source([(0, 1, 'a')]), 'b.json': source([(0, 1, 'c')])}
    with pytest.raises(ValueError, match="but got 'c'"):
        conversion.write_sources(both, args, [], {})
    assert not (tmp_path / 'out').exists()
    (tmp_path / 'out').touch()
    with pytest.raises(ValueError, match=r'out/a.json: expected a file that can be written but'):
        conversion.write_sources({'a.json': source(DIRTY)}, args, [], {})


def test_reading_a_database():
    content = {
        'a': {
            'subset': 'Test',
            'duration': 8,
            'fps': 25,
            'annotations': [
                {'segment': [1, 2.5], 'label': 'run'},
                {'segment(frames)': [50, 75], 'label': 'run'},
            ],
        },
        'b': {'subset': 'test', 'duration': 3.5},
    }

    def read(content):
        return conversion.read_database(FILE, content, Source('v', ['run']), {'test': 'x'})

    with pytest.raises(ValueError, match='expected annotations of some video but got none at all'):
        read({'database': {'b': content['b']}})  # as of a file of another form
    found = read({'database': content})
    assert found.videos == {
        'a': SourceVideo(FILE, 'x', 8.0, [(1.0, 2.5, 'run'), (2.0, 3.0, 'run')], 25.0),
        'b': SourceVideo(FILE, 'x', 3.5),
    }
    assert found.counts == Counter({('x', 'in frames: converted'): 1})
    assert read(content) == found
    del content['a']['fps']
    annotations = {'subset': 'test', 'duration': 1, 'annotations': 3}
    for spoilt, message in (
        (content, "video 'a': expected fps, for times in frames, > 0 but got None"),
        ({'c': {'subset': 'train'}}, r"video 'c': expected a subset of \['test'\] but got 'train'"),
        ({'c': {'subset': 'test'}}, "video 'c': expected subset, .* but got no 'duration'"),
        ({'c': annotations}, "video 'c': expected subset, .* but got TypeError"),
        ({'c': [1]}, "video 'c': expected subset, .* but got TypeError"),
        ({}, 'expected a non-empty JSON object but got {}'),
        ({'database': [1]}, 'expected a non-empty JSON object but got list'),
    ):
        with pytest.raises(ValueError, match=f'^a.json: {message}'):
            read(spoilt)


def test_reading_pointtad():
    content = {'a': {'subset': 'testing', 'duration': 8, 'actions': [[2, 1, 2], [1, 3, 4]]}}
    subsets = {'testing': 'test'}
    one = conversion.read_pointtad(FILE, content, Source('v', ['p', 'q']), subsets, first=1)
    assert one.videos == {'a': SourceVideo(FILE, 'test', 8.0, [(1.0, 2.0, 'q'), (3.0, 4.0, 'p')])}
    assert one.counts == Counter({('test', 'class numbers from 1: converted'): 2})
    zero = conversion.read_pointtad(FILE, content, Source('v', ['p', 'q', 'r']), subsets, first=0)
    assert zero.videos['a'].actions == [(1.0, 2.0, 'r'), (3.0, 4.0, 'q')]
    assert not zero.counts
    for actions, message in (
        ([[0, 1, 2]], 'expected class numbers of 1..2 but got 0'),
        ([['1', 1, 2]], "expected class numbers of 1..2 but got '1'"),
        ([[1.7, 1, 2]], 'expected class numbers of 1..2 but got 1.7'),
        ([[1, 2]], 'expected a segment .* but got'),
        (None, 'expected subset, duration and actions'),
    ):
        content['a']['actions'] = actions
        with pytest.raises(ValueError, match=f"^a.json: video 'a': {message}"):
            conversion.read_pointtad(FILE, content, Source('v', ['p', 'q']), subsets, first=1)
    for key in ('actions', 'subset'):
        del content['a'][key]
        with pytest.raises(ValueError, match=f"^a.json: video 'a': .* but got no '{key}'"):
            conversion.read_pointtad(FILE, content, Source('v', ['p', 'q']), subsets, first=1)
