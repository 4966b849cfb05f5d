import json

import pytest

from asl_mmaction.files.results import read_results, write_results

ROWS = {
    'a': [((0.1, 2.0), 0.75, 'WALKING'), ((1 / 3, 4.0), 0.5, 'SITTING')],
    'b': [],
}
READ = {
    'a': [
        {'segment': (0.1, 2.0), 'label': 'WALKING', 'score': 0.75},
        {'segment': (1 / 3, 4.0), 'label': 'SITTING', 'score': 0.5},
    ],
    'b': [],
}


def write(path, results, **more):
    path.write_text(json.dumps({'results': results, **more}))
    return path


def test_what_is_written_is_read_to_the_last_digit(tmp_path):
    path = tmp_path / 'new' / 'detections.json'
    write_results(path, ROWS)
    content = read_results(path)
    assert content == {'version': 'VERSION 1.3', 'results': READ, 'external_data': {}}
    assert list(content['results']['a'][0]) == ['segment', 'label', 'score']
    assert json.loads(path.read_text())['results']['a'][1] == {
        'segment': [1 / 3, 4.0],
        'score': 0.5,
        'label': 'SITTING',
    }


def test_proposals_have_no_label(tmp_path):
    path = tmp_path / 'proposals.json'
    write_results(path, {'a': iter([((0, 1), 0.5)])})
    expected = {'a': [{'segment': (0.0, 1.0), 'score': 0.5}]}
    assert read_results(path, labels=False)['results'] == expected
    assert read_results(path, labels=None)['results'] == expected
    with pytest.raises(
        ValueError,
        match=r"proposals.json: video 'a': expected results of segment, score and label but got no "
        "'label'",
    ):
        read_results(path)


def test_labels_are_left_out_of_proposals(tmp_path):
    write_results(tmp_path / 'x.json', ROWS)
    found = read_results(tmp_path / 'x.json', labels=False)['results']
    assert found['a'][0] == {'segment': (0.1, 2.0), 'score': 0.75}


def test_a_file_with_one_label_is_of_detections(tmp_path):
    items = [{'segment': [0, 1], 'score': 0.5, 'label': 'x'}, {'segment': [1, 2], 'score': 0.5}]
    path = write(tmp_path / 'x.json', {'a': items[:1], 'b': []})
    assert read_results(path, labels=None)['results']['a'][0]['label'] == 'x'
    with pytest.raises(ValueError, match=r"video 'a': expected .* and label but got no 'label'"):
        read_results(write(tmp_path / 'x.json', {'a': items}), labels=None)


def test_the_file_says_that_features_were_made_up(tmp_path):
    write_results(tmp_path / 'x.json', ROWS, simulated=True)
    assert read_results(tmp_path / 'x.json')['simulated'] is True


def test_files_of_others(tmp_path):
    """Numbers may be text, as in CSV; what else a file says is kept, what an item says is not."""
    items = [{'segment': ['0.5', 2], 'score': '0.25', 'label': 'x', 'rank': 1}]
    path = write(tmp_path / 'x.json', {'a': items}, made_by='others')
    content = read_results(path)
    assert content['made_by'] == 'others'
    assert content['results'] == {'a': [{'segment': (0.5, 2.0), 'label': 'x', 'score': 0.25}]}


@pytest.mark.parametrize(
    ('item', 'message'),
    [
        ({'score': 0.5, 'label': 'x'}, "but got no 'segment'"),
        ({'segment': [0, 1], 'label': 'x'}, "but got no 'score'"),
        ({'segment': [0, 1, 2], 'score': 0.5, 'label': 'x'}, 'expected a segment of start and end'),
        ({'segment': [0, 'nan'], 'score': 0.5, 'label': 'x'}, 'expected a segment of start and'),
        ({'segment': [0, 1], 'score': float('inf'), 'label': 'x'}, 'expected a score but got inf'),
        ({'segment': [0, 1], 'score': None, 'label': 'x'}, 'expected a score but got None'),
        ({'segment': [0, 1], 'score': 0.5, 'label': None}, 'the name of a class but got None'),
        ([0, 1, 0.5, 'x'], 'expected results of segment, score and label but got TypeError'),
    ],
)
def test_an_item_of_another_form_names_file_and_video(tmp_path, item, message):
    path = write(tmp_path / 'x.json', {'good': [], 'bad': [item]})
    with pytest.raises(ValueError, match=rf"x\.json: video 'bad': .*{message}"):
        read_results(path)


def test_files_of_another_form(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no\.json, which does not exist'):
        read_results(tmp_path / 'no.json')
    with pytest.raises(ValueError, match=r'x\.json: expected results of videos but got none'):
        read_results(write(tmp_path / 'x.json', {}))
    (tmp_path / 'x.json').write_text('{"database": {}}')
    with pytest.raises(ValueError, match=r"x\.json: expected 'results' by .* no 'results'"):
        read_results(tmp_path / 'x.json')
    with pytest.raises(ValueError, match=r"x\.json: expected 'results' by video but got Attribute"):
        read_results(write(tmp_path / 'x.json', []))


@pytest.mark.parametrize('segment', ['12', {'1': 0, '2': 0}, [3, 1.5], [0, 10**400]])
def test_what_is_no_segment(tmp_path, segment):
    """A text, an object, a start and a length, a number that no float holds."""
    path = write(tmp_path / 'x.json', {'a': [{'segment': segment, 'score': 1, 'label': 'x'}]})
    with pytest.raises(
        ValueError, match=r"x\.json: video 'a': expected a segment of start and end"
    ):
        read_results(path)


def test_results_of_a_video_are_a_list(tmp_path):
    path = write(tmp_path / 'x.json', {'a': {}})
    with pytest.raises(ValueError, match=r"video 'a': expected a list of results but got dict"):
        read_results(path)
