"""A training that is shortened, or only tried."""

import re
import sys

import pytest
from mmengine.config import Config

from asl_mmaction.cli.trial import print_config, shorten
from asl_mmaction.files.mistakes import Mistake


def config(*schedules, epochs=45):
    return Config(dict(train_cfg=dict(max_epochs=epochs), param_scheduler=list(schedules)))


WARM_UP = dict(type='LinearLR', begin=0, end=3, convert_to_iter_based=True)
COSINE = dict(type='CosineAnnealingLR', begin=3, end=45, T_max=42)


def test_schedules_are_shortened_with_the_training():
    shorter = config(WARM_UP, COSINE)
    shorten(shorter, 15)
    assert shorter.train_cfg.max_epochs == 15
    first, second = shorter.param_scheduler
    assert (first['begin'], first['end']) == (0, 1)
    assert (second['begin'], second['end'], second['T_max']) == (1, 15, 14)


@pytest.mark.parametrize('cosine', [COSINE, dict(type='CosineAnnealingLR', begin=3)])
def test_what_has_no_time_left_is_dropped(cosine):
    shorter = config(WARM_UP, cosine, dict(type='MultiStepLR', milestones=[30, 44]))
    shorten(shorter, 1)
    assert [schedule['type'] for schedule in shorter.param_scheduler] == ['LinearLR', 'MultiStepLR']
    assert shorter.param_scheduler[1]['milestones'] == [1]


def test_a_schedule_that_never_began_is_left():
    """It is refused before the training, as it is without --epochs."""
    shorter = config(WARM_UP, dict(type='CosineAnnealingLR', begin=45))
    shorten(shorter, 15)
    assert shorter.param_scheduler[1]['begin'] == 15


def test_a_schedule_by_steps_is_left():
    by_steps = dict(type='LinearLR', begin=0, end=500, by_epoch=False)
    shorter = config(by_steps)
    shorten(shorter, 9)
    assert shorter.param_scheduler[0]['end'] == 500


@pytest.mark.parametrize(
    ('given', 'epochs', 'message'),
    [
        (config(), 0, 'expected --epochs of 1 or more but got 0'),
        (Config(dict(train_cfg=dict(max_iters=5))), 3, 'but got a training by steps'),
    ],
)
def test_what_cannot_be_shortened(given, epochs, message):
    with pytest.raises(Mistake, match=message):
        shorten(given, epochs)


def test_a_part_of_a_config_is_printed():
    given = config(WARM_UP)
    assert print_config(given, 'param_scheduler.0.end') == 'end=3'
    assert 'max_epochs=45' in print_config(given, 'train_cfg')
    assert 'LinearLR' in print_config(given, '')
    for key in ('model', 'param_scheduler.7', 'train_cfg.max_epochs.x'):
        with pytest.raises(Mistake, match=f'of a key of the config but got {key}'):
            print_config(given, key)


def test_a_dry_run_leaves_nothing(tiny_config, tmp_path, monkeypatch, load_tool, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['train.py'])
    before = set(tmp_path.rglob('*'))
    assert load_tool('train').main([str(tiny_config), '--dry-run', '--work-dir', 'work']) == 0
    size, time, losses = capsys.readouterr().out.splitlines()[-3:]
    assert re.fullmatch(r'dry run: [\d,]+ parameters, \d+\.\d GiB of .*', size)
    clock = r'\d:\d\d:\d\d'
    assert re.fullmatch(
        rf'4 steps of [\d.]+ s an epoch: {clock}; in all {clock}, without validation', time
    )
    names = ['loss', 'cls', 'loc', 'sensitivity', 'ascl']
    assert re.fullmatch('  '.join(rf'{name} \d\.\d{{3}}' for name in names), losses)
    assert set(tmp_path.rglob('*')) == before
