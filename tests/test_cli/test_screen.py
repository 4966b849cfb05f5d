"""What a training shows: one line an epoch, and everything in its log."""

import logging
import re
import sys

import pytest
from mmengine.logging import MMLogger, print_log

from asl_mmaction.cli.screen import filter_console, read_epoch


@pytest.fixture
def shown(tmp_path, capsys):
    """Function: what the console and the file of a logger get of a call."""

    def shown(call, quiet=False):
        logger = MMLogger.get_instance('shown', log_file=str(tmp_path / 'run.log'))
        filter_console(logger).quiet = quiet
        call()
        MMLogger._instance_dict.clear()
        return capsys.readouterr().out, (tmp_path / 'run.log').read_text()

    return shown


def say(module, level=logging.INFO, text='so it is'):
    """A call from a module of this name."""
    names = {'__name__': module, 'print_log': print_log, 'level': level, 'text': text}
    return lambda: exec("print_log(text, logger='current', level=level)", names)


@pytest.mark.parametrize(
    ('module', 'level', 'quiet', 'on_screen'),
    [
        ('mmengine.runner.runner', logging.INFO, False, False),
        ('mmengine.runner.runner', logging.WARNING, True, True),
        ('mmengine.fileio.file_client', logging.WARNING, False, False),
        ('asl_mmaction.datasets.tal_dataset', logging.INFO, False, True),
        ('asl_mmaction.datasets.tal_dataset', logging.INFO, True, False),
        ('asl_mmaction.engine.optimizers.grouped_constructor', logging.INFO, False, False),
    ],
)
def test_the_console_shows_warnings_and_our_own_words(shown, module, level, quiet, on_screen):
    console, file = shown(say(module, level), quiet)
    assert ('so it is' in console) == on_screen
    assert 'so it is' in file


def test_the_console_has_the_words_and_the_file_the_stamp_too(shown):
    ours = 'asl_mmaction.datasets.tal_dataset'
    stamp = r'\d{4}/\d\d/\d\d \d\d:\d\d:\d\d - \w+ - '
    console, file = shown(say(ours, text='a.json: 3 videos'))
    assert console == 'a.json: 3 videos\n'
    assert re.fullmatch(stamp + r'INFO - a\.json: 3 videos\n', file)
    console, file = shown(say(ours, logging.WARNING, text='mind: 100 %s'))
    assert console == 'WARNING mind: 100 %s\n'
    assert re.search(stamp + r'WARNING - mind: 100 %s\n', file)
    assert shown(say(ours, text='\na table\n b'))[0] == 'a table\n b\n'


def test_a_training_is_a_line_an_epoch(tiny_config, tmp_path, monkeypatch, load_tool, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['train.py'])
    options = ['train_cfg.val_interval=2', 'default_hooks.checkpoint.save_optimizer=False']
    load_tool('train').main(
        [str(tiny_config), '--work-dir', 'work', '--epochs', '2', '--cfg-options', *options]
    )
    lines = capsys.readouterr().out.splitlines()
    assert not any(' - mmengine - ' in line for line in lines)
    *data, header, names, first, second, end, last, best = lines
    assert [line.rpartition('/')[2].split()[0] for line in data] == ['annotations.json:'] * 2
    # What is read of it where runs are watched
    assert [read_epoch(x) for x in lines] == [*[None] * 4, (1, 2), (2, 2), *[None] * 3]
    assert re.fullmatch(
        r'tiny: [\d,]+ parameters, 8 videos, 2 epochs of 4 steps; log and checkpoints in work',
        header,
    )
    assert names == 'epoch   loss    cls    loc  sensitivity   ascl       lr      s'
    values = r'(  +\d\.\d{3}){5}  \d\.\de-\d\d  +\d+\.\d'
    assert re.fullmatch(rf'  1/2{values}  eta \d:\d\d:\d\d', first)
    # The first validation is the best so far.
    assert re.fullmatch(rf'  2/2{values}  mAP \d+\.\d \*', second)
    for line in (first, second):  # each number ends where the name of its column does
        assert {x.end() for x in re.finditer(r'\S+', names)} <= {
            x.end() for x in re.finditer(r'\S+', line)
        }
    assert re.fullmatch(r'done in \d:\d\d:\d\d', end)
    assert last == 'last checkpoint: work/epoch_2.pth'
    assert best == 'best checkpoint: work/best_mAP_epoch_2.pth'
    (log,) = (tmp_path / 'work').glob('*/*.log')
    text = log.read_text()
    assert re.search(r'Epoch\(train\) +\[1\]\[4/4\]', text)
    assert 'Hooks will be executed' in text


def test_the_losses_are_means_of_the_epoch(tiny_config, tmp_path, monkeypatch, load_tool, capsys):
    """mmengine logs the mean of the last ``window_size`` steps: here that of each step."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['train.py'])
    options = ['--no-validate', '--cfg-options', 'log_processor.window_size=1']
    load_tool('train').main([str(tiny_config), '--work-dir', 'work', '--epochs', '1', *options])
    (line,) = re.findall(r'^ +1/1 +(\S+)', capsys.readouterr().out, re.MULTILINE)
    (log,) = (tmp_path / 'work').glob('*/*.log')
    values = [float(x) for x in re.findall(r' loss: (\S+)', log.read_text())]
    assert len(values) == 4
    assert float(line) == pytest.approx(sum(values) / 4, abs=1e-3)
