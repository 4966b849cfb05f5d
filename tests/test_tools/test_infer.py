"""tools/infer.py: features and videos in, files and pictures out, one bad file among them."""

import json
import re
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from asl_mmaction.apis import TALInferencer, outputs

NETWORK = """
import torch
class Net(torch.nn.Module):
    frame_size = (8, 8)
    def forward(self, clips):  # (N, T, 8, 8, 3) -> (N, 24)
        return clips.float().mean((1, 2)).flatten(1)[:, :24] / 255
"""


@pytest.fixture(scope='module')
def work_dir(tiny_config_text, tmp_path_factory):
    """What a training of an ASL model leaves, which is certain of what it finds."""
    folder = tmp_path_factory.mktemp('work')
    (folder / 'network_of_a_test.py').write_text(NETWORK)
    extractor = "extractor = dict(backbone='network_of_a_test:Net', clip_len=8, stride=4)\n"
    (folder / 'source.py').write_text(tiny_config_text + extractor)
    config = Config.fromfile(folder / 'source.py')
    (folder / 'source.py').unlink()
    (folder / 'work').mkdir()
    config.dump(folder / 'work' / 'my_asl.py')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
    state = model.state_dict()
    state['head.cls_out.bias'] += 4
    classes = ['early', 'late', 'middle', 'x', 'y']
    meta = {'dataset_meta': {'classes': classes}}
    path = folder / 'work' / 'epoch_35.pth'
    torch.save({'meta': meta, 'state_dict': state}, path)
    (folder / 'work' / 'last_checkpoint').write_text(str(path))
    return folder / 'work'


def write_video(path, frames=60):
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = 'yuv420p'
        for number in range(frames):
            image = np.full((32, 32, 3), 4 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, 'rgb24')
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture
def inputs(tmp_path, monkeypatch, work_dir):
    """A folder of two features, of which one is broken, and a video."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(work_dir.parent)
    sys.modules.pop('network_of_a_test', None)
    Path('in').mkdir()
    feature = np.random.default_rng(0).normal(size=(40, 24)).astype(np.float32)
    np.save('in/a.npy', feature)
    Path('in/broken.npy').write_bytes(b'no array')
    write_video('in/kitchen.mp4')
    return Path('in')


@pytest.fixture
def infer(load_tool, capsys):
    def run(*words):
        code = load_tool('infer').main([str(word) for word in words])
        return code, capsys.readouterr().out.splitlines()

    return run


def test_a_bad_file_does_not_lose_the_others(work_dir, inputs, infer):
    out = Path('found')
    code, lines = infer(work_dir, inputs, '--out', out, '--features', 'kept')
    assert code == 1
    assert lines[0] == f'my_asl, 5 classes ({work_dir}/my_asl.py, epoch_35.pth), cpu'
    content = json.loads((out / 'detections.json').read_text())
    assert sorted(content['results']) == ['a', 'kitchen']
    found = content['results']['a']
    assert all(row['score'] >= 0.3 for row in found)
    first = next(line for line in lines if line.startswith('a.npy'))
    # 39 steps of 4 frames and a clip of 8 frames, 10 a second
    assert first.startswith(f'a.npy   0:16.4   {len(found)} actions   ')
    counts = dict(pair.rsplit(' ', 1) for pair in first.split('   ', 3)[3].split('  '))
    assert sum(map(int, counts.values())) == len(found)
    files = ['detections.json', 'detections.csv', 'index.html']
    assert f'wrote {", ".join(f"found/{name}" for name in files)}' in lines
    assert lines[-2] == '1 of 3 could not be read:'
    assert lines[-1] == '  broken.npy'  # the reason is a few lines above
    reason = next(line for line in lines if line.startswith('broken.npy'))
    assert reason.startswith("broken.npy  video 'broken': in/broken.npy: expected")
    made = {path.name for path in out.iterdir()}
    assert made == {*files, '.infer.json', 'a.png', 'a.html', 'kitchen.png', 'kitchen.html'}
    assert '../in/kitchen.mp4' in (out / 'kitchen.html').read_text()
    assert content['videos']['kitchen'] == {'duration': 6.0, 'file': 'in/kitchen.mp4'}
    assert np.load('kept/kitchen.npy').shape == (14, 24)  # (60 - 8) / 4 + 1
    # The same from Python, which keeps no features.
    inferencer = TALInferencer(work_dir, device='cpu')
    again = inferencer(['in/a.npy', 'in/kitchen.mp4'], score_threshold=0.3)['predictions']
    for prediction in again:
        rows = content['results'][prediction['video_name']]
        assert [row['segment'] for row in rows] == [
            row['segment'] for row in prediction['detections']
        ]


def test_an_interrupted_run_goes_on(work_dir, inputs, infer, monkeypatch):
    np.save('in/b.npy', np.load('in/a.npy')[::-1])
    (inputs / 'broken.npy').unlink()
    forward, ran = TALInferencer.forward, []

    def stop_at_the_second(self, batch, **_):
        ran.append(batch['data_samples'][0].video_name)
        if ran[-1] == 'b' and len(ran) == 2:
            raise KeyboardInterrupt
        return forward(self, batch)

    monkeypatch.setattr(TALInferencer, 'forward', stop_at_the_second)
    words = (work_dir, inputs, '--out', 'found', '--draw', 'none', '--format', 'json', 'srt')
    with pytest.raises(KeyboardInterrupt):
        infer(*words)
    assert list(json.loads(Path('found/detections.json').read_text())['results']) == ['a']
    code, lines = infer(*words, '--resume')
    assert code == 0
    assert ran == ['a', 'b', 'b', 'kitchen']
    assert '1 of 3 recordings are there already' in lines
    assert lines[-1] == 'wrote found/detections.json'
    content = json.loads(Path('found/detections.json').read_text())
    assert list(content['results']) == ['a', 'b', 'kitchen']
    for name, rows in content['results'].items():
        assert Path(f'found/{name}.srt').read_text().count('-->') == len(rows) > 0


@pytest.mark.parametrize('where', ['write_html_timeline', 'save_figure', 'write_subtitles'])
def test_a_recording_is_in_the_tables_once_its_own_files_are_there(
    work_dir, inputs, infer, monkeypatch, where
):
    """Interrupted between the files, it would count as done, and the rest never be written."""
    words = (work_dir, 'in/a.npy', '--out', 'found', '--format', 'json', 'srt')

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(outputs, where, stop)
        with pytest.raises(KeyboardInterrupt):
            infer(*words)
    assert not Path('found/detections.json').exists()
    code, _ = infer(*words, '--resume')
    assert code == 0
    for name in ('a.html', 'a.png', 'a.srt', 'index.html', 'detections.json'):
        assert Path('found', name).is_file()


def test_results_of_other_settings_are_not_gone_on_with(work_dir, inputs, infer, capsys):
    """Of the config, though its name and the checkpoint's are the same."""
    words = (work_dir, 'in/a.npy', '--out', 'found', '--draw', 'none')
    assert infer(*words)[0] == 0
    for option in ('model.post_processor.sigma=0.1', 'test_dataloader.dataset.grid.fps=20'):
        with pytest.raises(SystemExit):
            infer(*words, '--resume', '--cfg-options', option)
        assert 'expected results of these settings of the config' in capsys.readouterr().err
    assert infer(*words, '--resume')[0] == 0


