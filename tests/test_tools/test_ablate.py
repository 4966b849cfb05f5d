"""tools/analysis/ablate.py and its tables: each row is what its label says, and nothing else."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.registry import DefaultScope

from asl_mmaction.apis import load_config
from asl_mmaction.cli.arguments import parse_cfg_options

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs'
BASE = CONFIGS / 'asl' / 'asl_hapt.py'
SENSITIVITY, CONTRAST = 'model.head.sensitivity', 'model.head.loss_contrast'
LEVEL = f'{SENSITIVITY}.class_level'
# Row of each table: what differs from asl_hapt.py, but for the configs that the table names.
NO_CLASS = {LEVEL: None}
NO_INSTANCE = {f'{SENSITIVITY}.instance_level': None}
NO_ASCL = {CONTRAST: None}
NO_ASE = {SENSITIVITY: None}
NO_THETA = {'model.neck.theta': 0}
COUNTS = {
    'cls': ({f'{LEVEL}.cls': 'none'}, {}, {f'{LEVEL}.num_cls': 2}),
    'loc': ({f'{LEVEL}.loc': 'none'}, {f'{LEVEL}.num_loc': 1}, {}),
}
MODES = ('none', 'fixed', 'learnable')
EXPECTED = {
    'parts': {
        'actionformer_hapt': {},
        'asl_hapt': {},
        'asl_hapt_paper': {},
        'control': {
            'model.head.loss_cls.loss_weight': 1.73,
            'model.head.loss_loc.loss_weight': 2.56,
        },
        'class level alone': NO_THETA | NO_INSTANCE | NO_ASCL,
        'instance level alone': NO_THETA | NO_CLASS | NO_ASCL,
        'both levels alone': NO_THETA | NO_ASCL,
        'contrastive loss alone': NO_THETA | NO_ASE,
        'channel attention alone': NO_ASE | NO_ASCL,
    },
    'components': {
        'none': NO_ASE | NO_ASCL,
        'class level': NO_INSTANCE | NO_ASCL,
        'instance level': NO_CLASS | NO_ASCL,
        'contrastive loss': NO_ASE,
        'class level, contrastive loss': NO_INSTANCE,
        'class level, instance level': NO_ASCL,
        'all': {},
    },
    'gaussians': {
        f'{cls} / {loc}': {
            f'{LEVEL}.{kind}': mode
            for kind, mode in (('cls', cls), ('loc', loc))
            if mode != 'learnable'
        }
        for cls in MODES
        for loc in MODES
    },
    'counts': {
        **{
            f'{cls} / {loc}': COUNTS['cls'][cls] | COUNTS['loc'][loc]
            for cls in range(3)
            for loc in range(3)
        },
        '1 for both': {f'{LEVEL}.shared': True},
    },
    'lambda': {
        '0.3, the default': {},
        **{str(value): {f'{CONTRAST}.loss_weight': value} for value in (0.1, 0.5, 1.0)},
    },
    'delta': {
        '0.2, the default': {},
        **{str(value): {f'{CONTRAST}.sampler.delta': value} for value in (0.1, 0.3, 0.5)},
    },
}
DATA = 'train_dataloader.dataset'
NO_AFFINITY = {'model.head.affinity': None, 'model.head.loss_affinity': None}
NO_SEPARATION = {'model.head.loss_separation': None}
CLICK_LOSS = NO_AFFINITY | NO_SEPARATION
BACKTAL = {
    'video labels': CLICK_LOSS
    | {f'{DATA}.supervision': 'video', f'{DATA}.click_file': None, 'model.head.loss_click': None},
    'click loss': CLICK_LOSS,
    'click loss, separation': NO_AFFINITY,
    'click loss, affinity convolution': NO_SEPARATION | {'model.head.loss_affinity': None},
    'click loss, affinity convolution and loss': NO_SEPARATION,
    'all': {},
    'all, no action term': {'model.head.loss_affinity.action_term': False},
    'all, taps that sum to 1': {'model.head.affinity.normalize': 'softmax'},
    'action clicks, click loss': CLICK_LOSS | {f'{DATA}.click_file': 'action_clicks.json'},
    'both kinds of clicks, all': {f'{DATA}.click_file': 'all_clicks.json'},
}
CLICKS = {'video labels': BACKTAL['video labels']} | {
    f'{kind}, {amount}': CLICK_LOSS | ({f'{DATA}.click_file': file} if file else {})
    for kind, amount, file in (
        ('background clicks', '0.25 a stretch', 'background_clicks_0.25.json'),
        ('background clicks', '0.5 a stretch', 'background_clicks_0.5.json'),
        ('background clicks', '1 a stretch', None),
        ('background clicks', '2 a stretch', 'background_clicks_2.json'),
        ('action clicks', '1 an action', 'action_clicks.json'),
    )
}
HAPT_CLIPS = {
    label: options
    for label, options in BACKTAL.items()
    if 'affinity convolution' not in label and 'taps' not in label
}
HAPT_CLIPS_CLICKS = CLICKS | {
    label: CLICK_LOSS | {f'{DATA}.click_file': file}
    for label, file in (
        ('background clicks, 8 % of them misplaced', 'background_clicks_noisy.json'),
        ('a click on every step', 'every_step.json'),
    )
}
PER_CLASS = {'model.head.per_class': True}
OVERLAPPING = {
    'model.head.regress_ranges': [
        *[(0, 4), (2, 8), (4, 16), (8, 32), (16, 64)],
        *[(32, 128), (64, 256), (128, 10000)],
    ]
}
SIMOTA = {'model.head.assigner.type': 'SimOTAAssigner'}
MORE_POINTS = SIMOTA | OVERLAPPING | {'model.head.assigner.center_sampling_radius': None}
IOU_POWER = {'model.head.iou_power': 1}
CAUSAL = {'model.neck.causal': 'split'}
EXPECTED['billboard'] = {
    'actionformer_billboard': {},
    'baseline, per class': PER_CLASS,
    'baseline, overlapping ranges': OVERLAPPING,
    'baseline, SimOTA': SIMOTA,
    'baseline, SimOTA, more points': MORE_POINTS,
    'baseline, iou_power 1': IOU_POWER,
    'baseline, SimOTA, more points, iou_power 1': MORE_POINTS | IOU_POWER,
    'baseline, split causal attention': CAUSAL,
    'channel attention': NO_ASE | NO_ASCL,
    'class level': NO_THETA | NO_INSTANCE | NO_ASCL,
    'instance level': NO_THETA | NO_CLASS | NO_ASCL,
    'contrastive loss': NO_THETA | NO_ASE,
    'asl_billboard': {},
    'asl_billboard, mean weight 1': {'model.head.sensitivity.normalize': 'per_gt'},
    'asl_billboard, mean weight 1, channel attention': {
        'model.neck.theta': 0.2,
        'model.head.sensitivity.normalize': 'per_gt',
    },
    'ASL': {},
    'asl_billboard_paper': {},
    'ASL, per class': PER_CLASS,
    'ASL, overlapping ranges': OVERLAPPING,
    'ASL, SimOTA': SIMOTA,
    'ASL, SimOTA, more points': MORE_POINTS,
    'ASL, SimOTA, more points, quality_power of loc 1': MORE_POINTS
    | {'model.post_processor.quality_power': {'loc': 1}},
    'ASL, SimOTA, more points, sensitivity in the cost': MORE_POINTS
    | {'model.head.assigner.sensitivity_power': 0.5},
    'ASL, iou_power 1': IOU_POWER,
    'ASL, split causal attention': CAUSAL,
    'ASL, quality_power of loc 1': {'model.post_processor.quality_power': {'loc': 1}},
    'ASL, per class, quality_power of loc 1': PER_CLASS
    | {'model.post_processor.quality_power': {'loc': 1}},
    'ASL, quality of all points': {f'{SENSITIVITY}.quality_points': 'scored'},
    'ASL, quality of all points, quality_power of loc 1': {
        f'{SENSITIVITY}.quality_points': 'scored',
        'model.post_processor.quality_power': {'loc': 1},
    },
    'ASL, varifocal': {},
    'tridet_billboard': {},
    'asl_tridet_billboard': {},
    'TriDet style with ASL, per class': PER_CLASS,
}
EXPECTED |= {'context': BACKTAL, 'clicks': CLICKS}
EXPECTED |= {'hapt_clips': HAPT_CLIPS, 'hapt_clips_clicks': HAPT_CLIPS_CLICKS}
# The config of a table, if it is not asl_hapt.py
OF_TABLE = {
    'billboard': 'asl/ablation/asl_billboard_entries.py',
    'context': 'backtal/backtal_context_demo.py',
    'clicks': 'backtal/backtal_context_demo.py',
    'hapt_clips': 'backtal/backtal_hapt_clips.py',
    'hapt_clips_clicks': 'backtal/backtal_hapt_clips.py',
}
# Rows that name a config of their own
NAMED = {
    'actionformer_hapt': 'actionformer/actionformer_hapt.py',
    'asl_hapt_paper': 'asl/asl_hapt_paper.py',
    'control': 'actionformer/actionformer_hapt.py',
    'actionformer_billboard': 'actionformer/actionformer_billboard.py',
    **{
        label: 'actionformer/actionformer_billboard.py'
        for label in EXPECTED['billboard']
        if label.startswith('baseline, ')
    },
    'asl_billboard': 'asl/asl_billboard.py',
    'asl_billboard, mean weight 1': 'asl/asl_billboard.py',
    'asl_billboard, mean weight 1, channel attention': 'asl/asl_billboard.py',
    'asl_billboard_paper': 'asl/asl_billboard_paper.py',
    'ASL, varifocal': 'asl/ablation/asl_billboard_varifocal.py',
    'tridet_billboard': 'tridet/tridet_billboard.py',
    'asl_tridet_billboard': 'tridet/asl_tridet_billboard.py',
    'TriDet style with ASL, per class': 'tridet/asl_tridet_billboard.py',
}


@pytest.fixture(scope='module')
def tool(ablate):
    return ablate


def differences(ours, theirs, where=''):
    """Dotted keys in which two nested dicts differ, with ours; None = ours has none."""
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return {} if ours == theirs else {where: ours}
    found = {}
    for key in ours.keys() | theirs.keys():
        name = f'{where}.{key}' if where else key
        found |= differences(ours.get(key), theirs.get(key), name)
    return found


@pytest.fixture(scope='module')
def rows(tool):
    """All rows: (table, label) -> what to run."""
    return {
        (name, row['label']): row['run']
        for name, content in tool.load_tables().items()
        for row in content['rows']
    }


@pytest.fixture(scope='module')
def configs(rows):
    """The config of each row, as training reads it."""
    return {
        row: load_config(row.config, parse_cfg_options([*row.options, *row.test_options]))
        for row in set(rows.values())
    }


def test_tables_are_the_expected_rows(tool):
    tables = tool.load_tables()
    labels = {name: [row['label'] for row in table['rows']] for name, table in tables.items()}
    assert labels == {name: list(rows) for name, rows in EXPECTED.items()}
    for table in tables.values():
        assert table.keys() - {'paper'} == {'title', 'config', 'rows'}
        for row in table['rows']:
            assert row.keys() <= {'label', 'config', 'options', 'test_options', 'paper', 'run'}
            assert 'paper' not in row or 'paper' in table


def test_each_row_differs_from_its_config_only_in_what_it_names(rows, configs):
    plain = {row.config: configs[row] for row in configs if not row.options + row.test_options}
    for (name, label), row in rows.items():
        assert row.config == CONFIGS / NAMED.get(label, OF_TABLE.get(name, 'asl/asl_hapt.py'))
        found = differences(configs[row].to_dict(), plain[row.config].to_dict())
        assert found == EXPECTED[name][label], (name, label)


def test_each_row_builds(configs):
    for config in configs.values():
        with DefaultScope.overwrite_default_scope('mmaction'), torch.device('meta'):
            model = MODELS.build(config.model)
        parts = {name for name, value in model.named_parameters() if '.sensitivity.' in name}
        assert bool(parts) == (getattr(model.head, 'sensitivity', None) is not None)


def test_each_row_has_a_folder_of_its_own(rows):
    """But rows without settings, which have that of their config, and rows that are the same."""
    folders = {row.name: (row.config, row.options, row.test_options) for row in rows.values()}
    assert len(set(folders.values())) == len(folders) == len(set(rows.values()))
    assert len({name.lower() for name in folders}) == len(folders)
    for name, (config, options, test_options) in folders.items():
        if options or test_options:
            assert re.fullmatch(r'[a-z_]+/[\w.]+', name)
        else:
            assert name == config.stem
    assert rows['gaussians', 'none / fixed'].name == 'gaussians/none_fixed'
    assert rows['components', 'class level, contrastive loss'].name.endswith(
        '/class_level_contrastive_loss'
    )
    assert rows['counts', '0 / 0'] == rows['gaussians', 'none / none']
    assert rows['components', 'none'] == rows['parts', 'channel attention alone']
    assert rows['components', 'all'] == rows['delta', '0.2, the default']


def test_rows_that_differ_in_the_test_alone_share_a_model(rows):
    for label, trained in (
        ('ASL, quality_power of loc 1', 'ASL'),
        ('ASL, SimOTA, more points, quality_power of loc 1', 'ASL, SimOTA, more points'),
        ('ASL, per class, quality_power of loc 1', 'ASL, per class'),
        ('ASL, quality of all points, quality_power of loc 1', 'ASL, quality of all points'),
    ):
        row = rows['billboard', label]
        assert row.training == rows['billboard', trained]
        assert row.training.training == row.training
    assert {row.name for row in rows.values() if row.test_options} == {
        'billboard/ASL_SimOTA_more_points_quality_power_of_loc_1',
        'billboard/ASL_quality_power_of_loc_1',
        'billboard/ASL_per_class_quality_power_of_loc_1',
        'billboard/ASL_quality_of_all_points_quality_power_of_loc_1',
    }


SHARED = """
t:
  title: T
  config: asl/asl_billboard.py
  rows:
    - {label: a}
    - {label: b, test_options: [model.post_processor.quality_power.loc=1]}
    - {label: c, options: [model.neck.theta=0]}
    - {label: d, options: [model.neck.theta=0], test_options: [model.post_processor.sigma=0.1]}
