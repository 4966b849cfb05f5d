"""mmaction2's TCANet: what it is given, what is made of its output, and both through the Runner."""

import copy
import json

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch import nn

from asl_mmaction.structures.segments import segment_tiou
from asl_mmaction.structures.windows import window_starts

from .conftest import CONFIGS, WIDTH

WINDOW = 16
pytestmark = pytest.mark.filterwarnings('ignore:Default grid_sample and affine_grid')


def model_config(**kwargs):
    config = Config.fromfile(CONFIGS / 'tcanet_hapt.py').model
    config.localizer.update(feat_dim=WIDTH, temporal_dim=WINDOW)
    config.update(window_overlap=0.5, windows_per_batch=2)
    config.update(kwargs)
    return config


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    return MODELS.build(model_config()).eval()


@pytest.fixture
def with_proposals(make_sample):
    """Function: a sample with these proposals (start, end), or random ones, grid values."""

    def make(num_steps, segments=(), proposals=None, number=20, seed=0, **kwargs):
        sample = make_sample(num_steps, segments, seed=seed, **kwargs)
        generator = torch.Generator().manual_seed(seed)
        if proposals is None:
            first = torch.rand(number, generator=generator) * (num_steps - 1)
            length = 1 + torch.rand(number, generator=generator) * 5
            proposals = torch.stack([first, (first + length).clamp(max=num_steps - 0.5)], dim=1)
        proposals = torch.as_tensor(proposals, dtype=torch.float32).view(-1, 2)
        sample['data_samples'].proposals = InstanceData(
            segments=proposals, scores=torch.rand(len(proposals), generator=generator)
        )
        return sample

    return make


def test_each_proposal_has_the_ground_truth_that_it_overlaps_most(model, with_proposals):
    # Grid value g is second 0.5 g + 0.5: ground truths [0.5, 3.5] and [7.5, 13.5].
    proposals = [[8.0, 13.0], [0.0, 5.0], [2.5, 7.6], [14.0, 15.0]]
    sample = with_proposals(15, [[0.75, 2.25], [4.25, 7.25]], proposals)['data_samples']
    packed = model.pack_targets(sample, 15)
    given = packed.proposals['proposals']
    expected = torch.tensor([[8.5, 13.5], [0.5, 5.5], [3.0, 8.1], [14.5, 15.0]]) / 16
    assert torch.allclose(given[:, :2], expected, rtol=0, atol=1e-6)
    assert torch.equal(given[:, 2], sample.proposals.scores)
    first, second = [1.0 / 16, 4.0 / 16], [8.0 / 16, 14.0 / 16]
    truths = packed.gt_instances['gt_bbox']  # the last overlaps none: any will do
    assert torch.allclose(truths, torch.tensor([second, first, first, first]))


def test_the_loss_does_not_depend_on_the_order_of_the_ground_truths(model, with_proposals):
    """It does in mmaction2, which compares proposal i with ground truth i."""
    segments = [[0.75, 2.25], [4.25, 7.25], [1.0, 6.0]]
    losses, original = [], []
    for order in ([0, 1, 2], [2, 0, 1]):
        truths = [segments[i] for i in order]
        proposals = [[0.5, 3.0], [8.0, 13.5], [1.0, 10.5], [4.0, 6.0]]
        batch = pseudo_collate([with_proposals(15, truths, proposals)])
        torch.manual_seed(0)
        losses.append(model(**batch, mode='loss'))
        sample = batch['data_samples'][0]
        packed = model.pack_targets(sample, 15)
        boxes = (sample.gt_instances.segments + 0.5) / WINDOW
        packed.gt_instances = InstanceData(gt_bbox=boxes)
        torch.manual_seed(0)
        window = torch.zeros(WIDTH, WINDOW)
        window[:, :15] = batch['inputs'][0].T
        original.append(model.localizer([window], [packed], mode='loss'))
    assert losses[0].keys() == original[0].keys() > {'rloss1', 'iloss3'}
    assert all(torch.equal(losses[0][key], losses[1][key]) for key in losses[0])
    assert any(not torch.equal(original[0][key], original[1][key]) for key in original[0])
    assert losses[0]['rloss1'] > 0  # some proposals overlap their ground truth by a half


