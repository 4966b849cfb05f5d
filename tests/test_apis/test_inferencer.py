import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from asl_mmaction.apis import TALInferencer
from asl_mmaction.apis import inferencer as inferencer_module

ROOT = Path(__file__).parents[2]
NAMES = ['test_0000', 'test_0001', 'test_0002']


@pytest.fixture(scope='module')
def inferencer(demo):
    return TALInferencer(demo.config_path, demo.checkpoint, device='cpu')


@pytest.fixture(scope='module')
def files(demo):
    return [demo.data / 'features' / f'{name}.npy' for name in NAMES]


@pytest.fixture(scope='module')
def feature(files):
    return np.load(files[0])


def predict(inferencer, *args, **settings):
    return inferencer(*args, **settings)['predictions']


def assert_same(found, expected):
    """Equal up to rounding; scores that differ by less may swap places."""
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one['score'] == pytest.approx(other['score'])
    key = [(item['label'], *(round(t, 6) for t in item['segment'])) for item in found]
    other = [(item['label'], *(round(t, 6) for t in item['segment'])) for item in expected]
    assert len(set(key) & set(other)) >= 0.99 * len(set(other))


def test_numbers_are_those_of_the_test_tool(demo, inferencer, files, tmp_path, load_tool):
    options = ['--out', str(tmp_path / 'out'), '--work-dir', str(tmp_path / 'work')]
    tool = load_tool('test')
    assert tool.main([str(demo.config_path), str(demo.checkpoint), *options]) == 0
    expected = json.loads((tmp_path / 'out' / 'detections.json').read_text())['results']
    database = json.loads((demo.data / 'annotations.json').read_text())['database']
    inputs = [
        {'feature': file, 'duration': database[name]['duration']}
        for name, file in zip(NAMES, files, strict=True)
    ]
    outputs = predict(
        inferencer, inputs, batch_size=2
    )  # the batches of the tool: the same to the bit
    assert [output['video_name'] for output in outputs] == NAMES == sorted(expected)
    for output in outputs:
        for found in output['detections']:
            del found['label_id']
        assert output['detections'] == expected[output['video_name']]


def test_no_graph_is_kept(inferencer, feature, monkeypatch):
    enabled = []
    step = inferencer.model.test_step
    monkeypatch.setattr(
        inferencer.model,
        'test_step',
        lambda data: enabled.append(torch.is_grad_enabled()) or step(data),
    )
    predict(inferencer, feature)
    assert enabled == [False]


def with_test_data(demo, *changes):
    """The config with a test of several datasets."""
    config = Config(demo.config.to_dict())
    part = config.test_dataloader.dataset
    parts = [{**part, **change} for change in changes]
    joined = {'type': 'ConcatDataset', 'datasets': parts}
    config.test_dataloader.dataset = {'type': 'RepeatDataset', 'times': 1, 'dataset': joined}
    return config


def test_several_test_datasets_that_agree_are_as_one(demo, inferencer, files):
    config = with_test_data(demo, {'subset': 'test'}, {'subset': 'other', 'data_root': 'there'})
    joined = TALInferencer(config, demo.checkpoint, device='cpu')
    assert predict(joined, files) == predict(inferencer, files)


def test_several_test_datasets_have_to_agree(demo, inferencer, feature):
    grid = dict(inferencer.samples.grid)
    for change, message in (
        ({'feature_file': 'x_{video}.npy'}, "feature_file .* 'x_{video}.npy' in test_dataloader"),
        ({'grid': {**grid, 'fps': 7}}, r'grid\.fps in all datasets but got 10 in .* and 7 in'),
        ({'pipeline': []}, r'the same pipeline\.0 in all datasets .*LoadFeature.* and None'),
    ):
        config = with_test_data(demo, {}, change)
        with pytest.raises(ValueError, match=message) as error:
            TALInferencer(config, demo.checkpoint, device='cpu')
        assert '\n' not in str(error.value)
    config = with_test_data(demo, {}, {'grid': {**grid, 'fps': 7}})
    given = TALInferencer(config, demo.checkpoint, device='cpu', grid={'fps': 10})
    assert predict(given, feature) == predict(inferencer, feature)


