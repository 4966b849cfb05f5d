import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from torch.utils.data import DataLoader

from asl_mmaction.datasets.transforms import LoadFeature, notices
from asl_mmaction.structures.feature_grid import FeatureGrid

GRID = FeatureGrid(10, 4, 8)
FEATURE = np.arange(21, dtype=np.float32).reshape(7, 3)


def load(path, **settings):
    results = {'video_name': 'vid', 'grid': GRID, 'feature_path': str(path)}
    return LoadFeature(**{'feat_dim': 3, **settings}).transform(results)['feature']


@pytest.fixture
def npy(tmp_path):
    def save(array, allow_pickle=False):
        np.save(tmp_path / 'x.npy', array, allow_pickle=allow_pickle)
        return tmp_path / 'x.npy'

    return save


def test_a_list_of_one_source(npy):
    feature = load(npy(FEATURE), sources=[{'feat_dim': 3}])
    np.testing.assert_array_equal(feature, FEATURE)


def test_a_list_of_one_file(npy):
    results = {'video_name': 'vid', 'grid': GRID, 'feature_path': [str(npy(FEATURE))]}
    np.testing.assert_array_equal(LoadFeature(feat_dim=3)(results)['feature'], FEATURE)


def test_channels_first_is_recognised_by_the_width(npy):
    np.testing.assert_array_equal(load(npy(np.ascontiguousarray(FEATURE.T))), FEATURE)
    np.testing.assert_array_equal(load(npy(np.asfortranarray(FEATURE))), FEATURE)


SQUARE = FEATURE[:3]
GUESS = "is taken as (steps, channels); layout='TC' of LoadFeature says so, and layout='CT' the"


def test_the_layout_of_a_square_file_is_a_guess_that_is_said_once(npy, warnings):
    path = npy(SQUARE)
    transform = LoadFeature(feat_dim=3)
    for _ in range(2):
        results = {'video_name': 'vid', 'grid': GRID, 'feature_path': str(path)}
        np.testing.assert_array_equal(transform(results)['feature'], SQUARE)
    (warning,) = warnings()
    assert warning.startswith(f"video 'vid': {path}: a square of 3 x 3 {GUESS}")
    load(path)  # of another data set
    assert len(warnings()) == 2


def test_a_layout_that_is_given_is_no_guess(npy, warnings):
    np.testing.assert_array_equal(load(npy(SQUARE), layout='TC'), SQUARE)
    np.testing.assert_array_equal(load(npy(SQUARE), layout='CT'), SQUARE.T)
    np.testing.assert_array_equal(load(npy(FEATURE.T), layout='CT'), FEATURE)
    part = {'feat_dim': 2, 'channels': (1, 3), 'file_dim': 3}
    np.testing.assert_array_equal(load(npy(SQUARE), layout='CT', **part), SQUARE.T[:, 1:])
    given = load(npy(SQUARE), sources=[{'feat_dim': 3, 'layout': 'CT'}])
    np.testing.assert_array_equal(given, SQUARE.T)
    for layout, shape in (
        ('TC', r'\(T, 3\) but got \(3, 7\)'),
        ('CT', r'\(3, T\) but got \(7, 3\)'),
    ):
        feature = FEATURE.T if layout == 'TC' else FEATURE
        with pytest.raises(ValueError, match=rf"'vid': .*x.npy: expected shape {shape}"):
            load(npy(feature), layout=layout)
    with pytest.raises(ValueError, match="expected layout to be 'TC' or 'CT' but got 'NTC'"):
        LoadFeature(feat_dim=3, layout='NTC')
    np.testing.assert_array_equal(load(npy(np.ones((1, 1))), feat_dim=1), [[1]])  # either way
    assert warnings() == []


def test_an_array_instead_of_a_file():
    results = {'video_name': 'vid', 'grid': GRID, 'feature': FEATURE.T}
    np.testing.assert_array_equal(LoadFeature(feat_dim=3)(results)['feature'], FEATURE)
    results['feature'] = FEATURE[:, :2]
    with pytest.raises(ValueError, match=r"'vid': the feature array: expected shape .*\(7, 2\)"):
        LoadFeature(feat_dim=3)(results)


