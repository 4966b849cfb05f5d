"""The converters of the benchmarks: small samples by hand, and the real files where they are."""

import importlib.util
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from asl_mmaction.datasets.preparation.class_names import MULTITHUMOS, THUMOS14

ROOT = Path(__file__).resolve().parents[2]


def tool(name):
    spec = importlib.util.spec_from_file_location(
        f'prepare_{name}', ROOT / f'tools/data/{name}/prepare.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def prepare(tmp_path, capsys):
    """Run a converter; the content it wrote, or the error it printed."""

    def run(name, *argv, file='annotations.json'):
        try:
            code = tool(name).main([*map(str, argv), '--out', str(tmp_path / 'out')])
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        if code:
            assert code == 2
            assert captured.err.count('\n') == 1
            assert not (tmp_path / 'out').exists()
            return captured.err
        content = json.loads((tmp_path / 'out' / file).read_text())
        check_schema(content)
        return content

    return run


def check_schema(content):
    """What TALDataset needs, and that the counts are those of the content."""
    seen = defaultdict(Counter)
    for video in content['database'].values():
        seen[video['subset']]['videos'] += 1
        seen[video['subset']]['segments'] += len(video['annotations'])
        for item in video['annotations']:
            assert content['classes'][item['label_id']] == item['label']
            start, end = item['segment']
            assert start <= end
            assert content['conversion']['as_published'] or 0 <= start < end <= video['duration']
    for subset, found in seen.items():
        counts = content['conversion']['counts'][subset]
        assert counts['videos'] == found['videos']
        assert counts.get('segments', 0) == found['segments']


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


def actions(content, video):
    return [(*item['segment'], item['label']) for item in content['database'][video]['annotations']]


def counts(content):
    return content['conversion']['counts']


# THUMOS14


def test_thumos14_json(prepare, tmp_path):
    def video(subset, *items):
        annotations = [{'segment': [a, b], 'label': label} for a, b, label in items]
        return {'subset': subset, 'duration': 20.0, 'fps': 30, 'annotations': annotations}

    both = [(1, 2, 'CliffDiving'), (1, 2, 'Diving'), (5, 6, 'Ambiguous')]
    database = {
        'video_validation_0000001': video('Validation', *both),
        'video_test_0000002': video('Test', (25, 26, 'Diving'), (3, 4, 'Shotput')),
        'video_test_0000003': video('Test', (3, 4, 'Ambiguous')),
    }
    path = write_json(tmp_path / 'af.json', {'database': database})
    content = prepare('thumos14', path)
    assert content['classes'] == list(THUMOS14)
    assert list(content['database']) == ['video_validation_0000001', 'video_test_0000002']
    first = content['database']['video_validation_0000001']
    assert (first['subset'], first['duration'], first['fps']) == ('training', 20.0, 30.0)
    # one time, two classes: both stay
    assert actions(content, 'video_validation_0000001') == [(1, 2, 'CliffDiving'), (1, 2, 'Diving')]
    assert actions(content, 'video_test_0000002') == [(3, 4, 'Shotput')]
    assert counts(content)['training']['Ambiguous: dropped'] == 1
    assert counts(content)['test'] == {
        'Ambiguous: dropped': 1,
        'outside the video: dropped': 1,
        'segments': 1,
        'segments in the source': 2,
        'videos': 1,
        'videos with Ambiguous only: dropped': 1,
    }
    # OpenTAD names the same subsets training and validation
    database['video_validation_0000001']['subset'] = 'training'
    database['video_test_0000002']['subset'] = 'validation'
    again = prepare('thumos14', write_json(tmp_path / 'ot.json', {'database': database}))
    assert again['database'] == content['database']


def test_thumos14_official_files(prepare, tmp_path):
    folder = tmp_path / 'annotations'
    folder.mkdir()
    (folder / 'Diving_test.txt').write_text(
        'video_test_0000002 1.5 2.5 \n\nvideo_test_0000002 3 4\n'
    )
    (folder / 'Diving_val.txt').write_text('video_validation_0000001 0.5 1\n')
    (folder / 'Ambiguous_test.txt').write_text('video_test_0000003 1 2\n')
    assert 'expected --durations' in prepare('thumos14', folder)
    lengths = tmp_path / 'd.csv'
    lengths.write_text(
        'video,duration,fps\nvideo_test_0000002,9,30\nvideo_validation_0000001,9,25\n'
    )
    assert "d.csv but got 'video_test_0000003'" in prepare(
        'thumos14', folder, '--durations', lengths
    )
    with lengths.open('a') as file:
        file.write('video_test_0000003,9,30\n')
    content = prepare('thumos14', folder, '--durations', lengths)
    assert actions(content, 'video_test_0000002') == [(1.5, 2.5, 'Diving'), (3, 4, 'Diving')]
    assert actions(content, 'video_validation_0000001') == [(0.5, 1, 'Diving')]
    assert len(content['database']) == 2
    (folder / 'Diving_val.txt').write_text('video_validation_0000001 0.5\n')
    with pytest.raises(ValueError, match=r'Diving_val.txt:1: expected video, start, end but got'):
        tool('thumos14').read([folder], lengths)


def test_thumos14_real(prepare, real_data):
    path = real_data('thumos14/thumos14.json')
    published = prepare('thumos14', path, '--as-published')
    assert counts(published)['training']['segments'] == 3007
    assert counts(published)['test']['segments'] == 3358
    content = prepare('thumos14', path)
    assert counts(content) == {
        'test': {
            'outside the video: dropped': 26,
            'segments': 3332,
            'segments in the source': 3358,
            'videos': 212,
        },
        'training': {
            'outside the video: dropped': 4,
            'segments': 3003,
            'segments in the source': 3007,
            'videos': 200,
        },
    }
    table = real_data('thumos14/with_ambiguous_test.csv')
    lengths = real_data('multithumos/multithumos.json')
    from_table = prepare('thumos14', table, '--durations', lengths)
    assert counts(from_table)['test'] == counts(content)['test'] | {
        'Ambiguous: dropped': 99,
        'videos with Ambiguous only: dropped': 1,
    }
    for name, video in from_table['database'].items():
        assert sorted(actions(from_table, name)) == sorted(actions(content, name)), name
        assert video['subset'] == 'test'


# MultiTHUMOS


def test_multithumos_forms_agree(prepare, tmp_path):
    pointtad = {
        'video_validation_0000001': {
            'subset': 'training',
            'duration': 9.0,
            'actions': [[21, 1.0, 2.0], [1, 3.0, 4.0], [65, 5, 5], [65, 8.0, 9.5]],
        },
        'video_test_0000002': {'subset': 'testing', 'duration': 4.0, 'actions': [[2, 0.5, 1.0]]},
    }
    path = write_json(tmp_path / 'pointtad.json', pointtad)
    content = prepare('multithumos', path)
    assert sorted(actions(content, 'video_validation_0000001')) == [
        (1, 2, 'Walk'),
        (3, 4, 'BaseballPitch'),
        (8, 9, 'NoHuman'),
    ]
    assert counts(content)['training'] == {
        'class numbers from 1: converted': 4,
        'partly outside: cut': 1,
        'segments': 3,
        'segments in the source': 4,
        'videos': 1,
        'videos of unknown frame rate: 30 taken': 1,
        'without length: dropped': 1,
    }
    assert content['database']['video_validation_0000001']['fps'] == 30
    rates = tmp_path / 'rates.csv'
    rates.write_text('video,duration,fps\nvideo_validation_0000001,1,25\n')
    rated = prepare('multithumos', path, '--durations', rates)['database']
    assert [video['fps'] for video in rated.values()] == [25, 30]
    assert rated['video_validation_0000001']['duration'] == 9.0  # the file's own
    folder = tmp_path / 'official'
    folder.mkdir()
    for number, name in enumerate(MULTITHUMOS, 1):
        lines = [
            f'{video} {start} {end}\n'
            for video, entry in pointtad.items()
            for label, start, end in entry['actions']
            if label == number
        ]
        (folder / f'{name}.txt').write_text(''.join(lines))
    (folder / 'class_list.txt').write_text('1 BaseballPitch\n')
    lengths = {name: video['duration'] for name, video in pointtad.items()}
    lengths = write_json(tmp_path / 'lengths.json', lengths)
    again = prepare('multithumos', folder, '--durations', lengths)
    assert again['classes'] == content['classes']
    for video in pointtad:
        assert sorted(actions(again, video)) == sorted(actions(content, video))
        assert again['database'][video]['subset'] == content['database'][video]['subset']

    (tmp_path / 'out').rename(tmp_path / 'done')
    assert 'expected --durations but got none' in prepare('multithumos', folder)
    none = prepare('multithumos', tmp_path / 'done', '--durations', lengths)
    assert 'expected files <class>.txt' in none
    pointtad['video_test_0000002']['actions'] = [[0, 1, 2]]
    assert 'class numbers of 1..65 but got 0' in prepare('multithumos', write_json(path, pointtad))


def test_multithumos_real(prepare, real_data):
    rates = real_data('thumos14/thumos14.json')
    path = real_data('multithumos/multithumos.json')
    content = prepare('multithumos', path, '--durations', rates)
    assert counts(content) == {
        'test': {
            'class numbers from 1: converted': 20208,
            'outside the video: dropped': 52,
            'partly outside: cut': 3,
            'segments': 20152,
            'segments in the source': 20208,
            'videos': 213,
            'videos of unknown frame rate: 30 taken': 1,
            'without length: dropped': 4,
        },
        'training': {
            'class numbers from 1: converted': 18482,
            'outside the video: dropped': 8,
            'partly outside: cut': 2,
            'segments': 18471,
            'segments in the source': 18482,
            'videos': 200,
            'without length: dropped': 3,
        },
    }


def test_multithumos_names_are_those_of_the_numbers(prepare, real_data):
    """The file has numbers only: the names must agree with what else is known."""
    fine = prepare('multithumos', real_data('multithumos/multithumos.json'))
    coarse = prepare('thumos14', real_data('thumos14/thumos14.json'))
    # the 20 classes of THUMOS14: the same times, under the same name
    same = Counter()
    videos = defaultdict(set)
    for name in fine['database']:
        for item in fine['database'][name]['annotations']:
            videos[item['label']].add(name)
        if name in coarse['database']:
            times = defaultdict(set)
            for start, end, label in actions(coarse, name):
                times[start, end].add(label)
            for start, end, label in actions(fine, name):
                if label in THUMOS14 and times[start, end]:
                    same[label in times[start, end]] += 1
    assert same[True] > 4000
    assert same[False] <= 5
    # parts of an action lie in videos of that action
    for part, whole in (
        ('Basketball', 'BasketballDunk'),
        ('Volleyball', 'VolleyballSpiking'),
        ('Weightlifting', 'CleanAndJerk'),
        ('HammerThrow', 'HammerThrow'),
        ('PoleVault', 'PoleVault'),
        ('ShotPut', 'Shotput'),
        ('Discus', 'ThrowDiscus'),
    ):
        for label in MULTITHUMOS:
            if label.startswith(part):
                assert len(videos[label] & videos[whole]) >= 0.9 * len(videos[label]), label


# Charades


def test_charades_forms_agree(prepare, tmp_path):
    pointtad = {
        'AAAAA': {'subset': 'training', 'duration': 20.0, 'actions': [[92, 11.9, 21.2]]},
        'BBBBB': {'subset': 'testing', 'duration': 8.0, 'actions': [[0, 0.0, 4.0], [156, 5, 4]]},
        'CCCCC': {'subset': 'testing', 'duration': 8.0, 'actions': []},
    }
    content = prepare('charades', write_json(tmp_path / 'p.json', pointtad))
    assert actions(content, 'AAAAA') == [(11.9, 20.0, 'Watching/Looking outside of a window')]
    assert actions(content, 'BBBBB') == [(0.0, 4.0, 'Holding some clothes')]
    assert counts(content)['test']['videos without segments'] == 1
    assert counts(content)['test']['end before start: dropped'] == 1
    train, test = tmp_path / 'Charades_v1_train.csv', tmp_path / 'Charades_v1_test.csv'
    train.write_text('id,scene,actions,length\nAAAAA,"a, b",c092 11.90 21.20,20.0\n')
    test.write_text('id,actions,length\nBBBBB,c000 0 4;c156 5 4,8\nCCCCC,,8\n')
    again = prepare('charades', train, test)
    assert again['database'] == content['database']
    assert counts(again) == counts(content)
    test.write_text('id,actions,length\nBBBBB,c157 0 4,8\n')
    (tmp_path / 'out').rename(tmp_path / 'done')
    assert "video 'BBBBB': expected c000..c156, start, end" in prepare('charades', test)


def test_charades_real(prepare, real_data):
    content = prepare('charades', real_data('charades/charades.json'))
    assert counts(content) == {
        'test': {
            'partly outside: cut': 5027,
            'segments': 16691,
            'segments in the source': 16691,
            'videos': 1863,
            'videos without segments': 49,
        },
        'training': {
            'end before start: dropped': 7,
            'partly outside: cut': 14588,
            'segments': 49796,
            'segments in the source': 49803,
            'videos': 7983,
            'videos without segments': 174,
        },
    }


# EPIC-Kitchens-100


def write_classes(folder):
    folder.mkdir()
    for task, number in (('verb', 97), ('noun', 300)):
        rows = ''.join(f"{i},{task}{i},\"['x', 'y']\"\n" for i in range(number))
        (folder / f'EPIC_100_{task}_classes.csv').write_text(f'id,key,instances\n{rows}')


def test_epic100_forms_agree(prepare, tmp_path):
    challenge = tmp_path / 'challenge'
    write_classes(challenge)
    assert 'expected EPIC_100_train.csv' in prepare('epic100', challenge)
    head = 'narration_id,video,start,stop,verb,noun,action\n'
    train = head + 'n1,P01_01,30,75,3,299,0\nn2,P01_01,30,75,3,5,1\n'
    (challenge / 'c2_ek100_training.csv').write_text(train)
    (challenge / 'c2_ek100_validation.csv').write_text(head + 'n3,P02_01,0,60,96,0,2\n')
    (challenge / 'c2_ek100_video_lengths.csv').write_text('video,frames\nP01_01,300\nP02_01,90\n')
    verbs = prepare('epic100', challenge, file='annotations_verb.json')
    assert len(verbs['classes']) == 97
    # two nouns of one verb: the verb is given twice
    assert actions(verbs, 'P01_01') == [(1.0, 2.5, 'verb3')]
    assert actions(verbs, 'P02_01') == [(0.0, 2.0, 'verb96')]
    assert verbs['database']['P01_01']['duration'] == 10.0
    assert counts(verbs)['training']['given twice: dropped'] == 1
    assert counts(verbs)['training']['in frames: converted'] == 2
    nouns = json.loads((tmp_path / 'out' / 'annotations_noun.json').read_text())
    assert actions(nouns, 'P01_01') == [(1.0, 2.5, 'noun299'), (1.0, 2.5, 'noun5')]
    joint = json.loads((tmp_path / 'out' / 'annotations_action.json').read_text())
    check_schema(joint)
    assert joint['classes'] == ['verb3 noun5', 'verb3 noun299', 'verb96 noun0']
    assert actions(joint, 'P01_01') == [(1.0, 2.5, 'verb3 noun299'), (1.0, 2.5, 'verb3 noun5')]
    assert counts(joint)['training']['in frames: converted'] == 2
    assert 'given twice: dropped' not in counts(joint)['training']

    official = tmp_path / 'official'
    write_classes(official)
    head = 'narration_id,video_id,start_timestamp,stop_timestamp,verb_class,noun_class\n'
    train = 'n1,P01_01,00:00:01.00,00:00:02.50,3,299\nn2,P01_01,00:00:01.00,00:00:02.50,3,5\n'
    (official / 'EPIC_100_train.csv').write_text(head + train)
    (official / 'EPIC_100_validation.csv').write_text(head + 'n3,P02_01,0:0:0.0,0:0:2.0,96,0\n')
    (official / 'EPIC_100_video_info.csv').write_text(
        'video_id,duration,fps,resolution\nP01_01,10.0,30,a\nP02_01,3.0,30,b\n'
    )
    again = prepare('epic100', official, file='annotations_verb.json')
    assert again['database'] == verbs['database']
    again = json.loads((tmp_path / 'out' / 'annotations_noun.json').read_text())
    assert again['database'] == nouns['database']
    again = json.loads((tmp_path / 'out' / 'annotations_action.json').read_text())
    assert (again['classes'], again['database']) == (joint['classes'], joint['database'])


def test_epic100_json_forms_that_do_not_pair(prepare, tmp_path, capsys):
    folder = tmp_path / 'json'
    write_classes(folder)
    for task, times in (('verb', [[1, 2], [3, 4]]), ('noun', [[1, 2]])):
        annotations = [{'segment': segment, 'label': f'{task}1'} for segment in times]
        video = {'subset': 'training', 'duration': 9.0, 'annotations': annotations}
        write_json(folder / f'epic_kitchens_100_{task}.json', {'database': {'P01_01': video}})
    stale = tmp_path / 'out' / 'annotations_action.json'
    stale.parent.mkdir()
    stale.touch()
    assert tool('epic100').main([str(folder), '--out', str(tmp_path / 'out')]) == 0
    said = capsys.readouterr().out
    assert "no annotations_action.json: video 'P01_01': expected the same segments" in said
    assert len(prepare('epic100', folder, file='annotations_noun.json')['database']) == 1
    assert not stale.exists()
    annotations[0]['label'] = 'noun300'  # the last of the three files that is read
    write_json(folder / 'epic_kitchens_100_noun.json', {'database': {'P01_01': video}})
    before = {path: path.read_bytes() for path in stale.parent.iterdir()}
    with pytest.raises(SystemExit):
        tool('epic100').main([str(folder), '--as-published', '--out', str(tmp_path / 'out')])
    assert "noun.json: video 'P01_01': expected one of 300 classes" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in stale.parent.iterdir()} == before