def test_arrays_files_and_batches_agree(double, demo, files, feature):
    inferencer = TALInferencer(demo.config, demo.checkpoint, device='cpu')
    one_by_one = [output for file in files for output in predict(inferencer, str(file))]
    together = predict(inferencer, files, batch_size=2)
    arrays = predict(inferencer, [np.load(files[1]), torch.from_numpy(feature)])
    assert [output['video_name'] for output in together] == NAMES
    assert [output['video_name'] for output in arrays] == ['array_0', 'array_1']
    for output, other in zip(one_by_one, together, strict=True):
        assert output['duration'] == other['duration']
        assert_same(output['detections'], other['detections'])
    assert_same(arrays[0]['detections'], one_by_one[1]['detections'])
    assert_same(arrays[1]['detections'], one_by_one[0]['detections'])


@pytest.mark.parametrize(
    'change',
    [
        lambda f: f[::-1].copy()[::-1],  # negative strides
        lambda f: np.ascontiguousarray(f.T).T,
        lambda f: f.astype('>f4'),
        lambda f: f.astype(np.float64),
        lambda f: torch.from_numpy(f).double(),
        lambda f: torch.from_numpy(f).requires_grad_(),
    ],
)
def test_arrays_of_any_layout_and_precision(inferencer, feature, change):
    assert predict(inferencer, change(feature)) == predict(inferencer, feature)


def test_a_bfloat16_tensor_is_its_numbers(inferencer, feature):
    tensor = torch.from_numpy(feature).bfloat16()
    assert predict(inferencer, tensor) == predict(inferencer, tensor.float())


@pytest.mark.parametrize(
    ('grid', 'error', 'message'),
    [
        ({'fp': 3}, ValueError, r"expected grid with some of \('fps', .*\) but got 'fp'"),
        ({'fps': 0}, ValueError, 'expected fps > 0 but got 0'),
        ({'clip_len': '8'}, TypeError, "expected clip_len to be a number but got '8'"),
        (25, TypeError, r"expected grid with some of \('fps', .*\) but got 25"),
    ],
)
def test_a_wrong_grid_is_found_at_once(demo, grid, error, message):
    with pytest.raises(error, match=message):
        TALInferencer(demo.config, demo.checkpoint, device='cpu', grid=grid)


@pytest.mark.parametrize('kind', ['npz', 'pt'])
def test_other_formats(inferencer, feature, tmp_path, kind):
    path = tmp_path / f'a.{kind}'
    if kind == 'npz':
        np.savez(path, feature)
    else:
        torch.save(torch.from_numpy(feature), path)
    (output,) = predict(inferencer, path)
    assert output['video_name'] == 'a'
    assert output['detections'] == predict(inferencer, feature)[0]['detections']


def test_detections_have_names_seconds_and_falling_scores(demo, inferencer, feature):
    (output,) = predict(inferencer, feature)
    # 10 fps, a clip of 8 frames every 4 frames
    assert output['duration'] == pytest.approx((4 * (len(feature) - 1) + 8) / 10)
    scores = [found['score'] for found in output['detections']]
    assert scores == sorted(scores, reverse=True)
    for found in output['detections']:
        assert set(found) == {'label', 'label_id', 'score', 'segment'}
        assert found['label'] == demo.classes[found['label_id']]
        assert 0 <= found['segment'][0] <= found['segment'][1] <= output['duration']


