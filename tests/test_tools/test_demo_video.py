import re
from pathlib import Path

import numpy as np

from asl_mmaction.datasets.preparation import rendered_videos


def test_it_goes_from_videos_to_a_page(load_tool, tmp_path, monkeypatch, capsys):
    tool = load_tool('demo_video')
    monkeypatch.setattr(rendered_videos, 'SECONDS', (9.0, 12.0))
    monkeypatch.setattr(tool.cv2, 'setNumThreads', lambda count: None)
    options = ['--work-dir', str(tmp_path / 'work'), '--data-root', str(tmp_path / 'data')]
    options += ['--num-train', '4', '--num-test', '2', '--epochs', '6']
    assert tool.main(options) == 0
    said = capsys.readouterr().out
    last = said.splitlines()[-1]
    match = re.fullmatch(r'demo-video: mAP@0\.5 \d+\.\d  avg \d+\.\d  \(\d+ s\)  (.*\.html)', last)
    assert match, last
    page = Path(match[1]).read_text()
    assert 'videos/test_000.mp4' in page
    assert re.search(r'^test_000.mp4: \d+ actions, \d+ found', said, re.M)
    assert np.load(tmp_path / 'data' / 'features' / 'test_001.npy').shape[1] == 48

    # the second time, what is there is taken
    videos = sorted((tmp_path / 'data').rglob('*.*'))
    before = [path.stat().st_mtime_ns for path in videos if path.suffix in ('.mp4', '.npy')]
    assert tool.main([*options, '--epochs', '6']) == 0
    after = [path.stat().st_mtime_ns for path in videos if path.suffix in ('.mp4', '.npy')]
    assert before == after
