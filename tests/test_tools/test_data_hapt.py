import importlib.util
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from asl_mmaction.files.clicks import read_click_file

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location('prepare_hapt', ROOT / 'tools/data/hapt/prepare.py')
prepare = importlib.util.module_from_spec(spec)
spec.loader.exec_module(prepare)

# (experiment, user): user 2 is a test subject
NAMES = ('exp01_user01', 'exp02_user02', 'exp13_user07')


def random_source():
    """Signals, and rows of labels.txt, in no order."""
    rng = np.random.default_rng(0)
    signals = {
        name: rng.normal(1, 0.5, (100 + 37 * i, 6)).astype(np.float32)
        for i, name in enumerate(NAMES)
    }
    rows = [(13, 7, 12, 101, 174), (1, 1, 5, 1, 40), (2, 2, 1, 20, 137), (1, 1, 7, 41, 99)]
    return signals, rows


def real_source(real_data):
    folder = real_data('hapt')
    database = json.loads((folder / 'hapt.json').read_text())['database']
    signals, rows = {}, []
    for name in ('exp01_user01', 'exp04_user02'):
        signals[name] = np.load(folder / 'raw' / f'{name}.npy')
        ids = int(name[3:5]), int(name[-2:])
        for item in database[name]['annotations']:
            start, end = item['segment']
            rows.append((*ids, item['label_id'] + 1, round(start * 50) + 1, round(end * 50)))
    return signals, rows


def write_distribution(folder, signals, rows):
    folder.mkdir(parents=True)
    for name, signal in signals.items():
        # as many digits as tell one float32 from the next
        np.savetxt(folder / f'acc_{name}.txt', signal[:, :3], fmt='%.9g')
        np.savetxt(folder / f'gyro_{name}.txt', signal[:, 3:], fmt='%.9g')
    np.savetxt(folder / 'labels.txt', rows, fmt='%d')
    (folder.parent / 'activity_labels.txt').write_text('1 WALKING\n')
    (folder.parent / '._acc_exp01_user01.txt').write_bytes(b'\x00junk')
    return folder.parent


def write_arrays(folder, signals, rows):
    (folder / 'raw').mkdir(parents=True)
    database = {}
    for name, signal in signals.items():
        np.save(folder / 'raw' / f'{name}.npy', signal)
        ids = (int(name[3:5]), int(name[-2:]))
        database[name] = {
            'annotations': [
                {'segment': [(row[3] - 1) / 50, row[4] / 50], 'label': prepare.CLASSES[row[2] - 1]}
                for row in rows
                if row[:2] == ids
            ]
        }
    (folder / 'hapt.json').write_text(json.dumps({'database': database}))
    return folder


def zipped(folder, path):
    with zipfile.ZipFile(path, 'w') as archive:
        for file in sorted(folder.rglob('*')):
            archive.write(file, file.relative_to(folder.parent))
    return path


def prepared(source, out):
    assert prepare.main([str(source), '--out', str(out)]) == 0
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob('*')) if p.is_file()}


@pytest.mark.parametrize('real', [False, True])
def test_all_forms_of_the_source_give_the_same_files(tmp_path, real, real_data):
    signals, rows = real_source(real_data) if real else random_source()
    folder = write_distribution(tmp_path / 'HAPT' / 'RawData', signals, rows)
    first = prepared(folder, tmp_path / 'from_folder')
    features = {f'features/{name}.npy' for name in signals}
    assert set(first) == {'annotations.json', '.made_by', *features}
    assert prepared(folder / 'RawData', tmp_path / 'from_raw') == first
    archive = zipped(folder, tmp_path / 'hapt.zip')
    assert prepared(archive, tmp_path / 'from_zip') == first
    (tmp_path / 'download').mkdir()
    archive.rename(tmp_path / 'download' / 'hapt.zip')
    assert prepared(tmp_path / 'download', tmp_path / 'from_zip_in_folder') == first
    outer = zipped(tmp_path / 'download', tmp_path / 'outer.zip')
    assert prepared(outer, tmp_path / 'from_zip_in_zip') == first
    arrays = write_arrays(tmp_path / 'arrays', signals, rows)
    assert prepared(arrays, tmp_path / 'from_arrays') == first
    assert prepared(arrays, tmp_path / 'from_arrays') == first  # a second time