def test_threshold_and_top_k_keep_the_best(inferencer, feature):
    everything = predict(inferencer, feature)[0]['detections']
    middle = everything[len(everything) // 2]['score']
    above = predict(inferencer, feature, score_threshold=middle)[0]['detections']
    assert above == [found for found in everything if found['score'] >= middle]
    assert 0 < len(above) < len(everything)
    assert predict(inferencer, feature, top_k=3)[0]['detections'] == everything[:3]
    assert predict(inferencer, feature, score_threshold=1.1)[0]['detections'] == []


def test_top_k_above_what_the_model_gives(demo, inferencer, feature):
    message = (
        "video 'array_0': expected top_k of at most 200, what max_per_video=200 and "
        'pre_nms_topk=2000 of the post_processor allow for, but got 201'
    )
    with pytest.raises(ValueError, match=message):
        predict(inferencer, feature, top_k=201)
    assert len(predict(inferencer, feature, top_k=200)[0]['detections']) == 200
    config = Config(demo.config.to_dict())
    config.model.post_processor.pre_nms_topk = 50
    fewer = TALInferencer(config, demo.checkpoint, device='cpu')
    with pytest.raises(ValueError, match=r'expected top_k of at most 50, .* but got 51'):
        predict(fewer, feature, top_k=51)
    config = Config(demo.config.to_dict())
    config.model.update(type='SlidingWindowLocalizer', window_length=64)
    inferencer = TALInferencer(config, demo.checkpoint, device='cpu')
    most = 200 * len(feature) // 64
    with pytest.raises(ValueError, match=f'at most {most}, .* but got {most + 1}'):
        predict(inferencer, feature, top_k=most + 1)
    assert 200 < len(predict(inferencer, feature, top_k=most)[0]['detections']) <= most


def test_what_the_limits_left_out_is_said_once(demo, files, monkeypatch):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.apis.inferencer.print_log', lambda message, **_: lines.append(message)
    )
    config = Config(demo.config.to_dict())
    config.model.post_processor.max_per_video = 3
    content = torch.load(demo.checkpoint, weights_only=True)
    inferencer = TALInferencer(config, demo.checkpoint, device='cpu')
    predict(inferencer, files)
    assert lines == []  # the scores of the untrained model are low
    content['state_dict']['head.cls_out.bias'] += 5
    inferencer.model.load_state_dict(content['state_dict'])
    predict(inferencer, files, batch_size=2)
    (line,) = lines
    assert re.fullmatch(
        r'max_per_video=3 left out \d+ detections that score above 0.1 in 3 of 3 videos, the most '
        r"\(\d+\) in video 'test_000\d'(; pre_nms_topk=2000 left out .*)?",
        line,
    )


def test_time_settings_can_be_given(demo, inferencer, feature):
    expected = predict(inferencer, {'feature': feature, 'duration': 1e6})[0]['detections']
    # Twice the frames a second: everything happens in half the time.
    faster = predict(inferencer, {'feature': feature, 'fps': 20, 'duration': 1e6})[0]['detections']
    inferencer = TALInferencer(demo.config, demo.checkpoint, device='cpu', grid={'fps': 20})
    for found in (
        faster,
        predict(inferencer, {'feature': feature, 'duration': 1e6})[0]['detections'],
    ):
        times = np.array([item['segment'] for item in found])
        np.testing.assert_allclose(2 * times, [item['segment'] for item in expected], atol=1e-4)


def test_a_sidecar_completes_the_grid_and_has_to_agree(demo, inferencer, feature, tmp_path):
    config = Config(demo.config.to_dict())
    grid = config.test_dataloader.dataset.pop('grid')
    bare = TALInferencer(config, demo.checkpoint, device='cpu')
    np.save(tmp_path / 'a.npy', feature)
    expected = predict(inferencer, {'feature': feature, 'video_name': 'a', 'duration': 20.0})
    with pytest.raises(ValueError, match='the config has no fps, feat_stride, clip_len'):
        predict(bare, tmp_path / 'a.npy')
    (tmp_path / 'a.json').write_text(json.dumps({**grid, 'duration': 20.0}))
    assert predict(bare, tmp_path / 'a.npy') == predict(inferencer, tmp_path / 'a.npy') == expected
    shorter = predict(inferencer, {'feature': tmp_path / 'a.npy', 'duration': 10.0})
    assert shorter[0]['duration'] == 10.0
    (tmp_path / 'a.json').write_text(json.dumps({**grid, 'feat_stride': 7}))
    words = "video 'a': expected feat_stride 7, as .*a.json says .* but got feat_stride=4"
    with pytest.raises(ValueError, match=words):
        predict(inferencer, tmp_path / 'a.npy')


