import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from mmaction.registry import MODELS

from asl_mmaction.datasets.preparation.class_names import THUMOS14
from asl_mmaction.evaluation import VideoScoreFusion
from asl_mmaction.evaluation.video_score_fusion import (
    UCF101_NUMBERS,
    load_video_scores,
)

CLASSES = ['run', 'jump', 'walk']
SEGMENTS = np.array([[0.0, 10.0], [20.0, 30.0]])


@pytest.fixture
def path(tmp_path):
    """Another order than the dataset's, and a class that it has not."""
    content = {
        'class': ['walk', 'swim', 'jump', 'run'],
        'results': {'v': [0.09, 0.9, 0.64, 0.0], 'w': [0.2, 0.0, 0.2, 0.1]},
    }
    path = tmp_path / 'scores.json'
    path.write_text(json.dumps(content))
    return str(path)


def test_by_hand(path):
    fusion = MODELS.build({'type': 'VideoScoreFusion', 'path': path, 'top_k': 2})
    segments, scores, labels = fusion('v', CLASSES, SEGMENTS, np.array([0.25, 0.01]))
    # jump 0.64, walk 0.09, swim is no class: sqrt of 0.16, 0.0225, 0.0064, 0.0009
    np.testing.assert_allclose(scores, [0.4, 0.15, 0.08, 0.03])
    assert labels.tolist() == [1, 2, 1, 2]
    assert segments[:, 0].tolist() == [0, 0, 20, 20]


def test_product_by_hand(path):
    fusion = VideoScoreFusion(path=path, top_k=1, method='product')
    segments, scores, labels = fusion('v', CLASSES, SEGMENTS, np.array([0.5, 1.0]))
    np.testing.assert_allclose(scores, [0.64, 0.32])
    assert labels.tolist() == [1, 1]
    assert segments[:, 0].tolist() == [20, 0]


def test_equal_scores_go_by_label(path):
    labels, scores = VideoScoreFusion(path=path, top_k=3).top_classes('w', CLASSES)
    assert labels.tolist() == [1, 2, 0]
    assert scores.tolist() == [0.2, 0.2, 0.1]


def test_no_detections(path):
    segments, scores, labels = VideoScoreFusion(path=path)(
        'v', CLASSES, np.empty((0, 2)), np.empty(0)
    )
    assert segments.shape == (0, 2)
    assert len(scores) == len(labels) == 0


def test_untrimmednet_rows_and_columns(tmp_path):
    table = np.full((12, 101), 0.01, dtype=np.float32)
    table[6, 22] = 0.5  # test video 7, class 23
    np.save(tmp_path / 'unet.npy', table)
    names, videos = load_video_scores(tmp_path / 'unet.npy')
    assert len(videos) == 12
    scores = videos['video_test_0000007']
    assert names[scores.argmax()] == 'CricketBowling'
    assert scores.max() == pytest.approx(0.5 / 1.5)


def test_untrimmednet_is_right_about_real_videos(real_data):
    path = real_data('thumos14/uNet_test.npy')
    names, videos = load_video_scores(path)
    assert len(videos) == 1574
    database = json.loads(real_data('thumos14/thumos14.json').read_text())['database']
    assert sorted(names) == sorted(
        {found['label'] for video in database.values() for found in video['annotations']}
    )
    fusion = VideoScoreFusion(path=str(path), top_k=1)
    right = []
    for name, video in database.items():
        if video['subset'] == 'Test':
            (label,), (score,) = fusion.top_classes(name, names)
            assert 0 <= score <= 1
            right.append(names[label] in {found['label'] for found in video['annotations']})
    assert len(right) == 212
    assert np.mean(right) > 0.85  # a wrong row or column would leave a twentieth or so


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


def test_what_the_file_lacks_is_named(path):
    fusion = VideoScoreFusion(path=path)
    with pytest.raises(ValueError, match=r"scores of video 'x' but got 2 videos such as 'v'$"):
        fusion.top_classes('x', CLASSES)
    with pytest.raises(ValueError, match=r"all classes of the dataset but got none of \['fly'\]"):
        fusion.top_classes('v', ['run', 'fly'])
    with pytest.raises(FileNotFoundError, match=r'absent\.json: expected a file'):
        VideoScoreFusion(path='absent.json').top_classes('v', CLASSES)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"results": {}}', r"expected {'class': .* but got something else \(KeyError"),
        ('[1, 2]', 'but got something else'),
        ('{', 'but got something else'),
        ('{"class": ["a"], "results": {"v": [1, 2]}}', r"video 'v': expected 1 scores but got"),
        ('{"class": ["a"], "results": {"v": [-1]}}', r"video 'v': expected finite scores >= 0"),
        ('{"class": ["a"], "results": {"v": [NaN]}}', r"video 'v': expected finite scores >= 0"),
        ('{"class": ["a", "a"], "results": {}}', 'expected distinct class names'),
    ],
)
def test_broken_json_is_named(tmp_path, content, message):
    path = tmp_path / 'scores.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        load_video_scores(path)


def test_broken_arrays_are_named(tmp_path):
    np.save(tmp_path / 'narrow.npy', np.zeros((3, 20)))
    with pytest.raises(ValueError, match=r'shape \(videos, 101\) but got float64 \(3, 20\)'):
        load_video_scores(tmp_path / 'narrow.npy')
    (tmp_path / 'text.npy').write_text('no array')
    with pytest.raises(ValueError, match='expected an array of numbers'):
        load_video_scores(tmp_path / 'text.npy')
    with pytest.raises(ValueError, match=r"expected one of \.json, \.npy but got '\.pkl'"):
        load_video_scores('scores.pkl')


def test_a_pickle_is_not_run(tmp_path):
    class Touch:
        def __reduce__(self):
            return (Path.touch, (tmp_path / 'touched',))

    np.save(tmp_path / 'scores.npy', np.array([Touch()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match='expected an array of numbers'):
        load_video_scores(tmp_path / 'scores.npy')
    assert not (tmp_path / 'touched').exists()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match='top_k >= 1 but got 0'):
        VideoScoreFusion(path='a.json', top_k=0)
    with pytest.raises(ValueError, match='top_k of at most 3, the number of classes, but got 4'):
        VideoScoreFusion(path='a.json', top_k=4).top_classes('v', CLASSES)
    with pytest.raises(ValueError, match=r"method to be one of .* but got 'mean'"):
        VideoScoreFusion(path='a.json', method='mean')
