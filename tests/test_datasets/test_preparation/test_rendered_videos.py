import json

import av
import numpy as np
import pytest

from asl_mmaction.datasets.preparation import rendered_videos
from asl_mmaction.datasets.preparation.rendered_videos import (
    CLASSES,
    FPS,
    GROWTH,
    MOMENTS,
    RADIUS,
    make_motion,
    render,
)

VIDEOS = [make_motion(np.random.default_rng(seed)) for seed in range(20)]


def test_a_disc_is_large_during_actions_and_small_between_them():
    for motion, annotations in VIDEOS:
        seconds = (np.arange(len(motion)) + 0.5) / FPS
        inside = np.zeros(len(motion), bool)
        for annotation in annotations:
            start, end = annotation['segment']
            assert 0 < start < end < len(motion) / FPS
            inside |= (seconds > start) & (seconds < end)
            whole = (seconds > start + 0.31) & (seconds < end - 0.31)
            assert motion[whole, 2] == pytest.approx(GROWTH * RADIUS)
        assert (motion[~inside, 2] == RADIUS).all()
        assert (motion[inside, 2] > RADIUS).all()


def test_the_moment_of_a_class_is_where_it_is_planted():
    """There the disc moves fastest, and along the axes of its class."""
    counted = dict.fromkeys(CLASSES, 0)
    for motion, annotations in VIDEOS:
        seconds = (np.arange(len(motion)) + 0.5) / FPS
        speed = np.abs(np.gradient(motion[:, :2], axis=0))
        for annotation in annotations:
            start, end = annotation['segment']
            label = annotation['label']
            counted[label] += 1
            centre = start + (0.5 + MOMENTS[label]) * (end - start)
            near = np.abs(seconds - centre) < 0.4
            far = (np.abs(seconds - centre) > 0.7) & (seconds > start) & (seconds < end)
            moves = speed[near].max(0) > 3 * speed[far].max()
            assert (
                tuple(moves)
                == {
                    'early shake': (True, False),
                    'middle loop': (True, True),
                    'late bounce': (False, True),
                }[label]
            )
    assert min(counted.values()) > 5


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(rendered_videos, 'SECONDS', (9.0, 12.0))


def test_the_videos_show_it(short, tmp_path):
    content = render(tmp_path, num_train=2, num_test=1)
    assert json.loads((tmp_path / 'annotations.json').read_text()) == content
    assert [v['subset'] for v in content['database'].values()] == ['training', 'training', 'test']
    for (name, video), seed in zip(
        content['database'].items(), [(0, 0, 0), (0, 0, 1), (0, 1, 0)], strict=True
    ):
        motion, annotations = make_motion(np.random.default_rng(seed))
        assert video['annotations'] == annotations
        with av.open(str(tmp_path / 'videos' / f'{name}.mp4')) as container:
            assert container.streams.video[0].codec.name == 'h264'  # what browsers play
            frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
        assert len(frames) == len(motion) == video['duration'] * FPS
        for image, (x, y, radius) in zip(frames, motion, strict=True):
            disc = np.ptp(image.astype(float), axis=2) > 40  # in colour, on a grey ground
            rows, columns = np.nonzero(disc)
            assert columns.mean() == pytest.approx(x, abs=1.5)
            assert rows.mean() == pytest.approx(y, abs=1.5)
            assert disc.sum() == pytest.approx(
                np.pi * radius**2, rel=0.3
            )  # colour is at half resolution


def test_what_is_there_is_left_alone(short, tmp_path):
    render(tmp_path, num_train=1, num_test=1)
    path = tmp_path / 'videos' / 'test_000.mp4'
    first = path.read_bytes()
    path.write_bytes(b'mine')
    render(tmp_path, num_train=1, num_test=1)
    assert path.read_bytes() == b'mine'
    render(tmp_path, seed=1, num_train=1, num_test=1)
    render(tmp_path, num_train=1, num_test=1)
    assert path.read_bytes() == first
    with pytest.raises(ValueError, match='at least one video a subset but got 0, 1'):
        render(tmp_path, num_train=0, num_test=1)
