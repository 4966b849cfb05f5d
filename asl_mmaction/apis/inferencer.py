"""Detections for feature files and arrays, without a data set and without a Runner."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from torch import Tensor

from asl_mmaction.apis.checkpoint import dataset_meta, load_checkpoint, load_weights
from asl_mmaction.apis.classes import check_classes, find_classes
from asl_mmaction.apis.config import load_config
from asl_mmaction.apis.datasets import agreed_settings, dataset_configs
from asl_mmaction.files.mistakes import TypeMistake, ValueMistake
from asl_mmaction.files.reading import check_file, in_context, is_number
from asl_mmaction.files.results import write_results
from asl_mmaction.files.sidecar import complete_grid, read_sidecar
from asl_mmaction.files.writing import prepare_folder
from asl_mmaction.structures.feature_grid import GRID_KEYS, FeatureGrid, merge_grid_settings
from asl_mmaction.structures.limits import describe_limits

Feature = str | os.PathLike | np.ndarray | Tensor
Sources = Feature | Sequence[Feature]
INPUT_KEYS = {'feature', 'video_name', 'duration', 'fps'}


class TALInferencer:
    """A trained localizer that takes features of any video.

    It runs the pipeline and the model of the config's test settings, so the numbers are those of
    ``tools/test.py``.

    Args:
        config: config file, ``'asl_mmaction::asl/asl_hapt.py'``, or a config.
        checkpoint: written by the Runner with that config; read safely (weights only).
        device: such as ``'cpu'`` or ``'cuda:0'``; without, the GPU where there is one.
        grid: ``fps``, ``feat_stride``, ``clip_len`` of the features, each where it differs from the
            config's ``test_dataloader.dataset.grid``. Several test datasets have to agree.

    Raises:
        FileNotFoundError: no such config or checkpoint.
        ValueError: the config has no model or no test data, or several test datasets of different
            pipelines, files or grids; the checkpoint does not fit it, there is no such device, or
            the grid is not known.

    Example:
        >>> inferencer = TALInferencer('asl_mmaction::asl/asl_demo.py', 'demo.pth')
        >>> inferencer('test_0000.npy', score_threshold=0.5)
        [{'video_name': 'test_0000', 'duration': 91.2, 'detections':
          [{'label': 'middle', 'label_id': 2, 'score': 0.97, 'segment': [3.1, 9.8]}, ...]}]
    """

    def __init__(
        self,
        config: str | os.PathLike | Config,
        checkpoint: str | os.PathLike,
        *,
        device: str | torch.device | None = None,
        grid: Mapping[str, float] | None = None,
    ) -> None:
        self.config = load_config(config)
        missing = [key for key in ('model', 'test_dataloader') if not self.config.get(key)]
        if missing:
            raise ValueMistake(
                f'expected a config with model and test_dataloader but got no {missing[0]} in '
                f'{self.config.filename or "it"}'
            )
        self.device = _find_device(device)
        content = load_checkpoint(checkpoint)
        self.classes = find_classes(self.config, content)
        check_classes(self.config, {f'the names for checkpoint {checkpoint}': self.classes})
        if self.config.model.get('head', {}).get('num_classes', 1) == 1 < len(self.classes):
            self.classes = ('action',)  # the classes come from elsewhere
        self.simulated = bool(dataset_meta(content).get('simulated'))
        if not isinstance(grid, Mapping | None):
            raise TypeMistake(f'expected grid with some of {GRID_KEYS} but got {grid!r}')
        self.sources, pipeline, self.grid = _data_settings(self.config, grid or {})
        self.elsewhere = any(step.get('backend_args') for step in pipeline)
        FeatureGrid.from_settings(dict.fromkeys(GRID_KEYS, 1), self.grid)  # checks the values
        with DefaultScope.overwrite_default_scope('mmaction'):
            self.pipeline = Compose(pipeline)
            self.model = MODELS.build(self.config.model)
        load_weights(self.model, content, checkpoint)
        self.model.to(self.device).eval()

    def __call__(
        self,
        inputs: Feature | Mapping | Sequence[Sources | Mapping],
        *,
        batch_size: int = 1,
        score_threshold: float = 0.0,
        top_k: int | None = None,
        out: str | os.PathLike | None = None,
    ) -> list[dict]:
        """Detect actions.

        Args:
            inputs: one feature or a list of them. A feature is a file, an array (T, C), or a dict
                of ``feature`` (file or array) and, each if known, ``video_name``, ``duration``
                (seconds) and ``fps``. What is not given, a sidecar may say (``a.json`` beside
                ``a.npy``), which has to agree with the config. Without a duration the video ends
                with the last feature's clip. Names default to the file's, or to ``array_0``,
                ``array_1``, ...
                Where the model takes several sources, a feature is a list or tuple of files or
                arrays, one for each source in the config's order (or one array of all channels).
            batch_size: features that run at once.
            score_threshold: detections with a lower score are left out.
            top_k: at most so many detections for each feature, the best ones. The model's own
                limits (``post_processor.max_per_video``) must allow for as many.
            out: also write all of it as JSON in ActivityNet's form, seconds at full precision.

        What is no feature, and a file that is not there, is an error before anything is computed.
        What the limits of the model's post-processor left out is logged, one line for all features.

        Returns:
            For each feature ``{'video_name', 'duration', 'detections'}``, a detection being
            ``{'label', 'label_id', 'score', 'segment': [start, end]}``, seconds, best score first.
            A class-agnostic model calls each 'action'.

        Raises:
            FileNotFoundError: no such feature file.
            TypeError: an input, or a name or number in it, of another type.
            ValueError: a count below 1, a ``top_k`` above the model's limit, a threshold that is no
                number, a duration or fps that is not above 0, an empty array, another width than
                the model's, NaN, a name that is there twice, an unknown key, a source too few or
                too many, an ``out`` that cannot be written.
        """
        for name, value in (('batch_size', batch_size), ('top_k', top_k)):
            counts = isinstance(value, (int, np.integer)) and value >= 1
            if not counts and (name, value) != ('top_k', None):
                raise ValueMistake(f'expected {name} to be a whole number >= 1 but got {value!r}')
        if not is_number(score_threshold):
            raise ValueMistake(
                f'expected score_threshold to be a number but got {score_threshold!r}'
            )
        if out is not None:
            out = Path(out)
            if out.is_dir():
                raise ValueMistake(f'expected a file to write but got the folder {out}')
            prepare_folder(out.parent)
        single = isinstance(inputs, (Mapping, str, bytes, os.PathLike, np.ndarray, Tensor))
        if single or not isinstance(inputs, Iterable):
            inputs = [inputs]
        samples = [self._sample(item, index) for index, item in enumerate(inputs)]
        names = [sample['video_name'] for sample in samples]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueMistake(f'expected a name of its own for each video but got {twice} twice')
        outputs, limits = [], {}
        for start in range(0, len(samples), batch_size):
            for data_sample in self._run(samples[start : start + batch_size]):
                outputs.append(self._describe(data_sample, score_threshold, top_k))
                limits[data_sample.video_name] = data_sample.pred_instances.get('limits')
        left_out = describe_limits(limits)
        if left_out is not None:
            print_log(left_out, logger='current', level=logging.WARNING)
        if out is not None:
            rows = {
                output['video_name']: [
                    (found['segment'], found['score'], found['label'])
                    for found in output['detections']
                ]
                for output in outputs
            }
            write_results(out, rows, simulated=self.simulated)
        return outputs

    def _sample(self, item: Sources | Mapping, index: int) -> dict:
        """One sample as TALDataset hands it to the pipeline, without annotations."""
        settings = dict(item) if isinstance(item, Mapping) else {'feature': item}
        if settings.keys() - INPUT_KEYS or 'feature' not in settings:
            raise ValueMistake(
                f"input {index}: expected 'feature' and some of {sorted(INPUT_KEYS)} but got "
                f'{list(settings)}'
            )
        feature = settings['feature']
        several = isinstance(feature, (list, tuple))
        parts = [_as_loaded(part, index) for part in (feature if several else [feature])]
        files = [part for part in parts if isinstance(part, str)]
        name = settings.get('video_name', Path(files[0]).stem if files else f'array_{index}')
        if not isinstance(name, str):
            raise TypeMistake(f'input {index}: expected video_name to be a string but got {name!r}')
        if len(parts) != len(self.sources) and (several or files):
            raise ValueMistake(
                f'video {name!r}: expected {len(self.sources)} features in a list '
                f'({", ".join(self.sources)}) but got {len(parts)}'
            )
        if not self.elsewhere:
            for file in files:
                with in_context(f'video {name!r}'):
                    check_file(file, 'a feature file')
        sample = {'feature_path' if files else 'feature': parts if len(parts) > 1 else parts[0]}
        sample['video_name'] = name
        duration = sample['duration'] = settings.get('duration')
        sidecar = files[0] if len(parts) == len(files) == 1 and not self.elsewhere else None
        if sidecar is not None and duration is None:
            duration = sample['duration'] = (read_sidecar(sidecar) or {}).get('duration')
        if duration is not None and not (is_number(duration) and duration > 0):
            raise ValueMistake(
                f'video {name!r}: expected a duration > 0, in seconds, but got {duration!r}'
            )
        with in_context(f'video {name!r}'):
            sample['grid'] = self._grid(settings.get('fps'), sidecar)
        return sample

    def _grid(self, fps: float | None, file: str | None) -> FeatureGrid:
        settings = merge_grid_settings(self.grid, {'fps': fps})
        if file is not None:
            settings = complete_grid(settings, file)
        missing = [key for key in GRID_KEYS if key not in settings]
        if missing:
            raise ValueMistake(
                f'expected fps, feat_stride and clip_len of the features but the config has no '
                f'{", ".join(missing)}: give grid=dict({missing[0]}=...) to TALInferencer'
            )
        return FeatureGrid(**settings)

    @torch.no_grad()
    def _run(self, samples: Sequence[dict]) -> list[ActionDataSample]:
        packed = [self.pipeline(sample) for sample in samples]
        for item in packed:
            sample = item['data_samples']
            if sample.duration is None:
                grid, last = sample.grid, sample.num_steps - 1
                end = grid.to_seconds(last) + 0.5 * grid.clip_len / grid.fps
                sample.set_metainfo({'duration': float(end)})
        return self.model.test_step(pseudo_collate(packed))

    def _describe(
        self, data_sample: ActionDataSample, score_threshold: float, top_k: int | None
    ) -> dict:
        found = data_sample.pred_instances.cpu()
        limits = found.get('limits')
        if limits and top_k is not None and top_k > limits.max_detections:
            raise ValueMistake(
                f'video {data_sample.video_name!r}: expected top_k of at most '
                f'{limits.max_detections}, what {limits.settings} of the post_processor allow for, '
                f'but got {top_k}'
            )
        found = found[found.scores >= score_threshold][:top_k]
        rows = zip(
            found.labels.tolist(), found.scores.tolist(), found.segments.tolist(), strict=True
        )
        return {
            'video_name': data_sample.video_name,
            'duration': data_sample.duration,
            'detections': [
                {
                    'label': self.classes[label],
                    'label_id': label,
                    'score': score,
                    'segment': segment,
                }
                for label, score, segment in rows
            ],
        }


def _find_device(device: str | torch.device | None) -> torch.device:
    try:
        found = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        torch.empty(0, device=found)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        reason = str(error).partition('\n')[0]
        raise ValueMistake(
            f'expected a device of this machine but got {device!r}: {reason}'
        ) from error
    return found


def _as_loaded(feature: Feature, index: int) -> str | np.ndarray:
    if isinstance(feature, (str, os.PathLike)):
        return os.fspath(feature)
    if isinstance(feature, np.ndarray):
        return feature
    if isinstance(feature, Tensor):
        if feature.layout != torch.strided:
            raise TypeMistake(f'input {index}: expected a dense tensor but got {feature.layout}')
        # numpy has no bfloat16
        return (feature.float() if feature.is_floating_point() else feature).detach().cpu().numpy()
    found = type(feature).__name__
    raise TypeMistake(f'input {index}: expected a feature file or array but got {found}')


def _data_settings(config: Config, grid: Mapping) -> tuple[list[str], list[dict], dict]:
    """File name of each source, pipeline and grid of the test data; ``grid`` replaces its own."""
    datasets = {
        key: {
            'pipeline': part.get('pipeline') or [],
            'feature_file': part.get('feature_file', '{video}.npy'),
            'grid': merge_grid_settings(part.get('grid'), grid),
        }
        for key, part in dataset_configs(config, 'test_dataloader').items()
    }
    settings = agreed_settings(datasets, ('pipeline', 'feature_file', 'grid'))
    files = settings['feature_file']
    sources = [files] if isinstance(files, str) else list(files)
    return sources, settings['pipeline'], settings['grid']
