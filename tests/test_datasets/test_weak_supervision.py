"""What a training sample knows under weak supervision, and that it knows no more."""

import json
import pickle

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from asl_mmaction.datasets import tal_dataset
from asl_mmaction.datasets.tal_dataset import TALDataset
from asl_mmaction.files.clicks import Click, write_click_file

GRID = {'fps': 10, 'feat_stride': 4, 'clip_len': 8}
PIPELINE = [{'type': 'LoadFeature', 'feat_dim': 3}, {'type': 'PackWeakInputs'}]
CLICKS = {
    'a': [Click(0.5, None), Click(3.0, 'jump'), Click(25.0, None)],
    't': [Click(1.0, None)],
}


def item(start, end, label):
    return {'segment': [start, end], 'label': label}


def base_content():
    return {
        'classes': ['jump', 'run', 'swim'],
        'database': {
            'a': {
                'subset': 'training',
                'duration': 20.0,
                'annotations': [item(1.0, 4.5, 'run'), item(3, 9, 'jump'), item(4, 4, 'swim')],
            },
            'b': {'subset': 'training', 'duration': 8.5, 'annotations': []},
            't': {'subset': 'test', 'duration': 8, 'annotations': [item(0, 8, 'swim')]},
        },
    }


@pytest.fixture
def make(tmp_path):
    def build(content=None, clicks=CLICKS, **settings):
        content = base_content() if content is None else content
        (tmp_path / 'features').mkdir(exist_ok=True)
        for video in content['database']:
            feature = np.random.default_rng(0).random((20, 3), np.float32)
            np.save(tmp_path / 'features' / f'{video}.npy', feature)
        (tmp_path / 'ann.json').write_text(json.dumps(content))
        write_click_file(tmp_path / 'clicks.json', clicks, source='test')
        settings = {
            'subset': 'training',
            'grid': GRID,
            'pipeline': PIPELINE,
            'supervision': 'click',
            'click_file': 'clicks.json',
            **settings,
        }
        with DefaultScope.overwrite_default_scope('mmaction'):  # as a Runner does
            return TALDataset('ann.json', data_root=str(tmp_path), **settings)

    return build


def test_samples(make):
    dataset = make()
    sample = dataset.get_data_info(0)
    assert sample['video_labels'].tolist() == [1, 1, 0]  # an action without length is none
    assert sample['click_times'].tolist() == [0.5, 3.0]
    assert sample['click_labels'].tolist() == [3, 0]
    empty = dataset.get_data_info(1)
    assert empty['video_labels'].tolist() == [0, 0, 0]
    assert len(empty['click_times']) == 0
    assert dataset.get_cat_ids(0) == [0, 1]
    assert dataset[0]['data_samples'].gt_clicks.steps.tolist() == [0, 6]
    by_label = make(supervision='video', click_file=None).get_data_info(0)
    assert by_label['video_labels'].tolist() == [1, 1, 0]
    assert len(by_label['click_times']) == 0


def plain(value):
    if isinstance(value, InstanceData):
        return {key: plain(value.get(key)) for key in value.all_keys()}
    return value.tolist() if hasattr(value, 'tolist') else value


@pytest.mark.parametrize('supervision', ['click', 'video'])
def test_no_segment_leaks(make, supervision):
    """Other segments, of the same classes: the same samples, to the byte."""
    other = base_content()
    other['database']['a']['annotations'] = [
        item(11, 12, 'jump'),
        item(0.5, 0.7, 'run'),
        item(13, 19, 'run'),
    ]
    settings = dict(supervision=supervision)
    settings['click_file'] = 'clicks.json' if supervision == 'click' else None
    seen = []
    for content in (base_content(), other):
        dataset = make(content, **settings)
        seen.append([pickle.dumps(dataset.get_data_info(i)) for i in range(2)])
        packed = dataset[0]['data_samples']
        seen[-1].append({key: plain(packed.get(key)) for key in packed.all_keys()})
    assert seen[0] == seen[1]
    assert all(np.size(v) == 0 for k, v in dataset.get_data_info(0).items() if 'segments' in k)


def test_what_is_scored_stays_in_test_mode(make):
    sample = make(subset='test', test_mode=True, pipeline=[]).get_data_info(0)
    assert sample['segments'].tolist() == [[0, 8]]
    assert 'click_times' not in sample


def test_clicks_beside_segments(make):
    sample = make(supervision='full', pipeline=[]).get_data_info(0)
    assert sample['segments'].tolist() == [[1.0, 4.5], [3, 9]]
    assert sample['click_labels'].tolist() == [3, 0]
    pipeline = [PIPELINE[0], {'type': 'PackTALInputs'}]
    packed = make(supervision='full', pipeline=pipeline)[0]['data_samples']
    assert packed.gt_instances.labels.tolist() == [1, 0]
    assert packed.gt_clicks.steps.tolist() == [0, 6]
    assert packed.gt_clicks.labels.tolist() == [3, 0]
    assert (
        'gt_clicks'
        not in make(supervision='full', click_file=None, pipeline=pipeline)[0]['data_samples']
    )


def test_background_clicks_inside_an_action_are_counted_beside_segments(make, monkeypatch):
    said = []
    monkeypatch.setattr(tal_dataset, 'print_log', lambda text, **_: said.append(text))
    times = [0.5, 1.0, 2.9, 4.5, 4.6]  # all but the first in an action, 4.5 in two
    clicks = {'a': [*(Click(time, None) for time in times), Click(4.0, 'swim')]}
    make(supervision='full', pipeline=[], clicks=clicks).full_init()
    (line,) = (text for text in said if 'background clicks' in text)
    assert line.endswith(
        ': 5 background clicks, 1 action clicks, 0 outside the video, 4 background clicks inside '
        'an action'
    )
    said.clear()
    make(clicks=clicks).full_init()
    assert not any('inside an action' in text for text in said)  # segments are not known


TRUNCATE = {'type': 'RandomTruncate', 'max_len': 8}


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(supervision='weak'), "expected supervision to be one of .* but got 'weak'"),
        (dict(click_file=None), "expected a click_file with supervision='click' but got None"),
        (dict(supervision='video'), "expected no click_file with supervision='video' but got"),
        (dict(filter_cfg=dict(filter_empty=True)), 'expected no filter_cfg, which is about segmen'),
        (dict(pipeline=[TRUNCATE, *PIPELINE]), 'expected no RandomTruncate with supervision'),
        (dict(pipeline=PIPELINE[:1]), 'expected PackWeakInputs in the pipeline'),
        (dict(clicks={'b ': []}), "clicks.json: expected videos of the annotation file but got 'b"),
        (
            dict(clicks={'t': [Click(1.0, None)]}),
            'expected clicks in the 2 training videos but got',
        ),
        (dict(clicks={'a': [Click(30.0, None)]}), 'expected clicks in the 2 training videos'),
        (
            dict(clicks={'a': [Click(1.0, 'fly')]}),
            "clicks.json: video 'a': expected one of 3 classes but got a click on 'fly'",
        ),
    ],
)
def test_what_contradicts_it_is_refused_in_one_line(make, settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        make(**settings)
    assert '\n' not in str(caught.value)


def test_a_training_set_without_any_action_is_refused(make):
    content = base_content()
    content['database']['a']['annotations'] = []
    with pytest.raises(ValueError, match='expected a video with an action but got 2 training vid'):
        make(content, clicks={'a': [Click(1.0, None)]})
