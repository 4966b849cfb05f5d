"""Checkpoints: read safely, and weights that fit the model or not."""

import pickle

import pytest
import torch
from mmengine.config import Config

from asl_mmaction.apis import find_classes, load_checkpoint
from asl_mmaction.files.checkpoint import dataset_meta, load_weights, weights_digest


def test_a_checkpoint_is_read_without_running_its_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath('ran').touch, ())

    torch.save({'state_dict': {}, 'meta': Evil()}, tmp_path / 'evil.pth')
    refused = (
        r'could not read .*evil\.pth: it holds \S+, and only tensors and plain values are read'
    )
    with pytest.raises(ValueError, match=refused) as info:
        load_checkpoint(tmp_path / 'evil.pth')
    assert '\n' not in str(info.value)
    assert not (tmp_path / 'ran').exists()


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize(
    'content', [b'', b'not', b'. text', b'h text', b'0 text', pickle.dumps(3), pickle.dumps(print)]
)
def test_a_broken_checkpoint_is_named(tmp_path, content):
    (tmp_path / 'a.pth').write_bytes(content)
    with pytest.raises(ValueError, match=r'expected a checkpoint .*a\.pth: it is dama') as info:
        load_checkpoint(tmp_path / 'a.pth')
    assert 'weights_only' not in str(info.value)


@pytest.mark.parametrize('content', [{'weights': 1}, {'state_dict': None}, [1]])
def test_a_checkpoint_without_weights_or_that_is_not_there(tmp_path, content):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r"with 'state_dict' but got .*a\.pth without"):
        load_checkpoint(tmp_path / 'a.pth')
    with pytest.raises(FileNotFoundError, match=r'b\.pth, which does not exist'):
        load_checkpoint(tmp_path / 'b.pth')
    with pytest.raises(FileNotFoundError, match=r'expected a checkpoint but got .*, which is a f'):
        load_checkpoint(tmp_path)


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, 'Permission denied', 'a.pth')

    (tmp_path / 'a.pth').touch()
    monkeypatch.setattr(torch, 'load', refuse)
    with pytest.raises(PermissionError, match=r"Permission denied: 'a\.pth'"):
        load_checkpoint(tmp_path / 'a.pth')


def test_a_checkpoint_from_the_web_is_read_as_one_from_the_disk(tmp_path, monkeypatch):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath('ran').touch, ())

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    cache = tmp_path / 'hub' / 'checkpoints'
    cache.mkdir(parents=True)
    torch.save({'state_dict': {'a': torch.ones(1)}}, cache / 'good.pth')
    torch.save({'state_dict': {}, 'meta': Evil()}, cache / 'evil.pth')
    assert load_checkpoint('https://localhost/good.pth')['state_dict'] == {'a': torch.ones(1)}
    with pytest.raises(ValueError, match=r'could not read https://localhost/evil\.pth: it holds'):
        load_checkpoint('https://localhost/evil.pth')
    assert not (tmp_path / 'ran').exists()
    with pytest.raises(
        ValueError, match=r'could not read http://localhost:1/no\.pth: <urlopen err'
    ):
        load_checkpoint('http://localhost:1/no.pth')


@pytest.mark.parametrize('wrap', [lambda model: model, torch.nn.DataParallel])
def test_weights_go_into_a_model_wrapped_or_not(wrap):
    model = torch.nn.Linear(2, 3)
    state = {'weight': torch.ones(3, 2), 'bias': torch.ones(3)}
    load_weights(wrap(model), {'state_dict': state}, 'a.pth')
    assert torch.equal(model.weight, state['weight'])
    assert torch.equal(model.bias, state['bias'])


@pytest.mark.parametrize(
    'change', [{'bias': None}, {'bias': torch.ones(4)}, {'bias': 3}, {'other': torch.ones(1)}]
)
def test_a_weight_missing_misshapen_or_unknown_is_named(change):
    state = {'weight': torch.ones(3, 2), 'bias': torch.ones(3)} | change
    state = {key: value for key, value in state.items() if value is not None}
    model = torch.nn.Linear(2, 3)
    before = model.weight.clone()
    (name,) = change
    with pytest.raises(ValueError, match=rf'but 1 entries of a\.pth are .* such as {name}'):
        load_weights(model, {'state_dict': state}, 'a.pth')
    assert torch.equal(model.weight, before)


def test_an_evaluator_that_counts_has_to_be_in_the_checkpoint():
    def make(*levels):
        head = torch.nn.Module()
        head.sensitivity = torch.nn.ModuleDict({name: torch.nn.Linear(1, 1) for name in levels})
        return torch.nn.ModuleDict({'head': head})

    plain, both = make(), make('class_level', 'instance_level')
    load_weights(both, {'state_dict': plain.state_dict()}, 'a.pth')
    load_weights(plain, {'state_dict': both.state_dict()}, 'a.pth')
    for model, state in ((both, plain), (both, make('instance_level')), (plain, both)):
        with pytest.raises(ValueError, match=r'such as head\.sensitivity\.class_level\.bias: '):
            load_weights(model, {'state_dict': state.state_dict()}, 'a.pth', with_sensitivity=True)
    both.with_quality = True  # scores are multiplied by what the instance level predicts
    load_weights(both, {'state_dict': make('instance_level').state_dict()}, 'a.pth')
    load_weights(both, {'state_dict': plain.state_dict()}, 'a.pth', to_train=True)
    with pytest.raises(ValueError, match=r'instance_level\.bias: .* but got none; quality_power'):
        load_weights(both, {'state_dict': make('class_level').state_dict()}, 'a.pth')


@pytest.mark.parametrize('meta', [None, [], {'dataset_meta': None}, {'dataset_meta': 3}, {}])
def test_a_checkpoint_that_says_nothing_of_its_data(meta):
    assert dataset_meta({'meta': meta}) == dataset_meta({}) == {}
    config = Config({'test_dataloader': {'dataset': {'metainfo': {'classes': ['c', 'd']}}}})
    assert find_classes(config, {'meta': meta}) == ('c', 'd')


@pytest.mark.parametrize('number', [float('nan'), float('inf')])
def test_weights_of_a_training_that_diverged_are_refused(number):
    """They would find nothing at all, and no word would be said."""
    model = torch.nn.Linear(2, 2)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    state['weight'][1, 1] = number
    with pytest.raises(
        ValueError, match=r'finite weights but 1 entries of a\.pth .* such as weight'
    ):
        load_weights(model, {'state_dict': state}, 'a.pth')
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_the_digest_of_weights_is_of_names_shapes_and_values():
    state = {'a': torch.tensor([1.0, 2.0]), 'b': torch.tensor(3), 'c': torch.ones(2).bfloat16()}
    digest = weights_digest(state)
    assert weights_digest(dict(reversed(state.items()))) == digest
    for change in (
        {'a': torch.tensor([1.0, 2.0000002])},
        {'a': torch.tensor([[1.0, 2.0]])},
        {'a': torch.tensor([1.0, 2.0], dtype=torch.float64)},
        {'d': torch.tensor(3)},
    ):
        assert weights_digest({**state, **change}) != digest
