"""tools/analysis/visualize.py and plot_sensitivity.py: pictures, and mistakes in one line."""

import importlib.util
import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from asl_mmaction.models.sensitivity import ClassSensitivity

FOLDER = Path(__file__).parents[2] / 'tools' / 'analysis'
CONFIG = """
model = dict(head=dict(
    num_classes=2, sensitivity=dict(class_level=dict(type='ClassSensitivity', num_loc=2))))
"""
LABELLED = {'label': 'a', 'segment': [1, 2], 'score': 0.9}


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run a tool in a folder with a training of two classes; what it printed, or its one error."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'c.py').write_text(CONFIG)
    state = ClassSensitivity(num_classes=2).state_dict()
    state = {f'head.sensitivity.class_level.{name}': value for name, value in state.items()}
    meta = {'dataset_meta': {'classes': ['a', 'b']}}
    torch.save({'state_dict': state, 'meta': meta}, tmp_path / 'c.pth')
    write('d.json', {'results': {'v': [{'label': 'a', 'segment': [1, 2], 'score': 0.9}]}})
    annotations = [{'label': 'a', 'segment': [1, 2]}]
    write('a.json', {'database': {'v': {'duration': 9, 'annotations': annotations}}})

    def call(name, *arguments):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f'{name}.py')
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        monkeypatch.setattr(sys, 'argv', [name])
        try:
            code = tool.main(list(arguments))
        except SystemExit as end:
            code = end.code
        out, error = capsys.readouterr()
        if code == 0:
            return out
        line = error.splitlines()[-1]  # argparse says before how it is used
        assert line.startswith(name)
        assert code == 2
        assert not list(tmp_path.rglob('*.png'))
        return line

    return call


def write(name, content):
    Path(name).write_text(json.dumps(content))


def test_timelines(run):
    said = run('visualize', 'd.json', 'a.json', '--out', 'out', '--sensitivity', 'c.py', 'c.pth')
    assert said == 'wrote 1 pictures to out\n'
    assert [path.name for path in Path('out').iterdir()] == ['v.png']


@pytest.mark.parametrize(
    ('file', 'content', 'message'),
    [
        (
            'd.json',
            {'results': {'v': [LABELLED, {'segment': [1, 2], 'score': 1}]}},
            "'v': expected",
        ),
        ('d.json', {'results': {'v': 3}}, "d.json: expected 'results' by video but got"),
        ('d.json', {'version': 1}, "expected 'results' by video but got no 'results'"),
        ('a.json', {'version': 1}, "expected an object with a 'database' of videos"),
        (
            'a.json',
            {'database': {'v': {'annotations': []}}},
            "video 'v': expected key 'duration'",
        ),
    ],
)
def test_timelines_of_a_wrong_file(run, file, content, message):
    write(file, content)
    line = run('visualize', 'd.json', 'a.json')
    assert f'{file}: ' in line
    assert message in line


def test_timelines_of_other_classes_or_videos(run):
    assert "expected a video of d.json but got 'w'" in run(
        'visualize', 'd.json', 'a.json', '--videos', 'w'
    )
    annotations = [{'label': 'x', 'segment': [1, 2]}]
    write('a.json', {'database': {'v': {'duration': 9, 'annotations': annotations}}})
    line = run('visualize', 'd.json', 'a.json', '--sensitivity', 'c.py', 'c.pth')
    assert "a.json: video 'v': expected the classes of c.pth but got 'x'" in line


def drawn(folder='out'):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob('*.*'))


def test_timelines_without_annotations(run):
    said = run('visualize', 'd.json', '--out', 'out', '--format', 'svg', 'pdf', 'html')
    assert 'no file says how long 1 of 1 recordings are: these are drawn up to the end' in said
    assert said.endswith('wrote 1 pictures to out\n')
    assert drawn() == ['index.html', 'v.html', 'v.pdf', 'v.svg']
    assert '>v: 1 detection</text>' in Path('out/v.svg').read_text()
    assert '"duration": 2.0' in Path('out/v.html').read_text()
    assert 'href="v.html"' in Path('out/index.html').read_text()