"""


@pytest.fixture
def shared(tool, tmp_path, monkeypatch):
    """Arguments for a table of two models and four tests, and the commands that it ran."""
    made = []

    def call(command, log, env):
        words = list(map(str, command))
        folder = Path(words[words.index('--work-dir') + 1])
        made.append((Path(words[0]).stem, words[2], folder.parent.name, words[-1]))
        if words[0].endswith('train.py'):
            if 'broken' in made:
                return 1
            (folder / 'last_checkpoint').write_text(f'{folder.parent.name}.pth')
        else:
            metrics = {'mAP': 0.01 * len(made)}
            (folder / 'metrics.json').write_text(json.dumps({'metrics': metrics}))
        return 0

    (tmp_path / 'tables.yml').write_text(SHARED)
    monkeypatch.setattr(tool, 'TABLES', [tmp_path / 'tables.yml'])
    monkeypatch.setattr(sys.modules['compare'], '_call', call)
    return ['t', '--seeds', '3', '--work-dir', str(tmp_path)], made


def test_models_are_trained_once_and_tested_for_each_row(tool, shared, tmp_path, capsys):
    arguments, made = shared
    assert tool.main(arguments) == 0
    quality, theta = 'model.post_processor.quality_power.loc=1', 'model.neck.theta=0'
    folder = str(tmp_path / 'asl_billboard/seed_3')
    assert made == [
        ('train', '--seed', 'asl_billboard', folder),
        ('test', 'asl_billboard.pth', 'asl_billboard', folder),
        ('train', '--seed', 'c', theta),
        ('test', 'c.pth', 'c', theta),
        ('test', 'asl_billboard.pth', 'b', quality),
        ('test', 'c.pth', 'd', 'model.post_processor.sigma=0.1'),
    ]
    assert [line.split(' | ')[:2] for line in capsys.readouterr().out.splitlines()[4:]] == [
        ['| a', '2.00 (2.0)'],
        ['| b', '5.00 (5.0)'],
        ['| c', '4.00 (4.0)'],
        ['| d', '6.00 (6.0)'],
    ]
    # What was trained for other rows is not trained again; what was tested otherwise is refused.
    made.clear()
    (tmp_path / 't/d/seed_3/metrics.json').unlink()
    assert tool.main(arguments) == 0
    assert [command[:3] for command in made] == [('test', 'c.pth', 'd')]
    capsys.readouterr()
    (tmp_path / 'tables.yml').write_text(SHARED.replace('loc=1', 'loc=2'))
    with pytest.raises(SystemExit):
        tool.main(arguments)
    assert f'loc=2 but {tmp_path}/t/b/seed_3 was made with {quality}' in capsys.readouterr().err


def test_a_shortened_table_goes_on(tool, shared, tmp_path, capsys):
    """A row of the test alone was made with the config's own epochs."""
    arguments, made = shared
    assert tool.main([*arguments, '--epochs', '1']) == 0
    first = capsys.readouterr().out
    made.clear()
    (tmp_path / 't/b/seed_3/asl_billboard.py').write_text(
        load_config(
            CONFIGS / 'asl/asl_billboard.py',
            parse_cfg_options(['model.post_processor.quality_power.loc=1']),
        ).pretty_text
    )
    assert tool.main([*arguments, '--epochs', '1']) == 0
    assert capsys.readouterr().out == first
    assert made == []


