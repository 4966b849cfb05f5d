"""mmaction2's BMN: what it is given, what is made of its output, and both through the Runner."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch import nn

import asl_mmaction.baselines  # noqa: F401  registers what the configs name
from asl_mmaction.baselines.bmn import score_pairs
from asl_mmaction.baselines.proposals import read_proposals
from asl_mmaction.datasets.transforms import PackTALInputs
from asl_mmaction.structures.detections import video_bounds
from asl_mmaction.structures.feature_grid import FeatureGrid
from asl_mmaction.structures.windows import window_starts

CONFIG = Path(__file__).parents[2] / 'configs' / 'mmaction' / 'bmn_hapt.py'
WINDOW, WIDTH = 12, 8
# A video that begins before its first step and never ends.
EVERYWHERE = SimpleNamespace(
    grid=FeatureGrid(fps=10, feat_stride=5, clip_len=10), duration=math.inf
)


def model_config(**kwargs):
    config = Config.fromfile(CONFIG).model
    config.localizer.update(temporal_dim=WINDOW, num_samples=4, feat_dim=WIDTH)
    config.localizer.update(hidden_dim_1d=8, hidden_dim_2d=4, hidden_dim_3d=8)
    config.update(window_overlap=0.6, windows_per_batch=2)
    config.update(kwargs)
    return config


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MODELS.build(model_config()).eval()


class Recorder(nn.Module):
    """In the place of BMN: keeps what it is given."""

    tscale = WINDOW

    def forward(self, inputs, data_samples, mode):
        self.given = inputs, data_samples, mode
        return {'loss': torch.zeros(())}


def test_bmn_is_given_windows_and_boxes_by_hand(model, make_sample):
    model.localizer = Recorder()
    # Step t stands at 0.5 t + 0.5 s and fills a quarter of a second on either side of it: the 8
    # steps are [0.25, 4.25] s. A twelfth of the window is half a second.
    sample = make_sample(8, [[0.75, 2.25], [0.0, 4.5], [4.3, 4.5]])
    model(**pseudo_collate([sample]), mode='loss')
    (window,), (packed,), mode = model.localizer.given
    assert mode == 'loss'
    assert window.shape == (WIDTH, WINDOW)
    assert torch.equal(window[:, :8], sample['inputs'].T)
    assert not window[:, 8:].any()
    boxes = packed.gt_instances['gt_bbox']  # the third lies behind the last step
    expected = torch.tensor([[1 / 12, 4 / 12], [0.0, 8 / 12]])
    assert torch.allclose(boxes, expected, rtol=0, atol=1e-7)


def test_too_long_a_sequence_in_training(model, make_sample):
    sample = make_sample(WINDOW + 1, [[1.0, 3.0]], name='long one')
    with pytest.raises(ValueError, match=r"'long one': expected at most 12 steps .* but got 13"):
        model(**pseudo_collate([sample]), mode='loss')


@pytest.mark.parametrize(
    'segments', [[], [[1.4, 1.6]]], ids=['no ground truth', 'none that a proposal fits']
)
def test_a_batch_without_positives_has_a_finite_loss(model, segments, make_sample):
    batch = pseudo_collate([make_sample(9, segments)])
    loss = model(**batch, mode='loss')['loss']
    loss.backward()
    assert loss.isfinite()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert grads
    assert all(grad.isfinite().all() for grad in grads)
    # mmaction2's own loss is not; once it is, ours can go.
    config = model_config()
    config.localizer.loss_cls.type = 'BMNLoss'
    assert MODELS.build(config)(**batch, mode='loss')['loss'].isnan()


def test_without_ground_truth_all_targets_are_zero(model, make_sample):
    packed = model.pack_targets(make_sample(9)['data_samples'], 9)
    for target in model.localizer.generate_labels([packed.gt_instances['gt_bbox']]):
        assert not target.any()


def test_the_loss_is_that_of_bmn_where_there_are_positives(model, make_sample):
    batch = pseudo_collate([make_sample(12, [[1.0, 4.0]]), make_sample(7, [[1.0, 2.0]], seed=1)])
    torch.manual_seed(0)
    loss = model(**batch, mode='loss')['loss']
    config = model_config()
    config.localizer.loss_cls.type = 'BMNLoss'
    original = MODELS.build(config)
    original.load_state_dict(model.state_dict())
    torch.manual_seed(0)
    assert torch.equal(original(**batch, mode='loss')['loss'], loss)


@pytest.mark.parametrize('seed', range(5))
def test_candidates_are_those_of_bmn_predict(model, seed, make_sample):
    bmn = model.localizer
    bmn.soft_nms_low_threshold = bmn.soft_nms_high_threshold = 2.0  # above every tIoU: no NMS
    bmn.post_process_top_k = 10**6
    bmn.feature_extraction_interval = 1
    torch.manual_seed(seed)
    for layer in bmn.modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            nn.init.normal_(layer.weight, std=0.4)
    feature = make_sample(WINDOW, seed=seed)['inputs']
    info = ActionDataSample(
        metainfo=dict(video_name='v', duration_second=1.0, duration_frame=WINDOW)
    )
    with torch.no_grad():
        (theirs,) = bmn([feature.T], [info], mode='predict')
        found = model.find_candidates(feature, EVERYWHERE)
    parts = (found.segments + 0.5) / WINDOW
    ours = sorted(zip(parts.tolist(), found.scores.tolist(), strict=True))
    theirs = sorted((p['segment'], p['score']) for p in theirs['proposal_list'])
    assert len(ours) == len(theirs) > 5
    assert np.allclose([p[0] for p in ours], [p[0] for p in theirs], rtol=0, atol=1e-6)
    assert [p[1] for p in ours] == [p[1] for p in theirs]


def test_pairs_by_hand():
    start = torch.tensor([[0.2, 0.3, 0.1, 0.8]])  # a peak at 1; the last is never a start
    end = torch.tensor([[0.9, 0.1, 0.6, 0.4]])  # a peak at 2, and the last; never the first
    confidence = torch.rand(1, 2, 4, 4)
    pairs, scores, chosen = score_pairs(confidence, start, end)
    assert pairs[chosen[0]].tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]
    ends, durations = [0.6, 0.4, 0.6, 0.4], [2, 3, 1, 2]
    expected = [
        s * e * confidence[0, 0, d - 1, f].item() * confidence[0, 1, d - 1, f].item()
        for s, e, d, f in zip([0.2, 0.2, 0.3, 0.3], ends, durations, [0, 0, 1, 1], strict=True)
    ]
    assert np.allclose(
        scores[0, chosen[0]].tolist(), expected, rtol=4 * np.finfo(np.float32).eps, atol=0
    )


def test_neither_a_plateau_nor_half_of_the_highest_is_a_boundary():
    start = torch.tensor([[0.125, 0.25, 0.25, 0.0, 0.5]])
    pairs, _, chosen = score_pairs(torch.rand(1, 2, 5, 5), start, torch.ones(1, 5))
    assert set(pairs[chosen[0], 0].tolist()) == {0}


def test_each_window_has_a_highest_of_its_own():
    start, end = torch.rand(2, 1, 9)
    confidence = torch.rand(1, 2, 9, 9)
    _, _, alone = score_pairs(confidence, start, end)
    both = [torch.cat([x, x / 16]) for x in (confidence, start, end)]
    _, _, chosen = score_pairs(*both)
    assert torch.equal(chosen, alone.expand(2, -1))


def test_half_precision_is_scored_in_single():
    parts = [torch.rand(*shape).bfloat16() for shape in ((1, 2, 9, 9), (1, 9), (1, 9))]
    of_half, of_single = score_pairs(*parts), score_pairs(*(x.float() for x in parts))
    assert all(torch.equal(x, y) for x, y in zip(of_half, of_single, strict=True))


class Echo(nn.Module):
    """In the place of BMN: channel 0 says where actions start, channel 1 where they end."""

    tscale = WINDOW

    def forward(self, inputs, data_samples, mode):
        windows = torch.stack(inputs)
        confidence = torch.ones(len(windows), 2, WINDOW, WINDOW)
        return confidence, windows[:, 0], windows[:, 1]


@pytest.mark.parametrize(
    ('num_steps', 'first', 'last'), [(47, 21, 27), (47, 0, 6), (47, 40, 46), (9, 3, 7)]
)
def test_windows_are_merged_in_the_time_of_the_recording(
    model, num_steps, first, last, make_sample
):
    model.localizer = Echo()
    sample = make_sample(num_steps)
    sample['inputs'].zero_()
    sample['inputs'][first, 0] = sample['inputs'][last, 1] = 1.0
    (found,) = model(**pseudo_collate([sample]), mode='predict')
    # From the edge between steps first - 1 and first to that between last - 1 and last.
    expected = [0.5 * (first - 0.5) + 0.5, 0.5 * (last - 0.5) + 0.5]
    pred = found.pred_instances
    assert pred.segments.tolist() == [expected]  # once, however many windows see it
    assert pred.scores.tolist() == [1.0]
    assert pred.labels.tolist() == [0]


def test_a_segment_of_several_windows_has_its_highest_score(model, make_sample):
    class Louder(Echo):
        def forward(self, inputs, data_samples, mode):
            confidence, start, end = super().forward(inputs, data_samples, mode)
            return confidence, start, end * torch.arange(1, 1 + len(start))[:, None] / 2

    model.localizer = Louder()  # two windows at a time
    sample = make_sample(17)  # windows from 0, 4 and 5, the third alone
    sample['inputs'].zero_()
    sample['inputs'][6, 0] = sample['inputs'][9, 1] = 1.0
    found = model.find_candidates(sample['inputs'], EVERYWHERE)
    assert found.segments.tolist() == [[5.5, 8.5]]
    assert found.scores.tolist() == [1.0]


def test_resized_to_one_window_in_the_time_of_the_recording(model, make_sample):
    # The 47 steps fill [0.25, 23.75] s; a twelfth of that is a step of the window.
    start, end = (0.25 + part * 23.5 / 12 for part in (3, 7))
    sample = make_sample(47, [[start, end]], resize=WINDOW)
    assert sample['inputs'].shape == (WINDOW, WIDTH)
    packed = model.pack_targets(sample['data_samples'], WINDOW)
    boxes = packed.gt_instances['gt_bbox']
    assert torch.allclose(boxes, torch.tensor([[3 / 12, 7 / 12]]), rtol=0, atol=1e-6)

    model.localizer = Echo()
    sample['inputs'].zero_()
    sample['inputs'][3, 0] = sample['inputs'][7, 1] = 1.0
    (found,) = model(**pseudo_collate([sample]), mode='predict')
    assert np.allclose(found.pred_instances.segments.tolist(), [[start, end]], rtol=0, atol=1e-9)


def test_limits_count_for_each_window(model, make_sample):
    feature = make_sample(47)['inputs']
    everything = model.find_candidates(feature, EVERYWHERE)
    assert everything.left_out == 0
    model.post_processor.pre_nms_topk = 3
    expected = {}
    for first in window_starts(47, WINDOW, 0.6):
        window = model.find_candidates(feature[first : first + WINDOW], EVERYWHERE)
        assert len(window.scores) == 3
        for segment, score in zip(window.segments + first, window.scores, strict=True):
            expected[tuple(segment)] = max(expected.get(tuple(segment), 0), score)
    found = model.find_candidates(feature, EVERYWHERE)
    assert 3 < len(found.scores) < len(everything.scores)
    assert dict(zip(map(tuple, found.segments), found.scores, strict=True)) == expected
    model.post_processor.nms_options['max_per_video'] = 2
    (sample,) = model(**pseudo_collate([make_sample(47)]), mode='predict')
    assert len(sample.pred_instances) == 2 * 47 // WINDOW


def test_what_lies_behind_the_end_of_the_video_is_no_candidate(model, make_sample):
    sample = make_sample(47)
    sample['data_samples'].set_metainfo({'duration': 10.0})  # step 19 of 47
    _, high = video_bounds(sample['data_samples'])
    assert high == 19
    everything = model.find_candidates(sample['inputs'], EVERYWHERE)
    found = model.find_candidates(sample['inputs'], sample['data_samples'])
    inside = everything.segments[:, 0] < high
    assert 0 < inside.sum() < len(inside)
    assert found.segments.tolist() == everything.segments[inside].tolist()
    assert found.scores.tolist() == everything.scores[inside].tolist()
    (predicted,) = model(**pseudo_collate([sample]), mode='predict')
    segments = predicted.pred_instances.segments
    assert (segments.diff() > 0).all()
    assert segments.max() == 10.0


def test_no_candidate_reaches_into_the_padding(model, make_sample):
    segments = model.find_candidates(make_sample(7)['inputs'], EVERYWHERE).segments
    assert len(segments)
    assert segments.max() <= 6.5  # the end of step 6


def test_a_video_does_not_depend_on_the_batch(model, make_sample):
    samples = [make_sample(31), make_sample(9, seed=1), make_sample(12, seed=2)]
    with torch.no_grad():
        together = [s.pred_instances for s in model(**pseudo_collate(samples), mode='predict')]
        for sample, expected in zip(samples, together, strict=True):
            (alone,) = model(**pseudo_collate([sample]), mode='predict')
            assert torch.equal(alone.pred_instances.segments, expected.segments)
            assert torch.equal(alone.pred_instances.scores, expected.scores)
            most = 200 * max(WINDOW, len(sample['inputs'])) // WINDOW
            assert 0 < len(expected) <= most == expected.limits.max_detections
            assert (expected.segments >= 0).all()
            assert (expected.segments <= sample['data_samples'].duration).all()


def test_half_precision_predicts(model, make_sample):
    """mmaction2's predict fails with: Got unsupported ScalarType BFloat16."""
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        (found,) = model(**pseudo_collate([make_sample(31)]), mode='predict')
    assert found.pred_instances.scores.dtype == torch.float32
    assert found.pred_instances.scores.isfinite().all()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(window_overlap=1.0), r'window_overlap in \[0, 1\) but got 1.0'),
        (dict(windows_per_batch=0), 'windows_per_batch >= 1 but got 0'),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(model_config(**options))


