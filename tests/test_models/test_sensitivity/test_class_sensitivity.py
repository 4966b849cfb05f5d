"""Class-level Gaussians by hand, their switches, and the clamp that lets go."""

import math

import pytest
import torch
from torch import distributions

from asl_mmaction.models.sensitivity import ClassSensitivity


def filled(**kwargs):
    """Three classes with numbers of their own."""
    level = ClassSensitivity(num_classes=3, **kwargs)
    torch.manual_seed(0)
    for name, value in level.named_parameters():
        low, high = (-0.5, 0.5) if name.startswith('mu') else (0.3, 2.0)
        torch.nn.init.uniform_(value.requires_grad_(), low, high)
    return level


DISTANCE = torch.linspace(-0.5, 0.5, 11)


@pytest.mark.parametrize('label', [0, 1, 2])
@pytest.mark.parametrize('denominator', ['variance', 'std'])
def test_by_hand(label, denominator):
    level = filled(loc_denominator=denominator)
    p_cls, p_loc = level(DISTANCE, torch.tensor(label))
    for index, d in enumerate(DISTANCE.tolist()):
        mu, sigma = level.mu_cls[label].item(), level.sigma_cls[label].item()
        assert p_cls[index].item() == pytest.approx(math.exp(-((d - mu) ** 2) / (2 * sigma**2)))
        total = 0
        for mu, sigma in zip(
            level.mu_loc[label].tolist(), level.sigma_loc[label].tolist(), strict=True
        ):
            below = 2 * sigma if denominator == 'variance' else 2 * sigma**2
            total += math.exp(-((d - mu) ** 2) / below)
        assert p_loc[index].item() == pytest.approx(total)


@pytest.mark.parametrize('denominator', ['variance', 'std'])
def test_shape_of_a_normal_distribution(denominator):
    level = filled(loc_denominator=denominator)
    labels = torch.tensor([0, 1, 2])[:, None]
    for kind in ('cls', 'loc'):
        mu, sigma = level.gaussians(kind)
        scale = sigma.sqrt() if (kind, denominator) == ('loc', 'variance') else sigma
        normal = distributions.Normal(mu[:, None], scale[:, None])
        expected = normal.log_prob(DISTANCE[:, None]) - normal.log_prob(mu[:, None])
        got = level.log_density(kind, DISTANCE.expand(3, -1), labels)
        torch.testing.assert_close(got, expected)


def test_start_is_the_papers():
    level = ClassSensitivity(num_classes=2)
    assert level.mu_cls.tolist() == [[0]] * 2
    assert level.mu_loc.tolist() == [[-0.5, 0.5]] * 2
    assert level.sigma_cls.tolist() == [[1]] * 2
    assert level.sigma_loc.tolist() == [[1, 1]] * 2
    assert level.loc_denominator == 'variance'
    p_cls, p_loc = level(torch.tensor([0.0, -0.5]), torch.tensor([0, 1]))
    assert p_cls.tolist() == pytest.approx([1, math.exp(-0.125)])
    assert p_loc.tolist() == pytest.approx([2 * math.exp(-0.125), 1 + math.exp(-0.5)])