def test_a_duration_cuts_the_detections(inferencer, feature):
    (output,) = predict(inferencer, {'feature': feature, 'duration': 10.0, 'video_name': 'v'})
    assert (output['video_name'], output['duration']) == ('v', 10.0)
    assert max(found['segment'][1] for found in output['detections']) == 10.0
    assert all(found['segment'][0] < found['segment'][1] for found in output['detections'])


def test_out_is_activitynet_form(inferencer, files, tmp_path):
    outputs = predict(inferencer, files[:2], out=tmp_path / 'new' / 'found.json', top_k=5)
    content = json.loads((tmp_path / 'new' / 'found.json').read_text())
    assert (content.pop('version'), content.pop('external_data')) == ('VERSION 1.3', {})
    assert list(content) == ['results']
    for output in outputs:
        for found, stored in zip(
            output['detections'], content['results'][output['video_name']], strict=True
        ):
            assert stored == {key: found[key] for key in ('label', 'score', 'segment')}


@pytest.mark.parametrize('name', ['', 'file/found.json'])
def test_an_output_that_cannot_be_written_stops_before_the_run(inferencer, tmp_path, name):
    (tmp_path / 'file').touch()
    with pytest.raises(ValueError, match=f'expected a f.* but got .*{tmp_path}'):
        predict(inferencer, 'none.npy', out=tmp_path / name)


def test_sensitivity_may_be_in_the_config_the_checkpoint_or_neither(demo, files, tmp_path):
    plain_config = demo.config.copy()
    plain_config.model = plain_config.model.copy()
    plain_config.model.head = {
        key: value
        for key, value in plain_config.model.head.items()
        if key not in ('sensitivity', 'loss_contrast')
    }
    content = torch.load(demo.checkpoint, weights_only=True)
    content['state_dict'] = {
        key: value for key, value in content['state_dict'].items() if '.sensitivity.' not in key
    }
    torch.save(content, tmp_path / 'plain.pth')
    outputs = [
        predict(TALInferencer(config, checkpoint, device='cpu'), files[0])
        for config in (demo.config, plain_config)
        for checkpoint in (demo.checkpoint, tmp_path / 'plain.pth')
    ]
    assert all(output == outputs[0] for output in outputs)


@pytest.mark.parametrize(
    ('change', 'error', 'match'),
    [
        (lambda f: f[:, :5], ValueError, r"'array_0'.*expected shape \(T, 24\).* got \(\d+, 5\)"),
        (lambda f: f[:0], ValueError, r"video 'array_0'.*at least one step but got an empty"),
        (lambda f: np.where(np.arange(24) == 3, np.nan, f), ValueError, r"'array_0'.*got NaN"),
        (lambda f: f[None], ValueError, r'expected shape \(T, 24\)'),
        (lambda f: 'no/such.npy', FileNotFoundError, r"'such': .* no/such\.npy, which does not ex"),
        (lambda f: [[str(ROOT)]], FileNotFoundError, r'a feature file .*, which is a fold'),
        (lambda f: __file__, ValueError, r"\.npy.* but got '\.py'"),
        (lambda f: 7, TypeError, r'input 0: expected a feature file or array but got int'),
        (lambda f: None, TypeError, r'input 0: expected a feature file or array but got NoneType'),
        (lambda f: b'a.npy', TypeError, r'expected a feature file or array but got bytes'),
        (lambda f: [f, 7], TypeError, r'input 1: expected a feature file or array but got int'),
        (lambda f: f.tolist(), TypeError, r'expected a feature file or array but got float'),
        (lambda f: torch.ones(9, 24).to_sparse(), TypeError, r'dense tensor but got torch\.sparse'),
        (lambda f: {'feature': f, 'video_name': 5}, TypeError, r'input 0: .* a string but got 5'),
        (lambda f: {'feature': f, 'duration': True}, ValueError, r'in seconds, but got True'),
        (lambda f: {'features': f}, ValueError, r"expected 'feature' .* but got \['features'\]"),
        (lambda f: {'feature': f, 'duration': -5}, ValueError, r"'array_0': expected a .* got -5"),
        (lambda f: {'feature': f, 'duration': float('nan')}, ValueError, r'seconds, but got nan'),
        (lambda f: {'feature': f, 'duration': '30'}, ValueError, r"in seconds, but got '30'"),
        (lambda f: {'feature': f, 'fps': 0}, ValueError, r"'array_0': expected fps > 0 but got 0"),
        (lambda f: {'feature': f, 'fps': '3'}, TypeError, r"'array_0': expected fps to be a num"),
        (lambda f: f.astype(object), ValueError, r"'array_0': .* expected numbers but got object"),
        (lambda f: [{'feature': f, 'video_name': 'v'}] * 2, ValueError, r'but got v twice'),
    ],
)  # fmt: skip
def test_mistakes_in_the_input_are_one_clear_line(inferencer, feature, change, error, match):
    with pytest.raises(error, match=match) as info:
        predict(inferencer, change(feature))
    assert '\n' not in str(info.value)


