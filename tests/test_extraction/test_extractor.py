import hashlib
import multiprocessing
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from asl_mmaction.extraction.extractor import FeatureExtractor, build_extractor
from asl_mmaction.extraction.networks import AnyNetwork
from asl_mmaction.files.features import read_feature
from asl_mmaction.files.mistakes import FileExistsMistake, FileMistake, TypeMistake, ValueMistake
from asl_mmaction.files.sidecar import read_sidecar
from asl_mmaction.structures.feature_grid import FeatureGrid

from .conftest import BITS, BLOCK, RECOGNIZERS, read_number, write_video


class Reader(nn.Module):
    """Reads the numbers of the frames: what a clip's feature is made of, to be seen in it."""

    frame_size = (48, 192)

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, clips):
        return torch.tensor([[float(read_number(f)) for f in clip] for clip in clips.numpy()])


class FramewiseReader(AnyNetwork):
    framewise = True


@pytest.fixture
def extractor(monkeypatch):
    """Function: one whose features are the numbers of the frames that a clip sees."""

    def build(framewise=False, **settings):
        kind = FramewiseReader if framewise else AnyNetwork
        settings = {'clip_len': 8, 'stride': 4, 'frame_interval': 2, 'batch_size': 4} | settings
        return FeatureExtractor(kind(f'{__name__}:Reader'), device='cpu', **settings)

    monkeypatch.setitem(sys.modules, __name__, sys.modules[Reader.__module__])
    return build


def test_the_frames_of_each_step(extractor, plain_video):
    feature, told = extractor().extract(plain_video)
    expected = [[4 * t, 4 * t + 2, 4 * t + 4, 4 * t + 6] for t in range(24)]
    assert feature.tolist() == expected
    assert (told['T'], told['dim'], told['frames']) == (24, 4, 100)
    # the mean of the same frames, each read by itself
    feature, _ = extractor(framewise=True).extract(plain_video)
    assert feature.tolist() == [[4.0 * t + 3] for t in range(24)]


def test_a_step_stands_at_the_time_that_the_grid_says(extractor, plain_video):
    """What was shown at t seconds carries the number 25 t."""
    for settings in ({}, {'fps': 50.0}, {'fps': 12.5, 'frame_interval': 1}):
        feature, told = extractor(**settings).extract(plain_video)
        grid = FeatureGrid(told['fps'], told['feat_stride'], told['clip_len'])
        assert grid.num_steps(told['duration']) == len(feature)
        # of the frame k / 25 .. (k + 1) / 25, the middle
        shown = (feature.mean(1) + 0.5) / 25
        np.testing.assert_allclose(shown, grid.to_seconds(np.arange(len(feature))), atol=1 / 25)


def test_a_video_shorter_than_a_clip_is_one_step(extractor, tmp_path):
    path = write_video(tmp_path / 'a.mp4', np.arange(3) / 25, rate=25)
    feature, told = extractor().extract(path)
    assert feature.tolist() == [[0, 2, 2, 2]]
    assert (told['T'], told['frames'], told['duration']) == (1, 3, 0.12)
    assert extractor(framewise=True).extract(path)[0].tolist() == [[1.5]]


def test_the_file_and_what_lies_beside_it(extractor, plain_video, tmp_path):
    build = extractor
    feature, told = build().extract(plain_video)
    out = tmp_path / 'sub' / 'plain.npy'
    assert build().write(plain_video, out) == told == read_sidecar(out)
    assert sorted(path.name for path in out.parent.iterdir()) == ['plain.json', 'plain.npy']
    np.testing.assert_array_equal(read_feature(str(out)), feature)
    assert told == {
        'fps': 25.0,
        'feat_stride': 4,
        'clip_len': 8,
        'frame_interval': 2,
        'dim': 4,
        'pipeline': [{'type': 'Resize', 'scale': [192, 48]}],
        'weights_sha256': hashlib.sha256(b'weight torch.float32 (1,)\n' + bytes(4)).hexdigest(),
        'T': 24,
        'frames': 100,
        'duration': 4.0,
        'video': 'plain.mp4',
        'video_bytes': plain_video.stat().st_size,
        'recognizer': f'{__name__}:Reader',
        'checkpoint': None,
    }
    # what is there stays, by these settings
    before = out.stat().st_mtime_ns
    assert build().write(plain_video, out) is None
    assert build(batch_size=1).write(plain_video, out) is None
    assert out.stat().st_mtime_ns == before


def test_what_was_made_otherwise_is_not_replaced_unasked(extractor, plain_video, tmp_path):
    out = tmp_path / 'plain.npy'
    extractor().write(plain_video, out)
    with pytest.raises(FileExistsMistake, match=r'plain.npy: expected feat_stride 2 but it was m'):
        extractor(stride=2).write(plain_video, out)
    with pytest.raises(FileExistsMistake, match=r'expected fps 10.0 but it was made with 25.0'):
        extractor(fps=10).write(plain_video, out)
    other = write_video(tmp_path / 'plain.mp4', np.arange(50) / 25, rate=25)
    with pytest.raises(FileExistsMistake, match=r'expected video_bytes \d+ but it was made with'):
        extractor().write(other, out)
    assert extractor(stride=2).write(plain_video, out, overwrite=True)['T'] == 47
    assert len(np.load(out)) == 47
    out.with_suffix('.json').unlink()
    with pytest.raises(FileExistsMistake, match='no such file, or one with a sidecar, but it'):
        extractor(stride=2).write(plain_video, out)


