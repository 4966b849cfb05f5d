"""Speed of exported models beside PyTorch: the network of one recording after the other.

    python benchmarks/bench_onnx.py asl/asl_hapt.py tridet/tridet_hapt.py

Each is exported with seeded weights (which compares it with PyTorch), and both run the same random
features of HAPT's lengths, with the same number of threads. Windows and SoftNMS, which are the same
code for both, are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from common import build_model, in_turns, load_config, machine  # isort: skip  first: see common
import torch

from asl_mmaction.apis.export import draw_batch, export_onnx
from asl_mmaction.apis.onnx_network import OnnxNetwork

LENGTHS = [396, 650, 719, 896]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('configs', nargs='+', help='below configs/')
    parser.add_argument('--repeats', type=int, default=15)
    arguments = parser.parse_args()
    print(f'Network alone, {len(LENGTHS)} recordings one by one, {machine()}')
    print('config                     PyTorch ms  onnxruntime ms  ratio')
    for name in arguments.configs:
        model = build_model(load_config(name)).eval()
        with TemporaryDirectory() as folder:
            network = export(model, name, Path(folder))
        batches = [draw_batch(model, 1, length) for length in LENGTHS]

        @torch.no_grad()
        def run(find: Callable, batches: list = batches) -> None:
            for batch in batches:
                find(*batch)

        medians = in_turns(
            {'torch': lambda: run(model.find), 'onnx': lambda: run(network)},  # noqa: B023
            arguments.repeats,
        )
        ours, theirs = (value / len(LENGTHS) for value in medians.values())
        print(f'{Path(name).stem:25}  {ours:10.1f}  {theirs:14.1f}  {ours / theirs:5.2f}')


def export(model: torch.nn.Module, name: str, folder: Path) -> OnnxNetwork:
    """The model as an ONNX file that is open."""
    config = load_config(name)
    classes = [str(label) for label in range(config.model.head.num_classes)]
    meta = {'dataset_meta': {'classes': classes}}
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, folder / 'model.pth')
    export_onnx(config, folder / 'model.pth', folder / 'model.onnx')
    return OnnxNetwork(folder / 'model.onnx')


if __name__ == '__main__':
    main()