def test_the_loss_is_that_of_tcanet_with_pairs(model, with_proposals):
    samples = [with_proposals(15, [[0.75, 2.25], [4.25, 7.25]]), with_proposals(9, [[1.0, 3.0]])]
    batch = pseudo_collate(samples)
    packed, windows = [], []
    for feature, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
        boxes = ((sample.gt_instances.segments + 0.5) / WINDOW).clamp(0, len(feature) / WINDOW)
        found = (sample.proposals.segments + 0.5) / WINDOW
        found = found.clamp(0, len(feature) / WINDOW)
        best = [int(segment_tiou(one[None], boxes).argmax()) for one in found]
        one = ActionDataSample()
        one.gt_instances = InstanceData(gt_bbox=boxes[best])
        one.proposals = InstanceData(proposals=torch.cat([found, found[:, :1]], dim=1))
        packed.append(one)
        windows.append(nn.functional.pad(feature.T, (0, WINDOW - len(feature))))
    torch.manual_seed(0)
    expected = model.localizer(windows, packed, mode='loss')
    torch.manual_seed(0)
    losses = model(**batch, mode='loss')
    assert losses.keys() == expected.keys()
    assert all(torch.equal(losses[key], expected[key]) for key in expected)


@pytest.mark.parametrize(('segments', 'proposals'), [([], None), ([[1.0, 3.0]], []), ([], [])])
def test_without_ground_truth_or_proposals_the_loss_is_finite(
    model, with_proposals, segments, proposals
):
    sample = with_proposals(9, segments, proposals)
    packed = model.pack_targets(sample['data_samples'], 9).proposals.proposals
    if proposals == []:  # the whole sequence is one
        assert packed.tolist() == [[0, 9 / WINDOW, 1]]
    losses = model(**pseudo_collate([sample]), mode='loss')
    assert all(value.isfinite() for value in losses.values())
    sum(losses.values()).backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert grads
    assert all(grad.isfinite().all() for grad in grads)
    model.zero_grad()


@pytest.mark.parametrize('seed', range(3))
def test_candidates_are_those_of_tcanet_predict(double, model, with_proposals, seed):
    model = copy.deepcopy(model).double()
    tcanet = model.localizer
    tcanet.soft_nms_low_threshold = tcanet.soft_nms_high_threshold = 2.0  # no NMS
    tcanet.post_process_top_k = 10**6
    tcanet.feature_extraction_interval = 1
    sample = with_proposals(WINDOW, seed=seed)
    sample['inputs'] = sample['inputs'].double()
    given = sample['data_samples'].proposals
    given.segments, given.scores = given.segments.double(), given.scores.double()
    boxes = ((given.segments + 0.5) / WINDOW).clamp(0, 1)

    def theirs(*tables):
        batch = []
        for table in tables:
            info = dict(video_name='v', duration_second=1.0, duration_frame=WINDOW)
            batch.append(ActionDataSample(metainfo=info))
            batch[-1].proposals = InstanceData(proposals=table)
        (found,) = tcanet([sample['inputs'].T] * len(tables), batch, mode='predict')
        return sorted((p['score'], *p['segment']) for p in found['proposal_list'])

    # Their score of a proposal is overwritten with the position of its video in the batch: it is 0
    # in the first, and 1 in the second.
    table = torch.cat([boxes, given.scores[:, None]], dim=1)
    given.scores = torch.ones(20)
    with torch.no_grad():
        assert {score for score, *_ in theirs(table.clone())} == {0.0}
        expected = theirs(table[:0], table)
        found = model.find_candidates(sample['inputs'], sample['data_samples'])
    parts = ((found.segments + 0.5) / WINDOW).clip(max=1)  # which they do after their NMS
    ours = sorted((s, *p) for s, p in zip(found.scores.tolist(), parts.tolist(), strict=True))
    assert len(ours) == len(expected) == 60
    assert np.allclose(ours, expected, rtol=0, atol=1e-6)