def test_what_a_file_is_refused_for_names_video_and_file(tmp_path, npy):
    """The formats are tests of `files/features.py`."""
    with pytest.raises(FileNotFoundError, match=r"^video 'vid': .*no.npy, which does not exist$"):
        load(tmp_path / 'no.npy')
    path = npy(FEATURE)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"^video 'vid': .*x.npy: expected a readable .npy file"):
        load(path)


def test_key_and_storage_are_those_of_the_file(tmp_path):
    np.savez(tmp_path / 'x.npz', vid=FEATURE, other=FEATURE + 1)
    for key, expected in (('{video}', FEATURE), ('other', FEATURE + 1)):
        for backend_args in (None, {'backend': 'local'}):
            feature = load(tmp_path / 'x.npz', key=key, backend_args=backend_args)
            np.testing.assert_array_equal(feature, expected)
    with pytest.raises(ValueError, match='no such'):
        load(tmp_path / 'x.npz', key='vid', backend_args={'backend': 'no such'})


@pytest.mark.parametrize('shape', [(7, 4), (21,), (1, 7, 3), ()])
def test_wrong_shapes(npy, shape):
    with pytest.raises(ValueError, match=r"'vid': .*x.npy: expected shape \(T, 3\) or \(3, T\)"):
        load(npy(np.zeros(shape)))


def test_empty_features(npy):
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match=r'x.npy: expected at least one step'):
            load(npy(np.zeros(shape)))


def test_not_numbers(npy):
    with pytest.raises(ValueError, match='expected numbers but got <U1'):
        load(npy(np.full((7, 3), 'x')))
    with pytest.raises(ValueError, match='expected numbers but got complex'):
        load(npy(np.zeros((7, 3), complex)))


def test_settings(npy):
    assert isinstance(TRANSFORMS.build({'type': 'LoadFeature', 'feat_dim': 3}), LoadFeature)
    for feat_dim in (0, '3', 3.0):
        message = f'expected feat_dim to be a whole number >= 1 but got {feat_dim!r}'
        with pytest.raises(ValueError, match=message):
            LoadFeature(feat_dim=feat_dim)
    with pytest.raises(TypeError, match='expected key to be a string but got 5'):
        LoadFeature(feat_dim=3, key=5)
    for channels in (5, [0, 1, 2], [0, 9]):
        with pytest.raises(ValueError, match=r'that are 3 of 6 but got'):
            LoadFeature(feat_dim=3, channels=channels, file_dim=6)
    results = {'video_name': 'vid', 'grid': {'fps': 1}, 'feature_path': str(npy(FEATURE))}
    with pytest.raises(TypeError, match='expected a FeatureGrid but got'):
        LoadFeature(feat_dim=3)(results)


@pytest.mark.parametrize(
    ('first', 'is_header'), [('0,1,2', True), ('1,2,3', False), ('0,1,1', None), ('a,b,c', None)]
)
def test_a_header_that_is_guessed_is_said_once_and_can_be_given(
    tmp_path, warnings, first, is_header
):
    path = tmp_path / 'x.csv'
    path.write_text(f'{first}\n4,5,6\n')
    transform = LoadFeature(feat_dim=3)
    for _ in range(2):
        transform({'video_name': 'vid', 'grid': GRID, 'feature_path': str(path)})
    taken = 'the numbers of the columns, not a step' if is_header else 'a step, not a header'
    expected = [
        f"video 'vid': {path}: the first row, '{first}', is taken for {taken}; "
        f'csv_header={is_header} of LoadFeature says so, and csv_header={not is_header} the '
        'opposite'
    ]
    assert warnings() == ([] if is_header is None else expected)
    assert len(load(path, csv_header=True)) == 1
    if first != 'a,b,c':
        assert len(load(path, csv_header=False)) == 2
    else:
        with pytest.raises(ValueError, match="3 in each line, but got line 1: 'a,b,c'"):
            load(path, csv_header=False)
    assert len(warnings()) == (is_header is not None)


