"""The class lists against what their publishers print, and against the annotations themselves."""

import hashlib
import json
from collections import Counter

import pytest

from asl_mmaction.datasets.preparation.class_names import CHARADES, MULTITHUMOS, THUMOS14

# The lines of the lists as their data sets publish them, with the numbers that files use
PUBLISHED = {
    # class_list.txt of MultiTHUMOS: "1 BaseballPitch" ... "65 NoHuman"
    'multithumos': (
        [f'{number} {name}' for number, name in enumerate(MULTITHUMOS, 1)],
        'eece2e31f9cb106368c24405d131881d296aa3aee77babcc0217b838a268f505',
    ),
    # Charades_v1_classes.txt: "c000 Holding some clothes" ... "c156 Someone is eating something"
    'charades': (
        [f'c{number:03} {name}' for number, name in enumerate(CHARADES)],
        '7b95127e60300d6a69849d161869eb3e9657fa320fc9e92b6f2c9403b49c1887',
    ),
}


@pytest.mark.parametrize('name', PUBLISHED)
def test_the_list_is_the_published_one(name):
    lines, digest = PUBLISHED[name]
    text = ''.join(f'{line}\n' for line in lines)
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_thumos14_is_the_first_part_of_multithumos_in_alphabetical_order():
    assert len(THUMOS14) == 20
    assert MULTITHUMOS[:20] == THUMOS14 == tuple(sorted(THUMOS14))


def test_what_anybody_can_look_up():
    # The README of Charades: video 46GP8, "a person cooking on a stove while watching something
    # out a window", has the actions c092 and c147.
    assert CHARADES[92] == 'Watching/Looking outside of a window'
    assert CHARADES[147] == 'Someone is cooking something'
    # Its documentation names c059 and c011 as well.
    assert (CHARADES[59], CHARADES[11]) == ('Sitting in a chair', 'Sitting at a table')


def test_multithumos_annotations(real_data):
    """Its publishers give a file for each class, by name; these are some of their sizes."""
    database = json.loads(real_data('multithumos/multithumos.json').read_text())
    counts = Counter(
        MULTITHUMOS[label - 1] for video in database.values() for label, *_ in video['actions']
    )
    assert (len(counts), counts.total()) == (65, 38690)
    expected = {'Run': 3693, 'Jump': 3496, 'Walk': 3059, 'Stand': 2808, 'NoHuman': 1176}
    expected |= {'BasketballGuard': 298, 'PoleVaultPlantPole': 486, 'TalkToCamera': 540}
    expected |= {'CloseUpTalkToCamera': 444, 'VolleyballServe': 30, 'VolleyballBump': 15}
    assert {name: counts[name] for name in expected} == expected


def test_thumos14_annotations(real_data):
    """Of the actions of THUMOS14, MultiTHUMOS has the same segments under the same names."""
    database = json.loads(real_data('thumos14/thumos14.json').read_text())['database']
    dense = json.loads(real_data('multithumos/multithumos.json').read_text())
    labels = {row['label'] for video in database.values() for row in video['annotations']}
    assert sorted(labels) == list(THUMOS14)
    at = {}
    for name in database.keys() & dense.keys():
        for label, *segment in dense[name]['actions']:
            at.setdefault((name, *segment), []).append(label)
    both = Counter(
        (row['label'], label)
        for name in database
        for row in database[name]['annotations']
        for label in at.get((name, *row['segment']), ())
    )
    for number, name in enumerate(THUMOS14, 1):
        same = {label: count for (other, label), count in both.items() if other == name}
        # Every cliff dive is a dive as well.
        assert max(same, key=same.get) in {number, 8 if name == 'CliffDiving' else number}, name


def test_charades_annotations(real_data):
    database = json.loads(real_data('charades/charades.json').read_text())
    actions = {CHARADES[label]: segment for label, *segment in database['46GP8']['actions']}
    assert actions == {
        'Watching/Looking outside of a window': [11.9, 21.2],
        'Someone is cooking something': [0.0, 12.6],
    }
