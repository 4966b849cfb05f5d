"""The plan beside the configs that people made, and its parts against slow references."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from asl_mmaction.datasets.preparation.conversion import read_database
from asl_mmaction.datasets.preparation.plan import make_plan, positives_per_action
from asl_mmaction.datasets.preparation.source import Source
from asl_mmaction.datasets.preparation.statistics import Recording, Statistics
from asl_mmaction.files.reading import read_object
from asl_mmaction.models.task_modules import PointAssigner, PointGenerator
from asl_mmaction.structures.feature_grid import FeatureGrid
from asl_mmaction.structures.point_targets import GroundTruths

ROOT = Path(__file__).resolve().parents[3]
SIDE_BY_SIDE = [(0, 4), (4, 8), (8, 16), (16, 10000)]
OVERLAPPING = [(0, 4), (2, 8), (4, 16), (8, 10000)]


def recording(*segments, num_steps=1000):
    return Recording(num_steps, np.array(segments, float).reshape(-1, 2))


def plan_of(*recordings, feat_dim=512):
    return make_plan(Statistics.of(recordings, feat_dim))


def values(plan):
    return {name: choice.value for name, choice in plan.items()}


@pytest.mark.parametrize('ranges', [SIDE_BY_SIDE, OVERLAPPING])
def test_positives_are_those_of_the_assigner(ranges):
    """Each action alone, as nothing is in its way; multiples of 1/4 meet every border."""
    rng = np.random.default_rng(0)
    start = rng.integers(-40, 400, 300) / 4
    segments = np.stack([start, start + rng.integers(1, 300, 300) / 4], axis=1)
    generator = PointGenerator(strides=[1, 2, 4, 8], regress_ranges=ranges)
    points = generator((256, 128, 64, 32), torch.device('cpu'))
    alone = GroundTruths(
        torch.tensor(segments, dtype=torch.float32)[:, None],
        torch.zeros(300, 1, dtype=torch.int64),
        torch.ones(300, 1, dtype=torch.bool),
    )
    targets = PointAssigner(num_classes=1)(points, alone)
    expected = (targets.gt_inds >= 0).sum(1).numpy()
    assert positives_per_action(segments, ranges).tolist() == expected.tolist()
    assert expected.min() == 0
    assert expected.max() > 3


@pytest.mark.parametrize(
    ('longest', 'levels'), [(3, 3), (16, 3), (16.1, 4), (64, 5), (64.1, 6), (1e5, 9)]
)
def test_levels_reach_the_longest_actions(longest, levels):
    plan = values(plan_of(recording((10, 10 + longest), num_steps=10**5)))
    assert plan['strides'] == [2**level for level in range(levels)]
    assert len(plan['regress_ranges']) == levels
    last, end = plan['regress_ranges'][-1]
    assert (last, end) == (2**levels, 10000)
    assert [high for _, high in plan['regress_ranges'][:-1]] == [
        low for low, _ in plan['regress_ranges'][1:]
    ]


def test_no_level_is_longer_than_a_recording():
    plan = values(plan_of(recording((0, 60), num_steps=20)))  # labels of another length
    assert 2 ** len(plan['strides']) <= 20
    plan = values(plan_of(recording((0, 30), num_steps=16)))
    assert plan['strides'] == [1, 2, 4, 8]


def test_short_actions_have_two_levels():
    short = [(10 * n, 10 * n + 2) for n in range(25)]
    long = [(10 * n, 10 * n + 4) for n in range(75)]
    assert values(plan_of(recording(*short, *long)))['regress_ranges'] == [
        (0, 4),
        (2, 8),
        (4, 10000),
    ]
    assert values(plan_of(recording(*short[1:], *long)))['regress_ranges'][1] == (4, 8)


def test_width_goes_by_actions_and_channels():
    def of(actions, feat_dim):
        segments = [(20 * n, 20 * n + 10) for n in range(actions)]
        plan = values(plan_of(recording(*segments, num_steps=20 * actions), feat_dim=feat_dim))
        return plan['width'], plan['lr']

    assert [of(n, 2048)[0] for n in (1, 999, 1000, 2499, 2500)] == [128, 128, 256, 256, 512]
    assert of(2500, 48) == (128, 5e-4)  # that of the next narrower model
    assert of(2500, 24) == (64, 1e-3)
    assert of(10, 3) == (64, 1e-3)


def test_epochs_make_the_steps():
    def of(recordings, num_steps=1500):
        segments = [(0, 10)]
        return values(plan_of(*[recording(*segments, num_steps=num_steps)] * recordings))

    plan = of(100)
    assert (plan['batch_size'], plan['max_epochs']) == (2, 20)  # 50 steps each, 1000 in all
    assert of(4)['max_epochs'] == 120
    assert of(900)['max_epochs'] == 15
    assert [of(n, 100)['batch_size'] for n in (4, 16, 32, 64, 128, 999)] == [2, 2, 4, 8, 16, 16]
    assert of(100, 1000)['batch_size'] == 2
    assert of(100, 512)['batch_size'] == 4

    parts = [(of(n)['warmup_epochs'], of(n)['val_interval']) for n in (4, 900)]
    assert parts == [(12, 15), (2, 2)]


def test_each_limit_from_where_it_counts():
    def of(*segments, num_steps=1000, **more):
        return values(plan_of(recording(*segments, num_steps=num_steps), **more))

    dense, sparse = of((0, 8), (6, 8)), of((0, 8), (6.125, 8))
    assert dense['match'] == 'all'  # two at a time in 2 of 8 steps
    assert sparse['match'] == 'shortest'
    assert [(plan['sigma'], plan['voting_threshold']) for plan in (dense, sparse)] == [
        (0.7, 0.6),
        (0.5, None),
    ]
    assert [of((0, 9), num_steps=n)['window_size'] for n in (128, 129)] == [None, 19]
    assert [of((0, n))['window_size'] for n in (499, 500)] == [19, 9]
    # 8 MiB, of what is read of a recording
    assert [of((0, 9), num_steps=n, feat_dim=2048)['num_workers'] for n in (1024, 1025)] == [0, 4]
    assert of((0, 9), num_steps=10**5, feat_dim=512)['num_workers'] == 0
    many = of(*[(n, n + 1) for n in range(400)])
    assert (many['max_per_video'], many['pre_nms_topk']) == (4000, 4000)
    assert (of((0, 9))['max_per_video'], of((0, 9))['pre_nms_topk']) == (200, 2000)
    assert [of((0, 17), num_steps=n)['max_len'] for n in (1000, 1001, 9999)] == [1000, 1008, 2304]


def test_recordings_count_alike_and_never_more_than_whole():
    parts = [recording((0, 2), num_steps=200)] * 3
    labels_of_another_length = recording((0, 600), num_steps=200)
    assert values(plan_of(*parts, labels_of_another_length))['window_size'] == 19
    long = recording((0, 900), num_steps=1000)  # half of them are short enough for all of it
    short = recording((0, 90), num_steps=100)
    assert values(plan_of(short, short, long))['window_size'] is None


@pytest.mark.parametrize(('recordings', 'of_batch'), [(1, 1), (2, 2), (9, 2)])
def test_the_normalizer_is_the_points_of_a_batch_that_learn(recordings, of_batch):
    segments = np.array([(10, 20), (30, 35), (50, 90)], float)
    plan = values(plan_of(*[recording(*segments, num_steps=1500)] * recordings))
    assert plan['batch_size'] == 2
    positives = positives_per_action(segments, plan['regress_ranges']).sum()
    assert plan['loss_normalizer'] == positives * of_batch


def test_order_plays_no_part():
    parts = [recording((n, n + 5 * n), num_steps=100 + n) for n in range(1, 30)]
    assert values(plan_of(*parts)) == values(plan_of(*parts[::-1]))


# The benchmarks that are read fast: what differs from their configs. docs/own_data.md has all.
NAMES = (
    'width',
    'strides',
    'regress_ranges',
    'window_size',
    'match',
    'center_sampling_radius',
    'max_per_video',
    'voting_threshold',
    'batch_size',
    'max_epochs',
    'lr',
)
SIX = [(0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 10000)]
DIFFERENT = {
    'hapt': {'max_per_video': 500, 'max_epochs': 48},
    'billboard': {},
    'thumos14': {},
    'multithumos': {
        'strides': [1, 2, 4, 8, 16, 32, 64],
        'regress_ranges': [*SIX[:5], (64, 128), (128, 10000)],
        'window_size': 9,
        'voting_threshold': 0.6,
        'max_epochs': 35,
    },
    'epic100_verb': {
        'strides': [1, 2, 4, 8, 16],
        'regress_ranges': [(0, 4), (2, 8), (4, 16), (8, 32), (16, 10000)],
        'max_per_video': 8000,
        'max_epochs': 15,
    },
}


def made_by_hand(config):
    model, head = config.model, config.model.head
    return {
        'width': model.projection.out_channels,
        'strides': head.strides,
        'regress_ranges': [tuple(pair) for pair in head.regress_ranges],
        'window_size': model.neck.window_size,
        'match': head.assigner.get('match', 'shortest'),
        'center_sampling_radius': head.assigner.center_sampling_radius,
        'max_per_video': model.post_processor.max_per_video,
        'voting_threshold': model.post_processor.get('voting_threshold'),
        'batch_size': config.train_dataloader.batch_size,
        'max_epochs': config.train_cfg.max_epochs,
        'lr': config.optim_wrapper.optimizer.lr,
    }


def read_source(name, real_data, load_tool):
    if name in ('hapt', 'billboard'):
        file = real_data(
            {'hapt': 'hapt/hapt.json', 'billboard': 'billboard/annotations.json'}[name]
        )
        subsets = {'training': 'training', 'test': 'test'}
        return read_database(file, read_object(file), Source(name, []), subsets)
    tool = load_tool(f'data/{name.removesuffix("_verb")}/prepare')
    if name == 'thumos14':
        return tool.read([real_data('thumos14/thumos14.json')], None)
    if name == 'multithumos':
        return tool.read(
            real_data('multithumos/multithumos.json'), real_data('thumos14/thumos14.json')
        )
    return tool.read(real_data('epic100'), 'verb')


@pytest.mark.parametrize('name', DIFFERENT)
def test_beside_the_configs_of_the_benchmarks(name, real_data, load_tool):
    source = read_source(name, real_data, load_tool)
    config = Config.fromfile(ROOT / 'configs' / 'actionformer' / f'actionformer_{name}.py')
    recordings = []
    for video in source.videos.values():
        if video.subset != 'training':
            continue
        grid = FeatureGrid.from_settings({'fps': video.fps}, config.grid)
        segments = np.array([a[:2] for a in video.actions], float).reshape(-1, 2)
        segments = segments.clip(0, video.duration)
        kept = segments[segments[:, 1] > segments[:, 0]]
        recordings.append(Recording(grid.num_steps(video.duration), grid.to_grid(kept)))
    plan = values(make_plan(Statistics.of(recordings, config.feat_dim)))
    by_hand = made_by_hand(config)
    found = {key: plan[key] for key in NAMES if plan[key] != by_hand[key]}
    assert found == DIFFERENT[name]
