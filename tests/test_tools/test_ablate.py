"""tools/analysis/ablate.py and its configs: each row is what its name says, and nothing else."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'asl' / 'ablation'
BASE = ROOT / 'configs' / 'asl' / 'asl_hapt.py'
SENSITIVITY, CONTRAST = 'model.head.sensitivity', 'model.head.loss_contrast'
LEVEL = f'{SENSITIVITY}.class_level'
# Row of each table: what differs from asl_hapt.py; an entry set to None is as if left out.
NO_CLASS = {LEVEL: None}
NO_INSTANCE = {f'{SENSITIVITY}.instance_level': None}
NO_ASCL = {CONTRAST: None}
NO_ASE = {SENSITIVITY: None}
COUNTS = {
    'cls': ({f'{LEVEL}.cls': 'none'}, {}, {f'{LEVEL}.num_cls': 2}),
    'loc': ({f'{LEVEL}.loc': 'none'}, {f'{LEVEL}.num_loc': 1}, {}),
}
MODES = ('none', 'fixed', 'learnable')
EXPECTED = {
    'components': {
        'none': NO_ASE | NO_ASCL,
        'class level': NO_INSTANCE | NO_ASCL,
        'instance level': NO_CLASS | NO_ASCL,
        'ASCL': NO_ASE,
        'class level + ASCL': NO_INSTANCE,
        'class level + instance level': NO_ASCL,
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
        str(value): {f'{CONTRAST}.loss_weight': value} if value != 0.3 else {}
        for value in (0.3, 0.1, 0.5, 1.0)
    },
    'delta': {
        str(value): {f'{CONTRAST}.sampler.delta': value} if value != 0.2 else {}
        for value in (0.2, 0.1, 0.3, 0.5)
    },
}


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools' / 'analysis')
    monkeypatch.delitem(sys.modules, 'compare', raising=False)
    monkeypatch.setattr(sys, 'argv', ['ablate.py'])
    spec = importlib.util.spec_from_file_location(
        'ablate', ROOT / 'tools' / 'analysis' / 'ablate.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def differences(ours, theirs, where=''):
    """Dotted keys in which two nested dicts differ, with ours; None = ours has none."""
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return {} if ours == theirs else {where: ours}
    found = {}
    for key in ours.keys() | theirs.keys():
        name = f'{where}.{key}' if where else key
        found |= differences(ours.get(key), theirs.get(key), name)
    return found


def runner_part(path):
    """What the Runner reads; variables of a config are used up when it is read."""
    config = Config.fromfile(path).to_dict()
    return {key: value for key, value in config.items() if key not in ('width', 'theta')}


def test_tables_are_the_expected_rows(tool):
    tables = tool.load_tables()
    labels = {name: [row['label'] for row in table['rows']] for name, table in tables.items()}
    assert labels == {name: list(rows) for name, rows in EXPECTED.items()}
    used = {row['config'] for table in tables.values() for row in table['rows']}
    assert set(FOLDER.glob('*.py')) < used  # no config without a row


@pytest.mark.parametrize('name', EXPECTED)
def test_each_row_differs_from_its_base_only_in_what_it_names(tool, name):
    base = runner_part(BASE)
    for row in tool.load_tables()[name]['rows']:
        assert differences(runner_part(row['config']), base) == EXPECTED[name][row['label']]
        assert len(row['config'].read_text().splitlines()) <= 8


def build_level(path):
    config = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
    return model.head.sensitivity.class_level, config.num_classes


def test_modes_take(tool):
    """Parameters, and whether they learn, in the model that a row builds."""
    for row in tool.load_tables()['gaussians']['rows']:
        level, _ = build_level(row['config'])
        learns = {name: value.requires_grad for name, value in level.named_parameters()}
        expected = {}
        for kind, mode in zip(('cls', 'loc'), row['label'].split(' / '), strict=True):
            if mode != 'none':
                expected |= dict.fromkeys([f'mu_{kind}', f'sigma_{kind}'], mode == 'learnable')
        assert learns == expected, row['label']


def test_counts_take(tool):
    """mu and sigma of each class and Gaussian; the weights at the start by hand."""
    distance = torch.tensor([0.3])
    one = {'cls': torch.tensor([-0.045]).exp(), 'loc': torch.tensor([-0.045]).exp()}  # 0.09 / 2
    two = torch.tensor([-0.32]).exp() + torch.tensor([-0.02]).exp()  # 0.8 and 0.2 away
    for row in tool.load_tables()['counts']['rows'][:-1]:
        level, classes = build_level(row['config'])
        counts = dict(zip(('cls', 'loc'), map(int, row['label'].split(' / ')), strict=True))
        assert sum(value.numel() for value in level.parameters()) == 2 * classes * sum(
            counts.values()
        )
        p = dict(zip(('cls', 'loc'), level(distance, torch.tensor([0])), strict=True))
        for kind, count in counts.items():
            assert level.num_gaussians(kind) == count
            torch.testing.assert_close(p[kind], (torch.ones(1), one[kind], two)[count])


def test_shared_takes():
    level, classes = build_level(FOLDER / 'asl_hapt_counts_shared.py')
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
        if script.name == 'train.py':
            trained.append(config.name)
            (folder / 'last_checkpoint').write_text('epoch_1.pth')
        else:
            value = 0.9 if config == BASE else 0.8
            (folder / 'metrics.json').write_text(json.dumps({'metrics': {'mAP': value}}))
        return 0

    monkeypatch.setattr(sys.modules['compare'], '_call', call)
    arguments = ['components', 'delta', '--seeds', '0', '--work-dir', str(tmp_path)]
    assert tool.main(arguments) == 0
    assert len(trained) == 10  # 7 and 4, of which one is in both
    assert len(set(trained)) == 10
    assert capsys.readouterr().out.splitlines() == [
        'Table 5: components, channel attention in all rows',
        '',
        '| config | mAP | to base | paper: average mAP on MultiThumos |',
        '|---|---|---|---|',
        '| none | 80.00 (80.0) | +0.00 | 23.4 |',
        '| class level | 80.00 (80.0) | +0.00 | 24.5 |',
        '| instance level | 80.00 (80.0) | +0.00 | 23.9 |',
        '| ASCL | 80.00 (80.0) | +0.00 | 23.7 |',
        '| class level + ASCL | 80.00 (80.0) | +0.00 | 25.1 |',
        '| class level + instance level | 80.00 (80.0) | +0.00 | 25.0 |',
        '| all | 90.00 (90.0) | +10.00 | 25.5 |',
        '',
        'Figure 3: delta, sensitive part of an action (0.2 is the default)',
        '',
        '| config | mAP | to base |',
        '|---|---|---|',
        '| 0.2 | 90.00 (90.0) | +0.00 |',
        '| 0.1 | 80.00 (80.0) | -10.00 |',
        '| 0.3 | 80.00 (80.0) | -10.00 |',
        '| 0.5 | 80.00 (80.0) | -10.00 |',
    ]
    assert tool.main(arguments) == 0
    assert len(trained) == 10


def test_a_table_that_there_is_not(tool, capsys):
    with pytest.raises(SystemExit) as caught:
        tool.main(['table5'])
    assert caught.value.code == 2
    assert "'components'" in capsys.readouterr().err.splitlines()[-1]