def test_epic100_time_stamps():
    assert tool('epic100').seconds('01:02:03.45') == 3723.45


def test_epic100_real(prepare, tmp_path, real_data):
    folder = real_data('epic100/c2_ek100_training.csv').parent
    verbs = prepare('epic100', folder, file='annotations_verb.json')
    nouns, joint = (
        json.loads((tmp_path / 'out' / f'annotations_{task}.json').read_text())
        for task in ('noun', 'action')
    )
    check_schema(nouns)
    check_schema(joint)
    for content, number, twice in ((verbs, 97, 4), (nouns, 300, 6), (joint, 3806, 4)):
        assert len(content['classes']) == number
        assert counts(content)['training'] == {
            'given twice: dropped': twice,
            'in frames: converted': 67217,
            'segments': 67217 - twice,
            'segments in the source': 67217,
            'videos': 495,
        }
        assert counts(content)['validation'] == {
            'in frames: converted': 9668,
            'segments': 9668,
            'segments in the source': 9668,
            'videos': 138,
        }
    occurring = defaultdict(set)
    for video in nouns['database'].values():
        occurring[video['subset']] |= {item['label'] for item in video['annotations']}
    # 11 of the 300 nouns have no training instance; 7 of them occur nowhere
    assert len(occurring['training']) == 289
    assert len(occurring['training'] | occurring['validation']) == 293


