import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from asl_mmaction.datasets.preparation.class_names import THUMOS14
from asl_mmaction.files.video_scores import UCF101_NUMBERS, read_video_scores


def test_untrimmednet_rows_and_columns(tmp_path):
    table = np.full((12, 101), 0.01, dtype=np.float32)
    table[6, 22] = 0.5  # test video 7, class 23
    table[3] = 0
    np.save(tmp_path / 'unet.npy', table)
    names, videos = read_video_scores(tmp_path / 'unet.npy')
    assert len(videos) == 12
    scores = videos['video_test_0000007']
    assert names[scores.argmax()] == 'CricketBowling'
    assert scores.max() == pytest.approx(0.5 / 1.5)
    assert not videos['video_test_0000004'].any()


def test_the_numbers_are_ucf101s():
    """The lines of its ``classInd.txt`` that name a class of THUMOS14."""
    assert tuple(UCF101_NUMBERS) == THUMOS14
    text = ''.join(f'{number} {name}\n' for name, number in UCF101_NUMBERS.items())
    digest = 'a4a87f3b2b84ae54669431ca16c7cac0f4e1982fd8230cf0b961f4d1ed7d8073'
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_a_class_has_the_column_that_its_videos_score_highest(real_data):
    scores = np.load(real_data('thumos14/uNet_test.npy'))
    database = json.loads(real_data('thumos14/thumos14.json').read_text())['database']
    rows = {name: [] for name in UCF101_NUMBERS}
    for name, video in database.items():
        if video['subset'] == 'Test':
            for label in {found['label'] for found in video['annotations']}:
                rows[label].append(int(name.rpartition('_')[2]) - 1)
    best = {label: int(scores[found].mean(0).argmax()) + 1 for label, found in rows.items()}
    # Where a ball is hit it was bowled, which the classifier sees better.
    assert best == UCF101_NUMBERS | {'CricketShot': 23}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"results": {}}', r"expected {'class': .* but got no 'class'"),
        ('[1, 2]', r"expected {'class': .* but got TypeError"),
        ('{', r'scores.json: expected JSON but got'),
        ('{"class": ["a"], "results": {"v": [1, 2]}}', r"video 'v': expected 1 scores but got"),
        ('{"class": ["a"], "results": {"v": [[1, 2]]}}', r'1 scores but got \(1, 2\)'),
        ('{"class": ["a"], "results": {"v": [-1]}}', r"video 'v': expected finite scores >= 0"),
        ('{"class": ["a"], "results": {"v": [Infinity]}}', r"'v': expected finite scores >= 0"),
        ('{"class": ["a"], "results": {"v": [NaN]}}', r"video 'v': expected finite scores >= 0"),
        ('{"class": ["a", "a"], "results": {}}', 'expected distinct class names'),
    ],
)
def test_broken_json_is_named(tmp_path, content, message):
    path = tmp_path / 'scores.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_video_scores(path)


def test_broken_arrays_are_named(tmp_path):
    np.save(tmp_path / 'narrow.npy', np.zeros((3, 20)))
    with pytest.raises(ValueError, match=r'shape \(videos, 101\) but got float64 \(3, 20\)'):
        read_video_scores(tmp_path / 'narrow.npy')
    np.save(tmp_path / 'names.npy', np.full((3, 101), 'a'))
    with pytest.raises(ValueError, match=r'expected floats of shape .* but got <U1 \(3, 101\)'):
        read_video_scores(tmp_path / 'names.npy')
    for text in ('no array', ''):
        (tmp_path / 'text.npy').write_text(text)
        with pytest.raises(ValueError, match='expected an array of numbers'):
            read_video_scores(tmp_path / 'text.npy')
    with pytest.raises(FileNotFoundError, match='expected a file of video scores but got'):
        read_video_scores(tmp_path / 'none.npy')
    with pytest.raises(ValueError, match=r"expected one of \.json, \.npy but got '\.pkl'"):
        read_video_scores('scores.pkl')


def test_a_pickle_is_not_run(tmp_path):
    class Touch:
        def __reduce__(self):
            return (Path.touch, (tmp_path / 'touched',))

    np.save(tmp_path / 'scores.npy', np.array([Touch()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match='expected an array of numbers'):
        read_video_scores(tmp_path / 'scores.npy')
    assert not (tmp_path / 'touched').exists()
