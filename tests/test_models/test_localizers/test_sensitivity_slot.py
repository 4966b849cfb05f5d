"""The laws of the slot: what sensitivity may change, and what it may not."""

import copy

import pytest
import torch
from mmaction.registry import MODELS

from asl_mmaction.models.sensitivity import BaseSensitivity
from asl_mmaction.structures.sensitivity import Sensitivity


@MODELS.register_module(name='OnesSensitivityOfTheTests')
class Ones(BaseSensitivity):
    """An evaluator to which every point matters alike."""

    def __init__(self, *, num_classes, in_channels):
        super().__init__()

    def forward(self, feats, masks, points, targets):
        ones = torch.ones(targets.gt_inds.shape)
        return Sensitivity(ones, ones)

    def loss(self, sensitivity, targets, quality):
        return {}


PER_CLASS = {'per_class': True, 'assigner': {'match': 'all'}}


@pytest.fixture(
    scope='module',
    params=[(style, head) for style in ('actionformer', 'tridet') for head in ({}, PER_CLASS)],
    ids=['actionformer', 'actionformer per class', 'tridet', 'tridet per class'],
)
def localizer_config(request, localizer_config):
    """The laws hold for every head."""
    style, settings = request.param

    def make(asl=False, *, head=(), **parts):
        return localizer_config(asl, style=style, head={**settings, **dict(head)}, **parts)

    return make


@pytest.fixture(scope='module')
def batch(make_sample, collate):
    """Function: a batch of two videos as the model takes it."""

    def make(model, training=True):
        samples = (
            make_sample(13, [(1.5, 6.2), (2.0, 12.1)], [0, 2], seed=1),
            make_sample(18, [(3.3, 8.4)], [1], seed=2),
        )
        return model.data_preprocessor(collate(*samples), training=training)

    return make


def losses(model, batch, seed=0):
    torch.manual_seed(seed)
    return model.train()(**batch(model), mode='loss')


def outputs(model, batch):
    with torch.no_grad():
        return model.eval()(**batch(model, training=False), mode='tensor')


def assert_same_weights(ours, theirs):
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key


def test_clicks_are_for_the_contrast_alone(localizer_config, build, batch):
    clicks = torch.tensor([[9, -1], [0, 14]])

    def clicked_batch(model):
        given = batch(model)
        return given | {'ground_truths': given['ground_truths']._replace(clicks=clicks)}

    model = build(localizer_config(True))
    plain, clicked = losses(model, batch), losses(model, clicked_batch)
    contrast = plain.pop('loss_ascl'), clicked.pop('loss_ascl')
    assert contrast[1] > contrast[0]  # more negatives
    assert_same_weights(plain, clicked)


def test_an_empty_slot_and_theta_zero_are_the_baseline_to_the_bit(build, localizer_config, batch):
    config = localizer_config(
        True, neck={'drop_path': 0.2}, head={'sensitivity': None, 'loss_contrast': None}
    )
    if 'theta' in config['neck']:
        config['neck']['theta'] = 0.0
    ours = build(config, lively=False)
    theirs = build(localizer_config(neck={'drop_path': 0.2}), lively=False)
    assert_same_weights(ours.state_dict(), theirs.state_dict())
    a, b = losses(ours, batch), losses(theirs, batch)
    assert_same_weights(a, b)
    assert set(a) == {'loss_cls', 'loss_loc'}
    sum(a.values()).backward()
    sum(b.values()).backward()
    for x, y in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(x.grad, y.grad)


def test_an_evaluator_of_ones_gives_the_same_numbers(build, localizer_config, batch):
    without = build(localizer_config())
    ones = build(localizer_config(head={'sensitivity': {'type': 'OnesSensitivityOfTheTests'}}))
    assert_same_weights(losses(without, batch), losses(ones, batch))


