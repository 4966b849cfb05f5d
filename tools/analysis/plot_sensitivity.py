"""Draw the class-level Gaussians that a training learned: panels, or rows of many classes."""

import argparse
import sys
from pathlib import Path

import asl_mmaction  # noqa: F401  first: it repairs and registers
from asl_mmaction.apis import read_class_gaussians
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.files.reading import finite, in_context, read_object
from asl_mmaction.visualization import draw_gaussians, save_figure


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file, or asl_mmaction::asl/asl_hapt.py')
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--out', type=Path, default=Path('sensitivity.png'), help='png, pdf or svg')
    parser.add_argument(
        '--planted', type=Path, help="annotation file with 'planted': class -> known moment"
    )
    args = parser.parse_args(argv)
    with report_mistakes():
        planted = read_planted(args.planted) if args.planted else None
        gaussians = read_class_gaussians(args.config, args.checkpoint)
        save_figure(draw_gaussians(gaussians, planted), args.out)
    for index, name in enumerate(gaussians.classes):
        values = (
            f'{kind} mu {mu:+.3f} sigma {sigma:.3f}'
            for kind in ('cls', 'loc')
            for mu, sigma in zip(
                getattr(gaussians, f'mu_{kind}')[index],
                getattr(gaussians, f'sigma_{kind}')[index],
                strict=True,
            )
        )
        print(f'{name}: {", ".join(values)}')
    print(f'wrote {args.out}')
    return 0


def read_planted(path: Path) -> dict[str, float]:
    """Class -> position of its moment within an instance."""
    content = read_object(path)
    with in_context(str(path), "'planted': class -> moment"):
        return {name: finite('a moment', moment) for name, moment in content['planted'].items()}


if __name__ == '__main__':
    sys.exit(main())