def test_results_that_say_how_long_recordings_are(run):
    """As infer.py writes them; of several, the longest."""
    for name, duration in (('d', 7.5), ('e', 8)):
        content = {'results': {'v': [LABELLED]}, 'videos': {'v': {'duration': duration}}}
        write(f'{name}.json', content)
    said = run('visualize', 'd.json', '--out', 'out', '--format', 'html')
    assert said == 'wrote 1 pictures to out\n'
    assert '"duration": 7.5' in Path('out/v.html').read_text()
    run('visualize', '--results', 'A=d.json', 'B=e.json', '--out', 'out', '--format', 'html')
    assert '"duration": 8.0' in Path('out/v.html').read_text()
    run('visualize', 'd.json', 'a.json', '--out', 'out', '--format', 'html')  # that of the data
    assert '"duration": 9.0' in Path('out/v.html').read_text()
    write('d.json', {'results': {'v': []}, 'videos': {'v': {'duration': 0}}})
    assert "d.json: video 'v': expected a duration > 0 but got 0" in run('visualize', 'd.json')


def test_a_recording_called_index_has_a_page_beside_the_index(run):
    write('d.json', {'results': {name: [LABELLED] for name in ('index', 'index_page')}})
    run('visualize', 'd.json', '--out', 'out', '--format', 'svg', 'html')
    assert drawn() == [
        *('index.html', 'index.svg', 'index_page.html', 'index_page.svg', 'index_page_page.html')
    ]
    for name in ('index', 'index_page'):
        assert f'<h1>{name}</h1>' in Path(f'out/{name}_page.html').read_text()


def test_several_results_and_a_verdict(run):
    write('p.json', {'results': {'v': [{'segment': [1, 2.2], 'score': 0.8}]}})
    rows = [LABELLED, {**LABELLED, 'segment': [4, 5]}]
    write('d.json', {'results': {'v': rows}})
    truth = [{'label': label, 'segment': [1, 2]} for label in 'ba']
    write(
        'a.json',
        {'classes': ['b', 'a'], 'database': {'v': {'duration': 9, 'annotations': truth}}},
    )
    options = ['--results', 'ASL=d.json', 'BMN=p.json', '--out', 'out', '--verdict']
    run('visualize', 'a.json', *options, '--format', 'svg', '--width', '20', '--font', '8')
    text = Path('out/v.svg').read_text()
    said = 'v: 2 ground truths; ASL: 1 correct, 1 wrong, 1 missed; '
    assert f'>{said}BMN: 1 correct, 0 wrong, 1 missed (tIoU 0.5)</text>' in text
    assert '1440pt' in text  # 20 inches
    classes = [text.index(f'>{name}</text>') for name in ('b', 'a', 'any class')]
    assert classes == sorted(classes)  # as the data set has them
    run('visualize', 'a.json', *options, '0.9', '--format', 'svg', '--from', '3', '--to', '10')
    assert '>v: 0 ground truths; ASL: 0 correct, 1 wrong, 0' in Path('out/v.svg').read_text()


def test_pages_play_the_videos_of_a_folder(run):
    Path('clips').mkdir()
    Path('clips/v.mp4').write_bytes(b'film')
    options = ['d.json', '--format', 'html', '--out', 'out', '--video-dir', 'clips']
    run('visualize', *options)
    assert 'src="../clips/v.mp4"' in Path('out/v.html').read_text()
    run('visualize', *options, '--embed')
    assert 'src="data:video/mp4;base64,ZmlsbQ=="' in Path('out/v.html').read_text()
    Path('clips/v.avi').write_bytes(b'film')
    said = 'expected one video clips/v.* but got 2 files of that name'
    assert said in run('visualize', *options)


def test_clicks(run):
    write('k.json', {'database': {'v': [{'time': 3, 'label': None}, {'time': 1.5, 'label': 'a'}]}})
    options = ['d.json', 'a.json', '--clicks', 'k.json', '--out', 'out', '--format', 'svg', 'html']
    assert run('visualize', *options) == 'wrote 1 pictures to out\n'
    said = 'v: 1 ground truth; 1 background click; 1 action click; model: 1 detection'
    assert f'>{said}</text>' in Path('out/v.svg').read_text()
    assert '"kind": "action click"' in Path('out/v.html').read_text()
    write('k.json', {'database': {'v': [{'time': 3, 'label': None}, {'time': 9.5, 'label': 'a'}]}})
    assert 'k.json: 1 of 2 clicks lie outside of their recordings' in run('visualize', *options)
    write('k.json', {'database': {}})
    assert 'k.json: no click lies in any of the 1 recordings' in run('visualize', *options)


