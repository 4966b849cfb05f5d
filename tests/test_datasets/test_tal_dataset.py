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

from .conftest import GRID, base_content, item


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
    content['database']['a']['annotations'] = [item(5, 7, 'run')]
    make(content)
    assert lines[1].endswith('2 videos, 1 segments')


def test_what_filter_cfg_leaves_out_is_logged(make, monkeypatch):
    lines = []
    monkeypatch.setattr(tal_dataset, 'print_log', lambda message, logger: lines.append(message))

    def logged(**filter_cfg):
        lines.clear()
        make(filter_cfg=filter_cfg)
        return [line for line in lines if line.startswith('filter_cfg')]

    assert logged(min_duration=3.5) == []  # nothing
    assert logged(filter_empty=True) == [
        'filter_cfg leaves out 1 of 2 videos and 0 segments shorter than 0 s'
    ]
    assert logged(min_duration=3.6) == [
        'filter_cfg leaves out 0 of 2 videos and 1 segments shorter than 3.6 s'
    ]


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
