"""Detections for features and videos, without a data set and without a Runner."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.infer import BaseInferencer
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from rich.progress import track

from asl_mmaction.apis.classes import model_classes
from asl_mmaction.apis.config import check_parts, load_config
from asl_mmaction.apis.inputs import Input, find_inputs
from asl_mmaction.apis.model import Predictor, find_device
from asl_mmaction.apis.onnx_network import open_network
from asl_mmaction.apis.outputs import ResultFolder, check_count, check_file, rows_of, write_file
from asl_mmaction.apis.predictions import Found, check_settings, describe
from asl_mmaction.apis.samples import Progress, SampleMaker
from asl_mmaction.apis.work_dir import find_model
from asl_mmaction.files.checkpoint import dataset_meta, weights_digest
from asl_mmaction.files.mistakes import Mistake, ValueMistake
from asl_mmaction.structures.limits import describe_limits


class TALInferencer(BaseInferencer):
    """A trained localizer that takes features or videos of any recording.

    It runs the pipeline and the model of the config's test settings, so the numbers are those of
    ``tools/test.py``. It does the work of mmengine's BaseInferencer in the same four verbs, but
    recording by recording: what is found is written as it comes. Checkpoints are read safely.

    A video becomes features by the config's ``extractor``, see
    :func:`~asl_mmaction.extraction.extractor.build_extractor`; a very long sequence is looked at in
    windows, see :class:`Predictor`.

    Args:
        config: Work dir of a training, or a config: a file, ``'asl_mmaction::asl/asl_hapt.py'``, or
            built already.
        checkpoint: Written by the Runner with that config; None: the last one in the work dir.
        device: Such as ``'cpu'`` or ``'cuda:0'``; None: the GPU where there is one.
        grid: ``fps``, ``feat_stride``, ``clip_len`` of the features, each where it differs from the
            config's ``test_dataloader.dataset.grid``. Several test datasets have to agree.
        show_progress: Draw a bar over the recordings.
        backend: ``'torch'``; or ``'onnxruntime'``, on the CPU: ``checkpoint`` is the file that
            ``tools/deployment/torch2onnx.py`` wrote, or the checkpoint beside which it lies.

    Raises:
        FileNotFoundError: No such config or checkpoint.
        ValueError: The config has no model or no test data, or several test datasets of different
            pipelines, files or grids; the checkpoint does not fit it, there is no such device, or
            the grid has unknown or wrong settings.

    Example:
        >>> inferencer = TALInferencer('work_dirs/demo')
        >>> inferencer('test_0000.npy', score_threshold=0.5)
        {'predictions': [{'video_name': 'test_0000', 'duration': 91.2, 'detections':
          [{'label': 'middle', 'label_id': 2, 'score': 0.97, 'segment': [3.1, 9.8]}, ...]}],
         'visualization': [[]]}
        >>> inferencer(['videos/', 'new/*.npy'], out_dir='found', draw=['html'])
    """

    def __init__(
        self,
        config: str | os.PathLike | Config,
        checkpoint: str | os.PathLike | None = None,
        *,
        device: str | torch.device | None = None,
        grid: Mapping[str, float] | None = None,
        show_progress: bool = True,
        backend: str = 'torch',
    ) -> None:
        config, checkpoint = find_model(config, checkpoint)
        self.config = self.cfg = load_config(config)
        check_parts(self.config, 'model', 'test_dataloader')
        self.device = find_device(device, backend)
        self.checkpoint, content, network = open_network(self.config, checkpoint, backend)
        self.classes = model_classes(self.config, content, checkpoint)
        self.simulated = bool(dataset_meta(content).get('simulated'))
        self._state: Any = content.get('state_dict')
        self._network = network
        self.samples = SampleMaker(self.config, grid, self.device)
        self.scope, self.collate_fn, self.visualizer = 'mmaction', pseudo_collate, None
        self.show_progress = show_progress
        self.pipeline = self._init_pipeline(self.config)
        self._predict = Predictor(self.config, content, checkpoint, self.device, network)
        self.model = self._predict.model

    def _init_pipeline(self, cfg: Config) -> Compose:
        with DefaultScope.overwrite_default_scope('mmaction'):
            return Compose(self.samples.pipeline)

    @cached_property
    def _weights(self) -> str:
        """SHA-256 of the weights, for a folder of results."""
        if self._network is not None:
            return self._network.about['weights_sha256']
        return weights_digest(self._state)

    def __call__(
        self,
        inputs: Any,
        return_datasamples: bool = False,
        batch_size: int = 1,
        *,
        score_threshold: float = 0.0,
        top_k: int | None = None,
        out: str | os.PathLike | None = None,
        out_dir: str | os.PathLike | None = None,
        formats: Sequence[str] = ('json',),
        draw: Sequence[str] = (),
        resume: bool = False,
        overwrite: bool = False,
        features_dir: str | os.PathLike | None = None,
    ) -> dict[str, list]:
        """Detect actions.

        What is no feature, and a file that is not there, is an error before anything is computed.
        A file that cannot be read is one when its turn comes: what was found before is written, and
        :meth:`each` goes on behind it.

        Args:
            inputs: See :func:`~asl_mmaction.apis.inputs.find_inputs`. Without a duration a
                recording ends with the last feature's clip. Names default to the file's, in a
                folder to the path from there, or to ``array_0``, ``array_1``, ...
            return_datasamples: Give predictions as the model does, unfiltered.
            batch_size: Recordings that run at once.
            score_threshold: Detections with a lower score are left out.
            top_k: At most so many detections of each recording, the best ones. The model's own
                limits (``post_processor.max_per_video``) must allow for as many.
            out: Also write all of it: ``.json`` in ActivityNet's form, ``.csv``, or, of a single
                recording, ``.srt`` or ``.vtt``; the JSON has every digit of seconds and scores,
                the CSV 3 decimals and 4.
            out_dir, formats, draw, resume: See :meth:`open_folder`.
            overwrite: Replace files that are there. Without, they are an error.
            features_dir: Where features of videos are kept, and taken from.

        What the limits of the model's post-processor left out is logged, one line for all.

        Returns:
            ``predictions``, one for each recording, see :meth:`postprocess`; and ``visualization``,
            the files that were drawn of each.

        Raises:
            FileExistsError: What would be written is there.
            FileNotFoundError, TypeError, ValueError: A setting, an input or a file is not as
                expected, or nothing can be written where asked; one line says which and how.
        """
        if out is not None:
            check_file(Path(out), overwrite=overwrite)
        if out_dir is None and draw:
            raise ValueMistake(f'expected out_dir for draw={list(draw)} but got none')
        items = self.find(inputs)
        if out is not None:
            check_count(Path(out), len(items))
        options: dict[str, Any] = {'score_threshold': score_threshold, 'top_k': top_k}
        folder = None
        if out_dir is not None:
            folder = self.open_folder(
                out_dir, formats=formats, draw=draw, resume=resume, overwrite=overwrite, **options
            )
            items = folder.begin(items)
        results = self.each(items, batch_size, features_dir=features_dir, **options)
        if self.show_progress and len(items) > 1:
            results = iter(track(results, description='Inference', total=len(items)))
        found = []
        with folder or nullcontext():
            for one in results:
                if one.error is not None:
                    raise one.error
                files = []
                if folder is not None:
                    files = self.visualize([one.input], [one.prediction], folder=folder)[0]
                    folder.add(one.prediction, one.input.file)
                found.append((one, files))
        if out is not None:
            rows = {one.input.name: rows_of(one.prediction) for one, _ in found}
            write_file(Path(out), rows, simulated=self.simulated)
        return {
            'predictions': [
                one.data_sample if return_datasamples else one.prediction for one, _ in found
            ],
            'visualization': [files for _, files in found],
        }

    def find(self, inputs: Any) -> list[Input]:
        """The recordings that are meant, see :func:`~asl_mmaction.apis.inputs.find_inputs`."""
        items = find_inputs(inputs, self.samples.sources, elsewhere=self.samples.elsewhere)
        self.samples.check(items)
        return items

    def each(
        self,
        inputs: Sequence[Input],
        batch_size: int = 1,
        *,
        score_threshold: float = 0.0,
        top_k: int | None = None,
        features_dir: str | os.PathLike | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Found]:
        """What is found in recordings, as it comes; a bad file does not lose the others.

        Args:
            inputs: From :meth:`find`.
            progress: Is called with the frames of a video that are done and all frames.
            batch_size, score_threshold, top_k, features_dir: See :meth:`__call__`.
        """
        check_settings(batch_size=batch_size, top_k=top_k, score_threshold=score_threshold)
        self.samples.prepare(inputs)
        features = None if features_dir is None else Path(features_dir)
        limits = {}
        for items, batch, bad in self.preprocess(inputs, batch_size, features, progress):
            yield from bad
            for item, sample in zip(items, self.forward(batch) if items else [], strict=True):
                limits[item.name] = sample.pred_instances.get('limits')
                result = self.postprocess([sample], score_threshold=score_threshold, top_k=top_k)
                yield Found(item, result['predictions'][0], sample)
        left_out = describe_limits(limits)
        if left_out is not None:
            print_log(left_out, logger='current', level=logging.WARNING)

    def preprocess(
        self,
        inputs: Sequence[Input],
        batch_size: int = 1,
        features_dir: Path | None = None,
        progress: Progress | None = None,
    ) -> Iterator[tuple[list[Input], Any, list[Found]]]:
        """The recordings of each batch, the batch itself, and those that cannot be read."""
        for first in range(0, len(inputs), batch_size):
            items, packed, bad = [], [], []
            for item in inputs[first : first + batch_size]:
                try:
                    packed.append(self.pipeline(self.samples(item, features_dir, progress)))
                    items.append(item)
                except (Mistake, OSError) as error:
                    bad.append(Found(item, error=error))
            yield items, self.collate_fn(packed) if packed else None, bad

    def forward(self, inputs: Any, **_: Any) -> list[ActionDataSample]:
        """The data samples of a batch, with ``pred_instances``: see :class:`Predictor`."""
        return self._predict(inputs)

    def visualize(
        self, inputs: list[Input], preds: list[dict], *, folder: ResultFolder
    ) -> list[list[Path]]:
        """Draw predictions into a folder, see :meth:`open_folder`; the files of each."""
        return [
            folder.draw(prediction, item.video)
            for item, prediction in zip(inputs, preds, strict=True)
        ]

    def postprocess(
        self,
        preds: list[ActionDataSample],
        visualization: list[list[Path]] | None = None,
        return_datasamples: bool = False,
        *,
        score_threshold: float = 0.0,
        top_k: int | None = None,
    ) -> dict[str, list]:
        """Predictions as plain values.

        Returns:
            ``predictions``, see :func:`~asl_mmaction.apis.predictions.describe`; a class-agnostic
            model calls each detection 'action'. And ``visualization``.

        Raises:
            ValueError: A ``top_k`` above the limits of the model.
        """
        predictions: list = preds
        if not return_datasamples:
            settings: dict[str, Any] = {'score_threshold': score_threshold, 'top_k': top_k}
            predictions = [describe(sample, self.classes, **settings) for sample in preds]
        return {'predictions': predictions, 'visualization': visualization or [[] for _ in preds]}

    def open_folder(
        self,
        out_dir: str | os.PathLike,
        *,
        formats: Sequence[str] = ('json',),
        draw: Sequence[str] = (),
        resume: bool = False,
        overwrite: bool = False,
        score_threshold: float = 0.0,
        top_k: int | None = None,
    ) -> ResultFolder:
        """A folder for what is found.

        Args:
            out_dir, formats, draw, resume, overwrite: See :class:`ResultFolder`.
            score_threshold, top_k: Of the detections; those that are gone on with had the same.
        """
        about = {
            'classes': list(self.classes),
            'model': Path(self.config.filename or 'config').stem,
            'checkpoint': Path(self.checkpoint).name,
            'weights_sha256': self._weights,
            'settings_sha256': self.samples.settings_digest(self.config.model),
            'score_threshold': float(score_threshold),
            'top_k': top_k,
        }
        return ResultFolder(
            Path(out_dir),
            about=about,
            simulated=self.simulated,
            formats=formats,
            draw=draw,
            resume=resume,
            overwrite=overwrite,
        )