def test_the_model_of_a_row_is_trained_where_its_own_row_is_not_wanted(tool, shared, capsys):
    arguments, made = shared
    assert tool.main([*arguments, '--rows', 'd']) == 0
    assert [command[:3] for command in made] == [
        ('train', '--seed', 'asl_billboard'),
        ('test', 'asl_billboard.pth', 'asl_billboard'),
        ('train', '--seed', 'c'),
        ('test', 'c.pth', 'c'),
        ('test', 'c.pth', 'd'),
    ]
    assert [line[:4] for line in capsys.readouterr().out.splitlines()[4:]] == ['| a ', '| d ']


def test_no_row_is_tested_without_its_model(tool, shared, tmp_path, capsys):
    arguments, made = shared
    made.append('broken')
    assert tool.main(arguments) == 1
    error = capsys.readouterr().err
    assert f'failed: expected a model to test but got no {tmp_path}/asl_billboard/' in error
    assert [command[0] for command in made[1:]] == ['train', 'train']
    (tmp_path / 'tables.yml').write_text(SHARED.replace('{label: a}', '{label: a, options: [x=1]}'))
    with pytest.raises(SystemExit):
        tool.main(arguments)
    assert 'table t: expected a row before b that trains its model but got none' in (
        capsys.readouterr().err
    )