def test_config_checkpoint_options_and_a_bundled_name(work_dir, inputs, infer, capsys):
    config, checkpoint = work_dir / 'my_asl.py', work_dir / 'epoch_35.pth'
    words = ('in/a.npy', '--out', 'found', '--draw', 'none', '--top-k', 3)
    assert infer(config, checkpoint, *words)[0] == 0
    content = json.loads(Path('found/detections.json').read_text())
    assert (len(content['results']['a']), content['top_k']) == (3, 3)
    with pytest.raises(SystemExit) as caught:
        infer(config, checkpoint, *words)
    assert caught.value.code == 2
    assert 'expected a folder without detections.json but found has it' in capsys.readouterr().err
    words = (*words, '--overwrite')
    assert infer(config, checkpoint, *words)[0] == 0
    option = 'model.post_processor.max_per_video=2'
    with pytest.raises(SystemExit) as caught:
        infer(config, checkpoint, *words, '--cfg-options', option)
    assert caught.value.code == 2
    assert 'expected top_k of at most 2' in capsys.readouterr().err
    with pytest.raises(SystemExit):  # the bundled one is wider
        infer('asl_demo', checkpoint, *words)
    assert 'expected the weights of this config' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['my_asl.py', 'epoch_35.pth'], 'expected a work dir, or a config and a checkpoint'),
        (['.', 'in'], 'expected the config of a training in . but got none'),
        (['WORK', 'gone.npy'], "video 'gone': expected a feature file but got gone.npy"),
        (['WORK', 'in/*.csv'], 'expected files of the pattern in/*.csv but got none'),
        (['WORK', 'in', '--format', 'txt'], "invalid choice: 'txt'"),
        (['WORK', 'in', '--batch-size', '0'], 'expected batch_size to be a whole number >= 1'),
        (['no.py', 'no.pth', 'in'], 'expected a config file but got no.py'),
    ],
)
def test_a_mistake_is_one_line(work_dir, inputs, infer, capsys, words, message):
    words = [work_dir if word == 'WORK' else word for word in words]
    with pytest.raises(SystemExit) as caught:
        infer(*words, '--out', 'found')
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_video_without_an_extractor(work_dir, inputs, infer, capsys):
    with pytest.raises(SystemExit):
        infer(work_dir, inputs, '--out', 'found', '--cfg-options', 'extractor=None')
    error = capsys.readouterr().err
    assert 'in/kitchen.mp4: expected extractor=dict(recognizer=' in error
    assert error.endswith('but got none; see docs/from_video.md\n')
    # A mistake in the extractor is told once, not for each video.
    for option, message in (
        ('extractor.stride=four', "extractor.stride of type int but got 'four'"),
        (
            'extractor.backbone=no_module:Net',
            "a backbone module:callable to import but got 'no_mod",
        ),
        ('extractor.size=9', "an extractor with keys .* but got 'size'"),
    ):
        with pytest.raises(SystemExit) as caught:
            infer(work_dir, inputs, '--out', 'other', '--draw', 'none', '--cfg-options', option)
        assert caught.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(f'error: extractor in the config: expected {message}', line)
    # Features of another stride than the config says of its grid are one more bad file.
    code, lines = infer(work_dir, inputs, '--out', 'found', '--cfg-options', 'extractor.stride=5')
    assert code == 1
    assert lines[-3] == '2 of 3 could not be read:'
    assert any("kitchen.mp4  video 'kitchen': expected feat_stride 5" in line for line in lines)