# ActivityNet


def test_activitynet13_forms_agree(prepare, tmp_path):
    database = {
        'aaa': {
            'subset': 'training',
            'duration': 20.0,
            'annotations': [{'segment': [1, 25], 'label': 'Zumba'}] * 2,
        },
        'bbb': {
            'subset': 'validation',
            'duration': 20.0,
            'annotations': [
                {'segment': [1, 1], 'label': 'BMX'},
                {'segment': [2, 3], 'label': 'BMX'},
            ],
        },
        'ccc': {'subset': 'testing', 'duration': 20.0, 'annotations': []},
    }
    official = write_json(
        tmp_path / 'official.json', {'database': database, 'taxonomy': [{'a': 1}]}
    )
    content = prepare('activitynet13', official)
    assert content['classes'] == ['BMX', 'Zumba']
    assert actions(content, 'aaa') == [(1, 20, 'Zumba')]
    assert actions(content, 'bbb') == [(2, 3, 'BMX')]
    assert counts(content) == {
        'training': {
            'given twice: dropped': 1,
            'partly outside: cut': 2,
            'segments': 1,
            'segments in the source': 2,
            'videos': 1,
        },
        'validation': {
            'segments': 1,
            'segments in the source': 2,
            'videos': 1,
            'without length: dropped': 1,
        },
        'test': {'videos': 1, 'videos without segments': 1},
    }

    def mmaction2(name):
        video = database[name]
        return {'duration_second': 20, 'duration_frame': 1, 'annotations': video['annotations']}

    joint = {f'v_{name}': mmaction2(name) for name in database}
    joint = write_json(tmp_path / 'anet_anno_action.json', joint)
    (tmp_path / 'out').rename(tmp_path / 'done')
    said = prepare('activitynet13', joint)
    assert "video 'v_aaa': expected its subset in the file --subsets but got no 'aaa'" in said
    again = prepare('activitynet13', joint, '--subsets', official)
    assert again['database'] == content['database']
    parts = [
        write_json(tmp_path / f'anet_anno_{word}.json', {f'v_{name}': mmaction2(name)})
        for word, name in (('train', 'aaa'), ('val', 'bbb'), ('test', 'ccc'))
    ]
    assert prepare('activitynet13', *parts)['database'] == content['database']
    blocked = write_json(tmp_path / 'blocked.json', ['bbb'])
    fewer = prepare('activitynet13', official, '--exclude', blocked)
    assert list(fewer['database']) == ['aaa', 'ccc']
    assert counts(fewer)['validation'] == {'videos excluded: dropped': 1}