def test_options_of_a_test_change_no_training(tool, shared, tmp_path, capsys):
    arguments, made = shared
    path = tmp_path / 'tables.yml'
    path.write_text(SHARED.replace('model.post_processor.sigma=0.1', 'model.neck.theta=0.5'))
    with pytest.raises(SystemExit):
        tool.main(arguments)
    error = capsys.readouterr().err
    assert 'tables.yml: table t: expected test_options of model.post_processor., ' in error
    assert 'but got model.neck.theta=0.5 of d' in error
    assert made == []


def test_list_names_the_model_of_a_test(tool, shared, tmp_path, capsys):
    arguments, made = shared
    assert tool.main([*arguments, '--list']) == 0
    lines = capsys.readouterr().out.splitlines()
    command = next(line for line in lines if 'sigma=0.1' in line)
    assert f'asl_billboard.py "$(cat {tmp_path}/t/c/seed_3/last_checkpoint)" --out' in command
    assert made == []


def build_level(config):
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
    return model.head.sensitivity.class_level, config.num_classes


def test_modes_take(rows, configs):
    """Parameters, and whether they learn, in the model that a row builds."""
    for label in EXPECTED['gaussians']:
        level, _ = build_level(configs[rows['gaussians', label]])
        learns = {name: value.requires_grad for name, value in level.named_parameters()}
        expected = {}
        for kind, mode in zip(('cls', 'loc'), label.split(' / '), strict=True):
            if mode != 'none':
                expected |= dict.fromkeys([f'mu_{kind}', f'sigma_{kind}'], mode == 'learnable')
        assert learns == expected, label