def test_a_part_of_the_channels(npy):
    path = npy(np.ascontiguousarray(FEATURE.T))
    feature = load(path, feat_dim=2, channels=(1, 3), file_dim=3)
    np.testing.assert_array_equal(feature, FEATURE[:, 1:])
    assert isinstance(feature, np.memmap)
    for settings in (
        {'feat_dim': 2, 'channels': (0, 3), 'file_dim': 3},
        {'feat_dim': 2, 'channels': (2, 4), 'file_dim': 3},
    ):
        with pytest.raises(ValueError, match=r'expected channels \[first, last \+ 1\) that are 2'):
            LoadFeature(**settings)
    with pytest.raises(ValueError, match='expected channels and file_dim together'):
        LoadFeature(feat_dim=2, channels=(0, 2))
    with pytest.raises(ValueError, match=r'expected shape \(T, 4\) or \(4, T\) but got'):
        load(path, feat_dim=2, channels=(0, 2), file_dim=4)


# Several sources


def ramp(grid, steps, slope):
    """A feature that is ``slope`` times the time of its step, in seconds."""
    return (slope * grid.to_seconds(np.arange(steps, dtype=np.float64)))[:, None]


def load_sources(tmp_path, grid, *parts):
    paths, sources = [], []
    for number, (feature, own) in enumerate(parts):
        np.save(tmp_path / f's{number}.npy', feature)
        paths.append(str(tmp_path / f's{number}.npy'))
        own = own and {'fps': own.fps, 'feat_stride': own.feat_stride, 'clip_len': own.clip_len}
        sources.append({'feat_dim': feature.shape[1], 'grid': own})
    transform = LoadFeature(feat_dim=sum(s['feat_dim'] for s in sources), sources=sources)
    return transform({'video_name': 'vid', 'grid': grid, 'feature_path': paths})['feature']


def test_sources_of_one_grid_are_put_side_by_side(tmp_path):
    longer = np.concatenate([FEATURE, FEATURE[:2]])
    feature = load_sources(tmp_path, GRID, (FEATURE, None), (longer + 100, GRID))
    np.testing.assert_array_equal(feature, np.concatenate([FEATURE, FEATURE + 100], axis=1))


def test_sources_of_other_grids_are_brought_to_the_sample_times(tmp_path):
    dense, shifted = FeatureGrid(25, 2, 4), FeatureGrid(10, 3, 11)
    feature = load_sources(
        tmp_path,
        GRID,
        (ramp(GRID, 50, 1.0), None),
        (ramp(dense, 252, 2.0), dense),
        (ramp(shifted, 66, 3.0), shifted),
    )
    times = GRID.to_seconds(np.arange(len(feature), dtype=np.float64))
    assert len(feature) == 50
    for column, slope in enumerate((1, 2, 3)):
        # a source that begins later, repeats its first step
        first = shifted.to_seconds(0.0) if slope == 3 else 0.0
        np.testing.assert_allclose(feature[:, column], slope * times.clip(first), rtol=1e-5)


def test_the_shortest_source_decides_and_nothing_is_made_up_behind_it(tmp_path):
    dense = FeatureGrid(10, 2, 8)
    feature = load_sources(
        tmp_path, GRID, (ramp(GRID, 50, 1.0), None), (ramp(dense, 96, 1.0), dense)
    )
    assert len(feature) == 48  # the step 47 of the one is the step 94 of the other
    np.testing.assert_allclose(feature[:, 0], feature[:, 1], rtol=1e-6)


@pytest.mark.parametrize('steps', [50, 10_000])
def test_sources_may_end_three_steps_or_a_second_apart_whatever_their_length(tmp_path, steps):
    coarse = FeatureGrid(10, 20, 8)  # steps of 2 s, those of GRID are of 0.4 s
    end = steps // 5  # the steps 5 t of the one are the steps t of the other
    for grid, shorter, allowed in ((GRID, steps, 3), (coarse, end, 3)):
        for missing in (allowed, allowed + 1):
            parts = (ramp(GRID, steps, 1.0), None), (ramp(grid, shorter - missing, 1.0), grid)
            if grid is coarse:
                parts = (ramp(GRID, 5 * (end - 1) + 1, 1.0), None), parts[1]
            if missing == allowed:
                load_sources(tmp_path, GRID, *parts)
                continue
            with pytest.raises(ValueError, match='expected features that end together but got'):
                load_sources(tmp_path, GRID, *parts)