def test_a_missing_file_is_found_before_anything_is_computed(inferencer, files, monkeypatch):
    monkeypatch.setattr(inferencer, 'forward', None)
    with pytest.raises(FileNotFoundError, match=r"'gone': .* gone\.npy, which does not exist"):
        predict(inferencer, [*files, 'gone.npy'])


@pytest.mark.parametrize('threshold', ['0.3', None, float('nan')])
def test_a_threshold_is_a_number(inferencer, feature, threshold):
    with pytest.raises(ValueError, match='expected score_threshold to be a number but got'):
        predict(inferencer, feature, score_threshold=threshold)


def test_a_device_that_is_not_there(demo):
    for device in ('gpu', 'cuda:99', 'xla'):
        with pytest.raises(ValueError, match=f"expected a device .* but got '{device}': ") as info:
            TALInferencer(demo.config, demo.checkpoint, device=device)
        assert '\n' not in str(info.value)


@pytest.fixture
def two_sources(double, demo, tmp_path):
    """An inferencer whose model takes channels 0..15 and 16..23 from files of their own."""
    config = Config(demo.config.to_dict())
    config.model.projection.update(in_channels=[16, 8], source_channels=[8, 8])
    dataset = config.test_dataloader.dataset
    dataset.feature_file = ['one/{video}.npy', 'other/{video}.npy']
    dataset.pipeline[0].sources = [{'feat_dim': 16}, {'feat_dim': 8}]
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
    path = tmp_path / 'two.pth'
    meta = {'dataset_meta': {'classes': demo.classes, 'simulated': True}}
    torch.save({'meta': meta, 'state_dict': model.state_dict()}, path)
    return TALInferencer(config, path, device='cpu')


def test_several_sources(two_sources, feature, tmp_path):
    files = [tmp_path / name / 'v.npy' for name in ('one', 'other')]
    for file, part in zip(files, (feature[:, :16], feature[:, 16:]), strict=True):
        file.parent.mkdir()
        np.save(file, part)
    (expected,) = predict(two_sources, feature)
    (output,) = predict(two_sources, [files])
    assert (output['video_name'], expected['video_name']) == ('v', 'array_0')
    assert_same(output['detections'], expected['detections'])
    inputs = [
        [feature[:, :16], torch.from_numpy(feature[:, 16:])],
        {'feature': [files[0], feature[:, 16:]]},
    ]
    for output in predict(two_sources, inputs, batch_size=2, out=tmp_path / 'found.json'):
        assert_same(output['detections'], expected['detections'])
    assert json.loads((tmp_path / 'found.json').read_text())['simulated'] is True


