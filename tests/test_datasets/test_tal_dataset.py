import json
import os
import pickle
import re

import numpy as np
import pytest
from mmaction.registry import DATASETS
from mmengine.dataset import ClassBalancedDataset

from asl_mmaction.datasets import tal_dataset
from asl_mmaction.datasets.tal_dataset import TALDataset
from asl_mmaction.files import annotations
from asl_mmaction.structures.feature_grid import FeatureGrid

GRID = {'fps': 10, 'feat_stride': 4, 'clip_len': 8}


def item(start, end, label):
    return {'segment': [start, end], 'label': label, 'label_id': 77}


def base_content():
    return {
        'version': 'test',
        'database': {
            'a': {
                'subset': 'training',
                'duration': 20.0,
                'annotations': [item(1.0, 4.5, 'run'), item(3, 9, 'jump')],
            },
            'b': {'subset': 'training', 'duration': 8.5, 'annotations': []},
            'c': {'subset': 'train', 'duration': 8, 'annotations': [item(0, 8, 'swim')]},
        },
    }


@pytest.fixture
def make(tmp_path):
    """Writes the content and features of all its videos, then builds a dataset."""

    def build(content=None, files=None, **settings):
        content = base_content() if content is None else content
        (tmp_path / 'features').mkdir(exist_ok=True)
        for video in content['database'] if files is None else files:
            np.save(tmp_path / 'features' / f'{video}.npy', np.zeros((5, 3), np.float32))
        (tmp_path / 'ann.json').write_text(json.dumps(content))
        settings = {'subset': 'training', 'grid': GRID, **settings}
        return TALDataset('ann.json', data_root=str(tmp_path), **settings)

    return build


def test_samples_and_classes(make, tmp_path):
    dataset = make()
    assert dataset.metainfo['classes'] == ('jump', 'run', 'swim')  # of the whole file
    assert len(dataset) == 2
    sample = dataset[0]
    assert sample['video_name'] == 'a'
    assert sample['duration'] == 20.0
    assert sample['grid'] == FeatureGrid(fps=10, feat_stride=4, clip_len=8)
    assert sample['feature_path'] == str(tmp_path / 'features' / 'a.npy')
    for name in ('segments', 'scored_segments'):
        assert sample[name].dtype == np.float64
        np.testing.assert_array_equal(sample[name], [[1.0, 4.5], [3, 9]])
    for name in ('labels', 'scored_labels'):
        assert sample[name].dtype == np.int64
        np.testing.assert_array_equal(sample[name], [1, 0])
    empty = dataset[1]
    assert empty['segments'].shape == (0, 2)
    assert empty['labels'].shape == (0,)


def test_it_is_built_from_a_config(make, tmp_path):
    make()
    config = {
        'type': 'TALDataset',
        'ann_file': 'ann.json',
        'subset': ['train', 'training'],
        'data_root': str(tmp_path),
        'grid': GRID,
    }
    dataset = DATASETS.build(config)
    assert [dataset.get_data_info(i)['video_name'] for i in range(3)] == ['a', 'b', 'c']


def test_videos_of_a_rare_class_are_repeated(make, tmp_path):
    """By hand: of 4 videos one has 'jump', all have 'run'; t = 1: sqrt(1 / 0.25) = 2 times."""
    content = {
        'database': {
            name: {'subset': 'training', 'duration': 9.0, 'annotations': [item(0, 8, 'run')]}
            for name in 'abcd'
        }
    }
    content['database']['c']['annotations'].append(item(1, 2, 'jump'))
    dataset = make(content)
    assert [dataset.get_cat_ids(i) for i in range(4)] == [[1], [1], [1, 0], [1]]
    balanced = ClassBalancedDataset(dataset, oversample_thr=1.0)
    names = [balanced.get_data_info(i)['video_name'] for i in range(len(balanced))]
    assert names == ['a', 'b', 'c', 'c', 'd']


