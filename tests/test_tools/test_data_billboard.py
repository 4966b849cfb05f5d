"""Billboard's converter, on made-up files and on the distribution's own."""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location(
    'prepare_billboard', ROOT / 'tools/data/billboard/prepare.py'
)
prepare = importlib.util.module_from_spec(spec)
spec.loader.exec_module(prepare)

FPS = 44100 / 2048
# Of the windows of the benchmark's 150 training songs, which are not at hand in a test
MEAN = np.array(
    [
        0.388609439,
        0.252660662,
        0.332636505,
        0.359488577,
        0.21203135,
        0.383612394,
        0.238640785,
        0.343334407,
        0.252686024,
        0.235452279,
        0.371500701,
        0.245866701,
        0.949352086,
        0.498247176,
        0.763474166,
        0.769800544,
        0.533079624,
        0.95182389,
        0.469259679,
        0.910030961,
        0.58826232,
        0.638939738,
        0.924837887,
        0.517380893,
        0.388559699,
        0.252594948,
        0.332588255,
        0.359440893,
        0.211959541,
        0.383540273,
        0.238579392,
        0.343296796,
        0.252615839,
        0.235376596,
        0.371439487,
        0.24580951,
        0.949166,
        0.49808839,
        0.763346255,
        0.769673109,
        0.532893836,
        0.951689005,
        0.469149977,
        0.909843922,
        0.588104665,
        0.638786316,
        0.924656153,
        0.517234027,
    ],
    dtype=np.float32,
)
STD = np.array(
    [
        0.559735715,
        0.396738797,
        0.484528333,
        0.558072925,
        0.343387634,
        0.570991457,
        0.396264732,
        0.522919357,
        0.439005941,
        0.37726593,
        0.536188006,
        0.389524251,
        0.948421955,
        0.687917113,
        0.83036989,
        0.895896792,
        0.690706193,
        0.95968765,
        0.658698618,
        0.915391266,
        0.789945662,
        0.745416701,
        0.954978347,
        0.700550675,
        0.559758186,
        0.396748364,
        0.484554231,
        0.558131814,
        0.343401074,
        0.571026564,
        0.396281183,
        0.522950172,
        0.439012349,
        0.377244443,
        0.536214113,
        0.389536411,
        0.948482931,
        0.68792814,
        0.830424905,
        0.895969212,
        0.690739155,
        0.959786296,
        0.65873462,
        0.915477097,
        0.789976418,
        0.745447457,
        0.955067813,
        0.700538039,
    ],
    dtype=np.float32,
)

SALAMI = """# title: {title}
# artist: {artist}
# metre: 4/4
# tonic: C

0.0\tsilence
0.5\tA, intro, | C:maj | F:maj(9,11) |, (guitar)
2.0\tZ
3.0\tB, verse one, | C:maj |, (voice
4.0\t| G:maj | x2, (guitar, (organ
5.0\tC, refrain, | F#:min | ->
6.0\t| F#:min |, guitar), organ)
7.0\tC, (voice, | C:5 |, (voice
8.0\ttrans, | C:maj |, voice)
9.0\t| C:maj |, fadeout, voice), (guitar
10.0\tsilence
11.0\tend
"""
MAJMIN = """0.0\t0.5\tN
0.5\t1.0\tC:maj
1.0\t2.0\tC:maj
2.5\t3.0\tC:maj
3.0\t4.0\tX
4.0\t5.0\tF#:min
5.0\t4.5\tG:maj
5.0\t5.5\tGb:min
5.5\t6.0\tFb:maj
6.0\t11.0\tN
"""
# By the rules, by hand: the guitar of line 9 is never closed, the voice opened at 7 closes first.
ACTIONS = [
    (0.5, 2.0, 'C:maj'),
    (2.5, 3.0, 'C:maj'),
    (4.0, 5.5, 'Gb:min'),
    (5.5, 6.0, 'E:maj'),
    (0.5, 3.0, 'intro'),
    (5.0, 7.0, 'chorus'),
    (8.0, 9.0, 'transition'),
    (9.0, 10.0, 'outro'),
    (0.5, 2.0, 'lead guitar'),
    (4.0, 7.0, 'lead guitar'),
    (7.0, 9.0, 'lead voice'),
    (3.0, 10.0, 'lead voice'),
]
# Number -> title: 7 is 3 again, in a later chart
TITLES = {3: 'One', 7: 'One', 12: 'Two', 1002: 'Three'}


