import json

import numpy as np
import pytest

from asl_mmaction.files import annotations
from asl_mmaction.files.annotations import (
    check_video,
    find_classes,
    find_label,
    is_names,
    read_annotations,
    read_checked_annotations,
    require,
    segments_of,
    select_videos,
)


def item(start=0.0, end=1.0, label='a'):
    return {'segment': [start, end], 'label': label}


def content(*labels, **more):
    videos = {f'v{i}': {'annotations': [item(label=label)]} for i, label in enumerate(labels)}
    return {'database': videos, **more}


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(annotations, 'print_log', lambda text, logger: lines.append(text))
    return lines


def test_a_file_is_read_as_it_is(tmp_path):
    path = tmp_path / 'x.json'
    path.write_text('{"database": {"v": 5}, "version": "1"}')
    assert read_annotations(path) == {'database': {'v': 5}, 'version': '1'}
    with pytest.raises(FileNotFoundError, match=r'no\.json'):
        read_annotations(tmp_path / 'no.json')
    for text, found in (
        ('[]', 'list'),
        ('{"videos": {}}', 'keys videos'),
        ('{"database": 1}', 'int'),
    ):
        path.write_text(text)
        with pytest.raises(
            TypeError, match=rf"x.json: expected an object with a 'database' .* but got {found}$"
        ):
            read_annotations(path)
    path.write_text('{')
    with pytest.raises(ValueError, match=r'x\.json'):
        read_annotations(path)


def test_a_checked_file_names_the_video_that_departs_from_the_schema(tmp_path):
    path = tmp_path / 'x.json'
    good = {'duration': 2.5, 'annotations': [item(), item(2, 9)], 'fps': 30}
    path.write_text(json.dumps({'database': {'good': good}, 'classes': ['a']}))
    assert read_checked_annotations(path) == {'database': {'good': good}, 'classes': ['a']}
    path.write_text(json.dumps({'database': {'good': good, 'bad': {**good, 'duration': 0}}}))
    with pytest.raises(ValueError, match=r"x.json: video 'bad': expected a duration > 0 but got 0"):
        read_checked_annotations(path)


@pytest.mark.parametrize(
    ('change', 'error', 'message'),
    [
        ({'duration': '3'}, TypeError, "expected key 'duration' to be a number but got '3'"),
        ({'duration': True}, TypeError, "'duration' to be a number but got True"),
        ({'duration': float('nan')}, TypeError, "'duration' to be a number but got nan"),
        ({'duration': -1}, ValueError, 'expected a duration > 0 but got -1'),
        ({'annotations': {}}, TypeError, "'annotations' to be a list but got {}"),
        ({'annotations': [5]}, ValueError, "expected key 'segment' but got int"),
        (
            {'annotations': [{'label': 'a'}]},
            ValueError,
            "expected key 'segment' but got keys label",
        ),
        ({'annotations': [item(2, 1)]}, ValueError, r'start <= end, but got \[2, 1\]'),
        ({'annotations': [item('0', 1)]}, ValueError, r"but got \['0', 1\]"),
        ({'annotations': [item(0, float('inf'))]}, ValueError, r'but got \[0, inf\]'),
        ({'annotations': [{**item(), 'segment': [1]}]}, ValueError, r'but got \[1\]'),
        ({'annotations': [item(label=3)]}, TypeError, "'label' to be a string but got 3"),
    ],
)
def test_departures_from_the_schema(change, error, message):
    video = {'duration': 3.0, 'annotations': [item()], **change}
    with pytest.raises(error, match=f'^here: .*{message}'):
        check_video('here', video)


def test_what_the_schema_allows():
    """A segment may end outside the video, and have no length; there may be none."""
    for items in ([], [item(-1, 99)], [item(1, 1)]):
        video = {'duration': 3, 'annotations': items, 'other': None}
        assert check_video('here', video) is video
    for absent in ('duration', 'annotations'):
        video = {'duration': 3, 'annotations': []}
        del video[absent]
        with pytest.raises(ValueError, match=f"here: expected key '{absent}' but got keys"):
            check_video('here', video)


def test_a_key_is_there_and_of_its_kind():
    assert require('here', {'x': 'text', 'y': []}, 'x', 'a string') == 'text'
    long = {f'k{i}': i for i in range(9)}
    with pytest.raises(ValueError, match=r"key 'x' but got keys k0, k1, k2, k3, k4, \.\.\.$"):
        require('here', long, 'x', 'a string')
    with pytest.raises(TypeError, match="expected key 'x' to be a list but got 'text'"):
        require('here', {'x': 'text'}, 'x', 'a list')