def test_order_of_the_class_sources(make, tmp_path):
    content = base_content()
    content['taxonomy'] = ['swim', 'run', 'jump']
    assert make(content).metainfo['classes'] == ('swim', 'run', 'jump')
    content['classes'] = ['run', 'jump', 'swim', 'fly']
    assert make(content).metainfo['classes'] == ('run', 'jump', 'swim', 'fly')
    (tmp_path / 'names.txt').write_bytes(b'jump \r\n\r\nswim\nrun\n\n')
    from_list = make(content, metainfo={'classes': str(tmp_path / 'names.txt')})
    assert from_list.metainfo['classes'] == ('jump', 'swim', 'run')
    np.testing.assert_array_equal(from_list[0]['labels'], [2, 0])
    given = make(content, metainfo={'classes': ['jump', 'run', 'swim']})
    assert given.metainfo['classes'] == ('jump', 'run', 'swim')
    content['classes'] = None
    assert make(content).metainfo['classes'] == ('swim', 'run', 'jump')
    # ActivityNet's taxonomy is a tree of nodes: not a list of names
    content = base_content()
    content['taxonomy'] = [{'nodeName': 'run', 'parentName': 'Root'}]
    assert make(content).metainfo['classes'] == ('jump', 'run', 'swim')


def test_segments_outside_the_video_are_cut_for_training_and_kept_for_scoring(make):
    content = base_content()
    given = [(-1, 2), (18, 25), (20, 22), (5, 5), (-3, -1), (6, 7)]
    content['database']['a']['annotations'] = [item(s, e, 'run') for s, e in given]
    sample = make(content)[0]
    np.testing.assert_array_equal(sample['segments'], [[0, 2], [18, 20], [6, 7]])
    np.testing.assert_array_equal(sample['labels'], [0, 0, 0])
    np.testing.assert_array_equal(sample['scored_segments'], given)
    np.testing.assert_array_equal(sample['scored_labels'], [0] * 6)


def test_counts_are_logged(make, monkeypatch):
    lines = []
    monkeypatch.setattr(tal_dataset, 'print_log', lambda message, logger: lines.append(message))
    content = base_content()
    given = [(18, 25), (-1, 3), (5, 5), (20, 22), (5, 7)]
    content['database']['a']['annotations'] = [item(*segment, 'run') for segment in given]
    make(content)
    assert len(lines) == 1
    assert lines[0].endswith('2 videos, 5 segments (2 cut to the video, 2 dropped)')


def test_grid_sources(make):
    content = base_content()
    content['database']['a']['fps'] = 29.97
    content['database']['b']['fps'] = 25
    for unset in ({}, {'fps': None}):  # None: where a config inherits one
        of_videos = make(content, grid={'feat_stride': 4, 'clip_len': 16, **unset})
        assert [of_videos[i]['grid'].fps for i in range(2)] == [29.97, 25.0]
    # a given fps is that of the features: it goes before the video's
    assert make(content, grid=GRID)[0]['grid'].fps == 10
    content['grid'] = {'fps': 15, 'feat_stride': 16, 'clip_len': 16}
    assert make(content, grid=None)[0]['grid'] == FeatureGrid(15, 16, 16)
    of_videos = make(content, grid={'fps': None, 'feat_stride': 16, 'clip_len': 16})
    assert [of_videos[i]['grid'].fps for i in range(2)] == [29.97, 25.0]
    with pytest.raises(ValueError, match=r'expected feat_stride 16 .* but got grid feat_stride=4'):
        make(content, grid={'fps': 15, 'feat_stride': 4, 'clip_len': 16})
    with pytest.raises(ValueError, match='got no clip_len and no feat_stride'):
        make(grid=None)
    with pytest.raises(ValueError, match="video 'a': expected key 'fps'"):
        make(grid={'feat_stride': 4, 'clip_len': 8})


