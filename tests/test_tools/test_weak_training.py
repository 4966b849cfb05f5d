"""BackTAL through the tools of every model: check, train, test, infer; and nothing leaks."""

import csv
import json

import numpy as np
import pytest
import torch

from asl_mmaction.apis import TALInferencer
from asl_mmaction.datasets.preparation import context
from asl_mmaction.files.clicks import Click, read_click_file

OPTIONS = [
    'model.head.channels=8',
    'model.head.filter_channels=4',
    'model.head.affinity.hidden_channels=4',
    'train_dataloader.batch_size=4',
    'train_cfg.max_epochs=2',
    'visualizer.vis_backends=[]',
]


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('weak') / 'data'
    context.generate(folder, num_train=6, num_test=2)
    return folder


@pytest.fixture
def arguments(load_tool):
    """Function: what a tool is called with to use some data."""
    config = load_tool('train').__file__.replace('tools/train.py', 'configs/backtal')

    def make(folder):
        roots = [f'{x}_dataloader.dataset.data_root={folder}/' for x in ('train', 'val', 'test')]
        return [f'{config}/backtal_context_demo.py'], ['--cfg-options', *OPTIONS, *roots]

    return make


def test_tools(data, arguments, load_tool, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config, options = arguments(data)
    assert load_tool('data/check').main([*config, *options]) == 0
    said = capsys.readouterr().out
    clicks = json.loads((data / 'background_clicks.json').read_text())['database']
    count = sum(map(len, clicks.values()))
    assert f'supervision click: {count} background clicks and 0 action clicks; 0 of 6' in said
    assert load_tool('train').main([*config, '--work-dir', 'work', '--seed', '0', *options]) == 0
    checkpoint = 'work/epoch_2.pth'
    test = [*config, checkpoint, '--out', 'out', '--work-dir', 'work', *options]
    assert load_tool('test').main(test) == 0
    results = json.loads((tmp_path / 'out' / 'detections.json').read_text())['results']
    assert sorted(results) == ['test_0000', 'test_0001']
    assert results['test_0000']
    inferencer = TALInferencer('work/backtal_context_demo.py', checkpoint)
    (video,) = inferencer(str(data / 'features' / 'test_0000.npy'))['predictions']
    found = video['detections']
    expected = results['test_0000']
    assert [x['label'] for x in found] == [x['label'] for x in expected]
    np.testing.assert_allclose([x['score'] for x in found], [x['score'] for x in expected], 1e-4)

    # The moments it is least sure of, answered, and joined to the clicks that there are.
    asked = tmp_path / 'asked.csv'
    ask = ['ask', *config, checkpoint, '--out', str(asked), '--per-video', '2']
    assert load_tool('data/clicks').main([*ask, *options]) == 0
    header, *rows = csv.reader(asked.read_text().splitlines())
    assert header == [
        *('video', 'time', 'class', 'probability', 'probability of background', 'label')
    ]
    assert 6 <= len(rows) <= 12
    answers = ['background', rows[1][2], *[''] * (len(rows) - 2)]
    rows = [[*row[:-1], answer] for row, answer in zip(rows, answers, strict=True)]
    with asked.open('w', newline='') as file:
        csv.writer(file).writerows([header, *rows])
    sources = [str(asked), str(data / 'background_clicks.json')]
    annotations = ['--annotations', str(data / 'annotations.json')]
    convert = ['convert', *sources, *annotations, '--out', 'all.json']
    assert load_tool('data/clicks').main(convert) == 0
    found = read_click_file(tmp_path / 'all.json').clicks
    assert sum(map(len, found.values())) == count + 2
    assert Click(float(rows[0][1]), None) in found[rows[0][0]]
    assert Click(float(rows[1][1]), rows[1][2]) in found[rows[1][0]]
    said = capsys.readouterr().out.split()
    assert said[said.index('answered') + 1] == str(len(rows) - 2)


def test_other_segments_of_the_same_classes_train_the_same(
    data, arguments, load_tool, tmp_path, monkeypatch
):
    """To the bit: training has seen nothing of the segments."""
    monkeypatch.chdir(tmp_path)
    other = tmp_path / 'other'
    context.generate(other, num_train=6, num_test=2)
    content = json.loads((other / 'annotations.json').read_text())
    for video in content['database'].values():
        if video['subset'] == 'training':
            labels = {item['label'] for item in video['annotations']}
            video['annotations'] = [
                {'segment': [0.5 + i, 1.2 + i], 'label': label}
                for i, label in enumerate(sorted(labels))
            ]
    (other / 'annotations.json').write_text(json.dumps(content))
    weights = []
    for folder, work in ((data, 'first'), (other, 'second')):
        config, options = arguments(folder)
        train = [*config, '--work-dir', work, '--seed', '0', '--no-validate', *options]
        assert load_tool('train').main(train) == 0
        weights.append(torch.load(tmp_path / work / 'epoch_2.pth')['state_dict'])
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
