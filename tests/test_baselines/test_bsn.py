"""mmaction2's BSN: TEM and PEM given what they want, and all three steps through their tools."""

import copy
import importlib.util
import json
from pathlib import Path

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
from torch.nn import functional as F

from asl_mmaction.baselines.bsn import TEMResults
from asl_mmaction.structures.feature_grid import FeatureGrid
from tests.references import slow_tiou

from .conftest import CONFIGS, WIDTH

WINDOW = 12
PGM = Path(__file__).parents[2] / 'tools' / 'mmaction' / 'generate_proposals.py'


def lively(model):
    """Weights that make a difference: theirs are scaled down."""
    for layer in model.modules():
        if isinstance(layer, (nn.Conv1d, nn.Linear)):
            nn.init.normal_(layer.weight, std=0.4)
    return model


@pytest.fixture(scope='module')
def tem():
    torch.manual_seed(0)
    config = Config.fromfile(CONFIGS / 'bsn_tem_hapt.py').model
    config.localizer.update(temporal_dim=WINDOW, tem_feat_dim=WIDTH, tem_hidden_dim=8)
    config.localizer.conv3_ratio = 1.0
    return lively(MODELS.build(config).eval())


def pem_config(**localizer):
    config = Config.fromfile(CONFIGS / 'bsn_pem_hapt.py').model
    config.localizer.update(pem_hidden_dim=8, fc1_ratio=1.0, fc2_ratio=1.0, **localizer)
    return config


@pytest.fixture
def pem():
    torch.manual_seed(0)
    return lively(MODELS.build(pem_config()).eval())


def make_table(number, seed=0, length=20.0):
    """(P, 36) proposals in seconds, two scores, features."""
    rng = np.random.default_rng(seed)
    table = rng.uniform(0, 1, (number, 36)).astype(np.float32)
    table[:, :2] = np.sort(rng.uniform(0, length, (number, 2)), axis=1)
    return torch.from_numpy(table)


def pem_sample(number, segments=(), seed=0, name='v'):
    """The table of a video of 20 s, packed; segments in seconds."""
    grid = FeatureGrid(fps=50, feat_stride=25, clip_len=50)
    info = dict(video_name=name, duration=20.0, grid=grid, num_steps=number)
    sample = ActionDataSample(metainfo=info)
    segments = torch.tensor(segments, dtype=torch.float32).view(-1, 2)
    sample.gt_instances = InstanceData(segments=grid.to_grid(segments))
    return {'inputs': make_table(number, seed), 'data_samples': sample}


def tious(table, segments):
    """Highest tIoU of each proposal with a segment, by a slow loop."""
    proposals = table[:, :2].tolist()
    return torch.tensor([max([0.0, *(slow_tiou(p, s) for s in segments)]) for p in proposals])


def test_tem_is_trained_on_its_own_loss(tem, make_sample):
    samples = [make_sample(12, [[1.0, 4.0]]), make_sample(7, [[1.0, 2.0]], seed=1)]
    batch = pseudo_collate(samples)
    windows, packed = [], []
    for feature, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
        windows.append(F.pad(feature.T, (0, WINDOW - len(feature))))
        packed.append(ActionDataSample())
        boxes = (sample.gt_instances.segments + 0.5) / WINDOW
        packed[-1].gt_instances = InstanceData(gt_bbox=boxes.clamp(0, len(feature) / WINDOW))
    expected = tem.localizer(windows, packed, mode='loss')
    losses = tem(**batch, mode='loss')
    assert losses.keys() == expected.keys() == {'loss_action', 'loss_start', 'loss_end'}
    assert all(torch.equal(losses[key], expected[key]) for key in expected)
    assert expected['loss_start'] > 0


def test_tem_without_ground_truth(tem, make_sample):
    losses = tem(**pseudo_collate([make_sample(9)]), mode='loss')
    assert all(value.isfinite() for value in losses.values())
    packed = tem.pack_targets(make_sample(9)['data_samples'], 9)
    for target in tem.localizer.generate_labels([packed.gt_instances['gt_bbox']]):
        assert not target.any()


def test_tem_of_one_window_is_that_of_mmaction2(tem, make_sample, tmp_path):
    sample = make_sample(WINDOW)
    sample['data_samples'].set_metainfo({'video_name': 'v/w'})  # a folder within
    with torch.no_grad():
        ((_, expected),) = tem.localizer(
            [sample['inputs'].T], [sample['data_samples']], mode='predict'
        )
        (found,) = tem(**pseudo_collate([sample]), mode='predict')
    metric = TEMResults(out_dir=str(tmp_path))
    metric.process(None, [found.to_dict()])
    assert metric.evaluate(1) == {'steps': WINDOW}
    with pytest.raises(ValueError, match=r"stays inside its folder but got '../w'"):
        metric.process(None, [{**found.to_dict(), 'video_name': '../w'}])
    table = np.load(tmp_path / 'v' / 'w.npy')
    assert np.array_equal(table[:, :3], expected[:, :3])
    # The 12 steps fill [0.25, 6.25] s.
    assert np.allclose(table[:, 3:], 0.25 + 6.0 * expected[:, 3:], rtol=0, atol=1e-12)


