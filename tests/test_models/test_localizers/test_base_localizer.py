"""What a child of the template gets: its modes, and detections in seconds."""

from types import SimpleNamespace

import pytest
import torch

from asl_mmaction.models.localizers import BaseLocalizer
from asl_mmaction.structures.candidates import DenseCandidates, join_candidates
from asl_mmaction.structures.feature_grid import FeatureGrid


class Echo(BaseLocalizer):
    """Says which mode ran, and with what."""

    def loss(self, inputs, **batch):
        return 'loss', inputs, batch

    def predict(self, inputs, **batch):
        return 'predict', inputs, batch

    def raw_outputs(self, inputs, **batch):
        return 'tensor', inputs, batch


@pytest.mark.parametrize('mode', ['loss', 'predict', 'tensor'])
def test_a_mode_gets_all_of_the_batch(mode):
    assert Echo()(1, masks=2, data_samples=3, mode=mode) == (
        mode,
        1,
        {'masks': 2, 'data_samples': 3},
    )


def test_the_mode_is_tensor_where_none_is_given():
    assert Echo()(1) == ('tensor', 1, {})


def test_unknown_mode():
    with pytest.raises(
        ValueError, match="expected mode to be 'loss', 'predict' or 'tensor' but got 'train'"
    ):
        Echo()(1, mode='train')


def test_a_child_says_what_every_mode_does():
    with pytest.raises(TypeError, match='abstract'):
        BaseLocalizer()


def test_windows_are_put_together_and_detections_are_in_seconds():
    model = Echo(post_processor=dict(type='SoftNMSPostProcessor', max_per_video=1))
    # Two windows from steps 0 and 8, a candidate in each; the video ends at step 11.
    segments = torch.tensor([[[1.0, 3.0]], [[2.0, 5.0]]])
    scores = torch.tensor([[[0.5]], [[0.75]]])
    found = DenseCandidates(segments, scores, torch.ones(2, 1, dtype=torch.bool))
    parts = model.select_in_windows(found, [0, 8], (-1.0, 11.0))
    assert [part.segments.tolist() for part in parts] == [[[1.0, 3.0]], [[10.0, 13.0]]]
    # A step of the grid lasts 0.5 s and step 0 stands at 0.5 s.
    grid = FeatureGrid(fps=10, feat_stride=5, clip_len=10)
    for num_windows, expected in ((1.0, [[5.5, 6.0]]), (2.0, [[5.5, 6.0], [1.0, 2.0]])):
        sample = SimpleNamespace(grid=grid, duration=6.0)
        assert model.detect(join_candidates(parts), sample, num_windows) is sample
        assert sample.pred_instances.segments.tolist() == expected
    assert sample.pred_instances.scores.tolist() == [0.75, 0.5]


def test_what_lies_behind_the_end_of_the_video_is_no_candidate_of_a_window():
    model = Echo(post_processor=dict(type='SoftNMSPostProcessor'))
    segments = torch.tensor([[[3.0, 5.0]], [[3.0, 5.0]]])
    found = DenseCandidates(segments, torch.ones(2, 1, 1), torch.ones(2, 1, dtype=torch.bool))
    first, second = model.select_in_windows(found, [0, 8], (-1.0, 11.0))  # step 3 of the second
    assert (len(first.scores), len(second.scores)) == (1, 0)
