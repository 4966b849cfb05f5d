"""Turn a checkpoint of the public ActionFormer code into one for our configs.

``python tools/model_converters/from_actionformer.py CONFIG CHECKPOINT OUT``: CONFIG is that of the
same data and sizes, such as configs/actionformer/actionformer_thumos14.py. The moving average of
the weights is taken where the checkpoint has one. Labels are numbers there: ``--annotations``, the
annotation file that the checkpoint was trained with, says which class each stands for; without it
the classes are taken to stand in the same order as in ours.

Transformer pyramids with and without windows, one or several feature sources and absolute position
encoding are converted; convolutional backbones and relative position encoding have no counterpart.
"""

import argparse
import re
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('out', type=Path)
    parser.add_argument('--annotations', type=Path, help='with label and label_id of each action')
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from asl_mmaction.apis import load_checkpoint, load_config
from asl_mmaction.apis.datasets import agreed_settings, dataset_configs
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.files.checkpoint import load_weights
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import read_json, read_names
from asl_mmaction.files.writing import prepare_folder

# Name there -> name here; the shapes differ by axes of size one.
RENAMES = [
    (r'backbone\.proj\.(\d+)\.conv\.', r'projection.sources.\1.'),
    (r'backbone\.embd\.(\d+)\.conv\.', r'projection.tower.convs.\1.'),
    (r'backbone\.embd_norm\.(\d+)\.', r'projection.tower.norms.\1.'),
    (r'backbone\.(stem|branch)\.(\d+)\.', r'neck.\1.\2.'),
    (r'\.attn\.query_norm\.', '.temporal_attention.norms.0.'),
    (r'\.attn\.key_norm\.', '.temporal_attention.norms.1.'),
    (r'\.attn\.value_norm\.', '.temporal_attention.norms.2.'),
    (r'\.attn\.query\.', '.temporal_attention.projections.0.'),
    (r'\.attn\.key\.', '.temporal_attention.projections.1.'),
    (r'\.attn\.value\.', '.temporal_attention.projections.2.'),
    (r'\.attn\.proj\.', '.temporal_attention.out.'),
    (r'\.ln1\.', '.attn_norm.'),
    (r'\.ln2\.', '.mlp_norm.'),
    (r'\.drop_path_(attn|mlp)\.', r'.\1_path.'),
    (r'^neck\.fpn_norms\.', 'neck.norms.'),
    (r'^cls_head\.head\.(\d+)\.conv\.', r'head.cls_tower.convs.\1.'),
    (r'^reg_head\.head\.(\d+)\.conv\.', r'head.loc_tower.convs.\1.'),
    (r'^cls_head\.norm\.', 'head.cls_tower.norms.'),
    (r'^reg_head\.norm\.', 'head.loc_tower.norms.'),
    (r'^cls_head\.cls_head\.conv\.', 'head.cls_out.'),
    (r'^reg_head\.offset_head\.conv\.', 'head.loc_out.'),
]
INPUT_CONV = re.compile(r'(.*)\.attn\.(query|key|value)_conv\.conv\.weight')
SCALE = re.compile(r'reg_head\.scale\.(\d+)\.scale')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        prepare_folder(args.out.parent)
        config = load_config(args.config)
        content = load_checkpoint(args.checkpoint)
        state = convert_names(content.get('state_dict_ema') or content['state_dict'])
        if args.annotations is not None:
            order = class_order(read_json(args.annotations), our_classes(config))
            for name in ('head.cls_out.weight', 'head.cls_out.bias'):
                state[name] = state[name][order]
        init_default_scope('mmaction')
        model = MODELS.build(config.model)
        own = model.state_dict()
        state = {
            name: value.reshape(own[name].shape)
            if name in own and value.numel() == own[name].numel()
            else value
            for name, value in state.items()
        }
        # Of no use to a model that is trained already: it only starts an average
        state['head.normalizer'] = own['head.normalizer']
        load_weights(model, {'state_dict': state}, args.checkpoint)
        torch.save({'state_dict': state, 'meta': {}}, args.out)
    if args.annotations is None and config.model.head.num_classes > 1:
        print(
            "the classes are taken to stand in our order; --annotations, the checkpoint's own "
            'annotation file, tells theirs'
        )
    print(f'{len(state)} entries written to {args.out}')
    return 0


def convert_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Entries under our names; those of query, key and value and of the scales are joined."""
    out, inputs, scales = {}, {}, {}
    for name, value in state.items():
        name = name.removeprefix('module.')
        if match := INPUT_CONV.fullmatch(name):
            inputs.setdefault(match[1], {})[match[2]] = value
        elif match := SCALE.fullmatch(name):
            scales[int(match[1])] = value.reshape(())
        elif not name.startswith('point_generator.'):
            for pattern, new in RENAMES:
                name = re.sub(pattern, new, name)
            out[name] = value
    for block, parts in inputs.items():
        if len(parts) == 3:
            # Three filters in a row for each channel
            joined = torch.stack([parts['query'], parts['key'], parts['value']], dim=1)
            name = block.replace('backbone.', 'neck.', 1) + '.temporal_attention.conv.weight'
            out[name] = joined.flatten(0, 1)  # (3C, 1, 3)
    if scales:
        out['head.scales'] = torch.stack([scales[level] for level in sorted(scales)])
    return out


def our_classes(config: Config) -> list[str]:
    """Class names of the config's test data, in the order of our labels."""
    classes = {}
    for key, dataset in dataset_configs(config, 'test_dataloader').items():
        path = Path(dataset.get('data_root', ''), dataset.ann_file)
        names = (dataset.get('metainfo') or {}).get('classes')
        if isinstance(names, str):
            names = read_names(Path(names))
        classes[key] = {'classes': names or read_json(path).get('classes')}
        if not classes[key]['classes']:
            raise ValueMistake(
                f"{path}: expected 'classes', as the converters write it, but got none"
            )
    return list(agreed_settings(classes, ['classes'])['classes'])


def class_order(content: dict, classes: list[str]) -> list[int]:
    """For each of our classes, its ``label_id`` in an annotation file of the public code."""
    ids = {
        action['label']: action['label_id']
        for video in content['database'].values()
        for action in video['annotations']
    }
    missing = [name for name in classes if name not in ids]
    if missing or sorted(ids.values()) != list(range(len(classes))):
        raise ValueMistake(
            f'expected a label_id from 0 to {len(classes) - 1} for each of {len(classes)} classes '
            f'but got {len(ids)} classes, {len(missing)} of ours missing'
            + (f', such as {missing[0]!r}' if missing else '')
        )
    return [ids[name] for name in classes]


if __name__ == '__main__':
    sys.exit(main())
