from asl_mmaction.structures.limits import Limits, describe_left_out, describe_limits


def limits(candidates=0, detections=0, max_detections=200):
    return Limits(2000, 200, max_detections, candidates, detections)


def test_one_line_for_all_videos_by_hand():
    videos = {'a': limits(), 'b': limits(detections=7), 'c': limits(detections=1341)}
    assert describe_limits(videos) == (
        'max_per_video=200 left out 1348 detections that score above 0.1 in 2 of 3 videos, the '
        "most (1341) in video 'c'"
    )
    videos['a'] = limits(candidates=5)
    assert describe_limits(videos) == (
        'max_per_video=200 left out 1348 detections that score above 0.1 in 2 of 3 videos, the '
        "most (1341) in video 'c'; pre_nms_topk=2000 left out 5 candidates that score above 0.1 "
        "in 1 of 3 videos, the most (5) in video 'a'"
    )


def test_the_setting_is_named_and_not_what_it_comes_to():
    assert 'max_per_video=200 left' in describe_limits({'a': limits(0, 3, max_detections=5000)})


def test_settings():
    assert limits(max_detections=5000).settings == 'max_per_video=200 and pre_nms_topk=2000'


def test_nothing_to_say():
    assert describe_limits({}) is None
    assert describe_limits({'a': limits(), 'b': None}) is None
    assert describe_left_out('top_k=5', 'proposals', {'a': 0}) is None


def test_videos_of_unknown_limits_do_not_count():
    assert 'in 1 of 1 videos' in describe_limits({'a': limits(1), 'b': None})
