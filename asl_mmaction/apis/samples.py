"""Recordings as the test pipeline of a config takes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmengine.config import Config

from asl_mmaction.apis.datasets import agreed_settings, dataset_configs
from asl_mmaction.apis.inputs import Input
from asl_mmaction.files.mistakes import TypeMistake, ValueMistake
from asl_mmaction.files.reading import in_context
from asl_mmaction.files.sidecar import complete_grid, read_sidecar
from asl_mmaction.files.writing import check_file_name
from asl_mmaction.structures.feature_grid import GRID_KEYS, FeatureGrid, merge_grid_settings

Progress = Callable[[int, float | None], None]


class SampleMaker:
    """Makes samples as TALDataset does, without annotations.

    Args:
        config: With ``test_dataloader`` and perhaps ``extractor``, which says how a video becomes
            features.
        grid: ``fps``, ``feat_stride``, ``clip_len``, each where it differs from the config's.
        device: Where a video becomes features.

    Raises:
        TypeError: ``grid`` or one of its settings is of another type.
        ValueError: An unknown or wrong setting of the grid; several test datasets of different
            pipelines, files or grids.
    """

    def __init__(self, config: Config, grid: Mapping | None, device: torch.device) -> None:
        if not isinstance(grid, Mapping | None):
            raise TypeMistake(f'expected grid with some of {GRID_KEYS} but got {grid!r}')
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
        self.sources: list[str] = [files] if isinstance(files, str) else list(files)
        self.pipeline: list[dict] = settings['pipeline']
        self.grid: dict[str, Any] = settings['grid']
        self.elsewhere = any(step.get('backend_args') for step in self.pipeline)
        FeatureGrid.from_settings(dict.fromkeys(GRID_KEYS, 1), self.grid)  # checks the values
        self._settings, self._device = config.get('extractor'), device
        self._extractor: Any = None
        self._scratch: TemporaryDirectory | None = None

    def check(self, items: Sequence[Input]) -> None:
        """Make sure that there is an extractor for what is a video.

        Raises:
            ValueError: There is none.
        """
        for item in items:
            if item.video and not self._settings:
                raise ValueMistake(
                    f'{item.video}: expected extractor=dict(recognizer=..., checkpoint=..., '
                    'clip_len=..., stride=...) in the config, to compute features from a video, '
                    'but got none; see docs/from_video.md'
                )

    def prepare(self, items: Sequence[Input]) -> None:
        """Build the extractor if something is a video: a mistake in it is none of each video.

        Raises:
            FileNotFoundError, TypeError, ValueError: It is not as ``build_extractor`` expects it.
        """
        if self._extractor is None and any(item.video for item in items):
            # PyAV and mmaction2's models take seconds to load
            from asl_mmaction.extraction.extractor import build_extractor

            with in_context('extractor in the config'):
                self._extractor = build_extractor(self._settings, device=self._device)

    def settings_digest(self, model: Mapping) -> str:
        """SHA-256 of the settings of a model, and of those that make a recording its input."""
        settings = [model, self.sources, self.pipeline, self.grid, self._settings]
        text = json.dumps(settings, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def __call__(
        self, item: Input, features_dir: Path | None = None, progress: Progress | None = None
    ) -> dict:
        """The sample of a recording; features of a video are computed.

        Args:
            item: The recording.
            features_dir: Where features of videos are kept, and taken from; None: nowhere.
            progress: Is called with the frames that are done and all frames.

        Raises:
            FileNotFoundError, ValueError: A video or a sidecar cannot be read, the sidecar
                contradicts the grid, or the grid is not known.
        """
        features: Sequence[Any] = item.features
        if item.video:
            features = [self._extract(item, features_dir, progress)]
        files = any(isinstance(part, str) for part in features)
        told = files and len(features) == 1 and (item.video is not None or not self.elsewhere)
        file = features[0] if told else None
        with in_context(f'video {item.name!r}'):
            duration = item.duration
            if duration is None and file is not None:
                duration = (read_sidecar(file) or {}).get('duration')
            return {
                'video_name': item.name,
                'duration': duration,
                'grid': self._grid(item.fps, file),
                'feature_path' if files else 'feature': (
                    list(features) if len(features) > 1 else features[0]
                ),
            }

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

    def _extract(self, item: Input, features_dir: Path | None, progress: Progress | None) -> str:
        """The feature file of a video; one that is not kept is gone when the next is made."""
        self.prepare([item])
        if features_dir is None:
            if self._scratch is not None:
                self._scratch.cleanup()
            self._scratch = TemporaryDirectory()
            features_dir = Path(self._scratch.name)
        out = features_dir / f'{check_file_name(item.name)}.npy'
        self._extractor.write(item.video, out, **({'progress': progress} if progress else {}))
        return str(out)
