"""The features of a data set are found, and their grids agree with all that is said of them."""

import json
import re

import numpy as np
import pytest

from asl_mmaction.structures.feature_grid import FeatureGrid

from .conftest import GRID, base_content


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
