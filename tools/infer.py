"""Find actions: ``python tools/infer.py work_dirs/my_asl videos/ 'new/*.npy' --out found/``.

The model is the work dir of a training, or a config and a checkpoint. What is looked at: files,
folders and patterns; a video becomes features by the config's ``extractor``. Files of results are
written as recordings are done; ``--resume`` goes on after an interruption. A file that cannot be
read does not stop the others: it is listed at the end, and the exit code is 1.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'model',
        help='work dir of a training; or its config, or the name of a bundled one (asl_hapt), and '
        'then a checkpoint',
    )
    parser.add_argument(
        'inputs', nargs='+', help='files, folders, patterns such as "new/*.npy": features, videos'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='for the results')
    parser.add_argument(
        '--score-threshold', type=float, default=0.3, help='leave out what scores less (0.3)'
    )
    parser.add_argument('--top-k', type=int, help='at most so many detections of each recording')
    parser.add_argument(
        '--format', nargs='+', choices=['json', 'csv', 'srt', 'vtt'], default=['json', 'csv']
    )
    parser.add_argument(
        '--draw', nargs='+', choices=['png', 'pdf', 'svg', 'html', 'none'], default=['png', 'html']
    )
    parser.add_argument('--features', metavar='DIR', help='keep features of videos there')
    parser.add_argument('--resume', action='store_true', help='leave out what is in DIR already')
    parser.add_argument('--overwrite', action='store_true', help='replace files that are there')
    parser.add_argument('--device', help='such as cpu or cuda:0')
    parser.add_argument(
        '--backend',
        choices=['torch', 'onnxruntime'],
        default='torch',
        help='onnxruntime: the model that torch2onnx.py wrote, on the CPU',
    )
    parser.add_argument('--batch-size', type=int, default=1, help='recordings at once (1)')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='settings to change'
    )
    args = parser.parse_args(argv)
    args.checkpoint = None
    if not Path(args.model).is_dir():
        args.checkpoint, *args.inputs = args.inputs
        if not args.inputs:
            parser.error(
                f'expected a work dir, or a config and a checkpoint, and inputs but got the config '
                f'{args.model} and {args.checkpoint}'
            )
    known_by_name = args.model.isidentifier() or '::' in args.model  # of an installed package
    if not known_by_name and not Path(args.model).exists():
        parser.error(f'expected a config file but got {args.model}, which does not exist')
    return args


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
from mmengine.logging import MMLogger
from rich.console import Console

from asl_mmaction.apis import TALInferencer, load_config
from asl_mmaction.apis.predictions import Found
from asl_mmaction.apis.work_dir import find_model
from asl_mmaction.cli.arguments import parse_cfg_options
from asl_mmaction.cli.memory import keep_freed_memory
from asl_mmaction.cli.mistakes import describe_mistake, report_mistakes
from asl_mmaction.cli.recordings import RecordingBar, list_failures, say
from asl_mmaction.cli.screen import filter_console
from asl_mmaction.files.clock import clock

#: Lines that are still to be seen at the end.
SCREEN = 20


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    keep_freed_memory()
    with report_mistakes():
        return infer(args)


def infer(args: argparse.Namespace) -> int:
    """Look at everything; the exit code."""
    console = Console(file=sys.stdout)
    filter_console(MMLogger.get_current_instance())
    inferencer = open_model(args)
    say(console, describe_model(inferencer))
    items = inferencer.find(args.inputs)
    options = {'score_threshold': args.score_threshold, 'top_k': args.top_k}
    draw = [form for form in args.draw if form != 'none']
    folder = inferencer.open_folder(
        args.out,
        formats=args.format,
        draw=draw,
        resume=args.resume,
        overwrite=args.overwrite,
        **options,
    )
    todo = folder.begin(items)
    if len(todo) < len(items):
        say(console, f'{len(items) - len(todo)} of {len(items)} recordings are there already')
    bad = []
    with folder, RecordingBar(console, len(todo)) as bar:
        for found in inferencer.each(
            todo, args.batch_size, features_dir=args.features, progress=bar.frames, **options
        ):
            name = Path(found.input.file).name
            if found.error is not None:
                line = f'{name}  {describe_mistake(found.error) or found.error}'
                bad.append(name if len(todo) <= SCREEN else line)
                say(console, line)
            else:
                inferencer.visualize([found.input], [found.prediction], folder=folder)
                folder.add(found.prediction, found.input.file)
                say(console, describe_found(name, found))
            bar.step()
    if folder.written:
        say(console, f'wrote {", ".join(map(str, folder.written))}')
    return list_failures(console, bad, f'{len(bad)} of {len(items)} could not be read:')


def open_model(args: argparse.Namespace) -> TALInferencer:
    """The model that the arguments name."""
    config, checkpoint = find_model(args.model, args.checkpoint)
    config = load_config(config, parse_cfg_options(args.cfg_options))
    return TALInferencer(config, checkpoint, device=args.device, backend=args.backend)


def describe_model(inferencer: TALInferencer) -> str:
    """``my_asl, 3 classes (work_dirs/my_asl/my_asl.py, epoch_35.pth), cpu``."""
    config = inferencer.config.filename
    count = len(inferencer.classes)
    return (
        f'{Path(config).stem}, {count} class{"es" * (count != 1)} '
        f'({config}, {Path(inferencer.checkpoint).name}), {inferencer.device}'
    )


def describe_found(name: str, found: Found) -> str:
    """``kitchen_07.mp4   1:42.0   11 actions   cut 5  stir 3  pour 3``."""
    detections = found.prediction['detections']
    counts = Counter(item['label'] for item in detections).most_common()
    each = '  '.join(f'{label} {count}' for label, count in counts)
    actions = f'{len(detections)} action{"s" * (len(detections) != 1)}'
    return f'{name}   {clock(found.prediction["duration"])}   {actions}   {each}'.rstrip()


if __name__ == '__main__':
    sys.exit(main())