def test_a_score_is_that_of_the_proposal_times_the_quality(model, with_proposals):
    sample = with_proposals(31)
    own = sample['data_samples'].proposals.scores.clone()
    with torch.no_grad():
        scores, *_ = model.refine(sample['inputs'], sample['data_samples'])
        sample['data_samples'].proposals.scores = torch.ones(20)
        quality, *_ = model.refine(sample['inputs'], sample['data_samples'])
    assert torch.allclose(scores, own * quality)
    assert quality.unique().numel() > 20


class Unmoved(nn.Module):
    """In the place of a refining stage: leaves proposals as they are, tells what it looked at."""

    def forward(self, boxes, context, *_):
        step = (boxes.mean(dim=1) * WINDOW).floor().long()
        return context[torch.arange(len(boxes)), 0, step], boxes, 0, 0


class Echo(nn.Module):
    """In the place of TCANet."""

    def __init__(self):
        super().__init__()
        self.tbr1, self.tbr2, self.tbr3 = Unmoved(), Unmoved(), Unmoved()
        self.widest = 0

    def forward(self, inputs, data_samples, mode):
        self.widest = max(self.widest, len(inputs))
        return torch.stack(inputs)


@pytest.mark.parametrize('num_steps', [9, 16, 61])
def test_windows_show_each_proposal_its_own_surroundings(num_steps, with_proposals):
    model = MODELS.build(model_config())
    model.localizer = Echo()
    sample = with_proposals(num_steps, number=50)
    sample['inputs'][:, 0] = torch.arange(num_steps)  # a step says which it is
    given = sample['data_samples'].proposals
    given.scores = torch.ones(50)
    scores, segments, _ = model.refine(sample['inputs'], sample['data_samples'])
    assert torch.allclose(segments, given.segments.expand(3, -1, -1), rtol=0, atol=1e-5)
    middles = (given.segments.mean(dim=1) + 0.5).floor()
    assert torch.equal(scores, middles.expand(3, -1))
    assert model.localizer.widest == min(2, len(window_starts(num_steps, WINDOW, 0.5)))


def test_the_window_whose_middle_is_nearest(with_proposals):
    model = MODELS.build(model_config())
    model.localizer = Echo()
    sample = with_proposals(31, proposals=[[10.5, 12.0], [11.0, 12.5]])
    assert window_starts(31, WINDOW, 0.5)[:2] == [0, 8]  # middles: steps 7.5 and 15.5
    *_, windows = model.refine(sample['inputs'], sample['data_samples'])
    assert windows.tolist() == [0, 1]


def test_a_video_does_not_depend_on_the_batch(model, with_proposals):
    samples = [with_proposals(31), with_proposals(9, seed=1), with_proposals(40, proposals=[])]
    with torch.no_grad():
        together = [s.pred_instances for s in model(**pseudo_collate(samples), mode='predict')]
        for sample, expected in zip(samples, together, strict=True):
            (alone,) = model(**pseudo_collate([sample]), mode='predict')
            assert torch.equal(alone.pred_instances.segments, expected.segments)
            assert torch.equal(alone.pred_instances.scores, expected.scores)
            assert (expected.segments >= 0).all()
            assert (expected.segments <= sample['data_samples'].duration).all()
    assert [len(part) for part in together] == [60, 60, 0]
    # tcanet's own predict mixes the videos of a batch