def test_content_by_hand(tmp_path):
    signals, rows = random_source()
    write_distribution(tmp_path / 'HAPT' / 'RawData', signals, rows)
    prepared(tmp_path / 'HAPT', tmp_path / 'out')
    content = json.loads((tmp_path / 'out' / 'annotations.json').read_text())
    assert content['grid'] == {'fps': 50, 'feat_stride': 25, 'clip_len': 50}
    database = content['database']
    assert [database[name]['subset'] for name in NAMES] == ['training', 'test', 'training']
    assert [database[name]['duration'] for name in NAMES] == [2.0, 2.74, 3.48]
    # samples 1..40 and 41..99, both included
    assert database['exp01_user01']['annotations'] == [
        {'segment': [0.0, 0.8], 'label': 'STANDING', 'label_id': 4},
        {'segment': [0.8, 1.98], 'label': 'STAND_TO_SIT', 'label_id': 6},
    ]
    training = np.concatenate([signals[NAMES[0]], signals[NAMES[2]]]).astype(np.float64)
    for name, signal in signals.items():
        feature = np.load(tmp_path / 'out' / 'features' / f'{name}.npy')
        assert feature.dtype == np.float32
        assert len(feature) == (len(signal) - 50) // 25 + 1
        for step, sample, channel in ((0, 0, 0), (1, 0, 5), (1, 49, 2), (len(feature) - 1, 20, 3)):
            column = training[:, channel]
            value = (signal[25 * step + sample, channel] - column.mean()) / column.std()
            assert feature[step, 6 * sample + channel] == pytest.approx(value, abs=1e-5)


def test_the_official_split_and_counts(tmp_path, capsys, real_data):
    original = json.loads(real_data('hapt/hapt.json').read_text())
    prepared(real_data('hapt'), tmp_path / 'out')
    content = json.loads((tmp_path / 'out' / 'annotations.json').read_text())
    assert content['database'] == original['database']
    assert content['classes'] == original['taxonomy']
    words = capsys.readouterr().out.split()
    assert words[words.index('training') :][:3] == ['training', '42', '849']
    assert words[words.index('test') :][:3] == ['test', '19', '365']
    features = [np.load(p) for p in (tmp_path / 'out' / 'features').iterdir()]
    assert {feature.shape[1] for feature in features} == {300}
    assert (min(map(len, features)), max(map(len, features))) == (394, 1282)


def mistake(capsys, source, out):
    """The one line that the tool ends with."""
    with pytest.raises(SystemExit) as end:
        prepare.main([str(source), '--out', str(out)])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def remove(name):
    return lambda folder: (folder / name).unlink()


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (remove('labels.txt'), 'expected acc_expNN_userNN.txt'),
        (remove('gyro_exp02_user02.txt'), 'gyro_exp02_user02.txt is missing'),
        (write('gyro_exp02_user02.txt', '1 2 3\n'), 'expected as many gyro as acc samples (137)'),
        (write('acc_exp01_user01.txt', '1 2\n'), 'acc_exp01_user01.txt: expected 3 columns'),
        (
            write('acc_exp01_user01.txt', '1 2 x\n'),
            'acc_exp01_user01.txt: expected rows of numbers but got',
        ),
        (write('acc_exp01_user01.txt', '1 2 nan\n' * 100), 'expected finite samples'),
        (write('labels.txt', '1 1 13 1 9\n'), 'row 1 1 13 1 9: expected an activity of 1..12'),
        (write('labels.txt', '3 1 1 1 9\n'), 'there is no recording of this experiment'),
        (write('labels.txt', '1 1 1 50 9\n'), 'exp01_user01: expected segments within 0..2.0 s'),
        (write('labels.txt', '1 1 1 50 101\n'), 'exp01_user01: expected segments within 0..2.0 s'),
    ],
)
def test_errors_leave_nothing_behind(tmp_path, capsys, spoil, message):
    folder = write_distribution(tmp_path / 'HAPT' / 'RawData', *random_source())
    spoil(folder / 'RawData')
    assert message in mistake(capsys, folder, tmp_path / 'out')
    assert os.listdir(tmp_path) == ['HAPT']


