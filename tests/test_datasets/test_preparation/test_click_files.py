"""Click files of other projects: forms, rules, and the counts of the real ones."""

import json

import numpy as np
import pytest

from asl_mmaction.datasets.preparation.click_files import (
    clean_clicks,
    count_inside,
    read_foreign_clicks,
)
from asl_mmaction.files.clicks import Click

CONTENT = {
    'classes': ['GolfSwing', 'Diving'],
    'database': {
        'video_0000051': {
            'duration': 100.0,
            'annotations': [{'segment': [10.0, 20.0], 'label': 'Diving'}],
        },
        'video_0000052': {'duration': 50.0, 'annotations': []},
    },
}
BACKGROUND = (
    '\ufeffURLID,URL,TagID,Tag,Start,End,Time,State\n'
    'video_0000051,v.mp4,20,background_background,12.5,12.5,1,1\n'
    '\n'
    'video_0000051,v.mp4,20,background_background,5,9,4,1\n'
)


def read(tmp_path, text, fps=None, classes=(), encoding='utf-8'):
    path = tmp_path / 'clicks.txt'
    path.write_bytes(text.encode(encoding))
    return list(read_foreign_clicks(path, fps, classes))


def test_background_clicks_with_a_byte_order_mark(tmp_path):
    rows = read(tmp_path, BACKGROUND)
    assert [row[1:] for row in rows] == [
        ('video_0000051', Click(12.5, None)),
        ('video_0000051', Click(5.0, None)),
    ]
    assert rows[1][0].endswith('clicks.txt:4')


def test_single_frames_with_blank_lines(tmp_path):
    rows = read(tmp_path, 'video_0000051,68.9,GolfSwing\n\nvideo_0000052, 1.5 , Diving\n\n')
    assert [row[1:] for row in rows] == [
        ('video_0000051', Click(68.9, 'GolfSwing')),
        ('video_0000052', Click(1.5, ' Diving')),
    ]


def test_answers_and_what_was_not_answered(tmp_path):
    header = 'video,time,class,probability,probability of background,label\n'
    rows = 'video_0000051,15.5,Diving,0.5,0.4, Diving\nvideo_0000051,30,Diving,0.4,0.4,background\n'
    found = read(tmp_path, header + rows + 'video_0000052,3,Diving,0.4,0.4,\n')
    clicks, counts = clean_clicks(found, CONTENT)
    assert clicks == {'video_0000051': [Click(15.5, 'Diving'), Click(30.0, None)]}
    assert counts['not answered'] == 1


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_lines_may_end_in_any_way(tmp_path, end):
    text = f'video,time,label{end}"a{end}b\x85",1,{end}{end}"c, d",2,run{end}'
    found = read(tmp_path, text)
    # What is quoted is the name of a video, whatever there is in it.
    assert [row[1:] for row in found] == [
        (f'a{end}b', Click(1.0, '')),  # without the blank around it
        ('c, d', Click(2.0, 'run')),
    ]
    assert found[1][0].endswith('clicks.txt:5')


@pytest.mark.parametrize('encoding', ['utf-16', 'utf-16-le', 'latin-1'])
def test_another_encoding_is_refused(tmp_path, encoding):
    text = 'video,time,label\ncaf\xe9,1,run\n'
    with pytest.raises(ValueError, match=r'clicks.txt: expected a text file of clicks in UTF-8'):
        read(tmp_path, text, encoding=encoding)


def test_a_class_that_is_called_as_an_answer_is_refused(tmp_path):
    answers, frames = 'video,time,label\nv,1,run\n', 'v,1,Background\n'
    with pytest.raises(ValueError, match="expected classes that differ from the answer 'backg"):
        read(tmp_path, answers, classes=['run', 'Background'])
    assert len(read(tmp_path, answers, classes=['run'])) == 1
    found = read(tmp_path, frames, classes=['run', 'Background'])  # here it can be none but this
    assert found[0][2] == Click(1.0, 'Background')


@pytest.mark.parametrize('fps', [25.0, {'v': 25}])
def test_points_are_frames_and_their_segments_are_not_read(tmp_path, fps):
    text = 'class,start_frame,stop_frame,video_id,point\ntake,18.0,nonsense,v,50\n'
    assert [row[1:] for row in read(tmp_path, text, fps)] == [('v', Click(2.0, 'take'))]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', r'expected columns URLID, Start, columns .* but got \[\]'),
        ('a,b\n', r"expected columns .* but got \['a', 'b'\]"),
        ('v,12.5\n', 'expected columns'),
        ('v,x,Diving\n', r'clicks.txt:1: expected a time in seconds but got .x.'),
        ('v,nan,Diving\n', 'expected a time in seconds'),
        ('v,1_0,Diving\n', "expected a time in seconds but got '1_0'"),
        ('v,1,Diving\nv,1\n', 'clicks.txt:2: expected 3 values but got'),
        ('class,video_id,point\na,v,3\n', "clicks.txt:2: expected the fps of video 'v'"),
    ],
)
def test_another_form_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, text)
    assert '\n' not in str(caught.value)


def test_every_rule_is_counted():
    rows = [
        ('f:1', 'video_0000051', Click(30.0, None)),
        ('f:2', 'deo_0000051', Click(15.0, None)),  # the name lacks its start
        ('f:3', 'video_0000051', Click(15.0, ' Diving')),
        ('f:4', 'video_0000051', Click(30.0, None)),  # again
        ('f:5', 'video_0000052', Click(50.5, None)),  # behind the end
        ('f:6', 'video_0000052', Click(-0.1, None)),
        ('f:7', 'video_0000053', Click(1.0, None)),  # unknown
        ('f:8', '005', Click(1.0, None)),  # the end of no name
        ('f:9', '', Click(1.0, None)),
    ]
    clicks, counts = clean_clicks(rows, CONTENT)
    assert clicks == {
        'video_0000051': [Click(15.0, None), Click(15.0, 'Diving'), Click(30.0, None)]
    }
    assert counts == {
        'clicks in the source': 9,
        'class names with blanks': 1,
        'names that lack their start': 1,
        'given twice': 1,
        'outside the video': 2,
        'of unknown videos': 3,
        'clicks': 3,
        'videos': 1,
        'background clicks inside an action': 1,
    }
    assert count_inside(clicks, CONTENT['database']) == 1


