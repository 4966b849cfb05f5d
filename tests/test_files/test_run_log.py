import json

import pytest

from asl_mmaction.files.run_log import read_run_log


def write(folder, start, *lines):
    path = folder / start / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(
        '\n'.join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    )


def step(iteration, epoch, **values):
    return {**values, 'iter': iteration, 'epoch': epoch, 'step': iteration}


def test_moments_are_epochs(tmp_path):
    """Three steps an epoch, of which every second is logged; a validation after each epoch."""
    write(
        tmp_path,
        '20260101_000000',
        step(2, 1, loss=4, note='x'),
        {'HAPT/mAP': 0.25, 'step': 1},
        step(4, 2, loss=3),
        step(6, 2, loss=2),
        {'HAPT/mAP': 0.5, 'step': 2},
    )
    log = read_run_log(tmp_path)
    assert set(log) == {'loss', 'HAPT/mAP'}
    assert log['loss'].epochs.tolist() == [2 / 3, 4 / 3, 2]
    assert log['loss'].values.tolist() == [4, 3, 2]
    assert log['HAPT/mAP'].epochs.tolist() == [1, 2]
    assert log['HAPT/mAP'].values.tolist() == [0.25, 0.5]


def test_a_resumed_run_is_one(tmp_path):
    write(tmp_path, '20260101_000000', step(2, 1, loss=4), step(4, 2, loss=3), '{"loss": 2, "it')
    write(tmp_path, '20260101_000500', step(4, 2, loss=5), step(6, 3, loss=1))
    log = read_run_log(tmp_path)
    assert log['loss'].epochs.tolist() == [1, 2, 3]
    assert log['loss'].values.tolist() == [4, 5, 1]


def test_what_is_no_log(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'expected the log of a run, .* but got none'):
        read_run_log(tmp_path)
    write(tmp_path, 'a', '{"loss"', step(1, 1, loss=1))
    with pytest.raises(ValueError, match=r'scalars.json: line 1: expected a JSON object'):
        read_run_log(tmp_path)
    write(tmp_path, 'b', {'loss': 1}, step(1, 1, loss=1))
    (tmp_path / 'a/vis_data/scalars.json').unlink()
    with pytest.raises(ValueError, match=r'line 1: expected a step but got none'):
        read_run_log(tmp_path)
