import json
import sys

import av
import numpy as np
import pytest
from torch import nn

from asl_mmaction.files.mistakes import FileMistake, ValueMistake


class Means(nn.Module):
    """The mean colour of a clip."""

    frame_size = (4, 4)

    def forward(self, clips):
        return clips.float().mean((1, 2, 3))


def write_video(path, frames=20):
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = 'yuv420p'
        for number in range(frames):
            image = np.full((32, 32, 3), 5 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, 'rgb24')))
        container.mux(stream.encode(None))


@pytest.fixture(scope='module')
def tool(load_tool):
    return load_tool('data/extract')


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / 'videos'
    folder.mkdir()
    write_video(folder / 'a.mp4')
    write_video(folder / 'day' / 'b.MKV', 30)
    (folder / 'notes.txt').write_text('no video')
    return folder


@pytest.fixture
def run(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool.cv2, 'setNumThreads', lambda count: None)

    def run(*argv):
        settings = ['--backbone', f'{__name__}:Means', '--stride', '2', '--clip-len', '4']
        argv = [*map(str, argv), '--out', str(tmp_path / 'out'), *settings]
        try:
            code = tool.main(argv)
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    monkeypatch.setitem(sys.modules, __name__, sys.modules[Means.__module__])
    return run


def test_a_folder_of_videos(run, videos, tmp_path):
    code, said = run(videos)
    assert code == 0
    lines = said.splitlines()
    assert lines[0].endswith('Means: 3 numbers for each clip of 4 frames (4 seen), every 2 frames')
    assert lines[0].startswith('2 videos; ')
    assert lines[1].startswith('a.mp4  0:02.0  9 steps  ')
    assert lines[2].startswith('b.MKV  0:03.0  14 steps  ')
    assert lines[2].endswith(' frames/s')
    assert lines[3] == f'wrote 2 features into {tmp_path}/out, 0 were there already'
    assert np.load(tmp_path / 'out/a.npy').shape == (9, 3)
    told = json.loads((tmp_path / 'out/day/b.json').read_text())
    assert (told['video'], told['T'], told['feat_stride']) == ('b.MKV', 14, 2)
    code, said = run(videos)
    assert code == 0
    assert said.splitlines()[1:] == [f'wrote 0 features into {tmp_path}/out, 2 were there already']


def test_a_bad_file_does_not_lose_the_others(run, videos, tmp_path):
    (videos / 'c.mp4').write_text('<html>')
    (videos / 'd.mp4').touch()
    code, said = run(videos / '*.mp4', videos / 'day' / 'b.MKV', videos / 'gone.mp4')
    assert code == 1
    assert sorted(path.name for path in (tmp_path / 'out').glob('*.npy')) == ['a.npy', 'b.npy']
    assert said.splitlines()[-5:] == [
        f'wrote 2 features into {tmp_path}/out, 0 were there already',
        '3 could not be done:',
        f"  {videos}/c.mp4: expected a video but got a page of the web: b'<html>'",
        f'  {videos}/d.mp4: expected a video but got an empty file',
        f'  expected a video file but got {videos}/gone.mp4, which does not exist',
    ]


def test_other_settings_replace_what_is_there_only_when_asked(run, videos, tmp_path):
    run(videos / 'a.mp4')
    code, said = run(videos / 'a.mp4', '--fps', '5')
    assert code == 1
    assert 'expected fps 5.0 but it was made with 10.0; it is not replaced' in said
    assert run(videos / 'a.mp4', '--fps', '5', '--overwrite')[0] == 0
    assert len(np.load(tmp_path / 'out/a.npy')) == 4


def test_names(tool, videos):
    found = tool.find_videos([str(videos)])
    assert found == {'a': videos / 'a.mp4', 'day/b': videos / 'day' / 'b.MKV'}
    assert tool.find_videos([str(videos), str(videos / 'a.mp4')]) == found
    assert list(tool.find_videos([str(videos / '**' / '*.MKV')])) == ['b']
    write_video(videos / 'a.mkv')
    with pytest.raises(ValueMistake, match=r'a.mkv and .*a.mp4 are both a$'):
        tool.find_videos([str(videos)])
    (videos / 'other').mkdir()
    with pytest.raises(FileMistake, match=r'expected videos in .*other but got none'):
        tool.find_videos([str(videos / 'other')])


def test_processes_share_the_videos(tool, videos, run, monkeypatch):
    all_videos = tool.find_videos([str(videos)])
    for processes in (1, 2, 3):
        shares = [tool.share(all_videos, rank, processes) for rank in range(processes)]
        assert sum(map(len, shares)) == len(set().union(*shares)) == 2
        assert max(map(len, shares)) == (2 if processes == 1 else 1)
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setenv('WORLD_SIZE', '2')
    code, said = run(videos)
    assert code == 0
    assert said.startswith('1 videos (process 2 of 2); ')


def test_what_the_command_line_lacks(run, videos):
    code, said = run(videos, '--recognizer', 'a.py')
    assert code == 2
    assert 'not allowed with argument' in said
    code, said = run(videos, '--stride', '0')
    assert code == 0  # the last one counts