def test_sidecars_say_what_config_and_file_leave_out(make, tmp_path):
    told = {'a': {'fps': 25, 'feat_stride': 4, 'clip_len': 16, 'T': 5}, 'b': {'feat_stride': 2}}
    content = base_content()
    content['database']['a']['fps'] = 30  # of the video, which was brought to another rate

    def grids(told, **settings):
        (tmp_path / 'features').mkdir(exist_ok=True)
        for name, sidecar in told.items():
            (tmp_path / 'features' / f'{name}.json').write_text(json.dumps(sidecar))
        return [sample['grid'] for sample in make(content, **settings)]

    given = {'fps': 10, 'clip_len': 16}
    told['a']['fps'] = 10
    assert grids(told, grid=given) == [FeatureGrid(10, 4, 16), FeatureGrid(10, 2, 16)]
    told['b'] |= {'fps': 29.97, 'clip_len': 8}
    told['a']['fps'] = 25
    assert grids(told, grid=None) == [FeatureGrid(25, 4, 16), FeatureGrid(29.97, 2, 8)]
    # a number that was rounded agrees, another does not
    assert grids({'b': {'fps': 30000 / 1001}}, grid={'feat_stride': 4, 'clip_len': 16})[1].fps
    with pytest.raises(ValueError, match='no clip_len and no feat_stride'):
        grids({'b': {'fps': 25}}, grid=None)
    path = re.escape(str(tmp_path / 'features' / 'a.json'))
    for key, value in {'fps': 30, 'feat_stride': 8, 'clip_len': 4}.items():
        words = (
            f"video 'a': expected {key} {told['a'][key]}, as {path} says of the feature, but got "
            f'{key}={value} in the grid of the config'
        )
        with pytest.raises(ValueError, match=words):
            grids(told, grid={'fps': 25, 'feat_stride': 4, 'clip_len': 16, key: value})
    content['grid'] = {'fps': 25, 'feat_stride': 5, 'clip_len': 16}
    with pytest.raises(ValueError, match=r'expected feat_stride 4, as .* but got feat_stride=5'):
        grids(told, grid=None)
    # a video of several files has a grid of its own for each
    several = make(content, grid=None, feature_file=['{video}.npy', '{video}.npy'])
    assert several[0]['grid'] == FeatureGrid(25, 5, 16)


def test_feature_file_name(make, tmp_path):
    make()
    (tmp_path / 'tsp').mkdir()
    (tmp_path / 'tsp' / 'v_c-x.npz').touch()
    dataset = make(subset='train', feature_file='v_{video}-x.npz', data_prefix={'feature': 'tsp'})
    assert dataset[0]['feature_path'] == str(tmp_path / 'tsp' / 'v_c-x.npz')


def test_filter_cfg_is_for_training_only(make):
    assert [s['video_name'] for s in make(filter_cfg={'filter_empty': True})] == ['a']
    settings = {'filter_cfg': {'filter_empty': True, 'min_duration': 3.5}}
    sample = make(**settings)[0]
    np.testing.assert_array_equal(sample['segments'], [[1.0, 4.5], [3, 9]])
    settings['filter_cfg']['min_duration'] = 3.6
    sample = make(**settings)[0]
    np.testing.assert_array_equal(sample['segments'], [[3, 9]])
    np.testing.assert_array_equal(sample['labels'], [0])
    assert len(sample['scored_labels']) == 2
    tested = make(test_mode=True, **settings)
    assert len(tested) == 2
    assert len(tested[0]['labels']) == 2
    settings['filter_cfg']['min_duration'] = 100
    with pytest.raises(ValueError, match=r'expected a filter_cfg .* but got .* none of 2 videos'):
        make(**settings)