def test_activitynet13_real(prepare, real_data):
    tsp = real_data('activitynet13/anet13_from_tsp.json')
    content = prepare('activitynet13', tsp)
    assert len(content['classes']) == 200
    assert counts(content) == {
        'test': {'videos': 5044, 'videos without segments': 5044},
        'training': {
            'given twice: dropped': 30,
            'partly outside: cut': 1164,
            'segments': 15371,
            'segments in the source': 15410,
            'videos': 10024,
            'videos without segments': 8,
            'without length: dropped': 9,
        },
        'validation': {
            'given twice: dropped': 19,
            'partly outside: cut': 567,
            'segments': 7632,
            'segments in the source': 7654,
            'videos': 4926,
            'videos without segments': 2,
            'without length: dropped': 3,
        },
    }
    other = real_data('activitynet13/anet_anno_action.json')
    again = prepare('activitynet13', other, '--subsets', tsp)
    assert again['classes'] == content['classes']
    assert {name: values['videos'] for name, values in counts(again).items()} == {
        'training': 9649,
        'validation': 4728,
        'test': 4851,
    }


# Ego4D


def test_ego4d_official_files(prepare, tmp_path):
    def label(start, end, name, primary=True):
        return {
            'start_time': start,  # of the canonical clip, not of the video
            'video_start_time': start + 100,
            'video_end_time': end + 100,
            'label': name,
            'primary': primary,
        }

    def clip(uid, *labels, frames=9000):
        return {
            'clip_uid': uid,
            'video_start_sec': 100.0,
            'video_end_sec': 400.0,
            'video_start_frame': 3000,
            'video_end_frame': 3000 + frames,
            'annotations': [{'labels': list(labels[:1])}, {'labels': list(labels[1:])}],
        }

    first = clip('c1', label(5, 8, 'cook'), label(5, 8, 'cook'), label(1, 2, 'cut', False))
    train = {'videos': [{'video_uid': 'v1', 'split': 'train', 'clips': [first]}]}
    second = [clip('c2', label(290, 310, 'wash')), clip('c3', label(1, 2, 'wash'), frames=90)]
    val = {'videos': [{'video_uid': 'v2', 'split': 'val', 'clips': second}]}
    bare = clip('c4')
    del bare['annotations']
    test = {'videos': [{'video_uid': 'v3', 'split': 'test', 'clips': [bare]}]}
    paths = [
        write_json(tmp_path / f'moments_{name}.json', content)
        for name, content in (('train', train), ('val', val), ('test', test))
    ]
    content = prepare('ego4d', *paths)
    assert content['classes'] == ['cook', 'wash']
    assert {name: video['subset'] for name, video in content['database'].items()} == {
        'c1': 'training',
        'c2': 'validation',
        'c4': 'test',
    }
    assert (content['database']['c1']['duration'], content['database']['c1']['fps']) == (300, 30)
    assert actions(content, 'c1') == [(5, 8, 'cook')]
    assert actions(content, 'c2') == [(290, 300, 'wash')]
    assert counts(content)['training']['labels that are not primary: dropped'] == 1
    assert counts(content)['training']['given twice: dropped'] == 1
    assert counts(content)['validation']['clips of impossible frame rate: dropped'] == 1
    # ActionFormer's file
    flat = {
        'c1': {
            'subset': 'train',
            'duration': 300,
            'fps': 30,
            'annotations': [{'segment': [5, 8], 'label': 'cook', 'label_id': 7}],
        }
    }
    again = prepare('ego4d', write_json(tmp_path / 'ego4d.json', flat))
    assert again['database']['c1']['annotations'] == content['database']['c1']['annotations']
    (tmp_path / 'out').rename(tmp_path / 'done')
    val['videos'] += train['videos']
    said = prepare('ego4d', paths[0], write_json(paths[1], val))
    assert f"{paths[1]}: video 'v1': clip 'c1': expected each video once but got it" in said
    assert f'and in {paths[0]} (training, 300.0 s)' in said
    del first['video_end_sec']
    said = prepare('ego4d', write_json(paths[0], train))
    assert f"{paths[0]}: video 'v1': expected clips and labels" in said
    assert "but got no 'video_end_sec'" in said