def test_sources_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"'vid': expected features that end together .*s1.npy 5"):
        load_sources(tmp_path, GRID, (ramp(GRID, 50, 1.0), None), (ramp(GRID, 13, 1.0), None))
    sources = [{'feat_dim': 2}, {'feat_dim': 1}]
    with pytest.raises(ValueError, match='expected sources of 4 channels together but got 3'):
        LoadFeature(feat_dim=4, sources=sources)
    for setting in ({'key': 'a'}, {'layout': 'TC'}, {'csv_header': False}):
        with pytest.raises(ValueError, match='layout and csv_header in each of the sources but'):
            LoadFeature(feat_dim=3, sources=sources, **setting)
    results = {'video_name': 'vid', 'grid': GRID, 'feature_path': 'a.npy'}
    with pytest.raises(ValueError, match=r"'vid': expected 2 features, .* but got a.npy"):
        LoadFeature(feat_dim=3, sources=sources)(results)


def test_sources_as_arrays(tmp_path):
    sources = [{'feat_dim': 2}, {'feat_dim': 1, 'grid': {'feat_stride': 4}}]
    load = LoadFeature(feat_dim=3, sources=sources)
    grid = FeatureGrid(10, 2, 4)
    one = np.arange(18, dtype=np.float32).reshape(9, 2)
    other = np.arange(5, dtype=np.float32)[:, None] * 4  # at every second step
    expected = np.column_stack([one, np.arange(9) * 2.0])
    np.save(tmp_path / 'one.npy', one)
    for given in ([one, other], [str(tmp_path / 'one.npy'), other], expected.T):
        found = load({'video_name': 'vid', 'grid': grid, 'feature': given})['feature']
        np.testing.assert_allclose(found, expected)
    for given in ([one], [one, other, other]):
        with pytest.raises(ValueError, match=rf"'vid': expected 2 features, .* got {len(given)}$"):
            load({'video_name': 'vid', 'grid': grid, 'feature': given})
    with pytest.raises(ValueError, match=r"'vid': expected 1 features, .* but got 2$"):
        LoadFeature(feat_dim=3)({'video_name': 'vid', 'grid': grid, 'feature_path': ['a', 'b']})


class Videos:
    """A data set of ``names``, 20 s each, the feature of which is half as long."""

    def __init__(self, *names, **sample):
        feature = np.zeros((24, 3))
        self.samples = [
            {'video_name': name, 'grid': GRID, 'feature': feature, 'duration': 20.0, **sample}
            for name in names
        ]
        self.load = LoadFeature(feat_dim=3)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return len(self.load(dict(self.samples[index]))['feature'])


@pytest.fixture
def warnings(monkeypatch, tmp_path):
    """Function: the warnings of this run so far, of all processes."""
    path = tmp_path / 'log'
    path.touch()

    def log(text, logger, level):
        with path.open('a') as file:
            file.write(f'{text}\n')

    monkeypatch.setattr(notices, 'print_log', log)
    return lambda: path.read_text().splitlines()


@pytest.mark.parametrize('num_workers', [0, 2])
def test_a_feature_of_another_length_is_warned_of_once_for_each_data_set(warnings, num_workers):
    for name in ('train', 'val'):
        videos = Videos(*(f'{name}_{i}' for i in range(8)))
        loader = DataLoader(
            videos,
            num_workers=num_workers,
            multiprocessing_context=('fork' if num_workers else None),
        )
        for _ in range(2):
            assert sum(map(int, loader)) == 8 * 24
    for name, warning in zip(('train', 'val'), warnings(), strict=True):
        assert warning.startswith(f"video '{name}_")
        assert (
            ': expected about 49 steps (20 s, fps 10, feat_stride 4, clip_len 8) but got 24: '
            'actions are learned and found at shifted times; `python tools/data/check.py CONFIG` '
        ) in warning


@pytest.mark.parametrize('duration', [None, 10.0, 8.8, 11.5])
def test_a_feature_that_fits_or_may_is_not_warned_of(warnings, duration):
    assert Videos('v', duration=duration)[0] == 24
    assert warnings() == []


def test_how_processes_start_is_left_to_the_user(fresh_process):
    assert fresh_process['start_method'] is None