@pytest.mark.parametrize('kind', ['cls', 'loc'])
@pytest.mark.parametrize('mode', ['none', 'fixed', 'learnable'])
def test_modes(kind, mode):
    level = ClassSensitivity(num_classes=3, **{kind: mode})
    names = dict(level.named_parameters())
    if mode == 'none':
        assert not [name for name in names if name.endswith(kind)]
        assert level.num_gaussians(kind) == 0
        p_cls, p_loc = level(DISTANCE, torch.tensor(0))
        assert (p_cls is None, p_loc is None) == (kind == 'cls', kind == 'loc')
        return
    assert names[f'mu_{kind}'].requires_grad == (mode == 'learnable')
    assert names[f'sigma_{kind}'].requires_grad == (mode == 'learnable')
    reference = ClassSensitivity(num_classes=3)
    for a, b in zip(
        level(DISTANCE, torch.tensor(0)), reference(DISTANCE, torch.tensor(0)), strict=True
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize(('num_cls', 'num_loc'), [(1, 1), (2, 2), (2, 1)])
def test_counts(num_cls, num_loc):
    level = ClassSensitivity(num_classes=1, num_cls=num_cls, num_loc=num_loc, loc_denominator='std')
    starts = {1: [0.0], 2: [-0.5, 0.5]}
    for kind, count, p in zip(
        ('cls', 'loc'), (num_cls, num_loc), level(DISTANCE, torch.tensor(0)), strict=True
    ):
        assert level.num_gaussians(kind) == count
        for d, value in zip(DISTANCE.tolist(), p.tolist(), strict=True):
            expected = sum(math.exp(-((d - mu) ** 2) / 2) for mu in starts[count])
            assert value == pytest.approx(expected)


@pytest.mark.parametrize('denominator', ['variance', 'std'])
@pytest.mark.parametrize('num_cls', [1, 2])
def test_shared_is_one_function_for_both(num_cls, denominator):
    level = filled(shared=True, num_cls=num_cls, loc_denominator=denominator)
    assert sorted(dict(level.named_parameters())) == ['mu_cls', 'sigma_cls']
    p_cls, p_loc = level(DISTANCE, torch.tensor(1))
    assert torch.equal(p_cls, p_loc)
    assert level.num_gaussians('loc') == num_cls


def test_shared_and_none_is_none_for_both():
    level = ClassSensitivity(num_classes=1, cls='none', shared=True)
    assert list(level.parameters()) == []
    assert level.num_gaussians('loc') == 0
    assert level(DISTANCE, torch.tensor(0)) == (None, None)


def test_each_class_learns_from_its_own_points_only():
    level = ClassSensitivity(num_classes=3)
    p_cls, p_loc = level(torch.tensor([0.2, 0.4]), torch.tensor([0, 2]))
    (p_cls + p_loc).sum().backward()
    for value in level.parameters():
        assert (value.grad[1] == 0).all()
        assert (value.grad[[0, 2]] != 0).all()


@pytest.mark.parametrize('denominator', ['variance', 'std'])
def test_gradients_within_the_range(denominator):
    level = filled(loc_denominator=denominator).double()
    names, values = zip(*level.named_parameters(), strict=True)
    distance = torch.tensor([-0.4, 0.05, 0.3], dtype=torch.float64)
    labels = torch.tensor([0, 2, 2])

    def run(*args):
        state = dict(zip(names, args, strict=True))
        return torch.func.functional_call(level, state, (distance, labels))

    torch.autograd.gradcheck(run, tuple(v.detach().clone().requires_grad_() for v in values))


@pytest.mark.parametrize('low_or_high', ['low', 'high'])
def test_sigma_is_clamped_where_it_is_used_and_comes_back(low_or_high):
    level = ClassSensitivity(num_classes=1, sigma_range=(0.1, 2.0))
    outside, border = (0.02, 0.1) if low_or_high == 'low' else (7.0, 2.0)
    torch.nn.init.constant_(level.sigma_cls, outside)
    assert level.gaussians('cls')[1].item() == pytest.approx(border)
    distance, label = torch.tensor([0.2]), torch.tensor([0])
    expected = math.exp(-(0.2**2) / (2 * border**2))
    assert level(distance, label)[0].item() == pytest.approx(expected)

    inwards = -1 if low_or_high == 'low' else 1  # p grows with sigma
    optimizer = torch.optim.Adam([level.sigma_cls], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        (inwards * level(distance, label)[0]).sum().backward()
        optimizer.step()
        if 0.1 < level.sigma_cls.item() < 2.0:
            break
    assert 0.1 < level.sigma_cls.item() < 2.0


@pytest.mark.parametrize('start', ['outside', 'border'])
@pytest.mark.parametrize('low_or_high', ['low', 'high'])
def test_no_gradient_drives_sigma_further_out(low_or_high, start):
    level = ClassSensitivity(num_classes=1, sigma_range=(0.1, 2.0))
    outside, border = (0.02, 0.1) if low_or_high == 'low' else (7.0, 2.0)
    torch.nn.init.constant_(level.sigma_cls, outside if start == 'outside' else border)
    outwards = 1 if low_or_high == 'low' else -1  # p grows with sigma
    (outwards * level(torch.tensor([0.2]), torch.tensor([0]))[0]).sum().backward()
    assert level.sigma_cls.grad.item() == 0
    assert level.mu_cls.grad.item() != 0


def test_users_mistakes():
    with pytest.raises(ValueError, match=r"expected loc to be one of .* but got 'frozen'"):
        ClassSensitivity(num_classes=1, loc='frozen')
    with pytest.raises(ValueError, match=r"num_cls to be 1 or 2 \(0 is cls='none'\) but got 0"):
        ClassSensitivity(num_classes=1, num_cls=0)
    with pytest.raises(ValueError, match="expected loc_denominator to be 'variance' or 'std'"):
        ClassSensitivity(num_classes=1, loc_denominator='sigma')
    for sigma_range in ((0.0, 5.0), (2.0, 5.0), (0.1, 0.5), (5.0, 0.1)):
        with pytest.raises(ValueError, match=r'sigma_range with 0 < low <= sigma_init=1.0'):
            ClassSensitivity(num_classes=1, sigma_range=sigma_range)