def thumos(**changes):
    video = {
        'subset': 'test',
        'duration': 9,
        'annotations': [{'segment': [1, 2], 'label': 'Diving'}],
    }
    return json.dumps({'database': {'video_test_0000001': {**video, **changes}}})


PEOPLE = '{"A": {"subset": "training", "duration": 9, "actions": [[3, 1, 2]]}}'
OBJECT = 'expected a non-empty JSON object but got'
THUMOS = "a.json: video 'video_test_0000001': expected "


@pytest.mark.parametrize(
    ('name', 'file', 'text', 'message'),
    [
        ('thumos14', 'a.json', '[]', f'a.json: {OBJECT} list'),
        ('multithumos', 'a.json', '5', f'a.json: {OBJECT} int'),
        ('charades', 'a.json', '[]', f'a.json: {OBJECT} list'),
        ('ego4d', 'a.json', '[]', f'a.json: {OBJECT} list'),
        ('activitynet13', 'a.json', '[]', f'a.json: {OBJECT} list'),
        ('thumos14', 'a.json', '{"database": [1]}', f'a.json: {OBJECT} list'),
        ('thumos14', 'a.json', '{}', f'a.json: {OBJECT} {{}}'),
        ('thumos14', 'a.json', '{', 'a.json: expected JSON but got'),
        ('thumos14', 'a.json', thumos(duration='NA'), f"{THUMOS}a duration > 0 but got 'NA'"),
        ('thumos14', 'a.json', thumos(fps=0), f'{THUMOS}fps > 0 but got 0'),
        ('thumos14', 'a.json', thumos(fps=float('nan')), f'{THUMOS}fps > 0 but got nan'),
        ('thumos14', 'a.json', thumos().replace('[1, 2]', '[1, 2, 3]'), 'but got [1, 2, 3]'),
        ('thumos14', 'a.json', thumos().replace('video_test_0000001', 'x'), "a.json: video 'x': "),
        ('charades', 'a.json', PEOPLE.replace('[3,', '["3",'), "video 'A': expected class numbers"),
        ('charades', 'a.json', PEOPLE.replace('[3,', '[3.7,'), '0..156 but got 3.7'),
        ('charades', 'a.json', PEOPLE.replace('subset', 'set'), "video 'A': expected subset"),
        ('charades', 'train.csv', 'id,length,actions\nA,9,\nB\n', 'train.csv: line 3: expected 3'),
        ('charades', 'train.csv', 'id,length,actions\nA,x,\n', "train.csv: video 'A': expected a"),
        ('charades', 'train.csv', 'id,length,actions\nA,9, ;\n', "video 'A': expected c000..c156"),
        ('charades', 'train.csv', 'id,length,actions\nA,9,\nA,8,\n', 'expected each video once'),
        ('charades', 'a.csv', '', 'expected a file name with train or test in it but got'),
        ('ego4d', 'a.json', '{"videos": [3]}', 'a.json: video 3: expected clips and labels'),
        ('activitynet13', 'anet_anno_val.json', '{"v_a": []}', "val.json: video 'v_a': expected"),
    ],
)
def test_a_wrong_file_is_named_with_the_video(prepare, tmp_path, name, file, text, message):
    (tmp_path / file).write_text(text)
    assert message in prepare(name, tmp_path / file)


