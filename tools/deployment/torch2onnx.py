"""Export a model: ``python tools/deployment/torch2onnx.py CONFIG CHECKPOINT [--out FILE]``.

CONFIG and CHECKPOINT as in tools/infer.py; a work dir alone stands for both. The ONNX file, beside
the checkpoint, takes features and masks and gives what the post-processor takes; it is compared
with PyTorch before it is written, and the differences are printed. ``tools/infer.py --backend
onnxruntime`` runs it.
"""

import argparse
import sys
from pathlib import Path

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
from asl_mmaction.apis import load_config
from asl_mmaction.apis.export import TOLERANCE, Export, export_onnx
from asl_mmaction.apis.work_dir import find_model
from asl_mmaction.cli.arguments import add_cfg_options
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.files.writing import prepare_folder


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file, name of a bundled one, or a work dir')
    parser.add_argument('checkpoint', nargs='?', help='the last one of the work dir')
    parser.add_argument('--out', type=Path, help='the file (CHECKPOINT, ending in .onnx)')
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    with report_mistakes():
        model, checkpoint = find_model(args.config, args.checkpoint)
        out = args.out or Path(checkpoint).with_suffix('.onnx')
        prepare_folder(out.parent)
        export = export_onnx(load_config(model, args.cfg_options), checkpoint, out)
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
