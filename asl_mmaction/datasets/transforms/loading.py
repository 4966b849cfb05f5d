"""Feature files -> ``results['feature']``."""

import os
import zipfile

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from asl_mmaction.structures.feature_grid import FeatureGrid


@TRANSFORMS.register_module()
class LoadFeature(BaseTransform):
    """Open the feature file of a video: ``.npy``, ``.npz`` or ``.pt``.

    An ``.npy`` file is mapped, not read: :class:`RandomTruncate` cuts it, and
    :class:`PackTALInputs` reads and converts what is left: of a long video, the crop alone.

    Required keys: ``video_name``, ``grid``, ``feature_path`` (or ``feature``, an array, instead).
    Added keys: ``feature`` (T, C), of the file's own float type, perhaps a read-only map.

    Args:
        feat_dim: The width C. It tells (T, C) from (C, T); a square file is taken as (T, C).
        key: Name of the array in an ``.npz`` file or of the tensor in a ``.pt`` dict; needed if
            there are several.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Unknown or unreadable format, no such key, not two-dimensional, no step, or
            neither side as wide as ``feat_dim``. The message names the video and the file.
    """

    def __init__(self, *, feat_dim: int, key: str | None = None) -> None:
        if feat_dim < 1:
            raise ValueError(f'expected feat_dim >= 1 but got {feat_dim}')
        self.feat_dim = feat_dim
        self.key = key

    def transform(self, results: dict) -> dict:
        """Add ``feature``; see the class."""
        if 'feature' in results:
            where = f'video {results["video_name"]!r}: the feature array'
            feature = np.asarray(results['feature'])
        else:
            path = results['feature_path']
            where = f'video {results["video_name"]!r}: {path}'
            feature = self._read(path, where)
        results['feature'] = self._orient(feature, where)
        if not isinstance(results['grid'], FeatureGrid):
            raise TypeError(f'{where}: expected a FeatureGrid but got {results["grid"]!r}')
        return results

    def _read(self, path: str, where: str) -> np.ndarray:
        extension = os.path.splitext(path)[1].lower()
        readers = {'.npy': _read_npy, '.npz': self._read_npz, '.pt': self._read_pt}
        if extension not in readers:
            raise ValueError(f'{where}: expected one of {", ".join(readers)} but got {extension!r}')
        if not os.path.isfile(path):
            raise FileNotFoundError(f'{where}: no such feature file')
        try:
            return readers[extension](path)
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f'{where}: {error or type(error).__name__}') from error

    def _read_npz(self, path: str) -> np.ndarray:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[self._choose(arrays.files)]

    def _read_pt(self, path: str) -> np.ndarray:
        try:
            content = torch.load(path, map_location='cpu', weights_only=True)
        except Exception as error:  # what a broken or malicious pickle raises is not bounded
            raise ValueError('expected a readable file that holds tensors only') from error
        if isinstance(content, dict):
            content = content[self._choose(list(content))]
        if not isinstance(content, torch.Tensor):
            raise ValueError(f'expected a tensor but got {type(content).__name__}')
        if content.dtype == torch.bfloat16:  # numpy has none
            content = content.float()
        return content.detach().numpy()

    def _choose(self, keys: list[str]) -> str:
        if self.key is None and len(keys) == 1:
            return keys[0]
        if self.key not in keys:
            raise ValueError(f'expected key {self.key!r} but got {sorted(map(str, keys))}')
        return self.key

    def _orient(self, feature: np.ndarray, where: str) -> np.ndarray:
        width = self.feat_dim
        if feature.dtype.kind not in 'fiu':
            raise ValueError(f'{where}: expected numbers but got {feature.dtype}')
        if feature.ndim == 2 and feature.shape[1] != width and feature.shape[0] == width:
            feature = feature.T
        if feature.ndim != 2 or feature.shape[1] != width:
            raise ValueError(
                f'{where}: expected shape (T, {width}) or ({width}, T) but got {feature.shape}'
            )
        if len(feature) == 0:
            raise ValueError(f'{where}: expected at least one step but got an empty feature')
        return feature


def _read_npy(path: str) -> np.ndarray:
    return np.load(path, mmap_mode='r', allow_pickle=False)