def test_exclude_videos(make):
    assert [s['video_name'] for s in make(exclude_videos=['b', 'c'])] == ['a']
    with pytest.raises(ValueError, match=r"expected exclude_videos .* but got 'x'"):
        make(exclude_videos=['x'])
    with pytest.raises(ValueError, match='leave a video of subset training but got all 2'):
        make(exclude_videos=['a', 'b'])
    with pytest.raises(TypeError, match="expected a list of exclude_videos but got 'ab'"):
        make(exclude_videos='ab')


def test_lazy_serialized_indices_and_subsets(make):
    lazy = make(lazy_init=True, metainfo={'classes': ['swim', 'run', 'jump']})
    assert lazy.metainfo['classes'] == ['swim', 'run', 'jump']
    lazy.full_init()
    plain = make(serialize_data=False, metainfo={'classes': ['swim', 'run', 'jump']})
    for one, other in zip(lazy, plain, strict=True):
        assert one['video_name'] == other['video_name']
        np.testing.assert_array_equal(one['labels'], other['labels'])
    assert len(make(indices=1)) == 1
    assert plain.get_subset([1])[0]['video_name'] == 'b'


@pytest.mark.parametrize(
    ('video', 'change', 'error', 'message'),
    [
        ('a', {'annotations': None}, TypeError, "'annotations' to be a list but got None"),
        ('a', {'duration': '20'}, TypeError, "'duration' to be a number but got '20'"),
        ('a', {'duration': True}, TypeError, "'duration' to be a number but got True"),
        ('a', {'duration': 10**400}, TypeError, "'duration' to be a number but got 10+"),
        ('b', {'duration': float('nan')}, TypeError, "'duration' to be a number but got nan"),
        ('a', {'subset': None}, TypeError, "'subset' to be a string but got None"),
        ('a', {'annotations': [item(0, 1, 5)]}, TypeError, "'label' to be a string but got 5"),
        ('a', {'annotations': [{'segment': '0-1', 'label': 'run'}]}, TypeError, "a list .* '0-1'"),
        ('b', {'duration': 0}, ValueError, "video 'b': expected a duration > 0 but got 0"),
        ('a', {'annotations': [{'segment': [0, 1]}]}, ValueError, "'a': expected key 'label'"),
        ('a', {'annotations': [{'label': 'run'}]}, ValueError, "'a': expected key 'segment'"),
        ('a', {'annotations': ['run']}, ValueError, "expected key 'segment' but got str"),
        ('a', {'annotations': [item(4, 3, 'run')]}, ValueError, r"'a': .*but got \[4, 3\]"),
        ('a', {'annotations': [item(0, float('inf'), 'run')]}, ValueError, r'got \[0, inf\]'),
        ('a', {'annotations': [item(float('nan'), 1, 'run')]}, ValueError, r'got \[nan, 1\]'),
        ('a', {'annotations': [item('x', 1, 'run')]}, ValueError, r"got \['x', 1\]"),
        ('a', {'annotations': [item('1.5', '5', 'run')]}, ValueError, r"got \['1.5', '5'\]"),
        ('a', {'annotations': [item(True, 5, 'run')]}, ValueError, r'got \[True, 5\]'),
        ('a', {'annotations': [item(1, 10**400, 'run')]}, ValueError, r'got \[1, 10+'),
        ('a', {'annotations': [{'segment': [1], 'label': 'run'}]}, ValueError, r'got \[1\]'),
    ],
)
def test_errors_name_file_and_video(make, video, change, error, message):
    content = base_content()
    content['database'][video].update(change)
    with pytest.raises(error, match=message) as caught:
        make(content, metainfo={'classes': ['run', 'jump', 'swim']})
    assert f"ann.json: video '{video}': expected " in str(caught.value)
    assert ' but got ' in str(caught.value)  # what the command line shows as one line
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ('change', 'error', 'message'),
    [
        ({'database': {'../features/a': {}}}, ValueError, 'a video name that stays inside'),
        ({'database': {'/a': {}}}, ValueError, 'a video name that stays inside'),
        ({'database': {'a': {'fps': 0}}}, ValueError, 'fps > 0 but got 0'),
        ({'database': {'a': {'fps': float('nan')}}}, TypeError, "key 'fps' .* but got nan"),
        (
            {'grid': {'fps': '10', 'feat_stride': 4, 'clip_len': 8}},
            TypeError,
            "fps to .* but got '10'",
        ),
    ],
)
def test_errors_of_grid_and_name_are_of_file_and_video(make, change, error, message):
    content = {**base_content(), **change}
    for name, video in change.get('database', {}).items():
        content['database'][name] = {**base_content()['database']['a'], 'fps': 10, **video}
    with pytest.raises(error, match=rf"ann.json: video '[^:]*a': expected {message}"):
        make(
            content,
            files='ab',
            grid=None if 'grid' in change else {'feat_stride': 4, 'clip_len': 8},
        )


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'grid': [1, 2, 3]}, r"ann.json: expected key 'grid' to be an object but got \[1, 2, 3\]"),
        ({'grid': {**GRID, 'window': 3}}, "ann.json: expected grid with keys .* but got 'window'"),
        ({'classes': {'run': 0}}, "ann.json: expected classes to be a list of .* {'run': 0}"),
        ({'classes': [1, 2]}, r'ann.json: expected classes to be a list of strings but got \[1, 2'),
        ({'classes': 'run'}, "ann.json: expected classes to be a list of strings but got 'run'"),
    ],
)
def test_what_the_file_says_of_all_videos(make, change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make({**base_content(), **change}, grid=None if 'window' in message else GRID)


@pytest.mark.parametrize('database', [None, [], 'a'])
def test_a_database_is_by_name(make, database):
    found = type(database).__name__
    with pytest.raises(TypeError, match=f"with a 'database' of videos by name but got {found}$"):
        make({'database': database}, files='')


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'subset': 5}, 'expected subset to be a name or several but got 5'),
        ({'subset': []}, r'expected subset to be a name or several but got \[\]'),
        ({'feature_file': None}, 'expected feature_file to be a name or several but got None'),
        ({'feature_file': [3]}, r'expected feature_file to be a name or several but got \[3\]'),
        ({'filter_cfg': {'min_duration': '1'}}, "min_duration to be a number but got '1'"),
    ],
)
def test_settings_of_another_type(make, settings, message):
    with pytest.raises(TypeError, match=message):
        make(**settings)