def test_activitynet13_a_video_of_two_files(prepare, tmp_path):
    def file(name, subset, video):
        annotations = [{'segment': [1, 2], 'label': 'x'}]
        content = {'subset': subset, 'duration': 9, 'annotations': annotations}
        return write_json(tmp_path / name, {'database': {video: content}})

    one, other = file('a.json', 'training', 'q'), file('b.json', 'validation', 'v_q')
    said = prepare('activitynet13', one, other)
    assert f"{other}: video 'v_q': expected each video once but got it (validation, 9.0 s)" in said
    assert f'and in {one} (training, 9.0 s)' in said


def test_activitynet13_subsets_that_are_none(prepare, tmp_path):
    path = write_json(tmp_path / 'a.json', {'v_a': {'duration_second': 9, 'annotations': []}})
    for content, message in (
        ({}, f'subsets.json: {OBJECT} {{}}'),
        ({'database': {'a': {'subset': 'foo'}}}, "a.json: video 'v_a': expected a subset of"),
        ({'database': {'a': 3}}, "a.json: video 'v_a': expected its subset in the file --subsets"),
    ):
        subsets = write_json(tmp_path / 'subsets.json', content)
        assert message in prepare('activitynet13', path, '--subsets', subsets)


def test_thumos14_excludes_before_it_drops(prepare, tmp_path):
    content = json.loads(thumos())
    content['database']['video_test_0000002'] = json.loads(thumos().replace('Diving', 'Ambiguous'))[
        'database'
    ]['video_test_0000001']
    names = tmp_path / 'names.txt'
    names.write_text('video_test_0000002\nvideo_test_0000002\n')
    found = prepare('thumos14', write_json(tmp_path / 'a.json', content), '--exclude', names)
    assert list(found['database']) == ['video_test_0000001']
    assert counts(found)['test']['videos excluded: dropped'] == 1
    assert 'Ambiguous: dropped' not in counts(found)['test']


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('video_test_0000001,Diving,1\n', 'line 2: expected 4 values but got 3'),
        ('video_test_0000001,Diving,1,x\n', "video 'video_test_0000001': expected a segment"),
        ('x,Diving,1,2\n', "video 'x': expected a video of"),
        ('video_test_0000001,diving,1,2\n', "video 'video_test_0000001': expected one of"),
    ],
)
def test_thumos14_tables(prepare, tmp_path, text, message):
    (tmp_path / 'a.csv').write_text(f'video,type,start,end\n{text}')
    lengths = write_json(tmp_path / 'd.json', {'video_test_0000001': 9})
    assert f'a.csv: {message}' in prepare('thumos14', tmp_path / 'a.csv', '--durations', lengths)
    lengths.write_text('[]')
    assert 'd.json: expected' in prepare('thumos14', tmp_path / 'a.csv', '--durations', lengths)