def test_a_missing_source_is_one_clear_line(two_sources, inferencer, feature, tmp_path):
    file = tmp_path / 'v.npy'
    np.save(file, feature[:, :16])
    expected = (
        r"video 'v': expected 2 features in a list \(one/\{video\}.npy, other/\{video\}.npy\) "
    )
    for inputs in (file, [[file]], {'feature': [file] * 3}):
        with pytest.raises(ValueError, match=expected + r'but got [13]$'):
            predict(two_sources, inputs)
    with pytest.raises(FileNotFoundError, match=r"video 'v': .*gone\.npy, which does not exist"):
        predict(two_sources, [[file, tmp_path / 'gone.npy']])
    with pytest.raises(ValueError, match=r"video 'v': .*v\.npy: expected shape \(T, 8\)"):
        predict(two_sources, [[file, file]])
    with pytest.raises(ValueError, match=r"'v': expected 1 features in a list .* but got 2$"):
        predict(inferencer, [[file, file]])


def test_classes_of_a_class_agnostic_model(demo, feature, tmp_path):
    config = Config(demo.config.to_dict())
    config.model.head.num_classes = 1
    config.train_dataloader.dataset.pipeline[-1].class_agnostic = True
    with DefaultScope.overwrite_default_scope('mmaction'):
        state = MODELS.build(config.model).state_dict()
    meta = {'dataset_meta': {'classes': demo.classes}}
    torch.save({'meta': meta, 'state_dict': state}, tmp_path / 'one.pth')
    (output,) = predict(TALInferencer(config, tmp_path / 'one.pth', device='cpu'), feature)
    assert {found['label'] for found in output['detections']} == {'action'}


@pytest.mark.parametrize('option', ['batch_size', 'top_k'])
@pytest.mark.parametrize('value', [0, 1.5, '2'])
def test_counts_are_positive(inferencer, feature, option, value):
    match = f'expected {option} to be a whole number >= 1 but got {value!r}'
    with pytest.raises(ValueError, match=match):
        predict(inferencer, feature, **{option: value})


def test_no_input_gives_no_output(inferencer):
    assert predict(inferencer, []) == []


def test_a_grid_that_nobody_gave_is_asked_for(demo, feature):
    config = Config(demo.config.to_dict())
    config.test_dataloader.dataset.grid = {'feat_stride': 4, 'clip_len': 8}
    inferencer = TALInferencer(config, demo.checkpoint, device='cpu')
    with pytest.raises(ValueError, match=r'the config has no fps: give grid=dict\(fps=\.\.\.\)'):
        predict(inferencer, feature)
    assert predict(inferencer, {'feature': feature, 'fps': 10})[0]['detections']


def test_weights_of_another_architecture_are_refused(demo):
    config = Config(demo.config.to_dict())
    config.model.head.num_convs = 1
    with pytest.raises(ValueError, match=r'expected the weights of this config but \d+ ent'):
        TALInferencer(config, demo.checkpoint, device='cpu')


def test_as_many_class_names_as_the_model_has_classes(demo, tmp_path):
    content = torch.load(demo.checkpoint, weights_only=True)
    content['meta']['dataset_meta']['classes'] = demo.classes[:3]
    torch.save(content, tmp_path / 'three.pth')
    with pytest.raises(ValueError, match=r'expected 5 classes .* but got 3 in .*three\.pth'):
        TALInferencer(demo.config, tmp_path / 'three.pth', device='cpu')


