import json

import numpy as np
import pytest
from mmaction.registry import MODELS

from asl_mmaction.evaluation import VideoScoreFusion
from asl_mmaction.files.video_scores import read_video_scores

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
    fusion = MODELS.build({'type': 'VideoScoreFusion', 'path': path})
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


def test_equal_products_go_by_detection_then_class(path):
    fusion = VideoScoreFusion(path=path, top_k=2)
    segments, scores, labels = fusion('w', CLASSES, SEGMENTS, np.array([0.5, 0.5]))
    assert len(set(scores.tolist())) == 1
    assert labels.tolist() == [1, 2, 1, 2]
    assert segments[:, 0].tolist() == [0, 0, 20, 20]


def test_no_detections(path):
    segments, scores, labels = VideoScoreFusion(path=path)(
        'v', CLASSES, np.empty((0, 2)), np.empty(0)
    )
    assert segments.shape == (0, 2)
    assert len(scores) == len(labels) == 0


def test_untrimmednet_is_right_about_real_videos(real_data):
    path = real_data('thumos14/uNet_test.npy')
    names, videos = read_video_scores(path)
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


def test_what_the_file_lacks_is_named(path):
    fusion = VideoScoreFusion(path=path)
    with pytest.raises(ValueError, match=r"scores of video 'x' but got 2 videos such as 'v'$"):
        fusion.top_classes('x', CLASSES)
    with pytest.raises(ValueError, match=r"all classes of the dataset but got none of \['fly'\]"):
        fusion.top_classes('v', ['run', 'fly'])
    with pytest.raises(FileNotFoundError, match=r'but got absent\.json, which does not'):
        VideoScoreFusion(path='absent.json').top_classes('v', CLASSES)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match='top_k >= 1 but got 0'):
        VideoScoreFusion(path='a.json', top_k=0)
    with pytest.raises(ValueError, match='top_k of at most 3, the number of classes, but got 4'):
        VideoScoreFusion(path='a.json', top_k=4).top_classes('v', CLASSES)
    with pytest.raises(ValueError, match=r"method to be one of .* but got 'mean'"):
        VideoScoreFusion(path='a.json', method='mean')