def test_a_video_that_is_broken_leaves_no_feature(extractor, tmp_path):
    options = {'movflags': 'faststart'}
    whole = write_video(tmp_path / 'a.mp4', np.arange(200) / 25, rate=25, options=options)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for framewise in (False, True):
        with pytest.raises(ValueMistake, match='cut short'):
            extractor(framewise=framewise).write(whole, tmp_path / 'a.npy')
    assert not (tmp_path / 'a.npy').exists()
    assert not (tmp_path / 'a.json').exists()
    with pytest.raises(FileMistake, match='does not exist'):
        extractor().write(tmp_path / 'b.mp4', tmp_path / 'b.npy')


class Interrupted(Exception):
    pass


@pytest.mark.parametrize('framewise', [False, True])
@pytest.mark.parametrize('stop', [1, 2, 5, 6])
def test_what_was_begun_goes_on(framewise, stop, extractor, plain_video, tmp_path):
    expected, _ = extractor(framewise).extract(plain_video)
    out = tmp_path / 'plain.npy'
    seen = []

    def interrupt(frames, total):
        assert total == 100
        seen.append(frames)
        if len(seen) == stop + 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        extractor(framewise).write(plain_video, out, progress=interrupt)
    assert not out.exists()
    (part,) = tmp_path.iterdir()
    part.write_bytes(part.read_bytes()[:-3])  # a power cut in the middle of a row
    again = []
    extractor(framewise).write(
        plain_video, out, progress=lambda frames, total: again.append(frames)
    )
    assert again[0] == 16 * (stop - 1)  # whole batches
    assert again[-1] == 96
    np.testing.assert_array_equal(np.load(out), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['plain.json', 'plain.npy']


def test_what_was_begun_otherwise_is_not_gone_on_with(extractor, plain_video, tmp_path):
    def interrupt(frames, total):
        if frames:
            raise Interrupted

    with pytest.raises(Interrupted):
        extractor().write(plain_video, tmp_path / 'a.npy', progress=interrupt)
    extractor(stride=8).write(plain_video, tmp_path / 'a.npy')
    assert np.load(tmp_path / 'a.npy')[:, 0].tolist() == list(range(0, 93, 8))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.json', 'a.npy']


def test_two_that_write_one_file(extractor, plain_video, tmp_path):
    def second(frames, total):
        with pytest.raises(FileExistsMistake, match='expected a file that nobody writes but anoth'):
            extractor().write(plain_video, tmp_path / 'a.npy')

    extractor().write(plain_video, tmp_path / 'a.npy', progress=second)


def test_killed_and_started_again(extractor, plain_video, tmp_path):
    settings = {'batch_size': 1, 'stride': 2}

    def write():
        extractor(**settings).write(
            plain_video, tmp_path / 'a.npy', progress=lambda *_: time.sleep(0.05)
        )

    process = multiprocessing.get_context('fork').Process(target=write)
    process.start()
    header, row = 128, 4 * 4
    while not (parts := list(tmp_path.iterdir())) or parts[0].stat().st_size < header + 5 * row:
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join()
    assert [path.name for path in tmp_path.iterdir()] == [parts[0].name]
    before = parts[0].read_bytes()[header:]
    assert len(before) < 40 * row
    done = []
    extractor(**settings).write(
        plain_video, tmp_path / 'a.npy', progress=lambda frames, _: done.append(frames)
    )
    assert done[0] == len(before) // row * 2
    np.testing.assert_array_equal(
        np.load(tmp_path / 'a.npy'), extractor(**settings).extract(plain_video)[0]
    )


def test_the_extractor_of_a_config(tmp_path, plain_video):
    path = tmp_path / 'recognizer.py'
    RECOGNIZERS['videomae']().dump(path)
    extractor = build_extractor({'recognizer': str(path), 'stride': 4, 'clip_len': 16})
    assert extractor.settings()['frame_interval'] == 2
    assert extractor.extract(plain_video)[1]['recognizer'] == str(path)
    for settings, words in (
        ({'recognizer': 'a.py', 'stride': 1, 'clip': 4}, "with keys .* but got 'clip'"),
        ({'recognizer': 'a.py'}, 'with a stride and either .* but got recognizer$'),
        ({'recognizer': 'a', 'backbone': 'b', 'stride': 1}, 'either a recognizer or a backbone'),
        ({}, 'but got nothing'),
        (
            {'backbone': 'b:c', 'checkpoint': 'd', 'stride': 1},
            'brings all of its own but got check',
        ),
    ):
        with pytest.raises(ValueMistake, match=words):
            build_extractor(settings)
    for wrong, words in (
        ({'stride': '4'}, r"extractor\.stride of type int but got '4'"),
        ({'stride': 4, 'batch_size': True}, r'extractor\.batch_size of type int but got True'),
        ({'stride': 4, 'fps': '25'}, r"extractor\.fps of type int or float but got '25'"),
        ({'stride': 4, 'center_crop': 'no'}, r"extractor\.center_crop of type bool but got 'no'"),
        ({'recognizer': 5, 'stride': 4}, r'extractor\.recognizer of type str or .* but got 5'),
    ):
        with pytest.raises(TypeMistake, match=f'expected {words}'):
            build_extractor({'recognizer': str(path), **wrong})
    for key, words in (('batch_size', 'batch_size >= 1'), ('fps', r'extractor\.fps > 0')):
        with pytest.raises(ValueMistake, match=f'expected {words} but got 0'):
            build_extractor({'recognizer': str(path), 'stride': 4, key: 0})
    same = {'recognizer': str(path), 'stride': 4, 'clip_len': 16, 'fps': None, 'checkpoint': None}
    assert build_extractor(same).settings() == extractor.settings()


def test_the_numbers_fit_into_the_frame():
    assert Reader.frame_size == (48, BITS * BLOCK)