def test_counts_take(rows, configs):
    """mu and sigma of each class and Gaussian; the weights at the start by hand."""
    distance = torch.tensor([0.3])
    one = {'cls': torch.tensor([-0.045]).exp(), 'loc': torch.tensor([-0.045]).exp()}  # 0.09 / 2
    two = torch.tensor([-0.32]).exp() + torch.tensor([-0.02]).exp()  # 0.8 and 0.2 away
    for label in list(EXPECTED['counts'])[:-1]:
        level, classes = build_level(configs[rows['counts', label]])
        counts = dict(zip(('cls', 'loc'), map(int, label.split(' / ')), strict=True))
        assert sum(value.numel() for value in level.parameters()) == 2 * classes * sum(
            counts.values()
        )
        p = dict(zip(('cls', 'loc'), level(distance, torch.tensor([0])), strict=True))
        for kind, count in counts.items():
            assert level.num_gaussians(kind) == count
            if count:
                torch.testing.assert_close(p[kind], (one[kind], two)[count - 1])
            else:
                assert p[kind] is None


def test_shared_takes(rows, configs):
    level, classes = build_level(configs[rows['counts', '1 for both']])
    assert {name: tuple(value.shape) for name, value in level.named_parameters()} == {
        'mu_cls': (classes, 1),
        'sigma_cls': (classes, 1),
    }
    torch.nn.init.constant_(level.mu_cls, 0.2)
    p_cls, p_loc = level(torch.tensor([0.3]), torch.tensor([0]))
    assert p_cls.item() == pytest.approx(torch.tensor(-0.005).exp().item())  # 0.01 / 2
    assert torch.equal(p_cls, p_loc)


