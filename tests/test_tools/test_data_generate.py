import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location(
    'generate_synthetic', ROOT / 'tools/data/synthetic/generate.py'
)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def test_generate(tmp_path, capsys):
    out = tmp_path / 'demo'
    settings = ['--out', str(out), '--seed', '3', '--num-train', '2', '--num-test', '1']
    assert tool.main(settings) == 0
    assert '2 training and 1 test sequences' in capsys.readouterr().out
    content = json.loads((out / 'annotations.json').read_text())
    assert content['version'] == 'synthetic, seed 3'
    subsets = [video['subset'] for video in content['database'].values()]
    assert subsets == ['training', 'training', 'test']
    assert len(list((out / 'features').iterdir())) == 3
    assert tool.main([*settings, '--seed', '4']) == 0
    assert json.loads((out / 'annotations.json').read_text())['version'] == 'synthetic, seed 4'


def test_wrong_settings(tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        tool.main(['--out', str(tmp_path / 'demo'), '--num-test', '0'])
    assert 'error: expected at least one video' in capsys.readouterr().err
    with pytest.raises(SystemExit, match='2'):
        tool.main(['--out', str(tmp_path / 'demo'), '--click-seed', '1'])
    assert 'expected --click-seed with --kind context' in capsys.readouterr().err
    (tmp_path / 'mine.txt').touch()
    with pytest.raises(SystemExit, match='2'):
        tool.main(['--out', str(tmp_path)])
    assert 'error: ' in capsys.readouterr().err