def test_tem_takes_a_long_sequence_as_it_is(tem, make_sample):
    tem = copy.deepcopy(tem).double()
    sample = make_sample(40)
    sample['inputs'] = sample['inputs'].double()
    with torch.no_grad():
        (found,) = tem(**pseudo_collate([sample]), mode='predict')
        part = sample['inputs'][20:32].T
        expected = tem.localizer([part], None, mode='tensor')[0].T
    scores = found.pred_instances.scores
    assert scores.shape == (40, 3)
    # Two convolutions of three steps see two steps of the surroundings. Scores are float32.
    assert torch.allclose(scores[22:30].double(), expected[2:10], rtol=0, atol=1e-6)
    assert not torch.allclose(scores[20:22].double(), expected[:2], rtol=0, atol=1e-3)


def test_tem_says_nothing_of_steps_behind_the_end(tem, make_sample):
    sample = make_sample(40)
    with torch.no_grad():
        (everything,) = tem(**pseudo_collate([sample]), mode='predict')
        everything = everything.pred_instances
        # Step t fills [0.5 t + 0.25, 0.5 t + 0.75] s.
        sample['data_samples'].set_metainfo({'duration': 10.25})
        (found,) = tem(**pseudo_collate([sample]), mode='predict')
    assert found.pred_instances.segments.tolist() == everything.segments[:20].tolist()
    assert torch.equal(found.pred_instances.scores, everything.scores[:20])


def test_tem_says_nothing_of_steps_before_the_start(tem, make_sample):
    sample = make_sample(40)
    grid = sample['data_samples'].grid.shifted(-2.5)  # step t fills [0.5 t - 1, 0.5 t - 0.5] s
    sample['data_samples'].set_metainfo({'grid': grid})
    with torch.no_grad():
        (found,) = tem(**pseudo_collate([sample]), mode='predict')
    assert found.pred_instances.segments[0].tolist() == [0.0, 0.5]
    assert len(found.pred_instances) == 38


def test_pem_has_no_proposal_behind_the_end(pem):
    sample = pem_sample(60)
    pem.post_processor.nms_options.update(method='hard', iou_threshold=1.0)
    sample['data_samples'].set_metainfo({'duration': 5.0})
    with torch.no_grad():
        (found,) = pem(**pseudo_collate([sample]), mode='predict')
    starts = sample['inputs'][:, 0]
    assert 0 < len(found.pred_instances) == (starts < 5.0).sum() < 60
    assert (found.pred_instances.segments.diff() > 0).all()


def test_targets_of_pem_are_those_of_a_slow_loop(pem):
    segments = [[2.0, 9.0], [8.0, 15.0], [19.0, 19.5]]
    sample = pem_sample(50, segments)
    packed = pem.pack_targets(sample['inputs'], sample['data_samples']).gt_instances
    expected = tious(sample['inputs'], segments)
    # Times up to 40 steps, in float32, over at least the 1 step of the shortest segment.
    allowed = 4 * 40 * torch.finfo(torch.float32).eps
    assert torch.allclose(packed['reference_temporal_iou'], expected, rtol=0, atol=allowed)
    assert (expected > 0.6).sum() > 2
    assert torch.equal(packed['bsp_feature'], sample['inputs'][:, 4:])
    empty = pem_sample(5)
    packed = pem.pack_targets(empty['inputs'], empty['data_samples']).gt_instances
    assert packed['reference_temporal_iou'].tolist() == [0.0] * 5


def test_the_loss_counts_what_is_chosen(pem):
    """A slow loop over the proposals, with the draws of the model."""
    segments = [[2.0, 9.0], [8.0, 15.0]]
    sample = pem_sample(200, segments)
    pem.localizer.u_ratio_l = 0.5
    torch.manual_seed(3)
    loss = pem(**pseudo_collate([sample]), mode='loss')['temporal_iou_loss']
    torch.manual_seed(3)
    draws = torch.rand(200).tolist()
    target = tious(sample['inputs'], segments).tolist()
    (quality,) = pem([sample['inputs']])
    high, middle, low = (
        [i for i, t in enumerate(target) if lowest < t <= highest]
        for lowest, highest in ((0.6, 1.0), (0.2, 0.6), (-1.0, 0.2))
    )
    assert min(len(high), len(middle), len(low)) > 10
    assert len(high) < len(middle)
    assert 0.5 * len(high) < len(low)
    chosen = list(high)
    chosen += [i for i in middle if draws[i] > 1 - len(high) / len(middle)]
    chosen += [i for i in low if draws[i] > 1 - 0.5 * len(high) / len(low)]
    assert len(chosen) < 150
    errors = [F.smooth_l1_loss(quality[i, 0], torch.tensor(target[i])).item() for i in chosen]
    # A sum of less than 150 float32, none below 0
    rounding = 2 * 150 * torch.finfo(torch.float32).eps
    assert loss.item() == pytest.approx(np.mean(errors), rel=rounding)