@pytest.mark.parametrize('name', ['a.json', 'a.txt', 'a.pkl', 'a.yaml'])
def test_annotations_are_json_whatever_their_name_and_nothing_is_run(make, tmp_path, name):
    make()
    harm = str(tmp_path / 'harm')
    contents = [
        pickle.dumps(Harmful(harm)),
        f'!!python/object/apply:os.mkdir ["{harm}"]'.encode(),
        b'',
        b'{"database": {',
        '{"version": "\u00e9"}'.encode('latin1'),
    ]
    for content in contents:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf'{name}: expected JSON but got'):
            TALDataset(name, data_root=str(tmp_path), subset='training', grid=GRID)
    assert not (tmp_path / 'harm').exists()
    (tmp_path / 'ann.json').rename(tmp_path / name)
    assert len(TALDataset(name, data_root=str(tmp_path), subset='training', grid=GRID)) == 2


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize('key', ['subset', 'duration', 'annotations'])
def test_missing_keys(make, key):
    content = base_content()
    del content['database']['b'][key]
    with pytest.raises(ValueError, match=f"ann.json: video 'b': expected key '{key}' but got keys"):
        make(content)


def test_unknown_label(make):
    with pytest.raises(ValueError, match=r"'a': expected one of 2 classes \(jump, swim\).*'run'"):
        make(metainfo={'classes': ['jump', 'swim']})


