"""The runs of mmaction2's localizers and ours that compare_proposals.py makes."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
from mmengine.config import Config

from asl_mmaction.apis.datasets import dataset_configs
from asl_mmaction.cli.past_runs import OPTIONS, WITHOUT_EFFECT, check_config, check_options
from asl_mmaction.cli.progress import Watched
from asl_mmaction.cli.trial import shorten

TOOLS = Path(__file__).resolve().parents[1]
CONFIGS = TOOLS.parent / 'configs'


def steps_of(method: str) -> tuple[str, ...]:
    """Starts of the configs' names that a method is made by; the last gives its results."""
    return {'bsn': ('bsn_tem', 'bsn_pem'), 'tcanet': ('bmn', 'tcanet')}.get(method, (method,))


class RunError(Exception):
    """A run ended with an error; the message names its log."""


class Runs:
    """The runs of one data set and seed: each step makes what it needs, unless it is there."""

    def __init__(
        self,
        data: str,
        seed: int,
        work_dir: Path,
        data_root: str | None = None,
        epochs: int | None = None,
    ) -> None:
        self.data = data
        self.seed = seed
        self.work_dir = work_dir
        self.data_root = data_root
        self.epochs = epochs
        self.watched: Watched | None = None

    def folder(self, name: str) -> Path:
        return self.work_dir / f'{name}_{self.data}' / f'seed_{self.seed}'

    @property
    def options(self) -> dict:
        """What the runs are made with, in the form of compare.py's."""
        moved = [] if self.data_root is None else [f'data_root={self.data_root}']
        return {'amp': False, 'cfg_options': moved, 'epochs': self.epochs}

    def check(self, method: str) -> None:
        """Raises Mistake if what is there of a method was made by others than those of today.

        That is, options or config; what was tested may differ, and is scored here.
        """
        without = (*WITHOUT_EFFECT, 'test_dataloader', 'test_evaluator')
        for name in steps_of(method):
            if self.folder(name).exists():
                check_options(self.folder(name), self.options)
                path = self.folder(name) / f'{name}_{self.data}.py'
                check_config(path, self.config(name), without)

    def made(self, method: str) -> Path | None:
        """File of the proposals or detections of a method, if it is there."""
        name = steps_of(method)[-1]
        names = ('detections.json', 'proposals.json', 'all/proposals.json')
        files = [self.folder(name) / file for file in names]
        return next((path for path in files if path.is_file()), None)

    def make(self, method: str) -> None:
        """Train and test a method, and first what it builds on."""
        name = steps_of(method)[-1]
        if method == 'tcanet':
            self.make_proposals_of_bmn()
        elif method == 'bsn':
            self.make_proposals_of_pgm()
        self.test(name, self.train(name), self.folder(name))

    def inputs(self, name: str) -> dict[str, str]:
        """Values of a config's variables that name files of other runs."""
        if name == 'tcanet':
            return {'proposals_file': str(self.folder('bmn') / 'all' / 'proposals.json')}
        if name == 'bsn_pem':
            return {'proposals_dir': str(self.folder('bsn_tem') / 'pgm')}
        return {}

    def make_proposals_of_bmn(self) -> None:
        """BMN's, of the training videos too."""
        out = self.folder('bmn') / 'all'
        if not (out / 'proposals.json').is_file():
            config = self.train('bmn')
            content = Config.fromfile(config)
            loaders = ('train_dataloader', 'test_dataloader')
            parts = [part for name in loaders for part in dataset_configs(content, name).values()]
            subsets = [part.subset for part in parts]
            self.test('bmn', config, out, f'test_dataloader.dataset.subset=[{",".join(subsets)}]')

    def make_proposals_of_pgm(self) -> None:
        """Those of the boundaries that TEM finds, of the training videos too."""
        folder = self.folder('bsn_tem')
        if not (folder / 'pgm.done').is_file():
            config = self.train('bsn_tem')
            self.test('bsn_tem', config, folder / 'tem')
            tool = TOOLS / 'mmaction' / 'generate_proposals.py'
            pem = self.config_path('bsn_pem')
            self.call('bsn_tem', tool, pem, folder / 'tem', '--out', folder / 'pgm')
            (folder / 'pgm.done').touch()

    def train(self, name: str) -> Path:
        """Train to the last epoch; the config as it was run. ``name``: start of the config's."""
        folder = self.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / OPTIONS).write_text(json.dumps(self.options))
        content = self.config(name)
        config = folder / f'{name}_{self.data}.py'
        content.dump(config)
        if last_checkpoint(folder).name != f'epoch_{content.train_cfg.max_epochs}.pth':
            arguments = ['--work-dir', folder, '--seed', self.seed, '--no-validate']
            resume = ['--resume'] if last_checkpoint(folder).is_file() else []
            self.call(name, TOOLS / 'train.py', config, *arguments, *resume)
        return config

    def test(self, name: str, config: Path, out: Path, *options: str) -> None:
        folder = self.folder(name)
        arguments = ['--work-dir', folder, '--out', out]
        arguments += ['--cfg-options', *options] if options else []
        self.call(name, TOOLS / 'test.py', config, last_checkpoint(folder), *arguments)

    def config(self, name: str) -> Config:
        """The config with the paths of these runs."""
        source = Config.fromfile(self.config_path(name))
        moved = {source[key]: value for key, value in self.inputs(name).items()}
        if self.data_root is not None:
            moved[source.data_root] = f'{Path(self.data_root)}/'
        config = Config(replace_paths(source.to_dict(), moved))
        if self.epochs is not None:
            shorten(config, self.epochs)
        fusion = (config.test_evaluator or {}).get('score_fusion')
        if fusion is not None and not Path(fusion.path).is_file():
            # No classes without the scores of a classifier: no mAP
            config.test_evaluator = self.config('bmn').test_evaluator
        return config

    def config_path(self, name: str) -> Path:
        paths = sorted(CONFIGS.glob(f'*/{name}_{self.data}.py'))
        if not paths:
            raise RunError(f'expected a config {name}_{self.data}.py in {CONFIGS} but got none')
        return paths[0]

    def call(self, name: str, *command) -> None:
        """Run a tool; its output goes to the end of the log."""
        path = self.folder(name) / 'compare.log'
        if self.watched is not None:
            self.watched.watch(path)
        with open(path, 'a') as log:
            log.write(f'$ {" ".join(map(str, command))}\n')
            log.flush()
            command = [sys.executable, *map(str, command)]
            if subprocess.run(command, stdout=log, stderr=log).returncode:
                raise RunError(f'see {path}')


def last_checkpoint(folder: Path) -> Path:
    """What mmengine's CheckpointHook wrote last; a path without a name if nothing."""
    pointer = folder / 'last_checkpoint'
    return Path(pointer.read_text().strip()) if pointer.is_file() else Path()


def replace_paths(value, moved: Mapping[str, str]):
    """A copy of a config with other beginnings of its strings."""
    if isinstance(value, dict):
        return {key: replace_paths(item, moved) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(replace_paths(item, moved) for item in value)
    if isinstance(value, str):
        for old, new in moved.items():
            if value.startswith(old):
                return new + value[len(old) :]
    return value
