"""What README and docs name exists, and their code is code."""

import ast
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from mmaction.registry import DATASETS, METRICS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from asl_mmaction.apis import load_config
from asl_mmaction.apis.datasets import dataset_configs
from asl_mmaction.cli.arguments import parse_cfg_options

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / 'README.md',
    *sorted((ROOT / 'docs').rglob('*.md')),
    *sorted((ROOT / 'configs').rglob('*.md')),
    *sorted((ROOT / 'tools').rglob('*.md')),
]
# What a reader makes, or replaces by his own.
MADE = ('data/', 'work_dirs/', 'my_', 'DIR', 'features/', 'mmaction::')
COMMON_OPTIONS = (
    ROOT / 'asl_mmaction' / 'cli' / 'arguments.py',
    ROOT / 'tools' / 'analysis' / 'compare.py',
    ROOT / 'tools' / 'analysis' / 'run_arguments.py',
)
page = pytest.mark.parametrize('page', PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(text, language):
    return re.findall(rf'^```{language}\n(.*?)^```', text, flags=re.M | re.S)


def commands(text):
    """Words of each shell command, comments and continuations resolved."""
    for block in blocks(text, 'bash'):
        for line in block.replace('\\\n', ' ').splitlines():
            for part in re.split(r'&&|;', line):
                words = shlex.split(part, comments=True)
                while words and re.fullmatch(r'[A-Z_]+=.*', words[0]):
                    words = words[1:]
                if words:
                    yield words


def anchors(path):
    """Of the headings, as GitHub makes them."""
    text = re.sub(r'^```.*?^```', '', path.read_text(), flags=re.M | re.S)
    titles = re.findall(r'^#+ (.*)$', text, flags=re.M)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


@page
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        if re.match(r'https?://', target):
            continue
        name, _, anchor = target.partition('#')
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


@page
def test_python_and_json_parse(page):
    text = page.read_text()
    for block in blocks(text, 'python'):
        ast.parse(block)
    for block in blocks(text, 'json'):
        json.loads(block)


@page
def test_paths_in_code_exist(page):
    text = page.read_text()
    for path in re.findall(r'`((?:asl_mmaction|configs|docs|tests|tools)/[^`\s*<{]*)`', text):
        assert (ROOT / path).exists(), path
    for path in re.findall(r'asl_mmaction::([\w/]+\.py)', text):
        assert (ROOT / 'configs' / path).is_file(), path


@page
def test_commands_name_what_exists(page):
    for words in commands(page.read_text()):
        if words[0] == 'make':
            for target in (word for word in words[1:] if '=' not in word):
                assert re.search(rf'^{target}:', (ROOT / 'Makefile').read_text(), re.M), words
        for word in words[1:]:
            if word.startswith(('tools/', 'configs/', 'tests/')):
                assert (ROOT / word).exists(), words
        if words[0] == 'python' and words[1].startswith('tools/'):
            source = ''.join(path.read_text() for path in (ROOT / words[1], *COMMON_OPTIONS))
            for word in words[2:]:
                if word.startswith('--'):
                    assert f"'{word.partition('=')[0]}'" in source, words
                elif re.search(r'\.(py|json)$', word):
                    word = re.sub('^[A-Za-z]+=', '', word)  # a name for it
                    assert word.startswith(MADE) or (ROOT / word).is_file(), words


@page
def test_checkpoints_are_those_of_the_last_epoch(page):
    for name, epoch in re.findall(r'work_dirs/(\w+)/epoch_(\d+)\.pth', page.read_text()):
        name = {'demo': 'asl_demo', 'my_asl': 'asl_thumos14'}.get(name, name)
        (path,) = (ROOT / 'configs').rglob(f'{name}.py')
        assert Config.fromfile(path).train_cfg.max_epochs == int(epoch), name


def table_rows(text):
    """Cells of the rows of all tables."""
    for line in text.splitlines():
        if line.startswith('|'):
            yield [cell.strip() for cell in line.strip('|').split('|')]


@pytest.mark.parametrize(('name', 'rows'), [('README.md', 3), ('docs/benchmarks.md', 12)])
def test_parameters_at_inference(name, rows, ablate):
    """Of a config, or of a row of the table of parts."""
    parts = {row['label']: row['run'] for row in ablate.load_tables()['parts']['rows']}
    found = 0
    for first, *cells in table_rows((ROOT / name).read_text()):
        (config,) = re.findall(r'`(?:configs/\w+/)?(\w+?)(?:\.py)?`', first) or [None]
        sizes = [cell for cell in cells if re.fullmatch(r'\d+\.\d\d M', cell)]
        if not sizes or (config is None and first not in parts):
            continue
        path, options = next((ROOT / 'configs').rglob(f'{config}.py'), None), ()
        if config is None:
            path, options = parts[first].config, parts[first].options
        with DefaultScope.overwrite_default_scope('mmaction'):
            content = load_config(path, parse_cfg_options(options))
            parameters = MODELS.build(content.model).named_parameters()
        count = sum(value.numel() for key, value in parameters if '.sensitivity.' not in key)
        assert sizes == [f'{count / 1e6:.2f} M'], first
        found += 1
    assert found == rows


def test_results_of_the_tables_have_their_labels(ablate):
    """Below each command of ablate.py, the rows of its tables; those not run are named."""
    tables, seen = ablate.load_tables(), []
    pages = [(ROOT / 'docs' / name).read_text() for name in ('benchmarks.md', 'backtal.md')]
    for section in (part for page in pages for part in re.split(r'^##', page, flags=re.M)):
        for line in re.findall(r'tools/analysis/ablate\.py ([a-z_ ]+)--', section):
            labels = {row['label'] for name in line.split() for row in tables[name]['rows']}
            named = {first.strip('`') for first, *cells in table_rows(section) if '±' in str(cells)}
            assert named <= labels
            assert all(f'`{label}` was not run' in section for label in labels - named)
            seen += line.split()
    assert sorted(seen) == sorted(tables)


def test_the_config_of_get_started_has_windows_and_metrics(tmp_path):
    text = (ROOT / 'docs' / 'get_started.md').read_text()
    (config_text,) = (block for block in blocks(text, 'python') if 'SlidingWindow' in block)
    (tmp_path / 'my_test.py').write_text(config_text)
    config = Config.fromfile(tmp_path / 'my_test.py')
    assert config.test_evaluator == config.val_evaluator
    with DefaultScope.overwrite_default_scope('mmaction'):
        model, metric = MODELS.build(config.model), METRICS.build(config.test_evaluator)
    assert model.windows.length == 256
    assert metric.length_edges == [6, 9, 12, 15]
    assert metric.recall_multiples == [1, 5]


def test_readme_and_own_data_begin_with_one_command(load_tool):
    """The same one, and the tool takes it."""
    readme, own_data = (
        next(words for words in commands((ROOT / name).read_text()) if 'from_csv.py' in words[1])
        for name in ('README.md', 'docs/own_data.md')
    )
    assert readme == own_data
    args = load_tool('data/from_csv').parse_args(own_data[2:])
    assert (args.fps, args.stride, args.clip_len) == (25, 4, 16)


def assert_several_places(text, config_text, config):
    """The lines for data from several places do what they say."""
    (lines,) = (block for block in blocks(text, 'python') if 'ConcatDataset' in block)
    Path('my_places.py').write_text(f'{config_text}\n{lines}')
    places = Config.fromfile('my_places.py')
    parts = dataset_configs(places, 'train_dataloader')
    assert [part.data_root for part in parts.values()] == ['data/kitchen/', 'data/canteen/']
    for part in parts.values():
        for key in ('type', 'ann_file', 'subset', 'pipeline', 'grid'):
            assert part[key] == config.train_dataloader.dataset[key]
    assert places.train_dataloader.dataset.keys() == {'type', 'datasets'}
    assert places.test_dataloader == config.test_dataloader


@pytest.mark.parametrize('base', ['asl_thumos14', 'asl_hapt'])
def test_the_config_of_own_data_trains(tmp_path, monkeypatch, base):
    text = (ROOT / 'docs' / 'own_data.md').read_text()
    assert f'asl_mmaction::asl/{base}.py' in text
    (config_text,) = (block for block in blocks(text, 'python') if block.startswith('_base_'))
    config_text = config_text.replace('asl_thumos14', base)
    (tmp_path / 'my_asl.py').write_text(config_text)
    (annotations,) = blocks(text, 'json')
    (tmp_path / 'data' / 'kitchen' / 'features').mkdir(parents=True)
    (tmp_path / 'data' / 'kitchen' / 'annotations.json').write_text(annotations)
    monkeypatch.chdir(tmp_path)
    config = Config.fromfile('my_asl.py')
    assert_several_places(text, config_text, config)
    # The features that the annotations and the config promise.
    grid, database = config.test_dataloader.dataset.grid, json.loads(annotations)['database']
    assert grid == dict(fps=25, feat_stride=4, clip_len=16)
    for name, video in database.items():
        steps = int((video['duration'] * grid['fps'] - grid['clip_len']) / grid['feat_stride'] + 1)
        feature = np.random.default_rng(0).normal(size=(steps, config.feat_dim))
        np.save(f'data/kitchen/features/{name}.npy', feature.astype(np.float32))
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
        batches = {
            loader: model.data_preprocessor(
                pseudo_collate([DATASETS.build(config[loader].dataset)[0]]), training
            )
            for loader, training in (('train_dataloader', True), ('test_dataloader', False))
        }
    losses = model(**batches['train_dataloader'], mode='loss')
    assert {name for name in losses if 'loss' in name} >= {'loss_cls', 'loss_loc', 'loss_ascl'}
    (sample,) = model.eval()(**batches['test_dataloader'], mode='predict')
    assert sample.video_name == 'kitchen_02'