@pytest.mark.parametrize(
    ('file', 'old', 'new', 'message'),
    [
        ('c2_ek100_validation.csv', 'n3,P02_01,0', 'n3', 'line 2: expected 7 values but got 5'),
        ('c2_ek100_validation.csv', '96', '97', "video 'P02_01': expected a class of 0..96 but"),
        ('c2_ek100_validation.csv', '0,60', 'x,60', "video 'P02_01': expected numbers of frames"),
        ('c2_ek100_validation.csv', 'P02_01', 'P01_01', "video 'P01_01': expected a video in one"),
        ('c2_ek100_validation.csv', 'P02_01', 'P03_01', "video 'P03_01': expected its length in"),
        ('c2_ek100_video_lengths.csv', ',90', ',0', "video 'P02_01': expected frames > 0 but got"),
        ('EPIC_100_verb_classes.csv', '96,', 'x,', 'expected ids 0..96 with a key of its own each'),
    ],
)
def test_epic100_tables(prepare, tmp_path, file, old, new, message):
    folder = tmp_path / 'challenge'
    write_classes(folder)
    head = 'narration_id,video,start,stop,verb,noun,action\n'
    (folder / 'c2_ek100_training.csv').write_text(f'{head}n1,P01_01,30,75,3,5,0\n')
    (folder / 'c2_ek100_validation.csv').write_text(f'{head}n3,P02_01,0,60,96,0,2\n')
    (folder / 'c2_ek100_video_lengths.csv').write_text('video,frames\nP01_01,300\nP02_01,90\n')
    (folder / file).write_text((folder / file).read_text().replace(old, new))
    assert f'{file}: {message}' in prepare('epic100', folder)


@pytest.mark.parametrize(
    'name', ['thumos14', 'multithumos', 'charades', 'epic100', 'activitynet13', 'ego4d']
)
def test_missing_files_and_readme(prepare, tmp_path, name):
    assert 'which does not exist' in prepare(name, tmp_path / 'none.json')
    assert 'which does not exist' in prepare(name, tmp_path / 'none')
    readme = (ROOT / 'tools' / 'data' / name / 'README.md').read_text()
    for part in ('Where from', 'Licence', f'tools/data/{name}/prepare.py', f'data/{name}\n'):
        assert part in readme, part