def test_prints_the_tables_and_trains_what_they_share_once(tool, tmp_path, monkeypatch, capsys):
    trained = []

    def call(command, log, env):
        script, config = Path(command[0]), Path(command[1])
        folder = Path(command[command.index('--work-dir') + 1])
        assert config == BASE
        if script.name == 'train.py':
            trained.append(str(folder.parent.relative_to(tmp_path)))
            (folder / 'last_checkpoint').write_text('epoch_1.pth')
        else:
            value = 0.8 if '--cfg-options' in command else 0.9
            (folder / 'metrics.json').write_text(json.dumps({'metrics': {'mAP': value}}))
        return 0

    monkeypatch.setattr(sys.modules['compare'], '_call', call)
    arguments = ['components', 'delta', '--seeds', '0', '--work-dir', str(tmp_path)]
    assert tool.main(arguments) == 0
    assert len(trained) == 10  # 7 and 4, of which one is in both
    assert len(set(trained)) == 10
    assert {'asl_hapt', 'components/class_level', 'delta/0.1'} < set(trained)
    assert capsys.readouterr().out.splitlines() == [
        'Table 5: components, channel attention in all rows',
        '',
        '| config | mAP | to base | paper: average mAP on MultiThumos |',
        '|---|---|---|---|',
        '| none | 80.00 (80.0) | - | 23.4 |',
        '| class level | 80.00 (80.0) | +0.00 | 24.5 |',
        '| instance level | 80.00 (80.0) | +0.00 | 23.9 |',
        '| contrastive loss | 80.00 (80.0) | +0.00 | 23.7 |',
        '| class level, contrastive loss | 80.00 (80.0) | +0.00 | 25.1 |',
        '| class level, instance level | 80.00 (80.0) | +0.00 | 25.0 |',
        '| all | 90.00 (90.0) | +10.00 | 25.5 |',
        '',
        'Figure 3: delta, sensitive part of an action',
        '',
        '| config | mAP | to base |',
        '|---|---|---|',
        '| 0.2, the default | 90.00 (90.0) | - |',
        '| 0.1 | 80.00 (80.0) | -10.00 |',
        '| 0.3 | 80.00 (80.0) | -10.00 |',
        '| 0.5 | 80.00 (80.0) | -10.00 |',
    ]
    assert tool.main(arguments) == 0
    assert len(trained) == 10
    capsys.readouterr()
    assert tool.main(['delta', *arguments[2:], '--base', '0.3']) == 0
    assert capsys.readouterr().out.splitlines()[2:6] == [
        '| config | mAP | to 0.3 |',
        '|---|---|---|',
        '| 0.2, the default | 90.00 (90.0) | +10.00 |',
        '| 0.1 | 80.00 (80.0) | +0.00 |',
    ]
    assert tool.main(['delta', *arguments[2:], '--rows', '0.5', '0.1']) == 0
    assert capsys.readouterr().out.splitlines()[4:] == [
        '| 0.2, the default | 90.00 (90.0) | - |',
        '| 0.1 | 80.00 (80.0) | -10.00 |',
        '| 0.5 | 80.00 (80.0) | -10.00 |',
    ]
    assert tool.main(['delta', *arguments[2:], '--rows', '0.5', '--base', '0.3']) == 0
    assert capsys.readouterr().out.splitlines()[4:] == [
        '| 0.3 | 80.00 (80.0) | - |',
        '| 0.5 | 80.00 (80.0) | +0.00 |',
    ]
    with pytest.raises(SystemExit):
        tool.main(['delta', *arguments[2:], '--rows', '0.5', '0.4'])
    assert capsys.readouterr().err.endswith(
        "expected --rows of 0.2, the default; 0.1; 0.3; 0.5 (rows of 'Figure 3: delta, sensitive "
        "part of an action') but got 0.4\n"
    )
    with pytest.raises(SystemExit):
        tool.main([*arguments, '--base', '0.3'])
    line = capsys.readouterr().err.splitlines()[-1]
    assert 'expected --base of none; class level; ' in line
    assert "all (rows of 'Table 5: " in line
    assert line.endswith(' but got 0.3')


