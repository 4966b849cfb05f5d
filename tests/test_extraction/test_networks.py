"""Any network at all as what turns clips into features."""

import sys
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from torch import nn

from asl_mmaction.extraction.extractor import FeatureExtractor
from asl_mmaction.extraction.networks import AnyNetwork
from asl_mmaction.files.mistakes import ValueMistake


class Means(nn.Module):
    """The mean colour of each frame, of which a clip's are averaged."""

    frame_size = (6, 8)

    def __init__(self):
        super().__init__()
        self.register_buffer('scale', torch.tensor(2.0))

    def forward(self, clips):
        assert clips.dtype == torch.uint8
        assert clips.shape[2:] == (6, 8, 3)
        return self.scale * clips.float().mean((2, 3)).transpose(1, 2)


def test_any_network_by_its_name(plain_video, monkeypatch):
    monkeypatch.setitem(sys.modules, 'nets', SimpleNamespace(Means=Means, text='a', none=dict))
    network = AnyNetwork('nets:Means')
    extractor = FeatureExtractor(network, stride=10, clip_len=5)
    feature, told = extractor.extract(plain_video)
    with av.open(str(plain_video)) as container:
        frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    means = np.stack([network.prepare(frame).mean((0, 1)) for frame in frames])
    expected = np.stack([2 * means[start : start + 5].mean(0) for start in range(0, 96, 10)])
    np.testing.assert_allclose(feature, expected, rtol=1e-5)  # sums of 240 numbers in float32
    assert told['recognizer'] == 'nets:Means'
    assert told['checkpoint'] is None
    for name, words in {
        'nets:Other': 'to import but got',
        'no.such.module:x': 'to import but got',
        'nets': 'to import but got',
        'nets:text': 'is no callable',
        'nets:none': 'a torch.nn.Module with an attribute frame_size .* but got dict',
    }.items():
        with pytest.raises(ValueMistake, match=words):
            AnyNetwork(name)
