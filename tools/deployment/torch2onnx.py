"""Export a model: ``python tools/deployment/torch2onnx.py CONFIG CHECKPOINT [--out FILE]``.

CONFIG and CHECKPOINT as in tools/infer.py; a work dir alone stands for both. The ONNX file, beside
the checkpoint, takes features and masks and gives what the post-processor takes; it is compared
with PyTorch before it is written, and the differences are printed. ``tools/infer.py --backend
onnxruntime`` runs it.
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file, name of a bundled one, or a work dir')
    parser.add_argument('checkpoint', nargs='?', help='the last one of the work dir')
    parser.add_argument('--out', type=Path, help='the file (CHECKPOINT, ending in .onnx)')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='settings to change'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
from asl_mmaction.apis import load_config
from asl_mmaction.apis.export import TOLERANCE, Export, export_onnx
from asl_mmaction.apis.work_dir import find_model
from asl_mmaction.cli.arguments import parse_cfg_options
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.files.writing import prepare_folder


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        model, checkpoint = find_model(args.config, args.checkpoint)
        out = args.out or Path(checkpoint).with_suffix('.onnx')
        prepare_folder(out.parent)
        config = load_config(model, parse_cfg_options(args.cfg_options))
        export = export_onnx(config, checkpoint, out)
    print_export(export, out)
    return 0


def print_export(export: Export, out: Path) -> None:
    """What the file takes, and how it compares."""
    names = list(export.parity[0].differences)
    print('largest difference from PyTorch, relative (0 for masks: the same)')
    print('batch  steps  ' + '  '.join(f'{name:>12}' for name in names))
    for batch, steps, differences in export.parity:
        print(f'{batch:5}  {steps:5}  ' + '  '.join(f'{differences[x]:12.1e}' for x in names))
    print(f'all at most {TOLERANCE:g}')
    multiple = f', a multiple of {export.multiple}' if export.multiple > 1 else ''
    print(
        f'wrote {out}: features (batch, steps, {export.inputs}) float32, masks (batch, steps) '
        f'bool; any batch, any steps{multiple}'
    )


if __name__ == '__main__':
    sys.exit(main())