def test_runs_of_a_row_that_has_changed_since_are_refused(tool, tmp_path, monkeypatch, capsys):
    def call(command, log, env):
        folder = Path(command[command.index('--work-dir') + 1])
        (folder / 'last_checkpoint').write_text('epoch_1.pth')
        (folder / 'metrics.json').write_text(json.dumps({'metrics': {'mAP': 0.5}}))
        return 0

    monkeypatch.setattr(sys.modules['compare'], '_call', call)
    tables = tmp_path / 'tables.yml'
    text = """
t:
  title: T
  config: asl/asl_hapt.py
  rows: [{label: a / b, options: [model.neck.theta=0]}]
"""
    tables.write_text(text)
    monkeypatch.setattr(tool, 'TABLES', [tables])
    arguments = ['t', '--seeds', '0', '--work-dir', str(tmp_path)]
    assert tool.main(arguments) == 0
    assert json.loads((tmp_path / 't/a_b/seed_0/options.json').read_text())['cfg_options'] == [
        'model.neck.theta=0'
    ]
    capsys.readouterr()
    for rows, message in (
        (
            text.replace('theta=0', 'theta=0.5'),
            r'made with model.neck.theta=0.5 but .*t/a_b/seed_0',
        ),
        (text.replace('theta=0', 'thets=0'), 'but .* was made with model.neck.theta=0: '),
        (text.replace(' / b', ''), None),
        (
            text.replace('options', 'option'),
            'tables.yml: table t: expected rows .* got label, option\n',
        ),
        (
            text.replace('title: T', ''),
            "tables.yml: table t: expected a title, .* but got no 'title'\n",
        ),
        (text.replace('label: a / b', 'options: []'), "table t: expected .* but got no 'label'\n"),
        (text.replace('config: asl/asl_hapt.py', ''), "table t: expected .* but got no 'config'\n"),
        (text.replace('label:', 'label: ['), 'tables.yml: expected tables by name but got while'),
        ('- t', "tables.yml: expected tables by name but got 'list'"),
        (text.replace(']}]', ']}, {label: a + b, options: [model.neck.theta=1]}]'), 'different'),
        (text.replace('theta=0]', 'theta=0, model.neck.theta=1]'), 'setting of t/a_b once but got'),
    ):
        tables.write_text(rows)
        if message is None:
            assert tool.main(arguments) == 0
            continue
        with pytest.raises(SystemExit):
            tool.main(arguments)
        assert re.search(message, capsys.readouterr().err), message


def test_list_prints_what_trains_each_row_and_runs_nothing(tool, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys.modules['compare'], '_call', None)
    assert tool.main(['counts', '--list', '--seeds', '3', '--epochs', '2', '--amp']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        '# Table 7: number of learnable Gaussians of classification / localization',
        '',
    ]
    labels, commands = lines[2::3], lines[3::3]
    assert labels == [f'# {label}' for label in EXPECTED['counts']]
    assert shlex.split(commands[1]) == [
        *('python', 'tools/train.py', 'configs/asl/asl_hapt.py', '--seed', '3', '--no-validate'),
        *('--amp', '--epochs', '2', '--work-dir', 'work_dirs/compare/counts/0_1/seed_3'),
        *('--cfg-options', f'{LEVEL}.cls=none', f'{LEVEL}.num_loc=1'),
    ]


def test_settings_of_a_row_are_not_set_again(tool, tmp_path, capsys):
    """The row would no longer be what its label says."""
    for setting in (f'{LEVEL}.cls=fixed', f'{SENSITIVITY}=None', f'{LEVEL}.cls.x=1'):
        with pytest.raises(SystemExit):
            tool.main(['gaussians', '--work-dir', str(tmp_path), '--cfg-options', setting])
        line = capsys.readouterr().err
        assert 'expected each setting of gaussians/' in line
        assert setting in line


def test_a_table_that_there_is_not(tool, capsys):
    with pytest.raises(SystemExit) as caught:
        tool.main(['table5'])
    assert caught.value.code == 2
    assert "'components'" in capsys.readouterr().err.splitlines()[-1]
