"""What is built holds all that a user needs, and mim finds its way in it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

import asl_mmaction

ROOT = Path(__file__).parents[1]
VERSION = asl_mmaction.__version__

# `hook` of setuptools, as pip calls it, in the current folder
BUILD = 'import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])'


def build(hook, source, out):
    """One of wheel, sdist, editable from a source tree, without network and isolation."""
    out.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, '-c', BUILD, f'build_{hook}', out],
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """A copy of the checkout, without what git ignores."""
    folder = tmp_path_factory.mktemp('source') / 'asl_mmaction'
    folder.mkdir()
    for name in ('asl_mmaction', 'configs', 'tools'):
        shutil.copytree(
            ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns('__pycache__')
        )
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory):
    return build('wheel', source, tmp_path_factory.mktemp('wheel'))


@pytest.fixture(scope='module')
def sdist(source, tmp_path_factory):
    return build('sdist', source, tmp_path_factory.mktemp('sdist'))


@pytest.fixture(scope='module')
def needed():
    """Files of the package, of configs and of tools, under their names in a wheel."""
    templates = ROOT / 'asl_mmaction' / 'visualization' / 'templates'
    files = {
        str(path.relative_to(ROOT))
        for path in (*(ROOT / 'asl_mmaction').rglob('*.py'), *templates.iterdir())
        if '.mim' not in path.parts
    }
    for folder in ('configs', 'tools'):
        files |= {
            f'asl_mmaction/.mim/{path.relative_to(ROOT)}'
            for path in (ROOT / folder).rglob('*')
            if path.suffix in ('.py', '.yml', '.md', '.sh')
        }
    return files | {'asl_mmaction/.mim/model-index.yml'}


def test_wheel_holds_package_configs_tools_and_index(wheel, needed):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert not [item for item in archive.infolist() if (item.external_attr >> 28) == 0xA]
        config = archive.read('asl_mmaction/.mim/configs/asl/asl_demo.py')
    info = f'asl_mmaction-{VERSION}.dist-info'
    assert {name for name in names if not name.startswith(info)} == needed
    assert f'{info}/licenses/LICENSE' in names
    assert config == (ROOT / 'configs/asl/asl_demo.py').read_bytes()


def test_sdist_holds_the_same_and_builds_the_same_wheel(sdist, wheel, needed, tmp_path):
    with tarfile.open(sdist) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
        assert not [item for item in archive.getmembers() if item.issym()]
    assert needed <= names
    assert {'LICENSE', 'README.md', 'setup.cfg', 'setup.py', 'pyproject.toml'} <= names
    shutil.unpack_archive(sdist, tmp_path)
    (tree,) = tmp_path.iterdir()
    again = build('wheel', tree, tmp_path / 'again')
    with zipfile.ZipFile(again) as ours, zipfile.ZipFile(wheel) as theirs:
        assert set(ours.namelist()) == set(theirs.namelist())


def test_requirements_of_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f'asl_mmaction-{VERSION}.dist-info/METADATA').decode()
    metadata = Parser().parsestr(text)
    assert (metadata['Name'], metadata['Version']) == ('asl_mmaction', VERSION)
    assert metadata['License'] == 'Apache-2.0'
    required = metadata.get_all('Requires-Dist')
    always = [requirement for requirement in required if 'extra ==' not in requirement]
    for name in ('torch', 'numpy', 'mmengine', 'mmaction2', 'setuptools', 'openmim', 'openxlab'):
        assert any(requirement.startswith(name) for requirement in always), name
    # mmcv and mmcv-lite overwrite each other: neither may come by itself.
    assert not any(requirement.startswith('mmcv') for requirement in always)
    for extra in ('lite', 'ops'):
        (mmcv,) = [requirement for requirement in required if f'extra == "{extra}"' in requirement]
        assert mmcv.startswith('mmcv')


def test_compat_checks_what_setup_cfg_requires(wheel):
    from asl_mmaction.compat import REQUIREMENTS

    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f'asl_mmaction-{VERSION}.dist-info/METADATA').decode()
    required = {
        requirement.partition(';')[0].strip().replace(' ', '')
        for requirement in Parser().parsestr(text).get_all('Requires-Dist')
    }
    normal = {''.join(sorted(requirement)) for requirement in required}  # order of the bounds
    for _, requirement, *_ in REQUIREMENTS:
        assert ''.join(sorted(requirement)) in normal, requirement


def test_index_and_metafiles_name_every_config():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    models, collections = [], set()
    for name in index['Import']:
        metafile = yaml.safe_load((ROOT / name).read_text())
        models += metafile['Models']
        collections |= {collection['Name'] for collection in metafile['Collections']}
    assert {model['In Collection'] for model in models} == collections
    for model in models:
        assert model['Name'] == Path(model['Config']).stem == model['Name'].lower()
    configs = [path for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts]
    assert sorted(ROOT / model['Config'] for model in models) == sorted(configs)
    # mim looks configs up by name alone.
    assert len({path.name for path in configs}) == len(configs)


def test_results_of_the_metafiles_are_the_means_of_the_docs():
    text = (ROOT / 'docs' / 'benchmarks.md').read_text()
    # The row of a config with the most seeds; two of its cells are `mean ± deviation (a / b / c)`.
    documented = {}
    for name, line in re.findall(r'^\| `(\w+)` \|(.*)$', text, flags=re.M):
        cells = re.findall(r'([\d.]+) ± [\d.]+ \(([\d. /]+)\)', line)
        if not cells:  # a single seed, which no metafile repeats
            continue
        means, seeds = [float(mean) for mean, _ in cells], cells[0][1].count('/') + 1
        documented[name] = max(documented.get(name, (0, [])), (seeds, means))
    given = {}
    for name in yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']:
        for model in yaml.safe_load((ROOT / name).read_text())['Models']:
            for result in model.get('Results', []):
                assert result['Task'] == 'Temporal Action Localization'
                assert result['Dataset'] == model['Metadata']['Training Data']
                metrics = result['Metrics']
                given[model['Name']] = [metrics['mAP'], metrics['mAP_strict']]
    assert all(seeds >= 3 for seeds, _ in documented.values())
    assert given == {name: means for name, (_, means) in documented.items()}
    assert len(given) == 10


@pytest.mark.parametrize(
    ('bases', 'check'),
    [
        (f"['{ROOT}/configs/asl/asl_hapt.py']", lambda c: c.model.type == 'DenseLocalizer'),
        ("['asl_mmaction::asl/asl_hapt.py']", lambda c: c.model.type == 'DenseLocalizer'),
        (
            "['asl_mmaction::_base_/default_runtime.py', 'mmaction::_base_/schedules/sgd_50e.py']",
            lambda c: (c.default_scope, c.train_cfg.max_epochs) == ('mmaction', 50),
        ),
        (
            "['mmaction::localization/bmn/bmn_2xb8-400x100-9e_activitynet-feature.py']",
            lambda c: c.model.type == 'BMN',
        ),
    ],
    ids=['file', 'asl_mmaction', 'both', 'mmaction'],
)
def test_a_config_anywhere_inherits(tmp_path, bases, check):
    path = tmp_path / 'own.py'
    path.write_text(f'_base_ = {bases}\nwork_dir = "here"\n')
    config = Config.fromfile(path)
    assert check(config)
    assert config.work_dir == 'here'


@pytest.fixture(params=['wheel', 'editable'])
def mim(request, source, tmp_path):
    """Run mim with the package installed from a wheel, or as an editable install leaves it."""
    site = tmp_path / 'site'
    if request.param == 'wheel':
        archive, path = request.getfixturevalue('wheel'), [site]
    else:
        archive, path = build('editable', source, tmp_path / 'editable'), [site, source]
    with zipfile.ZipFile(archive) as content:
        content.extractall(site)

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, '-m', 'mim', *map(str, arguments)],
            cwd=tmp_path,
            env={
                **os.environ,
                'PYTHONPATH': os.pathsep.join(map(str, path)),
                'OMP_NUM_THREADS': '1',
                'PYTHONWARNINGS': 'ignore',
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    run.home = site if request.param == 'wheel' else source
    run.work = tmp_path
    return run


SHORT = ['--cfg-options', 'train_cfg.max_epochs=1', 'param_scheduler=[]']
SHORT += ['model.projection.out_channels=16']


@pytest.mark.slow
def test_mim_finds_the_package_its_configs_and_its_tools(mim):
    assert any(row.split()[:2] == ['asl-mmaction', VERSION] for row in mim('list').splitlines())
    assert 'configs/asl/asl_hapt.py' in mim('search', 'asl_mmaction', '--config', 'asl_hapt')
    mim('run', 'asl_mmaction', 'synthetic:generate', '--num-train', 4, '--num-test', 2)
    assert len(list((mim.work / 'data' / 'demo' / 'features').iterdir())) == 6
    assert '--num-train' in mim('run', 'asl_mmaction', 'synthetic:generate', '--', '--help')


@pytest.mark.slow
@pytest.mark.parametrize('mim', ['editable'], indirect=True)
def test_mim_trains(mim, demo_data):
    shutil.copytree(demo_data, mim.work / 'data' / 'demo')
    out = mim('train', 'asl_mmaction', 'asl_demo.py', '--work-dir', 'work', *SHORT)
    assert f'{mim.home}/' in out
    assert (mim.work / 'work' / 'epoch_1.pth').is_file()


@pytest.mark.slow
@pytest.mark.parametrize('mim', ['wheel'], indirect=True)
def test_mim_searches_models_and_the_grid_and_tests(mim, demo_data):
    names = mim('search', 'asl_mmaction', '--valid-config')
    assert {'asl_demo', 'asl_hapt', 'actionformer_hapt'} <= set(
        json.loads(names[names.index('[') :].replace("'", '"'))
    )
    mim('search', 'asl_mmaction', '--model', 'asl', '--json', 'found.json')
    found = json.loads((mim.work / 'found.json').read_text())
    assert set(found['model'].values()) == {'asl'}
    assert found['hapt/map_strict']['asl_hapt'] > 0

    shutil.copytree(demo_data, mim.work / 'data' / 'demo')
    grid = ['--search-args', '--optim_wrapper.optimizer.lr 0.002']
    mim('gridsearch', 'asl_mmaction', 'asl_demo.py', '--work-dir', 'grid', *grid, *SHORT)
    (checkpoint,) = mim.work.glob('grid*/**/epoch_1.pth')
    options = ['--checkpoint', checkpoint, '--out', 'out', *SHORT]
    mim('test', 'asl_mmaction', 'asl_demo.py', *options)
    metrics = json.loads((mim.work / 'out' / 'metrics.json').read_text())
    assert metrics['protocol']['videos'] == 5