def test_unknown_mode(model):
    with pytest.raises(ValueError, match="but got 'train'"):
        model([torch.zeros(3, WIDTH)], mode='train')


def test_trains_and_tests_through_the_runner(tiny_config, tmp_path, demo_data, load_tool, capsys):
    config = tiny_config('bmn_hapt')
    config.model = model_config(window_overlap=0.5)
    config.model.localizer.update(feat_dim=24, temporal_dim=32)
    annotations = demo_data / 'annotations.json'
    out = tmp_path / 'out'
    fusion = dict(type='VideoScoreFusion', path=write_video_scores(annotations, tmp_path))
    detections = dict(type='TALMetric', tiou_thresholds=[0.5], score_fusion=fusion)
    config.test_evaluator = [config.test_evaluator, detections]
    for metric in config.test_evaluator:
        metric['out_dir'] = str(out)
    runner = Runner.from_cfg(config)
    before = {name: value.clone() for name, value in runner.model.named_parameters()}
    runner.train()
    trained = {name for name, value in runner.model.named_parameters() if value.requires_grad}
    moved = {n for n, value in runner.model.named_parameters() if not torch.equal(value, before[n])}
    assert moved == trained
    metrics = runner.test()
    assert 0 < metrics['AR@10'] <= metrics['AR@200'] <= 1
    assert 0 < metrics['AUC'] < 1
    assert (tmp_path / 'bmn_hapt' / 'epoch_2.pth').is_file()
    # What TCANet takes
    found = read_proposals(out / 'proposals.json')
    assert len(found) == 5
    most = 200 * 384 // 32  # for the most steps that a video has
    assert all(0 < len(scores) <= most for _, scores in found.values())
    # What draws and compares the results of any method
    files = [f'BMN={out / "proposals.json"}', f'classified={out / "detections.json"}']
    lowest = sorted(score for _, scores in found.values() for score in scores.tolist())[-100]
    drawn = ['--out', str(tmp_path / 'drawn'), '--format', 'svg', '--score-threshold', str(lowest)]
    drawing = load_tool('analysis/visualize')
    assert drawing.main([str(annotations), '--results', *files, *drawn, '--width', '40']) == 0
    pictures = {path.stem: path.read_text() for path in (tmp_path / 'drawn').glob('*.svg')}
    assert pictures.keys() == found.keys()
    for name, text in pictures.items():
        (title,) = re.findall(r'>([^<]* ground truths?[^<]*)</text>', text)
        assert f'BMN: {(found[name][1] >= lowest).sum()} detection' in title
    options = ['--results', str(out), '--annotations', str(annotations), '--resamples', '10']
    capsys.readouterr()
    assert load_tool('analysis/compare').main(options) == 0
    assert f'| out | {100 * metrics["mAP"]:.1f} | - |' in capsys.readouterr().out


