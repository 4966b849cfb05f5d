import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample

from asl_mmaction.datasets.transforms import PackTALInputs
from asl_mmaction.structures.feature_grid import FeatureGrid

GRID = FeatureGrid(10, 4, 8, origin=2)


def results(**changes):
    return {
        'video_name': 'vid',
        'duration': 9.5,
        'grid': GRID,
        'feature_path': 'some/vid.npy',
        'feature': np.arange(12, dtype=np.float16).reshape(6, 2)[1:5],
        'segments': np.array([[1.2, 2.0], [2.4, 2.8]]),
        'labels': np.array([1, 0]),
        'scored_segments': np.array([[1.2, 2.0], [2.4, 2.8], [7, 9]]),
        'scored_labels': np.array([1, 0, 4]),
        **changes,
    }


def test_pack():
    packed = PackTALInputs()(results())
    assert set(packed) == {'inputs', 'data_samples'}
    assert packed['inputs'].dtype == torch.float32
    assert packed['inputs'].is_contiguous()
    assert packed['inputs'].tolist() == [[2, 3], [4, 5], [6, 7], [8, 9]]
    sample = packed['data_samples']
    assert isinstance(sample, ActionDataSample)
    # (10 s - 4) / 4 - 2
    torch.testing.assert_close(sample.gt_instances.segments, torch.tensor([[0.0, 2.0], [3.0, 4.0]]))
    assert sample.gt_instances.labels.tolist() == [1, 0]
    assert sample.gt_instances.labels.dtype == torch.int64
    assert (sample.video_name, sample.duration, sample.num_steps) == ('vid', 9.5, 4)
    assert sample.grid == GRID
    assert sample.scored_segments.dtype == np.float64
    np.testing.assert_array_equal(sample.scored_segments, [[1.2, 2.0], [2.4, 2.8], [7, 9]])
    assert sample.scored_labels.tolist() == [1, 0, 4]
    assert sample.to_dict()['grid'] == GRID  # what a metric sees


def test_class_agnostic_training_labels():
    given = results()
    sample = PackTALInputs(class_agnostic=True)(given)['data_samples']
    assert sample.gt_instances.labels.tolist() == [0, 0]
    assert sample.gt_instances.labels.dtype == torch.int64
    assert sample.scored_labels.tolist() == [1, 0, 4]  # what is scored
    assert given['labels'].tolist() == [1, 0]
    assert PackTALInputs()(given)['data_samples'].gt_instances.labels.tolist() == [1, 0]


def test_the_tensor_does_not_share_memory_with_the_file(tmp_path):
    np.save(tmp_path / 'x.npy', np.zeros((4, 2), np.float32))
    mapped = np.load(tmp_path / 'x.npy', mmap_mode='r')
    packed = PackTALInputs()(results(feature=mapped))
    packed['inputs'] += 1
    assert not np.load(tmp_path / 'x.npy').any()


def test_without_ground_truth():
    empty = results(segments=np.zeros((0, 2)), labels=np.zeros(0, np.int64))
    inference = {key: results()[key] for key in ('video_name', 'duration', 'grid', 'feature')}
    for given in (empty, inference):
        instances = PackTALInputs()(given)['data_samples'].gt_instances
        assert instances.segments.shape == (0, 2)
        assert instances.segments.dtype == torch.float32
        assert instances.labels.shape == (0,)
        assert instances.labels.dtype == torch.int64


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_not_finite(value):
    feature = np.zeros((4, 2))
    feature[1, 1] = value
    # step 1 of the crop is step 3 of the file
    message = "video 'vid': some/vid.npy: expected finite numbers but got NaN or Inf in step 3"
    with pytest.raises(ValueError, match=message):
        PackTALInputs()(results(feature=feature))


def test_overflow_in_float32_is_noticed():
    with np.errstate(over='ignore'), pytest.raises(ValueError, match='NaN or Inf in step 2'):
        PackTALInputs()(results(feature=np.full((4, 2), 1e300)))