def test_the_loss_is_that_of_pem_where_all_are_chosen(pem):
    sample = pem_sample(40, [[2.0, 9.0]])
    config = pem_config()
    config.localizer.type = 'PEM'
    original = MODELS.build(config)
    original.load_state_dict(pem.state_dict())
    for model in (pem, original):
        model.localizer.pem_high_temporal_iou_threshold = -1.0
        model.localizer.pem_low_temporal_iou_threshold = -2.0
    losses = [
        model(**pseudo_collate([sample]), mode='loss')['temporal_iou_loss']
        for model in (pem, original)
    ]
    # A sum of 40 float32, none below 0, in another order
    assert torch.allclose(*losses, rtol=2 * 40 * torch.finfo(torch.float32).eps, atol=0)


def test_a_batch_without_high_overlap_has_a_finite_loss(pem):
    batch = pseudo_collate([pem_sample(30, [[19.9, 20.0]])])
    loss = pem(**batch, mode='loss')['temporal_iou_loss']
    loss.backward()
    assert loss == 0
    config = pem_config()
    config.localizer.type = 'PEM'
    # Once mmaction2's own loss is finite, ours can go.
    assert MODELS.build(config)(**batch, mode='loss')['temporal_iou_loss'].isnan()


def test_training_takes_the_first_proposals(pem):
    pem.train_top_k = 7
    pem.localizer.loss = lambda inputs, samples: {'loss': len(samples[0].gt_instances)}
    assert pem(**pseudo_collate([pem_sample(30)]), mode='loss') == {'loss': 7}


def test_scores_of_pem_are_those_of_its_predict(pem):
    samples = [pem_sample(30), pem_sample(11, seed=1, name='w')]
    bare = pem.localizer
    bare.soft_nms_low_threshold = bare.soft_nms_high_threshold = 2.0  # no NMS
    bare.post_process_top_k = 10**6
    bare.feature_extraction_interval = 1
    pem.post_processor.nms_options.update(method='hard', iou_threshold=1.0)
    with torch.no_grad():
        found = pem(**pseudo_collate(samples), mode='predict')
        for sample, ours in zip(samples, found, strict=True):
            table = sample['inputs']
            info = dict(video_name='v', duration_second=20.0, duration_frame=1)
            packed = ActionDataSample(metainfo=info)
            names = ('tmin', 'tmax', 'tmin_score', 'tmax_score')
            columns = {name: table[:, i] for i, name in enumerate(names)}
            columns['tmin'], columns['tmax'] = columns['tmin'] / 20, columns['tmax'] / 20
            packed.gt_instances = InstanceData(bsp_feature=table[:, 4:], **columns)
            (theirs,) = bare([torch.zeros(1)], [packed], mode='predict')
            theirs = sorted((p['score'], *p['segment']) for p in theirs['proposal_list'])
            ours = ours.pred_instances
            assert ours.labels.tolist() == [0] * len(table)
            ours = sorted(
                (score, *segment)
                for score, segment in zip(ours.scores.tolist(), ours.segments.tolist(), strict=True)
            )
            # Their times are shares of 20 s in float32.
            assert np.allclose(ours, theirs, rtol=0, atol=4 * 20 * np.finfo(np.float32).eps)


def test_unknown_mode_and_settings_out_of_range(pem):
    with pytest.raises(ValueError, match="but got 'train'"):
        pem([make_table(3)], data_samples=[None], mode='train')
    config = pem_config()
    config.train_top_k = 0
    with pytest.raises(ValueError, match='train_top_k >= 1 but got 0'):
        MODELS.build(config)


@pytest.fixture(scope='module')
def generate():
    spec = importlib.util.spec_from_file_location('generate_proposals', PGM)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool.main


