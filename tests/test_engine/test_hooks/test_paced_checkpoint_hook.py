"""Checkpoints of a small training: at most one a minute, the last in any case, the best alone."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import EarlyStoppingHook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from asl_mmaction.engine.hooks import PacedCheckpointHook

MODULE = 'asl_mmaction.engine.hooks.paced_checkpoint_hook'


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, mode='tensor'):
        return {'loss': self.weight * inputs.sum()} if mode == 'loss' else [inputs]


class Scores(BaseMetric):
    """The given scores, one for each validation."""

    default_prefix = ''

    def __init__(self, scores):
        super().__init__()
        self.scores = iter(scores)

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return {'mAP': next(self.scores)}


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Function: train for six epochs of 25 s each; names of the files after each epoch, and all."""

    def train(*, scores=None, hooks=(), resume=None, epochs=6, **settings):
        clock = SimpleNamespace(now=0.0)
        monkeypatch.setattr(f'{MODULE}.time', SimpleNamespace(monotonic=lambda: clock.now))
        kept = []

        class Clock(Runner):
            def call_hook(self, name, **kwargs):
                if name == 'before_train_epoch':
                    clock.now += 25.0
                super().call_hook(name, **kwargs)
                if name == 'before_train_epoch':  # what the epochs before have left
                    kept.append(sorted(path.name for path in tmp_path.glob('*.pth')))

        inputs = [dict(inputs=torch.ones(1)) for _ in range(2)]
        data = DataLoader(inputs, sampler=DefaultSampler(inputs, shuffle=False))
        validation = (
            {}
            if scores is None
            else dict(val_dataloader=data, val_cfg={}, val_evaluator=Evaluator([Scores(scores)]))
        )
        runner = Clock(
            Model(),
            str(tmp_path),
            train_dataloader=data,
            train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=1),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            default_hooks=dict(checkpoint=PacedCheckpointHook(**settings)),
            custom_hooks=list(hooks),
            load_from=resume and str(tmp_path / resume),
            resume=resume is not None,
            experiment_name=f'paced{len(list(tmp_path.iterdir()))}',
            log_level='ERROR',
            **validation,
        )
        runner.train()
        return kept, sorted(path.name for path in tmp_path.glob('*.pth'))

    return train


def test_at_most_one_a_minute_and_the_last(train, tmp_path):
    kept, files = train()
    # At 75 s and at 150 s, which is the end.
    assert kept[2:4] == [[], ['epoch_3.pth']]
    assert files == ['epoch_3.pth', 'epoch_6.pth']
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_6.pth')


def test_the_last_comes_however_short_the_training(train):
    assert train(epochs=1)[1] == ['epoch_1.pth']


def test_an_interval_is_kept_to(train):
    assert train(interval=2)[1] == ['epoch_2.pth', 'epoch_4.pth', 'epoch_6.pth']


def test_the_best_is_written_alone(train, tmp_path):
    options = dict(scores=[0.1, 0.5, 0.2, 0.6, 0.3, 0.4], save_best='mAP', rule='greater')
    kept, files = train(**options)
    assert kept[1:5] == [
        ['best_mAP_epoch_1.pth'],
        ['best_mAP_epoch_2.pth'],
        ['best_mAP_epoch_2.pth', 'epoch_3.pth'],
        ['best_mAP_epoch_4.pth', 'epoch_3.pth'],
    ]
    assert files == ['best_mAP_epoch_4.pth', 'epoch_3.pth', 'epoch_6.pth']
    best = torch.load(tmp_path / 'best_mAP_epoch_4.pth', weights_only=False)
    assert not {'optimizer', 'param_schedulers'} & best.keys()
    assert best['meta']['epoch'] == 4
    last = torch.load(tmp_path / 'epoch_6.pth', weights_only=False)
    assert 'optimizer' in last
    # Four epochs of two steps with a gradient of 1.
    assert best['state_dict']['weight'].item() == pytest.approx(1 - 0.1 * 8, abs=1e-6)
    assert last['message_hub']['runtime_info']['best_score'] == 0.6


def test_a_checkpoint_of_the_same_epoch_knows_the_best(train, tmp_path):
    train(scores=[0.1, 0.2, 0.3, 0.2, 0.2, 0.4], save_best='mAP', rule='greater')
    for epoch, score in ((3, 0.3), (6, 0.4)):
        content = torch.load(tmp_path / f'epoch_{epoch}.pth', weights_only=False)
        assert content['message_hub']['runtime_info']['best_score'] == score


def test_a_training_that_stops_early_leaves_its_last(train, tmp_path):
    stop = EarlyStoppingHook('mAP', rule='greater', patience=1)
    _, files = train(scores=[0.5, 0.4, 0.4, 0.4, 0.4], hooks=[stop])
    assert files == ['epoch_2.pth']
    content = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)
    assert (content['meta']['epoch'], content['meta']['iter']) == (2, 4)
    assert content['state_dict']['weight'].item() == pytest.approx(1 - 0.1 * 4, abs=1e-6)


def test_a_resumed_training_goes_on_and_keeps_the_best(train, tmp_path):
    train(scores=[0.1, 0.5, 0.2, 0.6, 0.3, 0.4], save_best='mAP', rule='greater')
    before = torch.load(tmp_path / 'epoch_6.pth', weights_only=False)
    # From the third epoch on, which knows of the best of the second alone.
    options = dict(scores=[0.6, 0.3, 0.4], save_best='mAP', rule='greater')
    _, files = train(resume='epoch_3.pth', **options)
    assert files == ['best_mAP_epoch_4.pth', 'epoch_3.pth', 'epoch_6.pth']
    after = torch.load(tmp_path / 'epoch_6.pth', weights_only=False)
    assert torch.equal(after['state_dict']['weight'], before['state_dict']['weight'])
    assert after['message_hub']['runtime_info']['best_score'] == 0.6


def test_nothing_is_written_where_nothing_is_left_to_do(train, tmp_path):
    train()
    moment = (tmp_path / 'epoch_6.pth').stat().st_mtime_ns
    train(resume='epoch_6.pth')
    assert (tmp_path / 'epoch_6.pth').stat().st_mtime_ns == moment
