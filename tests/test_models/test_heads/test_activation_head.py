"""The head of weak supervision against its formulas written out for one video at a time."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS

from asl_mmaction.models.losses import AffinityLoss, ScoreSeparationLoss
from asl_mmaction.structures.weak_labels import NO_CLICK, WeakLabels

C, K, RATIO = 5, 3, 0.3
BASNET = dict(
    type='ActivationHead',
    num_classes=K,
    in_channels=C,
    channels=8,
    filter_channels=6,
    topk_ratio=RATIO,
    dropout=0.0,
)
BACKTAL = dict(
    **BASNET,
    affinity=dict(hidden_channels=6, channels=4),
    loss_click=dict(type='ClickLoss'),
    loss_separation=dict(type='ScoreSeparationLoss', loss_weight=0.5),
    loss_affinity=dict(type='AffinityLoss', loss_weight=0.8),
)
LENGTHS = (9, 4, 7)


def make_head(config=BACKTAL, seed=0, **settings):
    torch.manual_seed(seed)
    return MODELS.build({**copy.deepcopy(config), **settings})


def make_batch(padding=2):
    torch.manual_seed(1)
    total = max(LENGTHS) + padding
    mask = torch.arange(total) < torch.tensor(LENGTHS)[:, None]
    x = torch.randn(len(LENGTHS), max(LENGTHS), C) * mask[:, : max(LENGTHS), None]
    clicks = torch.full(mask.shape, NO_CLICK)
    clicks[0, 0] = clicks[0, 5] = clicks[1, 3] = K
    clicks[2, 2] = 1
    y = torch.tensor([[1.0, 0, 1], [0, 1, 0], [0, 0, 0]])
    return F.pad(x, (0, 0, 0, padding)), mask, WeakLabels(y, clicks)


def outputs_by_hand(head, x):
    """(T, C) of one video -> base, supp, filter weights, embeddings, norm of the first layer."""
    weights = head.filter.out(F.leaky_relu(head.filter.hidden(x))).sigmoid()[:, 0]
    total, embeddings = len(x), None
    affinity = torch.ones(total, 3)
    if head.affinity is not None:
        hidden, out = head.affinity.embedding.hidden, head.affinity.embedding.out
        z = F.leaky_relu(F.conv1d(x.T[None], hidden.weight, hidden.bias, padding=1))
        embeddings = F.normalize(F.conv1d(z, out.weight, out.bias, padding=1)[0].T, dim=-1)
        for t in range(total):
            for i, other in enumerate((t - 1, t, t + 1)):
                if 0 <= other < total:
                    affinity[t, i] = embeddings[t] @ embeddings[other]

    def conv(values, weight):
        around = F.pad(values, (0, 0, 1, 1))
        return sum(
            affinity[:, i, None] * (around[i : i + total] @ weight[:, :, i].T) for i in range(3)
        )

    def branch(values):
        first = F.leaky_relu(conv(values, head.conv1.weight))
        second = F.leaky_relu(conv(first, head.conv2.weight))
        return second @ head.classifier.weight.T, first.norm(dim=-1)

    base, _ = branch(x)
    supp, norm = branch(weights[:, None] * x)
    return base, supp, weights, embeddings, norm


def video_score(activations):
    k = max(1, int(RATIO * len(activations)))
    return activations.topk(k, dim=0).values.mean(0)


@pytest.mark.parametrize('config', [BASNET, BACKTAL], ids=['BaS-Net', 'BackTAL'])
def test_outputs_equal_the_formulas_for_each_video_alone(config):
    head = make_head(config)
    x, mask, _ = make_batch()
    outputs, scores = head(x, mask), head.predict(x, mask)
    for n, length in enumerate(LENGTHS):
        base, supp, weights, embeddings, norm = outputs_by_hand(head, x[n, :length])
        torch.testing.assert_close(outputs.base[n, :length], base)
        torch.testing.assert_close(outputs.supp[n, :length], supp)
        torch.testing.assert_close(outputs.filter_weights[n, :length], weights)
        if embeddings is not None:
            torch.testing.assert_close(outputs.embeddings[n, :length], embeddings)
        torch.testing.assert_close(scores.activations[n, :length], supp[:, :K])
        torch.testing.assert_close(scores.magnitudes[n, :length], norm)
        torch.testing.assert_close(scores.video_scores[n], video_score(supp).softmax(0)[:K])
    for values in (outputs.base, outputs.supp, outputs.filter_weights, scores.magnitudes):
        assert not values[~mask].any()


@pytest.mark.parametrize('config', [BASNET, BACKTAL], ids=['BaS-Net', 'BackTAL'])
def test_losses_equal_their_sums_over_videos(config):
    head = make_head(config, sparsity_weight=0.3)
    x, mask, labels = make_batch()
    by_hand = [outputs_by_hand(head, x[n, :length]) for n, length in enumerate(LENGTHS)]
    expected = {'loss_base': 0.0, 'loss_supp': 0.0, 'loss_sparsity': 0.0}
    for (base, supp, weights, *_), y in zip(by_hand, labels.video_labels, strict=True):
        target = torch.cat([y, torch.ones(1)])
        log = video_score(base).log_softmax(0)
        expected['loss_base'] -= (target / target.sum() * log).sum() / 3
        if y.any():
            expected['loss_supp'] -= (y / y.sum() * video_score(supp).log_softmax(0)[:K]).sum() / 3
        expected['loss_sparsity'] += 0.3 * weights.mean() / 3
    losses = head.loss(x, mask, labels)
    if config is BACKTAL:
        clicked = [
            (by_hand[n][0][t], label)
            for n, t, label in ((0, 0, K), (0, 5, K), (1, 3, K), (2, 2, 1))
        ]
        expected['loss_click'] = sum(F.cross_entropy(a, torch.tensor(c)) for a, c in clicked) / 4
        # each slot's own tests have its number
        outputs = head(x, mask)
        ratio = dict(ratio=RATIO)
        separation = ScoreSeparationLoss(**ratio, loss_weight=0.5)
        expected['loss_separation'] = separation(outputs.base, mask, labels)
        alike = AffinityLoss(**ratio, loss_weight=0.8)
        expected['loss_affinity'] = alike(outputs.embeddings, outputs.supp, mask, labels)
    assert set(losses) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)


@pytest.mark.parametrize('config', [BASNET, BACKTAL], ids=['BaS-Net', 'BackTAL'])
def test_padding_and_what_lies_on_it_change_no_loss(config):
    head = make_head(config)
    x, mask, labels = make_batch(padding=0)
    losses = head.loss(x, mask, labels)
    sum(losses.values()).backward()
    gradients = [p.grad.clone() for p in head.parameters()]
    head.zero_grad()
    padded = head.loss(*make_batch(padding=5))
    sum(padded.values()).backward()
    for name, value in losses.items():
        torch.testing.assert_close(padded[name], value)
    for parameter, gradient in zip(head.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_dropout_is_of_what_the_classifier_sees():
    head = make_head(dropout=0.5)
    seen = []
    head.classifier.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x, mask, _ = make_batch()
    head(x, mask)
    head.eval()(x, mask)
    dropped, whole = seen
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * whole[kept])
    assert whole[~kept].any()


def test_half_precision_is_scored_in_single(single):
    head = make_head().float()
    mask = make_batch()[1]
    half = torch.randn(*mask.shape, K + 1).bfloat16()
    assert torch.equal(head.video_scores(half, mask), head.video_scores(half.float(), mask))


def test_every_parameter_learns():
    head = make_head()
    sum(head.loss(*make_batch()).values()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.any(), name


def test_the_slots_leave_the_rest_as_it_is():
    """Same start, same losses of the video labels, and a checkpoint that fits both ways."""
    plain, full = make_head(BASNET), make_head(BACKTAL)
    assert set(plain.state_dict()) < set(full.state_dict())
    for name, value in plain.state_dict().items():
        assert torch.equal(full.state_dict()[name], value)
    keys = make_head(BASNET, seed=1).load_state_dict(full.state_dict(), strict=False)
    assert not keys.missing_keys
    assert all(key.startswith('affinity.') for key in keys.unexpected_keys)
    only_losses = make_head(
        BASNET, loss_click=dict(type='ClickLoss'), loss_separation=dict(type='ScoreSeparationLoss')
    )
    before, after = plain.loss(*make_batch()), only_losses.loss(*make_batch())
    assert {name: after[name].item() for name in before} == {
        name: value.item() for name, value in before.items()
    }


@pytest.mark.parametrize('name', ['loss_click', 'loss_separation'])
def test_click_branch(name):
    x, mask, labels = make_batch()
    values = {
        branch: make_head(click_branch=branch).loss(x, mask, labels)[name]
        for branch in ('base', 'supp', 'both')
    }
    assert values['base'] != values['supp']
    torch.testing.assert_close(values['both'], (values['base'] + values['supp']) / 2)


def test_supp_says_which_steps_the_embeddings_of_the_action_are_of():
    head = make_head()
    x, mask, labels = make_batch()
    outputs = head(x, mask)

    def value(**changed):
        return head.loss_by_feat(outputs._replace(**changed), mask, labels)['loss_affinity']

    assert value() == value(base=-outputs.base) != value(supp=-outputs.supp)


def test_without_clicks_and_labels_all_losses_are_finite():
    head = make_head()
    x, mask, labels = make_batch()
    nothing = WeakLabels(
        torch.zeros_like(labels.video_labels), torch.full_like(labels.click_labels, NO_CLICK)
    )
    losses = head.loss(x, mask, nothing)
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in head.parameters())
    for name in ('loss_supp', 'loss_click', 'loss_separation', 'loss_affinity'):
        assert losses[name] == 0
    assert losses['loss_base'] > 0


def test_a_step_depends_on_no_value(op_recorder):
    """No sync with the host and no shape that depends on values: the same operations, twice."""
    head = make_head(dropout=0.5)
    recorded = []
    for seed in (0, 1):
        x, mask, labels = make_batch()
        torch.manual_seed(seed)
        labels.click_labels[mask] = torch.randint(-1, K + 1, (int(mask.sum()),)).where(
            torch.rand(int(mask.sum())) < 0.5, NO_CLICK
        )
        labels.click_labels[labels.click_labels == -1] = NO_CLICK
        head.zero_grad()
        with op_recorder() as record:
            sum(head.loss(torch.randn_like(x) * mask[..., None], mask, labels).values()).backward()
        recorded.append(record.ops)
    assert recorded[0] == recorded[1]
    names = {name for name, _ in recorded[0]}
    for forbidden in ('_local_scalar_dense', 'nonzero', 'masked_select'):
        assert not any(forbidden in name for name in names)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(topk_ratio=0), 'expected topk_ratio in '),
        (dict(topk_ratio=1.5), 'expected topk_ratio in '),
        (dict(click_branch='all'), "expected click_branch to be one of .* but got 'all'"),
        (dict(affinity=None), 'expected affinity beside loss_affinity but got None'),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_head(**settings)