def test_background_clicks_inside_an_action_by_a_slow_loop():
    draw = np.random.default_rng(0).integers
    for _ in range(20):
        segments = np.sort(draw(0, 30, (int(draw(0, 6)), 2)), axis=1).tolist()
        times = draw(0, 30, 40).tolist()
        clicks = {'v': [Click(float(t), None) for t in times] + [Click(3.0, 'a')]}
        items = [{'segment': segment} for segment in segments]
        inside = sum(any(start <= t <= end for start, end in segments) for t in times)
        assert count_inside(clicks, {'v': {'annotations': items}}) == inside


def test_a_name_in_another_normal_form_is_that_of_the_video(tmp_path):
    content = {'classes': [], 'database': {'caf\xe9': {'duration': 9.0, 'annotations': []}}}
    clicks, counts = clean_clicks([('f:1', 'cafe\u0301', Click(1.0, None))], content)
    assert clicks == {'caf\xe9': [Click(1.0, None)]}
    assert counts['names in another Unicode normal form'] == 1
    text = 'class,video_id,point\na,cafe\u0301,3\n'
    with pytest.raises(ValueError, match=r'but got none; .* in another Unicode normal form'):
        read(tmp_path, text, {'caf\xe9': 25})


@pytest.mark.parametrize('delimiter', [';', '\t'])
def test_what_a_spreadsheet_makes_of_the_list(tmp_path, delimiter):
    text = 'video,time,class,label\nvideo_0000051,15.5,Diving,Background\n'
    rows = read(tmp_path, text.replace(',', delimiter))
    assert [row[1:] for row in rows] == [('video_0000051', Click(15.5, None))]
    with pytest.raises(ValueError, match=r"clicks.txt:2: expected a time in seconds .* '15,5'"):
        read(tmp_path, text.replace(',', ';').replace('15.5', '15,5'))


def test_an_unknown_class_is_an_error():
    rows = [('f:3', 'video_0000051', Click(1.0, 'golfswing'))]
    with pytest.raises(
        ValueError, match=r"f:3: expected one of 2 .* 'golfswing', which is 'GolfSwing'"
    ):
        clean_clicks(rows, CONTENT)
    assert clean_clicks(rows)[0] == {'video_0000051': [Click(1.0, 'golfswing')]}


@pytest.fixture
def thumos14(real_data):
    content = json.loads(real_data('clicks/thumos14/gt/backtal_gt_thumos14.json').read_text())
    labels = {x['label'] for v in content['database'].values() for x in v['annotations']}
    return {**content, 'classes': sorted(labels)}


@pytest.mark.parametrize(
    ('annotator', 'clicks', 'videos', 'inside'),
    [('A1', 2264, 200, 175), ('A2', 2323, 199, 52), ('A3', 2344, 199, 175)],
)
def test_real_background_clicks(real_data, thumos14, annotator, clicks, videos, inside):
    name = f'THUMOS14_Background-Click-Annotation_{annotator}.txt'
    path = real_data(f'clicks/thumos14/background_clicks/{name}')
    found, counts = clean_clicks(read_foreign_clicks(path), thumos14)
    assert (counts['clicks'], counts['videos']) == (clicks, videos)
    assert counts['background clicks inside an action'] == inside
    assert sum(map(len, found.values())) == clicks
    assert counts['of unknown videos'] == counts['outside the video'] == 0


@pytest.mark.parametrize(
    ('name', 'clicks', 'other'),
    [
        ('THUMOS1', 2980, {}),
        ('THUMOS2', 2920, {'names that lack their start': 1}),
        ('THUMOS3', 3014, {'class names with blanks': 11}),
        ('THUMOS4', 2986, {}),
    ],
)
def test_real_action_clicks(real_data, thumos14, name, clicks, other):
    path = real_data(f'clicks/thumos14/action_clicks/{name}.txt')
    _, counts = clean_clicks(read_foreign_clicks(path), thumos14)
    assert counts['clicks'] == counts['clicks in the source'] == clicks
    for what in ('names that lack their start', 'class names with blanks'):
        assert counts[what] == other.get(what, 0)


@pytest.mark.parametrize(
    ('folder', 'counts', 'videos', 'classes'),
    [('beoid', (589, 602, 604, 599), 46, 34), ('gtea', (369, 367, 377, 367), 21, 7)],
)
def test_real_action_clicks_without_annotations(real_data, folder, counts, videos, classes):
    for number, count in enumerate(counts, 1):
        path = real_data(f'clicks/{folder}/{folder.upper()}{number}.txt')
        clicks, found = clean_clicks(read_foreign_clicks(path))
        assert (found['clicks'], found['videos']) == (count, videos)
        assert len({click.label for some in clicks.values() for click in some}) == classes


def test_real_points_with_frame_rates(real_data, thumos14):
    folder = real_data('clicks/thumos14/action_points_gaussian')
    fps = json.loads((folder / 'fps_dict.json').read_text())
    _, counts = clean_clicks(read_foreign_clicks(folder / 'point_labels.csv', fps), thumos14)
    assert (counts['clicks'], counts['videos']) == (3003, 200)