def test_the_order_of_classes_comes_from_the_first_that_says_it(said):
    file = content('b', 'a', taxonomy=['t'], classes=['c', 'd'])
    assert find_classes('x.json', file, given=('g', 'h')) == ('g', 'h')
    assert find_classes('x.json', file) == ('c', 'd')
    del file['classes']
    assert find_classes('x.json', file) == ('t',)
    assert said == []
    file['taxonomy'] = [{'nodeName': 't'}]  # ActivityNet's: a tree, no list of names
    assert find_classes('x.json', file) == ('a', 'b')
    (line,) = said
    assert line.startswith(
        'x.json: no classes are given: they are the 2 labels of the file, sorted'
    )
    assert '(a, b)' in line


@pytest.mark.parametrize(
    ('classes', 'error', 'message'),
    [
        ('abc', TypeError, "expected classes to be a list of strings but got 'abc'"),
        (['a', 1], TypeError, r"list of strings but got \['a', 1\]"),
        ([], ValueError, 'expected a list of distinct class names but got none'),
        (['a', 'b', 'a'], ValueError, "but got repeated 'a'"),
        (['a b', 'a  b'], ValueError, "differ in more than spaces but got 'a b' and 'a  b'"),
        (['caf\u00e9', 'cafe\u0301'], ValueError, 'differ in more than spaces'),
        (['a', ' '], ValueError, "differ in more than spaces but got ' ' and ' '"),
    ],
)
def test_class_names_that_are_none(classes, error, message):
    with pytest.raises(error, match=f'^x.json: .*{message}'):
        find_classes('x.json', content(), given=classes)


def test_labels_that_differ_in_case_or_spaces_are_no_two_classes(said):
    for first, second in (('Run', 'run'), ('high jump', 'high  jump')):
        with pytest.raises(
            ValueError,
            match=f"x.json: video 'v1': expected label '{first}', as in 'v0', but got '{second}'; "
            "if both are classes, 'classes' in the file lists them",
        ):
            find_classes('x.json', content(first, second))
    file = content('Run', 'run', classes=['Run', 'run'])
    assert find_classes('x.json', file) == ('Run', 'run')


def test_the_label_of_a_name():
    labels = {'High Jump': 0, 'run': 1}
    assert find_label('here', 'run', labels) == 1
    with pytest.raises(
        ValueError,
        match=r"here: expected one of 2 classes \(High Jump, run\) but got label 'high  jump', "
        "which is 'High Jump' but for case or spaces$",
    ):
        find_label('here', 'high  jump', labels)
    with pytest.raises(ValueError, match=r"but got label 'swim'$"):
        find_label('here', 'swim', labels)


def test_lists_of_names():
    assert is_names(['a', 'b'])
    assert is_names(())
    for value in ('ab', ['a', 1], {'a': 1}, None):
        assert not is_names(value)


def test_videos_of_subsets_in_the_order_of_the_file():
    database = {name: {'subset': subset} for name, subset in zip('cabd', 'xyxz', strict=True)}
    assert select_videos('x.json', database, ['z', 'x']) == ['c', 'b', 'd']
    assert select_videos('x.json', database, ['x'], {'c', 'a'}) == ['b']
    for subsets, excluded, message in (
        (['x', 'w'], (), r"x\.json: expected a subset of \['x', 'y', 'z'\] but got 'w'"),
        (['x'], ['e'], r"x\.json: expected exclude_videos that are in the file but got 'e'"),
        (['x'], 'bc', r'x\.json: expected exclude_videos that leave .* subset x but got all 2'),
    ):
        with pytest.raises(ValueError, match=message):
            select_videos('x.json', database, subsets, excluded)
    database['a']['subset'] = 1
    with pytest.raises(TypeError, match=r"x\.json: video 'a': expected key 'subset'"):
        select_videos('x.json', database, ['x'])


def test_segments_are_columns_also_of_none():
    assert segments_of([item(0, 1), item(2.5, 3)]).tolist() == [[0.0, 1.0], [2.5, 3.0]]
    assert segments_of(iter([item(0, 1)])).dtype == np.float64
    assert segments_of([]).shape == (0, 2)