def test_sources_that_are_none(tmp_path, capsys):
    (tmp_path / 'file.txt').write_text('x')
    for source, message in (
        ('file.txt', 'file.txt: expected a zip file but got'),
        ('none', 'which does not exist'),
        ('.', 'labels'),
    ):
        assert message in mistake(capsys, tmp_path / source, tmp_path / 'out')


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (write('hapt.json', '{}'), 'hapt.json: expected'),
        (write('hapt.json', '{"database": {"a": 3}}'), "hapt.json: video 'a': expected"),
        (write('raw/exp01_user01.npy', ''), "hapt.json: video 'exp01_user01': expected"),
        (
            lambda folder: (folder / 'hapt.json').write_text(
                (folder / 'hapt.json').read_text().replace('STANDING', 'FLYING')
            ),
            "hapt.json: video 'exp01_user01': expected segments, labels and a raw/<video>.npy of "
            "HAPT but got no 'FLYING'",
        ),
    ],
)
def test_errors_of_the_arrays_name_the_video(tmp_path, capsys, spoil, message):
    folder = write_arrays(tmp_path / 'arrays', *random_source())
    spoil(folder)
    assert message in mistake(capsys, folder, tmp_path / 'out')
    assert os.listdir(tmp_path) == ['arrays']


def test_only_test_subjects_give_no_statistics(tmp_path, capsys):
    signals, rows = random_source()
    only = {NAMES[1]: signals[NAMES[1]]}
    write_arrays(tmp_path / 'arrays', only, rows)
    assert 'expected training recordings' in mistake(capsys, tmp_path / 'arrays', tmp_path / 'out')


def test_clips_are_cut_where_no_action_is():
    """By hand: cuts at 25 (a border), 60 (the middle of a gap), 81 (behind all actions)."""
    actions = [(2.0, 10.0, 0), (8.0, 25.0, 1), (25.0, 58.0, 2), (62.0, 72.0, 3)]
    signal = np.arange(90 * 50 * 6, dtype=np.float32).reshape(-1, 6)
    clips = prepare.cut_into_clips(prepare.Recording(signal, actions), 20.0)
    assert [len(clip.signal) / 50 for clip in clips] == [25, 35, 21, 9]
    assert [[label for *_, label in clip.annotations] for clip in clips] == [[0, 1], [2], [3], []]
    assert clips[1].annotations == [(0.0, 33.0, 2)]
    assert clips[2].annotations == [(2.0, 12.0, 3)]
    np.testing.assert_array_equal(np.concatenate([clip.signal for clip in clips]), signal)
    # the first gap is a place too, and a cut leaves a window at least
    late = prepare.cut_into_clips(prepare.Recording(signal, [(50.0, 89.5, 0)]), 20.0)
    assert [len(clip.signal) / 50 for clip in late] == [25, 65]


def test_real_clips(real_data, tmp_path):
    out = tmp_path / 'clips'
    options = ['--clips', '--click-seed', '3', '--out', str(out)]
    assert prepare.main([str(real_data('hapt')), *options]) == 0
    content = json.loads((out / 'annotations.json').read_text())
    videos = {
        subset: [v for v in content['database'].values() if v['subset'] == subset]
        for subset in ('training', 'test')
    }
    counts = {name: (len(x), sum(len(v['annotations']) for v in x)) for name, x in videos.items()}
    assert counts == {'training': (544, 849), 'test': (233, 365)}
    classes = [len({x['label'] for x in v['annotations']}) for v in videos['training']]
    assert classes.count(0) == 43
    assert classes.count(1) + classes.count(2) > 0.85 * len(classes)
    assert len(read_click_file(out / 'action_clicks.json').clicks) == 544
    assert json.loads((out / 'action_clicks.json').read_text())['simulated']['seed'] == 3
    # a quarter of a step before each step and after it: what is there
    for name, clicks in read_click_file(out / 'every_step.json').clicks.items():
        video = content['database'][name]
        times = np.arange(0.125, video['duration'], 0.25).tolist()
        assert sorted({click.time for click in clicks}) == times
        for click in clicks:
            there = [
                item['label']
                for item in video['annotations']
                if item['segment'][0] <= click.time <= item['segment'][1]
            ]
            assert click.label in (there or [None])
    number = {
        file.stem: sum(map(len, read_click_file(file).clicks.values()))
        for file in out.glob('background_clicks*.json')
    }
    half, whole = number['background_clicks_0.5'], number['background_clicks']
    assert number['background_clicks_2'] == 2 * whole == 2 * number['background_clicks_noisy']
    assert number['background_clicks_0.25'] < half < whole


def test_without_clips_there_are_no_clicks(tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        prepare.main([str(tmp_path), '--click-seed', '3'])
    assert 'expected --click-seed with --clips' in capsys.readouterr().err