def test_an_evaluator_without_levels_gives_the_same_numbers(build, localizer_config, batch):
    without = build(localizer_config())
    nothing = build(localizer_config(head={'sensitivity': {'type': 'ActionSensitivityEvaluator'}}))
    a, b = losses(without, batch), losses(nothing, batch)
    assert_same_weights(a, {key: b[key] for key in a})
    assert b['weight_cls'] == b['weight_loc'] == 1


def test_the_slot_changes_neither_initial_weights_nor_outputs(build, localizer_config, batch):
    slot = localizer_config(True)['head']['sensitivity']
    without = build(localizer_config(), lively=False)
    filled = build(localizer_config(head={'sensitivity': slot}), lively=False)
    own = filled.state_dict()
    assert [key for key in own if key.startswith('head.sensitivity.')]
    rest = {key: own[key] for key in own if not key.startswith('head.sensitivity.')}
    assert_same_weights(rest, without.state_dict())
    expected = outputs(without, batch)
    assert all(torch.equal(a, b) for a, b in zip(outputs(filled, batch), expected, strict=True))
    for value in filled.head.sensitivity.parameters():
        torch.nn.init.normal_(value)
    assert all(torch.equal(a, b) for a, b in zip(outputs(filled, batch), expected, strict=True))
    assert not torch.equal(losses(filled, batch)['loss_cls'], losses(without, batch)['loss_cls'])


def test_a_checkpoint_crosses_both_ways(build, localizer_config, batch):
    head = localizer_config(True)['head']
    slot = {key: head[key] for key in ('sensitivity', 'loss_contrast')}
    without = build(localizer_config(), seed=1)
    filled = build(localizer_config(head=slot), seed=2)
    own = {key for key in filled.state_dict() if key.startswith('head.sensitivity.')}
    before = copy.deepcopy(filled.head.sensitivity.state_dict())

    missing, unexpected = filled.load_state_dict(without.state_dict(), strict=False)
    assert set(missing) == own
    assert unexpected == []
    assert_same_weights(filled.head.sensitivity.state_dict(), before)
    for a, b in zip(outputs(filled, batch), outputs(without, batch), strict=True):
        assert torch.equal(a, b)

    other = build(localizer_config(), seed=3)
    missing, unexpected = other.load_state_dict(filled.state_dict(), strict=False)
    assert missing == []
    assert set(unexpected) == own
    for a, b in zip(outputs(other, batch), outputs(without, batch), strict=True):
        assert torch.equal(a, b)


def test_prediction_runs_nothing_of_it(build, localizer_config, batch, op_recorder):
    head = localizer_config(True)['head']
    slot = {key: head[key] for key in ('sensitivity', 'loss_contrast')}
    without = build(localizer_config(), seed=1).eval()
    filled = build(localizer_config(head=slot), seed=2).eval()
    filled.load_state_dict(without.state_dict(), strict=False)

    def forbidden(*args, **kwargs):
        raise AssertionError('an operation of ASE or ASCL ran in prediction')

    for part in (filled.head.sensitivity, filled.head.loss_contrast):
        for module in part.modules():
            module.register_forward_pre_hook(forbidden)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(filled.head.loss_contrast.sampler), '__call__', forbidden)
        patch.setattr(type(filled.head.assigner), '__call__', forbidden)
        recorded = []
        for model in (without, filled):
            inputs = batch(model, training=False)
            with torch.no_grad(), op_recorder() as recorder:
                model(**inputs, mode='predict')
            recorded.append(recorder.ops)
    assert recorded[0] == recorded[1]  # operation by operation, shape by shape
    with pytest.raises(AssertionError, match='ASE or ASCL'):
        losses(filled, batch)  # the hooks do catch it


def test_loss_terms_add_up_as_mmengine_sums_them(build, localizer_config, batch):
    model = build(localizer_config(True))
    terms = losses(model, batch)
    total, log = model.parse_losses(terms)
    names = ('loss_cls', 'loss_loc', 'loss_sensitivity', 'loss_ascl')
    torch.testing.assert_close(total, sum(terms[name] for name in names))
    assert {'weight_cls', 'weight_loc', 'mu_cls_mean', 'sigma_loc_mean'} <= set(log)