def test_limits_count_for_each_window(with_proposals):
    model = MODELS.build(model_config()).eval()
    sample = with_proposals(61)
    data = sample['inputs'], sample['data_samples']
    with torch.no_grad():
        scores, _, windows = model.refine(*data)
    number = min(61 - WINDOW, 1 + int(windows.max()) * 8)  # the last one is there
    assert 3 <= len(windows.unique()) <= len(window_starts(61, WINDOW, 0.5)) <= number
    model.post_processor.pre_nms_topk = 2
    expected = []
    for window in windows.unique():
        expected += sorted(scores[:, windows == window].flatten().tolist())[-2:]
    found = model.find_candidates(*data)
    assert sorted(found.scores.tolist()) == sorted(expected)
    model.post_processor.nms_options['max_per_video'] = 1
    (sample,) = model(**pseudo_collate([sample]), mode='predict')
    assert len(sample.pred_instances) == 61 // WINDOW


def test_what_lies_behind_the_end_of_the_video_is_no_candidate(model, with_proposals):
    sample = with_proposals(31)
    everything = model.find_candidates(sample['inputs'], sample['data_samples'])
    sample['data_samples'].set_metainfo({'duration': 8.0})  # step 15 of 31
    found = model.find_candidates(sample['inputs'], sample['data_samples'])
    assert 0 < len(found.scores) < len(everything.scores) == 60
    assert len(found.scores) == (everything.segments[:, 0] < 15).sum()
    assert found.segments[:, 0].max() < 15
    (predicted,) = model(**pseudo_collate([sample]), mode='predict')
    assert (predicted.pred_instances.segments.diff() > 0).all()


def test_half_precision_predicts(model, with_proposals):
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        (found,) = model(**pseudo_collate([with_proposals(31)]), mode='predict')
    assert found.pred_instances.scores.dtype == torch.float32
    assert found.pred_instances.scores.isfinite().all()


@pytest.mark.slow
def test_trains_and_tests_through_the_runner(tiny_config, demo_data, tmp_path):
    database = json.loads((demo_data / 'annotations.json').read_text())['database']
    rng = np.random.default_rng(0)
    results = {}
    for name, video in database.items():
        truths = np.array([item['segment'] for item in video['annotations']])
        found = np.sort(truths[rng.integers(len(truths), size=30)] + rng.normal(0, 0.5, (30, 2)))
        results[name] = [{'segment': part.tolist(), 'score': rng.uniform()} for part in found]
    path = tmp_path / 'proposals.json'
    path.write_text(json.dumps({'results': results}))
    config = tiny_config('tcanet_hapt')
    config.model.localizer.update(feat_dim=24, temporal_dim=32)
    for dataset in (
        config.train_dataloader.dataset.dataset,
        config.val_dataloader.dataset,
        config.test_dataloader.dataset,
    ):
        assert dataset.pipeline[-1].type == 'AttachProposals'
        dataset.pipeline[-1].path = str(path)
    runner = Runner.from_cfg(config)
    before = {name: value.clone() for name, value in runner.model.named_parameters()}
    runner.train()
    moved = {n for n, value in runner.model.named_parameters() if not torch.equal(value, before[n])}
    assert moved == before.keys()
    metrics = runner.test()
    assert 0 < metrics['AR@10'] <= metrics['AR@200'] <= 1


@pytest.mark.slow
@pytest.mark.parametrize('name', ['tcanet_hapt', 'tcanet_activitynet13'])
def test_config_builds_trains_a_step_and_predicts(name, with_proposals):
    config = Config.fromfile(CONFIGS / f'{name}.py')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    window, width = config.window, config.model.localizer.feat_dim
    assert window == config.model.localizer.temporal_dim
    samples = [
        with_proposals(steps, [[3.0, 9.0], [12.0, 25.0]], seed=steps, width=width)
        for steps in (window, window // 2)
    ]
    log = model.train_step(
        pseudo_collate(samples), build_optim_wrapper(model, config.optim_wrapper)
    )
    assert all(value.isfinite() for value in log.values())
    with torch.no_grad():
        found = model.eval()(**pseudo_collate(samples), mode='predict')
    assert [len(sample.pred_instances) for sample in found] == [60, 60]