@pytest.mark.parametrize(
    ('clicks', 'message'),
    [
        ({'w': []}, "k.json: expected videos of a.json but got 'w'"),
        ({'v': [{'time': 1, 'label': 'x'}]}, "'v': expected a class of a.json but got a click on"),
        ({'v': [{'time': 'x', 'label': None}]}, "k.json: video 'v': expected a time in seconds"),
    ],
)
def test_clicks_that_do_not_fit(run, clicks, message):
    write('k.json', {'database': clicks})
    assert message in run('visualize', 'd.json', 'a.json', '--clicks', 'k.json')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], 'expected detections.json or --results but got neither'),
        (['d.json', 'a.json', '--results', 'A=d.json'], 'or detections.json but got both'),
        (['--results', 'd.json'], "expected --results NAME=FILE, each name once, but got 'd.json'"),
        (['--results', 'A=d.json', 'A=d.json'], "each name once, but got 'A=d.json'"),
        (['d.json', '--verdict'], 'expected an annotation file with --verdict but got none'),
        (['d.json', '--clicks', 'k.json'], 'an annotation file with --clicks but got none'),
        (['d.json', '--embed'], 'expected --video-dir with --embed but got none'),
        (['d.json', 'a.json', '--from', '9'], 'of the 9 s of v but got [9, 9]'),
        (['d.json', 'a.json', '--verdict', '2'], 'tIoU thresholds in (0, 1] but got [2.0]'),
        (['d.json', 'a.json', '--font', '0'], 'a width and a font above 0 but got 10 and 0'),
    ],
)
def test_options_that_do_not_fit(run, options, message):
    assert message in run('visualize', *options)


def test_frames_are_those_of_their_times(run, load_tool):
    with av.open('v.mkv', 'w') as container:
        stream = container.add_stream('ffv1', rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, 'bgr0'
        for index in range(50):
            image = np.full((32, 64, 3), 5 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(stream.encode())
    read_frames = load_tool('analysis/thumbnails').read_frames
    frames = read_frames(Path('v.mkv'), 1.0, 5.0, 4)  # at 1.5, 2.5, 3.5, 4.5 s
    assert [frame.shape for frame in frames] == [(120, 240, 3)] * 4
    assert [np.unique(frame).tolist() for frame in frames] == [[75], [125], [175], [225]]
    frames = read_frames(Path('v.mkv'), 0.0, 9.0, 3)  # the last one at 7.5 s
    assert [np.unique(frame).tolist() for frame in frames] == [[75], [225], [0]]
    run('visualize', 'd.json', '--video-dir', '.', '--out', 'out', '--frames', '3')
    assert drawn() == ['v.png']


def test_gaussians(run):
    write('p.json', {'planted': {'a': 0.25}})
    said = run('plot_sensitivity', 'c.py', 'c.pth', '--planted', 'p.json', '--out', 's.png')
    assert said.startswith('a: cls mu +0.000 sigma 1.000, loc mu -0.500')
    assert Path('s.png').is_file()


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('num_loc=2', 'num_loc=1', 'c.pth are missing, unknown or of another shape'),
        ('num_classes=2', 'num_classes=3', 'expected 3 classes (model.head.num_classes) but got 2'),
        ('head=', 'neck=', 'but got no such entry in the config'),
    ],
)
def test_gaussians_of_another_config(run, old, new, message):
    Path('c.py').write_text(CONFIG.replace(old, new))
    assert message in run('plot_sensitivity', 'c.py', 'c.pth')


def test_frames_need_a_recording(run):
    said = 'expected --recording with --video but got none'
    assert said in run('plot_sensitivity', 'c.py', 'c.pth', '--video', 'v.mp4')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([], 'p.json: expected a non-empty JSON object'),
        ({'classes': []}, "p.json: expected 'planted': class -> moment but got no 'planted'"),
        ({'planted': {'a': 'x'}}, "p.json: expected a moment but got 'x'"),
        ({'planted': {'x': 0}}, "expected planted classes among ('a', 'b') but got ['x']"),
    ],
)
def test_planted_moments_that_are_none(run, content, message):
    write('p.json', content)
    assert message in run('plot_sensitivity', 'c.py', 'c.pth', '--planted', 'p.json')
