"""What the hook for CUDA graphs refuses; what it does is in tests/test_models/test_gpu.py."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.model import BaseDataPreprocessor, MMDistributedDataParallel
from torch import nn

from asl_mmaction.engine.hooks import CudaGraphHook


def start(model):
    CudaGraphHook().before_train(SimpleNamespace(model=model))


def test_a_model_elsewhere_is_refused():
    with pytest.raises(ValueError, match='expected a model on a GPU but got one on cpu'):
        start(nn.Linear(2, 2))


@pytest.fixture
def on_a_gpu(monkeypatch):
    """Models say that they are on a GPU; there may be none."""
    parameter = SimpleNamespace(device=SimpleNamespace(type='cuda'))
    monkeypatch.setattr(nn.Module, 'parameters', lambda self: iter([parameter]))


def test_a_distributed_model_is_refused(on_a_gpu):
    model = torch.nn.Module.__new__(MMDistributedDataParallel)
    with pytest.raises(ValueError, match='one process but got a model in MMDistributedDataPar'):
        start(model)


def test_a_compiled_model_is_refused(on_a_gpu):
    model = nn.Linear(2, 2)
    model.forward = lambda x: x  # as CompileHook does
    with pytest.raises(ValueError, match='expected cuda_graph or compile but got both'):
        start(model)


def test_batches_of_any_shape_are_refused(on_a_gpu):
    model = nn.Linear(2, 2)
    model.data_preprocessor = BaseDataPreprocessor()
    with pytest.raises(ValueError, match='like FeaturePreprocessor, which'):
        start(model)
