from fractions import Fraction

import av
import numpy as np
import pytest

from asl_mmaction.extraction.video import Video
from asl_mmaction.files.mistakes import FileMistake, TypeMistake, ValueMistake

from .conftest import picture, read_number, turned, write_video


def numbers(video):
    """What each frame of the constant rate shows."""
    shown = []
    for run in video.pictures():
        assert run.first == len(shown) < run.end
        shown += [read_number(run.image)] * (run.end - run.first)
    assert video.num_frames == len(shown)
    return shown


@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv', 'a.ts', 'a.mov', 'sound.mp4'])
@pytest.mark.parametrize('rate', [Fraction(25), Fraction(30000, 1001)])
def test_frames_of_a_constant_rate_are_the_pictures(name, rate, tmp_path):
    """Also where the container rounds times to 1/1000 s, and where they do not start at 0."""
    times = [Fraction(number) / rate for number in range(60)]
    audio = 'aac' if 'sound' in name else None
    path = write_video(tmp_path / name, times, rate=rate, clock=1 / rate, audio=audio)
    video = Video(path)
    assert numbers(video) == list(range(60))
    assert video.rate == rate or name.endswith('.mkv')
    assert video.fps == pytest.approx(float(rate), rel=1e-3)


def test_a_variable_rate_shows_at_each_time_what_was_recorded_then(tmp_path):
    gaps = np.random.default_rng(0).choice([20, 33, 50, 100, 400], 79) / 1000
    times = np.concatenate([[0], gaps.cumsum()])
    path = write_video(tmp_path / 'a.mp4', times)
    for fps in (None, 10, 25, 50.0):
        video = Video(path, fps=fps)
        shown = numbers(video)
        for k, number in enumerate(shown):
            late = times - (k + 0.5) / video.fps
            certain = np.abs(late).min() > 2e-3  # the clock of the file is no finer
            assert not certain or number == np.flatnonzero(late < 0)[-1]
        assert abs(len(shown) / video.fps - times[-1]) <= 1.5 / video.fps + 0.05


def test_another_rate_repeats_or_drops_frames(plain_video):
    assert numbers(Video(plain_video, fps=50))[:6] == [0, 0, 1, 1, 2, 2]
    assert numbers(Video(plain_video, fps=5)) == [5 * k + 2 for k in range(20)]


def test_a_video_that_starts_after_its_sound_shows_its_first_picture_until_then(tmp_path):
    times = 2 + np.arange(50) / 25
    shown = numbers(Video(write_video(tmp_path / 'a.mkv', times, rate=25, audio='pcm_s16le')))
    assert shown == [0] * 50 + list(range(50))


@pytest.mark.parametrize(
    ('matrix', 'turns'), [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)]
)
def test_a_turned_video_is_upright(matrix, turns, plain_video, tmp_path):
    """A matrix [[a, b], [c, d]] moves the point (x, y) to (ax + cy, bx + dy), y down."""
    run = next(iter(Video(turned(plain_video, tmp_path / 'a.mp4', matrix)).pictures()))
    first = next(iter(Video(plain_video).pictures()))
    np.testing.assert_array_equal(run.image, np.rot90(first.image, turns))


def test_the_image_is_rgb(tmp_path):
    with av.open(str(tmp_path / 'a.mp4'), 'w') as container:
        stream = container.add_stream('libx264', rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, 'yuv420p'
        red = np.zeros((64, 64, 3), np.uint8)
        red[..., 0] = 255
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red, 'rgb24')))
        container.mux(stream.encode(None))
    (run,) = Video(tmp_path / 'a.mp4').pictures()
    assert (run.image[..., 0] > 200).all()
    assert (run.image[..., 1:] < 55).all()


def test_what_is_no_video_is_refused(plain_video, tmp_path):
    (tmp_path / 'empty.mp4').touch()
    (tmp_path / 'page.mp4').write_text('<html>not found</html>')
    (tmp_path / 'noise.mp4').write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / 'half.mp4').write_bytes(plain_video.read_bytes()[:9000])
    for name, found in {
        'empty.mp4': 'an empty file',
        'page.mp4': 'a page of the web',
        'noise.mp4': 'of another kind',
        'half.mp4': 'cut short',
    }.items():
        with pytest.raises(ValueMistake, match=f'{name}: expected a video but got .*{found}'):
            Video(tmp_path / name)
    with pytest.raises(FileMistake, match=r'expected a video file but got .*which is a folder'):
        Video(tmp_path)
    with pytest.raises(FileMistake, match='which does not exist'):
        Video(tmp_path / 'none.mp4')
    with pytest.raises(TypeMistake, match="fps to be a number but got '25'"):
        Video(plain_video, fps='25')
    with pytest.raises(ValueMistake, match='expected fps > 0 but got 0'):
        Video(plain_video, fps=0)


def test_sound_alone_and_the_cover_of_a_song_are_no_video(tmp_path):
    with av.open(str(tmp_path / 'a.m4a'), 'w', format='mp4') as container:
        stream = container.add_stream('aac', rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(ValueMistake, match='expected a video but got a file without pictures'):
        Video(tmp_path / 'a.m4a')


@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv'])
def test_a_file_that_is_cut_short_or_damaged(name, tmp_path):
    options = {'movflags': 'faststart'} if name == 'a.mp4' else {}
    whole = write_video(tmp_path / name, np.arange(100) / 25, rate=25, options=options)
    content = whole.read_bytes()
    short = tmp_path / f'short_{name}'
    short.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueMistake, match=f'short_{name}: expected .* cut short'):
        list(Video(short).pictures())
    damaged = tmp_path / f'damaged_{name}'
    middle = len(content) * 3 // 4
    damaged.write_bytes(content[:middle] + bytes(400) + content[middle + 400 :])
    if name == 'a.mp4':
        with pytest.raises(ValueMistake, match=f'damaged_{name}: expected .* damaged'):
            list(Video(damaged).pictures())
    else:  # FFmpeg finds the next whole part; what was shown before stays until then
        shown = np.array(numbers(Video(damaged)))
        wrong = np.flatnonzero(shown != np.arange(100))
        assert 0 < len(wrong) < 30
        assert (shown[wrong[-1] + 1 :] == np.arange(wrong[-1] + 1, 100)).all()


def test_the_numbers_survive_the_codec():
    """What the tests above stand on."""
    assert [read_number(picture(number)) for number in (0, 5, 4095)] == [0, 5, 4095]
