"""Simulate the features of a dataset config: ``python tools/data/simulate.py CONFIG --out DIR``.

For running everything at true scale without the real features: the files have the names, width,
rate and length that the config declares, and hold noise with class means (see
asl_mmaction/datasets/preparation/simulation.py). Everything written says that it is SIMULATED.
Results on such features are no results on the dataset.
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config')
    parser.add_argument('--out', type=Path, required=True, help='folder of the simulated dataset')
    parser.add_argument('--annotations', type=Path, help="instead of the config's annotation file")
    parser.add_argument('--limit', type=int, help='so many videos of each subset only')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='settings to change'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import numpy as np
import torch
from mmengine.config import Config

from asl_mmaction.apis import load_config
from asl_mmaction.apis.datasets import agreed_settings, dataset_configs, is_a
from asl_mmaction.cli.arguments import parse_cfg_options
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.dataset_writer import FEATURE_FOLDER, write_dataset
from asl_mmaction.datasets.preparation.simulation import FeatureSimulator
from asl_mmaction.files.mistakes import Mistake, ValueMistake
from asl_mmaction.files.reading import in_context, read_object, videos_of
from asl_mmaction.files.writing import check_file_name, write_json
from asl_mmaction.structures.feature_grid import FeatureGrid

NOTE = 'SIMULATED features, made by tools/data/simulate.py; results on them mean nothing.'
MARK = 'SIMULATED.txt'
SCHEMA = 'the schema of TALDataset'
LOADERS = ('train', 'val', 'test')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        config = load_config(args.config, parse_cfg_options(args.cfg_options))
        dataset, keys = described(config)
        path = args.annotations or Path(dataset['data_root'], dataset['ann_file'])
        content = limited(path, args.limit)
        fusion = (config.get('test_evaluator') or {}).get('score_fusion')
        scores = fusion and Path(fusion.path).with_suffix('.json').name
        steps = simulate(path, content, dataset, args.out, args.seed, scores)
        settings = {f'{key}.data_root': args.out for key in keys}
        if scores is not None:
            file = args.out / scores
            settings |= {f'{name}_evaluator.score_fusion.path': file for name in LOADERS[1:]}
    print(f'SIMULATED features of {len(content["database"])} videos, {steps} steps: {args.out}')
    options = ' '.join(f'{key}={value}' for key, value in settings.items())
    print(f'use them with: --cfg-options {options}')
    return 0


def described(config: Config) -> tuple[dict, list[str]]:
    """What the config says of its files, and the keys of all datasets that read them.

    Raises:
        ValueError: a config without training data, or its datasets are of different files.
    """
    datasets = {
        key: {'data_root': '', 'feature_file': '{video}.npy', 'grid': None, **dataset}
        for name in LOADERS
        for key, dataset in dataset_configs(config, f'{name}_dataloader').items()
    }
    training = {key: d for key, d in datasets.items() if key.startswith('train_dataloader')}
    missing = [
        key
        for key in ('ann_file', 'pipeline')
        if not training or any(key not in dataset for dataset in training.values())
    ]
    if missing:
        raise Mistake(
            f'expected a train_dataloader.dataset with {missing[0]} in {config.filename} '
            'but it has none'
        )
    agreed_settings(datasets, ['data_root', 'ann_file', 'feature_file', 'grid'])
    loads = {
        key: {'pipeline': [step for step in dataset['pipeline'] if is_a(step, 'LoadFeature')]}
        for key, dataset in training.items()
    }
    agreed_settings(loads, ['pipeline'])
    return next(iter(training.values())), list(datasets)


def limited(path: Path, limit: int | None) -> dict:
    """The annotation file, of each subset the first ``limit`` videos; None = all."""
    content = read_object(path)
    if 'classes' not in content:
        raise ValueMistake(
            f"{path}: expected 'classes', as the converters write them, but got {list(content)}"
        )
    if limit is not None and limit < 1:
        raise ValueMistake(f'expected --limit >= 1 but got {limit}')
    seen: dict[str, int] = {}
    database = {}
    for name, video in videos_of(path, content).items():
        with in_context(f'{path}: video {name!r}', SCHEMA):
            seen[video['subset']] = seen.get(video['subset'], 0) + 1
            if limit is None or seen[video['subset']] <= limit:
                database[name] = video
    return {**content, 'database': database}


def simulate(
    path: Path, content: dict, dataset: dict, out: Path, seed: int, scores: str | None = None
) -> int:
    """Write annotations, features and, into the file ``scores``, those of a video classifier.

    Returns:
        The steps of the first source, all videos.
    """
    loads = [step for step in dataset['pipeline'] if is_a(step, 'LoadFeature')]
    if len(loads) != 1:
        raise ValueMistake(f'expected one LoadFeature in the pipeline but got {len(loads)}')
    (load,) = loads
    sources = load.get('sources') or [load]
    files = dataset.get('feature_file', '{video}.npy')
    files = [files] if isinstance(files, str) else list(files)
    if len(files) != len(sources):
        raise ValueMistake(f'expected {len(sources)} feature_file, one a source, but got {files}')
    with in_context(str(path), SCHEMA):
        classes = {name: index for index, name in enumerate(content['classes'])}
        settings = dict(dataset.get('grid') or content['grid'])
    simulators = [
        FeatureSimulator(len(classes), source.get('file_dim') or source['feat_dim'], seed + number)
        for number, source in enumerate(sources)
    ]
    steps = 0
    with write_dataset(out, made_by='tools/data/simulate.py') as writer:
        folder = writer.root / FEATURE_FOLDER
        (folder / MARK).write_text(f'{NOTE}\n')
        if scores is not None:
            write_json(writer.root / scores, simulated_scores(content, seed))
        for name, video in content['database'].items():
            with in_context(f'{path}: video {name!r}', SCHEMA):
                check_file_name(name)
                segments = [item['segment'] for item in video['annotations']]
                labels = [classes[item['label']] for item in video['annotations']]
                features = []
                for simulator, source in zip(simulators, sources, strict=True):
                    grid = {'fps': video.get('fps'), **settings, **(source.get('grid') or {})}
                    features.append(
                        simulator.make(
                            name, FeatureGrid(**grid), video['duration'], segments, labels
                        )
                    )
            for feature, source, file in zip(features, sources, files, strict=True):
                save(folder / file.replace('{video}', name), feature, source.get('key'))
            steps += len(features[0])
        content = {
            **content,
            'version': f'{content.get("version", "")} with SIMULATED features'.strip(),
            'simulated': {'note': NOTE, 'seed': seed},
        }
        write_json(writer.root / Path(dataset['ann_file']).name, content)
    return steps


def simulated_scores(content: dict, seed: int) -> dict:
    """Scores of a video classifier, as `VideoScoreFusion` reads them: noise, and more for classes
    that occur in the video."""
    rng = np.random.default_rng(seed)
    classes = content['classes']
    results = {}
    for name, video in content['database'].items():
        present = {item['label'] for item in video['annotations']}
        noise = rng.random(len(classes)).round(4).tolist()
        results[name] = [x + (label in present) for x, label in zip(noise, classes, strict=True)]
    return {'simulated': {'note': NOTE, 'seed': seed}, 'class': classes, 'results': results}


def save(path: Path, feature: np.ndarray, key: str | None) -> None:
    """Half precision: the disk is what true scale needs most."""
    path.parent.mkdir(parents=True, exist_ok=True)
    feature = feature.astype(np.float16)
    if path.suffix == '.npy':
        np.save(path, feature)
    elif path.suffix == '.npz':
        np.savez(path, **{key or 'feats': feature})
    elif path.suffix == '.pt':
        torch.save(torch.from_numpy(feature), path)
    else:
        raise ValueMistake(f'expected a .npy, .npz or .pt feature_file to simulate but got {path}')


if __name__ == '__main__':
    sys.exit(main())