def write_song(root, number, title='A', salami=SALAMI, majmin=MAJMIN, frames=240):
    chroma = np.random.default_rng(number).uniform(0, 3, (frames, 24)).round(6)
    rows = [f',{i / FPS:.9f},' + ','.join(map(str, row)) for i, row in enumerate(chroma)]
    rows[0] = '"/tmp/audio.wav"' + rows[0]
    for archive, name, text in (
        ('billboard-2.0-chordino', 'bothchroma.csv', '\n'.join(rows)),
        ('billboard-2.0-chordino', 'tuning.csv', '1'),
        ('billboard-2.0-salami_chords', 'salami_chords.txt', salami),
        ('billboard-2.0.1-mirex', 'majmin.lab', majmin),
    ):
        path = root / archive / f'{number:04d}' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace('{title}', title).replace('{artist}', 'B'))
    return chroma


@pytest.fixture
def source(tmp_path):
    """Made-up originals."""
    folder = tmp_path / 'source'
    for number, title in TITLES.items():
        write_song(folder, number, title)
    return folder


def prepared(source, out, *options):
    assert prepare.main([str(source), '--out', str(out), *options]) == 0
    return json.loads((out / 'annotations.json').read_text())


def actions_of(video):
    return [(*item['segment'], item['label']) for item in video['annotations']]


def test_content_by_hand(source, tmp_path, capsys):
    content = prepared(source, tmp_path / 'out')
    assert content['grid'] == {'fps': FPS, 'feat_stride': 5, 'clip_len': 10}
    assert len(content['classes']) == 37
    database = content['database']
    assert {name: video['subset'] for name, video in database.items()} == {
        'song_0003': 'training',
        'song_0012': 'training',
        'song_1002': 'test',
    }
    for video in database.values():
        assert video['duration'] == 11.146  # 240 frames
        assert actions_of(video) == ACTIONS
    words = capsys.readouterr().out.split()
    assert words[words.index('training') :][:6] == ['training', '2', '24', '150', '/', '14286']


def test_features_against_a_loop(source, tmp_path):
    prepared(source, tmp_path / 'out')
    windows = {}
    for number in (3, 12, 1002):
        chroma = write_song(tmp_path / 'again', number)
        windows[number] = np.array(
            [
                [*chroma[t : t + 5].mean(axis=0), *chroma[t + 5 : t + 10].mean(axis=0)]
                for t in range(0, len(chroma) - 9, 5)
            ]
        )
    training = np.concatenate([windows[3], windows[12]])
    for number, expected in windows.items():
        feature = np.load(tmp_path / 'out' / 'features' / f'song_{number:04d}.npy')
        assert feature.dtype == np.float32
        expected = (expected - training.mean(axis=0)) / training.std(axis=0)
        # float16 keeps 11 bits; the statistics are of float32
        np.testing.assert_allclose(feature, expected, rtol=2**-10, atol=1e-4)


def test_a_prepared_folder_is_taken_over(source, tmp_path):
    first = prepared(source, tmp_path / 'first')
    second = prepared(tmp_path / 'first', tmp_path / 'second')
    assert second['database'] == first['database']
    for path in (tmp_path / 'first' / 'features').iterdir():
        assert path.read_bytes() == (tmp_path / 'second' / 'features' / path.name).read_bytes()


def test_the_benchmark_is_the_first_songs_of_each_subset(source):
    paths = {int(path.parent.name): path for path in source.rglob('salami_chords.txt')}
    assert prepare.choose_songs(paths, {}) == [3, 12, 1002]
    assert prepare.choose_songs(paths, {'training': (1, 0)}) == [3, 1002]
    assert prepare.choose_songs(paths, {'test': (0, 0)}) == [3, 12]


def test_the_originals_give_the_benchmark(real_data):
    """Annotations and features of the same songs, the features with the benchmark's statistics."""
    folder = real_data('billboard')
    database = json.loads((folder / 'annotations.json').read_text())['database']
    originals = folder / 'originals'
    songs, _ = prepare.read_distribution(originals, prepare.COUNTS)
    assert len(songs) == 3
    for name, song in songs.items():
        assert song.duration == database[name]['duration']
        assert song.actions == actions_of(database[name])
        path = originals / 'billboard-2.0-chordino' / name[-4:] / 'bothchroma.csv'
        pooled = prepare.pool_windows(prepare.read_chroma(path))
        feature = prepare.normalize(pooled, MEAN, STD).astype(np.float32)
        expected = np.load(folder / 'features' / f'{name}.npy').astype(np.float32)
        # A step of float16, where a sum of float32 was rounded another way
        np.testing.assert_allclose(feature, expected, rtol=2**-10, atol=1e-6)