def write_video_scores(annotations, folder):
    """Of a classifier that is right about what a video has most."""
    content = json.loads(annotations.read_text())
    scores = {
        name: [
            sum(row['label'] == label for row in video['annotations']) / 10
            for label in content['classes']
        ]
        for name, video in content['database'].items()
    }
    path = folder / 'scores.json'
    path.write_text(json.dumps({'class': content['classes'], 'results': scores}))
    return str(path)


def test_the_config_of_activitynet_builds_trains_a_step_and_predicts(make_sample):
    config = Config.fromfile(CONFIG.with_name('bmn_activitynet13.py'))
    model = MODELS.build(config.model)
    sizes = dict(resize=config.window, width=config.feat_dim)
    sample = make_sample(60, [(3.0, 9.0), (12.0, 25.0)], **sizes)
    loss = model(**pseudo_collate([sample]), mode='loss')['loss']
    loss.backward()
    assert loss.isfinite()
    with torch.no_grad():
        (found,) = model.eval()(**pseudo_collate([sample]), mode='predict')
    segments = found.pred_instances.segments
    assert len(segments) == 100
    assert (segments >= 0).all()
    assert (segments <= 30.5).all()


def test_config_builds_trains_a_step_and_predicts():
    config = Config.fromfile(CONFIG)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    window, width = config.window, config.model.localizer.feat_dim
    assert window == config.model.localizer.temporal_dim
    grid = FeatureGrid(**config.grid)
    packed = []
    for steps, name in ((84, 'a'), (60, 'b'), (130, 'c')):
        sample = dict(video_name=name, grid=grid, duration=steps / 2 + 0.5)
        sample['feature'] = np.random.default_rng(steps).normal(size=(steps, width))
        sample['segments'] = np.array([[3.0, 9.0], [12.0, 25.0]])
        sample['labels'] = np.zeros(2, dtype=np.int64)
        packed.append(PackTALInputs().transform(sample))
    loss = model(**pseudo_collate(packed[:2]), mode='loss')['loss']
    loss.backward()
    assert loss.isfinite()
    with torch.no_grad():
        found = model.eval()(**pseudo_collate(packed), mode='predict')
    limits = [200 * max(config.window, steps) // config.window for steps in (84, 60, 130)]
    for sample, limit in zip(found, limits, strict=True):
        assert 0 < len(sample.pred_instances) <= limit
    assert isinstance(found[0].pred_instances, InstanceData)
