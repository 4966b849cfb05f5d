"""The whole model: padding and batching change nothing, and detections are in seconds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.registry import MODELS
from torch import nn

from asl_mmaction.models.necks import TransformerPyramid

TRUTHS = {
    5: ([(0.2, 3.9)], [1]),
    13: ([(1.5, 6.2), (2.0, 12.1), (7.0, 10.5)], [0, 2, 1]),
    18: ([(3.3, 8.4), (-0.5, 17.0)], [2, 2]),
    37: ([(4.0, 9.0), (20.2, 36.1), (6.5, 8.25)], [0, 1, 1]),
}
VARIANTS = {
    'baseline': {},
    'full attention': {'neck': {'window_size': None, 'top_down': False}},
    'causal': {'neck': {'causal': 'split', 'window_size': [None, 5, 5]}},
    'asl': {'asl': True},
    'asl, wide instance level': {'asl': True, 'kernel_size': 7},
    'per_gt': {'asl': True, 'normalize': 'per_gt'},
    'batch': {'asl': True, 'normalize': 'batch'},
    'tridet': {'style': 'tridet'},
    'tridet asl': {'style': 'tridet', 'asl': True, 'neck': {'top_down': True}},
    'simota': {
        'asl': True,
        'normalize': 'per_gt',
        'head': {'assigner': {'type': 'SimOTAAssigner', 'sensitivity_power': 0.5}},
    },
    'tridet simota, per class': {
        'style': 'tridet',
        'asl': True,
        'head': {'assigner': {'type': 'SimOTAAssigner', 'match': 'all'}, 'per_class': True},
    },
}


@pytest.fixture(scope='module', params=VARIANTS)
def model(request, build, localizer_config):
    options = dict(VARIANTS[request.param])
    normalize = options.pop('normalize', None)
    kernel_size = options.pop('kernel_size', None)
    config = localizer_config(**options)
    if kernel_size:
        config['head']['sensitivity']['instance_level']['kernel_size'] = kernel_size
    if normalize:
        config['head']['sensitivity']['normalize'] = normalize
    return build(config)


@pytest.fixture(scope='module')
def run(model, make_sample, collate):
    """Function: some videos (by length) in one batch, padded to at least ``min_len``."""

    def run(lengths, mode, min_len=0):
        model.data_preprocessor.min_len = min_len
        samples = [make_sample(n, *TRUTHS[n], name=f'v{n}', seed=n) for n in lengths]
        batch = model.data_preprocessor(collate(*samples), training=mode == 'loss')
        return model(**batch, mode=mode)

    return run


def assert_same_detections(ours, theirs):
    a, b = ours.pred_instances, theirs.pred_instances
    assert len(a) == len(b) > 0
    torch.testing.assert_close(a.scores, b.scores)
    assert torch.equal(a.labels, b.labels)
    torch.testing.assert_close(a.segments, b.segments)


batches = st.lists(st.sampled_from(sorted(TRUTHS)), min_size=1, max_size=3, unique=True)


# Without drop-path and dropout, training computes what evaluation does.
@pytest.mark.parametrize('training', [False, True])
@settings(max_examples=8)
@given(lengths=batches, min_len=st.integers(0, 60))
def test_outputs_at_valid_points(model, run, training, lengths, min_len):
    model.train(training)
    inputs_of = {}
    for name, some in (('batch', lengths), *((n, [n]) for n in lengths)):
        outputs = run(some, 'tensor', min_len if name == 'batch' else 0)
        total = (max([*some, min_len if name == 'batch' else 0]) + 3) // 4 * 4
        inputs_of[name] = outputs, total
    outputs, total = inputs_of['batch']
    for row, length in enumerate(lengths):
        alone, own_total = inputs_of[length]
        ours, theirs = [], []
        first = own_first = 0
        for stride in (1, 2, 4):
            steps = -(-length // stride)
            ours += range(first, first + steps)
            theirs += range(own_first, own_first + steps)
            first += total // stride
            own_first += own_total // stride
        for a, b in zip(outputs, alone, strict=True):
            torch.testing.assert_close(a[row, ours], b[0, theirs])


@settings(max_examples=8)
@given(lengths=batches, min_len=st.integers(0, 60))
def test_every_loss_term_under_padding(model, run, lengths, min_len):
    model.train()
    plain, padded = run(lengths, 'loss'), run(lengths, 'loss', min_len)
    assert plain.keys() == padded.keys()
    for key, value in plain.items():
        torch.testing.assert_close(value, padded[key])


@settings(max_examples=8)
@given(lengths=batches)
def test_losses_of_a_batch_are_the_sum_of_its_videos(model, run, lengths):
    """Weighted with the positives of each; what compares videos with each other excepted."""
    if getattr(model.head.sensitivity, 'normalize', None) == 'batch':
        pytest.skip('the weights of a video depend on those of the others')
    model.train()
    counts = []
    handle = model.head.assigner.__class__.__call__

    def count(assigner, *args):
        targets = handle(assigner, *args)
        counts.append(targets.gt_inds)
        return targets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.head.assigner.__class__, '__call__', count)
        joint = run(lengths, 'loss')
        alone = [run([length], 'loss') for length in lengths]
    positives = [max(1, int((inds >= 0).sum())) for inds in counts[1:]]
    assert int((counts[0] >= 0).sum()) == sum(int((inds >= 0).sum()) for inds in counts[1:])
    for key in ('loss_cls', 'loss_loc', 'loss_sensitivity'):
        if key in joint:
            expected = sum(n * loss[key] for n, loss in zip(positives, alone, strict=True))
            torch.testing.assert_close(joint[key] * sum(positives), expected)


@settings(max_examples=8)
@given(lengths=batches, min_len=st.integers(0, 60))
def test_detections(model, run, lengths, min_len):
    model.eval()
    with torch.no_grad():
        together = run(lengths, 'predict', min_len)
        for sample, length in zip(together, lengths, strict=True):
            assert sample.video_name == f'v{length}'
            assert_same_detections(sample, run([length], 'predict')[0])


def test_detections_are_the_post_processors_in_seconds_and_cut(model, run):
    model.eval()
    with torch.no_grad():
        (sample,) = run([18], 'predict')
        inputs = {}
        original = model.head.predict

        def keep(*args, **options):
            inputs['found'] = original(*args, **options)
            return inputs['found']

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(model.head, 'predict', keep)
            run([18], 'predict')
        found = model.post_processor.thin_out(*model.post_processor.select(inputs['found']))
    assert len(found) == len(sample.pred_instances)
    cut = 0
    for (start, end), seconds in zip(
        found.segments.tolist(), sample.pred_instances.segments.tolist(), strict=True
    ):
        raw = [(5 * start + 2.5) / 10, (5 * end + 2.5) / 10]
        expected = [min(max(value, 0), sample.duration) for value in raw]
        assert seconds == pytest.approx(expected, abs=1e-9)
        cut += raw != expected
    assert cut  # the untrained model reaches beyond the video
    assert sample.pred_instances.segments.dtype == torch.float64
    scores = sample.pred_instances.scores.tolist()
    assert scores == sorted(scores, reverse=True)


def test_what_lies_behind_the_end_is_as_good_as_not_there(model, make_sample, collate):
    model.eval()
    batch = model.data_preprocessor(collate(make_sample(37)), training=False)
    (sample,) = batch['data_samples']
    sample.set_metainfo({'duration': float(sample.grid.to_seconds(13.0))})
    with torch.no_grad():
        (found,) = model(**batch, mode='predict')
        dense = model.head.predict(*model.extract_feat(batch['inputs'], batch['masks']))
    end = float(sample.grid.to_grid(sample.duration))
    behind = dense.segments[..., 0].double() >= end
    assert 0.2 < behind.float().mean() < 0.8
    # Below the threshold.
    scores = dense.scores * (~behind if behind.dim() == 3 else ~behind[..., None])
    (selected,) = model.post_processor.select(dense._replace(scores=scores))
    expected = model.post_processor.thin_out(selected)
    expected = sample.grid.to_seconds(expected.segments).clamp(0, sample.duration)
    torch.testing.assert_close(found.pred_instances.segments, expected)
    assert (found.pred_instances.segments.diff() > 0).all()


def test_a_video_of_one_step(model, make_sample, collate):
    model.data_preprocessor.min_len = 0
    model.eval()
    batch = model.data_preprocessor(collate(make_sample(1)))
    (sample,) = model(**batch, mode='predict')
    assert sample.pred_instances.segments.shape == (len(sample.pred_instances), 2)
    assert sample.pred_instances.scores.isfinite().all()


def test_no_detection(model, make_sample, collate):
    model.eval()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.post_processor, 'pre_nms_thresh', 0.99999)
        (sample,) = model(**model.data_preprocessor(collate(make_sample(9))), mode='predict')
    assert sample.pred_instances.segments.shape == (0, 2)
    assert len(sample.pred_instances.scores) == len(sample.pred_instances.labels) == 0


def test_unknown_mode(model, make_sample, collate):
    batch = model.data_preprocessor(collate(make_sample(9)))
    with pytest.raises(
        ValueError, match="expected mode to be 'loss', 'predict' or 'tensor' but got"
    ):
        model(**batch, mode='train')


@pytest.mark.parametrize('style', ['actionformer', 'tridet'])
@pytest.mark.parametrize(
    ('part', 'setting', 'message'),
    [
        ('neck', 'channels', 'neck.channels to be the 8 of projection.out_channels but got 16'),
        ('projection', 'out_channels', 'the 16 of projection.out_channels but got 8'),
        ('head', 'in_channels', 'head.in_channels to be the 8 of neck.channels but got 16'),
    ],
)
def test_widths_that_do_not_fit(build, localizer_config, style, part, setting, message):
    config = localizer_config(asl=True, style=style)
    config[part][setting] = 16
    with pytest.raises(ValueError, match=message):
        build(config)


def test_strides_that_do_not_fit(build, localizer_config):
    config = localizer_config()
    config['data_preprocessor']['size_divisor'] = 2
    with pytest.raises(ValueError, match='expected size_divisor to be a multiple of 4, the neck'):
        build(config)
    config = localizer_config(head={'strides': [1, 2, 8]})
    with pytest.raises(ValueError, match=r'head: expected the strides \[1, 2, 4\] of the neck but'):
        build(config)


@pytest.mark.parametrize('style', ['actionformer', 'tridet'])
def test_the_width_is_set_once(build, localizer_config, style):
    """Of the projection alone; the model is that of a config which says it in every place."""
    config = localizer_config(asl=True, style=style)
    said = build(config)
    for part, setting in (('neck', 'channels'), ('head', 'in_channels'), ('head', 'feat_channels')):
        del config[part][setting]
    left_out = build(config)
    shapes = {name: value.shape for name, value in said.state_dict().items()}
    assert {name: value.shape for name, value in left_out.state_dict().items()} == shapes
    assert (left_out.neck.channels, left_out.head.in_channels) == (8, 8)
    config['projection']['out_channels'] = 16
    wider = build(config)
    assert (wider.neck.channels, wider.head.in_channels) == (16, 16)
    assert wider.head.cls_tower.convs[0].weight.shape[:2] == (16, 16)


def test_the_width_of_a_neck_that_tells_none_is_to_be_said(build, localizer_config):
    class Plain(nn.Module):
        pass

    config = localizer_config()
    del config['head']['in_channels']
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS.module_dict, 'Plain', Plain)
        with pytest.raises(TypeError, match=r"missing 1 required .*: 'in_channels'"):
            build({**config, 'neck': {'type': 'Plain'}})


def test_a_neck_that_does_not_tell_its_width(build, localizer_config, make_sample, collate):
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.pyramid = TransformerPyramid(channels=8, num_heads=2, num_levels=3)

        def forward(self, x, mask):
            feats, masks = self.pyramid(x, mask)
            return [feat[..., :4] for feat in feats], masks

    config = localizer_config(head={'in_channels': 4})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS.module_dict, 'Halves', Halves)
        model = build({**config, 'neck': {'type': 'Halves'}})
    outputs = model(**model.data_preprocessor(collate(make_sample(9))))
    assert outputs[0].shape == (1, 12 + 6 + 3, 3)


@torch.no_grad()
@pytest.mark.parametrize('windows', [{}, dict(type='SlidingWindowLocalizer', window_length=16)])
def test_quality_comes_from_the_evaluators(build, localizer_config, make_sample, collate, windows):
    """As if the scores had been multiplied by what the instance level says of the same features."""
    config = {**localizer_config(True), **windows}
    plain = build(config).eval()
    config['post_processor'] = {**config['post_processor'], 'quality_power': dict(cls=1, loc=2)}
    powered = build(config).eval()
    powered.load_state_dict(plain.state_dict())
    predict = plain.head.predict

    def weighed(feats, masks, **options):
        found = predict(feats, masks, **options)
        assert found.quality is None
        quality = plain.head.sensitivity.instance_level(feats, masks)
        factor = quality[..., :1] * quality[..., 1:] ** 2
        assert factor[found.masks].std() > 0
        return found._replace(scores=found.scores * factor)

    batch = plain.data_preprocessor(collate(make_sample(16)), training=False)
    (first,) = plain(**batch, mode='predict')
    unweighed = first.pred_instances
    plain.head.predict = weighed
    (one,), (other,) = (model(**batch, mode='predict') for model in (plain, powered))
    assert not torch.equal(unweighed.scores[:5], one.pred_instances.scores[:5])
    for key in ('segments', 'scores', 'labels'):
        torch.testing.assert_close(one.pred_instances[key], other.pred_instances[key])


def test_quality_that_nothing_predicts(build, localizer_config):
    config = localizer_config()
    config['post_processor'] = {**config['post_processor'], 'quality_power': dict(loc=1)}
    with pytest.raises(ValueError, match=r'head.sensitivity with an instance_level, for quality_'):
        build(config)