def test_wrong_class_lists(make):
    with pytest.raises(FileNotFoundError, match=r'nowhere.txt, which does not exist'):
        make(metainfo={'classes': 'nowhere.txt'})
    with pytest.raises(ValueError, match="distinct class names but got repeated 'run'"):
        make(metainfo={'classes': ['run', 'jump', 'run']})
    content = base_content()
    for video in content['database'].values():
        video['annotations'] = []
    with pytest.raises(ValueError, match='distinct class names but got none'):
        make(content)


def labelled(*labels):
    """A file of one video for each label."""
    videos = {f'v{i}': [item(0, 1, label)] for i, label in enumerate(labels)}
    return {
        'database': {
            name: {'subset': 'training', 'duration': 9.0, 'annotations': items}
            for name, items in videos.items()
        }
    }


@pytest.mark.parametrize('other', ['Run', ' run', 'run\t', 'RUN '])
def test_labels_that_differ_in_case_or_spaces_alone(make, other):
    message = rf"ann.json: video 'v2': expected label 'run', as in 'v0', but got {other!r}; if both"
    with pytest.raises(ValueError, match=re.escape(message)):
        make(labelled('run', 'jump', other))
    content = labelled('run', other)
    content['database']['v1']['subset'] = 'test'  # they name the classes all the same
    with pytest.raises(ValueError, match="expected label 'run', as in 'v0'"):
        make(content)


def test_one_letter_in_two_forms_of_unicode(make):
    with pytest.raises(ValueError, match="expected label '\u00e9p\u00e9e', as in 'v0', but got"):
        make(labelled('\u00e9p\u00e9e', 'e\u0301p\u00e9e'))


def test_classes_may_differ_in_case_if_they_are_listed(make):
    content = {'classes': ['a', 'A'], **labelled('a', 'A')}
    assert [sample['labels'].tolist() for sample in make(content)] == [[0], [1]]
    for classes in (['a', 'a '], ['big cat', 'big  cat'], ['a', ' ']):
        with pytest.raises(ValueError, match='class names that differ in more than spaces but got'):
            make({'classes': classes, **labelled('a')})


def test_a_label_that_is_nearly_a_class_is_told_which(make):
    classes = ['a', 'b', 'c', 'd', 'e', 'Run  fast']
    message = "but got label 'run fast', which is 'Run  fast' but for case or spaces"
    with pytest.raises(ValueError, match=message):
        make({'classes': classes, **labelled('run fast')})
    with pytest.raises(ValueError, match=r"but got label 'walk'$"):
        make({'classes': classes, **labelled('walk')})


def test_a_subset_is_matched_exactly(make):
    with pytest.raises(ValueError, match=r"a subset of \['train', 'training'\] but got 'trai'"):
        make(subset='trai')
    assert [s['video_name'] for s in make(subset='train')] == ['c']


def test_missing_features_are_counted_at_the_start(make):
    content = base_content()
    for name in 'pqrs':
        content['database'][name] = content['database']['a']
    with pytest.raises(FileNotFoundError, match=r'^4 of 6 .*b\.npy, .*p\.npy, .*r\.npy, \.\.\.$'):
        make(content, files=['a', 'q'])


NFC, NFD = 'caf\u00e9', 'cafe\u0301'


def test_names_in_another_unicode_normal_form_are_told_where_they_are_missing(make, tmp_path):
    content = {'database': {NFC: base_content()['database']['a']}}
    with pytest.raises(
        ValueError, match=r"exclude_videos .* 'caf\\xe9' is there: 'cafe\\u0301' in"
    ):
        make(content, exclude_videos=[NFD])
    (tmp_path / 'features' / f'{NFC}.npy').rename(tmp_path / 'features' / f'{NFD}.npy')
    if (tmp_path / 'features' / f'{NFC}.npy').exists():
        pytest.skip('this file system takes the one for the other')
    message = r"1 of 1 feature files are missing .*; 'cafe\\u0301.npy' is there: 'caf\\xe9.npy' in"
    with pytest.raises(FileNotFoundError, match=message):
        make(content, files=[])