def test_the_counts_of_the_benchmark(tmp_path, capsys, real_data):
    """As it circulates, song_0100's fade-out is no section: one instance fewer."""
    folder = real_data('billboard')
    content = prepared(folder, tmp_path / 'out')
    original = json.loads((folder / 'annotations.json').read_text())
    assert content['database'] == original['database']
    assert content['classes'] == original['classes']
    words = capsys.readouterr().out.split()
    assert words[words.index('training') :][:3] == ['training', '150', '14285']
    assert words[words.index('test') :][:3] == ['test', '50', '4897']


def mistake(capsys, source, out):
    """The one line that the tool ends with."""
    with pytest.raises(SystemExit) as end:
        prepare.main([str(source), '--out', str(out)])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def write(name, text):
    def spoil(folder):
        (path,) = folder.glob(f'*/0012/{name}')
        path.write_text(text)

    return spoil


def remove(name):
    return lambda folder: next(folder.glob(f'*/0012/{name}')).unlink()


HEADER = '# title: Two\n# artist: B\n'


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (remove('majmin.lab'), 'billboard-2.0.1-mirex/0012/majmin.lab is missing'),
        (remove('bothchroma.csv'), 'billboard-2.0-chordino/0012/bothchroma.csv is missing'),
        (write('majmin.lab', '0 1 C:sus4\n'), 'majmin.lab:1: expected a major or minor chord, N'),
        (write('majmin.lab', '0 1\n'), 'majmin.lab:1: expected start, end and a chord but got'),
        (write('majmin.lab', 'a 1 N\n'), "majmin.lab:1: expected a time in seconds but got 'a'"),
        (write('bothchroma.csv', ',0,1\n'), 'bothchroma.csv: expected rows of a time and 24'),
        (write('bothchroma.csv', ',0' + ',1' * 24 + '\n'), 'bothchroma.csv: expected 10 rows or'),
        (
            write('bothchroma.csv', '\n'.join(f',{i / FPS}' + ',nan' * 24 for i in range(20))),
            'bothchroma.csv: expected finite numbers but got NaN',
        ),
        (write('salami_chords.txt', 'x'), 'expected lines "# title: ..." and "# artist: ..."'),
        (write('salami_chords.txt', HEADER + '0.0\tA, | C:maj |'), 'expected a last line "end"'),
        (
            write('salami_chords.txt', HEADER + '5.0\tA, verse\n1.0\tend'),
            'salami_chords.txt:4: expected times in order but got 1.0 after 5.0',
        ),
        (
            write('salami_chords.txt', HEADER + 'silence'),
            "salami_chords.txt:3: expected a time in seconds, a tab and text but got 'silence'",
        ),
    ],
)
def test_errors_leave_nothing_behind(source, tmp_path, capsys, spoil, message):
    spoil(source)
    assert message in mistake(capsys, source, tmp_path / 'out')
    assert os.listdir(tmp_path) == ['source']


def test_a_song_that_is_there_twice(source, tmp_path, capsys):
    (path,) = source.glob('*/0012/majmin.lab')
    other = source / 'older' / '0012' / 'majmin.lab'
    other.parent.mkdir(parents=True)
    other.write_text(path.read_text())
    message = mistake(capsys, source, tmp_path / 'out')
    assert 'expected one file of each song but got ' in message
    assert str(path) in message
    assert str(other) in message


def test_sources_that_are_none(tmp_path, capsys):
    assert 'expected a folder but got' in mistake(capsys, tmp_path / 'none', tmp_path / 'out')
    empty = tmp_path / 'empty'
    empty.mkdir()
    assert 'expected the unpacked archives' in mistake(capsys, empty, tmp_path / 'out')
    write_song(empty, 1002)
    assert 'expected training songs' in mistake(capsys, empty, tmp_path / 'out')


def test_a_prepared_folder_of_another_form(source, tmp_path, capsys):
    out = tmp_path / 'out'
    content = prepared(source, out)
    capsys.readouterr()
    np.save(out / 'features' / 'song_0012.npy', np.zeros((47, 47)))
    message = 'song_0012.npy: expected features of (47, 48) but got (47, 47)'
    assert message in mistake(capsys, out, tmp_path / 'second')
    (out / 'features' / 'song_0012.npy').unlink()
    assert 'song_0012.npy' in mistake(capsys, out, tmp_path / 'second')
    (out / 'annotations.json').write_text(json.dumps({**content, 'classes': ['a']}))
    assert 'expected the 37 classes of Billboard' in mistake(capsys, out, tmp_path / 'second')