def test_proposals_that_the_tool_leaves_out_are_counted(generate, tmp_path, capsys, monkeypatch):
    tem = np.ones((20, 5), dtype=np.float32)
    tem[:, 3:] = np.arange(20)[:, None] + [0, 1]
    for name in ('v', 'w'):
        (tmp_path / 'tem').mkdir(exist_ok=True)
        np.save(tmp_path / 'tem' / f'{name}.npy', tem[: 20 if name == 'v' else 3])
    config = tmp_path / 'pem.py'
    config.write_text(
        f"_base_ = '{CONFIGS}/bsn_pem_hapt.py'\npgm = dict(window=20, peak_threshold=0.5, top_k=4)"
    )
    assert generate([str(config), str(tmp_path / 'tem'), '--out', str(tmp_path / 'out')]) == 0
    line, count = capsys.readouterr().out.splitlines()
    # 20 steps make 190 pairs, 3 make 3.
    assert line == (
        'top_k=4 left out 186 proposals that score above 0.1 in 1 of 2 videos, the most (186) in '
        "video 'v'"
    )
    assert count == f'7 proposals: {tmp_path}/out'


def test_mistakes_at_the_tool(generate, tmp_path, capsys):
    def mistake(config):
        with pytest.raises(SystemExit, match='2'):
            generate([str(CONFIGS / config), str(tmp_path), '--out', str(tmp_path / 'out')])
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert 'expected .npy files of TEM but got none' in mistake('bsn_pem_hapt.py')
    assert 'expected a config with `pgm` but got none' in mistake('bmn_hapt.py')
    np.save(tmp_path / 'v.npy', np.zeros((4, 3)))
    assert 'v.npy: expected shape (T, 5) but got (4, 3)' in mistake('bsn_pem_hapt.py')
    (tmp_path / 'v.npy').write_bytes(b'')
    assert 'v.npy: expected an array of TEM but got EOFError' in mistake('bsn_pem_hapt.py')


@pytest.mark.slow
def test_three_steps_through_the_runner(tiny_config, generate, demo_data, tmp_path):
    config = tiny_config('bsn_tem_hapt')
    config.model.localizer.update(temporal_dim=32, tem_feat_dim=24, tem_hidden_dim=16)
    config.test_evaluator.out_dir = str(tmp_path / 'tem')
    runner = Runner.from_cfg(config)
    before = {name: value.clone() for name, value in runner.model.named_parameters()}
    runner.train()
    assert all(not torch.equal(v, before[n]) for n, v in runner.model.named_parameters())
    runner.test()
    database = json.loads((demo_data / 'annotations.json').read_text())['database']
    assert {path.stem for path in (tmp_path / 'tem').iterdir()} == set(database)

    pem_path = str(CONFIGS / 'bsn_pem_hapt.py')
    assert generate([pem_path, str(tmp_path / 'tem'), '--out', str(tmp_path / 'pgm')]) == 0
    assert {path.stem for path in (tmp_path / 'pgm').iterdir()} == set(database)

    config = tiny_config('bsn_pem_hapt')
    for dataset in (
        config.train_dataloader.dataset,
        config.val_dataloader.dataset,
        config.test_dataloader.dataset,
    ):
        dataset.data_prefix.feature = str(tmp_path / 'pgm')
    runner = Runner.from_cfg(config)
    before = {name: value.clone() for name, value in runner.model.named_parameters()}
    runner.train()
    assert all(not torch.equal(v, before[n]) for n, v in runner.model.named_parameters())
    metrics = runner.test()
    assert 0 < metrics['AR@10'] <= metrics['AR@200'] <= 1


@pytest.mark.parametrize('data', ['hapt', 'activitynet13'])
def test_configs_build_train_a_step_and_predict(data, make_sample):
    config = Config.fromfile(CONFIGS / f'bsn_tem_{data}.py')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    width = config.model.localizer.tem_feat_dim
    assert config.window == config.model.localizer.temporal_dim == model.windows.length
    samples = [make_sample(s, [[3.0, 9.0]], width=width, seed=s) for s in (config.window, 40)]
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    log = model.train_step(pseudo_collate(samples), wrapper)
    assert all(value.isfinite() for value in log.values())
    found = model.eval().val_step(pseudo_collate(samples))
    assert [len(sample.pred_instances) for sample in found] == [config.window, 40]

    pem = Config.fromfile(CONFIGS / f'bsn_pem_{data}.py')
    assert pem.pgm['window'] == config.window
    assert pem.pgm['top_k'] >= pem.model.train_top_k
    model = MODELS.build(pem.model)
    samples = [pem_sample(30, [[2.0, 9.0]]), pem_sample(7, [[2.0, 9.0]])]
    log = model.train_step(pseudo_collate(samples), build_optim_wrapper(model, pem.optim_wrapper))
    assert all(value.isfinite() for value in log.values())
    found = model.eval().val_step(pseudo_collate(samples))
    assert [len(sample.pred_instances) for sample in found] == [30, 7]