def test_a_long_sequence_is_looked_at_in_windows(demo, feature, monkeypatch):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.apis.model.print_log', lambda message, **_: lines.append(message)
    )
    for name in ('MAX_STEPS', 'WINDOW_STEPS'):
        monkeypatch.setattr(f'asl_mmaction.apis.model.{name}', 100)
    long = np.concatenate([feature] * 3)
    inferencer = TALInferencer(demo.config, demo.checkpoint, device='cpu')
    divisor = inferencer.model.data_preprocessor.size_divisor
    assert divisor <= 100 < len(long)
    (found,) = predict(inferencer, long)
    config = Config(demo.config.to_dict())
    config.model.update(
        type='SlidingWindowLocalizer', window_length=100 // divisor * divisor, windows_per_batch=1
    )
    windowed = TALInferencer(config, demo.checkpoint, device='cpu')
    assert [found] == predict(windowed, long)
    said = [line for line in lines if 'windows' in line]
    assert said == [
        f"video 'array_0': {len(long)} steps are looked at in windows of "
        f'{100 // divisor * divisor}, since memory grows with them'
    ]
    both = predict(inferencer, [long, feature[:100]], batch_size=2)  # a short one is run whole
    assert [found['detections'] for found in both] == [
        predict(windowed, long)[0]['detections'],
        predict(inferencer, feature[:100])[0]['detections'],
    ]
    assert len([line for line in lines if 'windows' in line]) == 2


def test_each_goes_on_behind_a_bad_file(inferencer, files, tmp_path):
    (tmp_path / 'broken.npy').write_bytes(b'')
    inputs = [files[0], tmp_path / 'broken.npy', files[1]]
    with pytest.raises(ValueError, match=r"video 'broken': .*broken\.npy: expected"):
        inferencer(inputs, out_dir=tmp_path / 'out')
    content = json.loads((tmp_path / 'out' / 'detections.json').read_text())
    assert list(content['results']) == [NAMES[0]]  # what was found before
    found = list(inferencer.each(inferencer.find(inputs), 2))
    assert [one.input.name for one in found] == ['broken', NAMES[0], NAMES[1]]
    assert [one.error is None for one in found] == [False, True, True]


def test_data_samples_are_those_of_the_model(inferencer, feature):
    result = inferencer(feature, return_datasamples=True, top_k=1)
    (sample,) = result['predictions']
    assert result['visualization'] == [[]]
    (prediction,) = predict(inferencer, feature)
    assert sample.pred_instances.scores.tolist() == [
        found['score'] for found in prediction['detections']
    ]


def test_drawing_needs_a_folder(inferencer, feature, tmp_path):
    with pytest.raises(ValueError, match=r"expected out_dir for draw=\['png'\] but got none"):
        inferencer(feature, draw=['png'])
    result = inferencer(feature, draw=['png', 'svg'], out_dir=tmp_path)
    assert result['visualization'] == [[tmp_path / 'array_0.png', tmp_path / 'array_0.svg']]
    assert all(path.is_file() for path in result['visualization'][0])


def test_weights_are_hashed_for_a_folder_of_results_alone(demo, feature, tmp_path, monkeypatch):
    hashed, digest = [], inferencer_module.weights_digest
    monkeypatch.setattr(
        inferencer_module, 'weights_digest', lambda x: hashed.append(1) or digest(x)
    )
    inferencer = TALInferencer(demo.config_path, demo.checkpoint, device='cpu')
    inferencer(feature, out=tmp_path / 'a.csv')
    assert hashed == []
    for folder in ('one', 'two'):
        inferencer(feature, out_dir=tmp_path / folder)
    assert hashed == [1]
    told = json.loads((tmp_path / 'one' / 'detections.json').read_text())['weights_sha256']
    assert told == digest(torch.load(demo.checkpoint)['state_dict'])


def test_the_ending_of_out_decides(inferencer, files, tmp_path):
    inferencer(files[0], out=tmp_path / 'a.srt', top_k=2)
    assert (tmp_path / 'a.srt').read_text().count('-->') == 2
    with pytest.raises(FileExistsError, match=r'a new file but .*a\.srt is there'):
        inferencer(files[0], out=tmp_path / 'a.srt')
    inferencer(files[0], out=tmp_path / 'a.srt', top_k=1, overwrite=True)
    assert (tmp_path / 'a.srt').read_text().count('-->') == 1
    with pytest.raises(ValueError, match='expected one recording for subtitles'):
        inferencer(files, out=tmp_path / 'b.srt')
    with pytest.raises(ValueError, match=r'ends in json, csv, srt, vtt but got .*a\.txt'):
        inferencer(files, out=tmp_path / 'a.txt')
