import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.structures import InstanceData

from asl_mmaction.structures.detections import detections_in_seconds, video_bounds
from asl_mmaction.structures.feature_grid import FeatureGrid


@pytest.fixture
def sample():
    # Step t stands at 0.5 t + 0.25 s
    grid = FeatureGrid(fps=10, feat_stride=5, clip_len=5)
    return ActionDataSample(metainfo={'grid': grid, 'duration': 4.0})


def test_by_hand(sample):
    segments = torch.tensor([[1.0, 5.5], [-2.0, 20.0]])
    found = InstanceData(
        segments=segments,
        scores=torch.tensor([0.9, 0.5]),
        labels=torch.tensor([2, 0]),
        metainfo={'limits': 'any'},
    )
    seconds = detections_in_seconds(found, sample)
    assert seconds.segments.dtype == torch.float64
    assert seconds.segments.tolist() == [[0.75, 3.0], [0.0, 4.0]]
    assert torch.equal(seconds.scores, found.scores)
    assert torch.equal(seconds.labels, found.labels)
    assert seconds.limits == 'any'
    assert found.segments is segments  # what is given stays on the grid
    assert segments.tolist() == [[1.0, 5.5], [-2.0, 20.0]]


def test_bounds_by_hand(sample):
    assert video_bounds(sample) == (-0.5, 7.5)
    sample.set_metainfo({'grid': sample.grid.shifted(3)})
    assert video_bounds(sample) == (-3.5, 4.5)


def test_none(sample):
    nothing = InstanceData(segments=torch.empty(0, 2), scores=torch.empty(0), labels=torch.empty(0))
    assert detections_in_seconds(nothing, sample).segments.shape == (0, 2)
