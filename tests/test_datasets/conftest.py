"""A data set of three videos, and one way to change it."""

import json

import numpy as np
import pytest

from asl_mmaction.datasets.tal_dataset import TALDataset

GRID = {'fps': 10, 'feat_stride': 4, 'clip_len': 8}


def item(start, end, label):
    return {'segment': [start, end], 'label': label, 'label_id': 77}


def base_content():
    return {
        'version': 'test',
        'database': {
            'a': {
                'subset': 'training',
                'duration': 20.0,
                'annotations': [item(1.0, 4.5, 'run'), item(3, 9, 'jump')],
            },
            'b': {'subset': 'training', 'duration': 8.5, 'annotations': []},
            'c': {'subset': 'train', 'duration': 8, 'annotations': [item(0, 8, 'swim')]},
        },
    }


@pytest.fixture
def make(tmp_path):
    """Writes the content and features of all its videos, then builds a dataset."""

    def build(content=None, files=None, **settings):
        content = base_content() if content is None else content
        (tmp_path / 'features').mkdir(exist_ok=True)
        for video in content['database'] if files is None else files:
            np.save(tmp_path / 'features' / f'{video}.npy', np.zeros((5, 3), np.float32))
        (tmp_path / 'ann.json').write_text(json.dumps(content))
        settings = {'subset': 'training', 'grid': GRID, **settings}
        return TALDataset('ann.json', data_root=str(tmp_path), **settings)

    return build