def test_that_the_order_of_classes_is_a_guess_is_logged(make, monkeypatch):
    lines = []
    monkeypatch.setattr(annotations, 'print_log', lambda message, logger: lines.append(message))
    make()
    assert lines[0].endswith(
        'ann.json: no classes are given: they are the 3 labels of the file, sorted (jump, run, '
        'swim); metainfo=dict(classes=[...]) sets them'
    )
    lines.clear()
    make(metainfo={'classes': ['swim', 'run', 'jump']})
    make({'classes': ['swim', 'run', 'jump'], **base_content()})
    assert not lines


def test_a_list_of_classes_has_an_order(make, tmp_path):
    names = tmp_path / 'names.json'
    names.write_text('["swim", "run", "jump"]')
    found = make(metainfo={'classes': str(names)})
    assert found.metainfo['classes'] == ('swim', 'run', 'jump')
    names.write_text('{"swim": 2, "run": 1, "jump": 0}')
    message = r'names.json: expected a list of class names, in the order .* but got an object'
    with pytest.raises(ValueError, match=message):
        make(metainfo={'classes': str(names)})


def test_wrong_arguments_and_files(make, tmp_path):
    with pytest.raises(ValueError, match=r"expected grid with keys .* but got 'stride'"):
        make(grid={'fps': 1, 'stride': 1})
    with pytest.raises(ValueError, match=r"filter_cfg .* but got 'empty'"):
        make(filter_cfg={'empty': True})
    with pytest.raises(ValueError, match=r"data_prefix .* but got 'img'"):
        make(data_prefix={'img': ''})
    with pytest.raises(ValueError, match=r"expected '{video}' in feature_file but got 'x.npy'"):
        make(feature_file='x.npy')
    with pytest.raises(FileNotFoundError, match=r'none.json, which does not exist'):
        TALDataset('none.json', subset='x', data_root=str(tmp_path))
    (tmp_path / 'list.json').write_text('[1]')
    with pytest.raises(TypeError, match=r"list.json: expected an object with a 'database'"):
        TALDataset('list.json', subset='x', data_root=str(tmp_path))


def test_several_feature_files(make, tmp_path):
    make()
    for video in 'ab':
        (tmp_path / 'flow').mkdir(exist_ok=True)
        np.save(tmp_path / 'flow' / f'v_{video}.npy', np.zeros((5, 2), np.float32))
    settings = {'data_prefix': {'feature': ''}, 'files': ()}
    files = ['features/{video}.npy', 'flow/v_{video}.npy']
    dataset = make(feature_file=files, **settings)
    assert dataset[0]['feature_path'] == [
        str(tmp_path / 'features' / 'a.npy'),
        str(tmp_path / 'flow' / 'v_a.npy'),
    ]
    (tmp_path / 'flow' / 'v_b.npy').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 of 4 feature files are missing .*flow/v_b.npy'):
        make(feature_file=files, **settings)
    with pytest.raises(ValueError, match=r"expected '\{video\}' in feature_file but got 'b.npy'"):
        make(feature_file=['{video}.npy', 'b.npy'])


def test_one_file_of_all_videos(make, tmp_path):
    with pytest.raises(FileNotFoundError, match='2 of 2 feature files are missing'):
        make(feature_file='all.h5')
    (tmp_path / 'features' / 'all.h5').touch()
    paths = {sample['feature_path'] for sample in make(feature_file='all.h5')}
    assert paths == {str(tmp_path / 'features' / 'all.h5')}


def test_existence_is_asked_of_the_storage_backend(make):
    with pytest.raises(FileNotFoundError, match='2 of 2 feature files are missing'):
        make(feature_file='no_{video}.npy', backend_args={'backend': 'local'})
    assert len(make(backend_args={'backend': 'local'})) == 2
