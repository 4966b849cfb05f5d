"""Who may import whom: downward only; siblings meet through the registry."""

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'asl_mmaction'
FILES = sorted(PACKAGE.rglob('*.py'))

# Part of the package -> parts that it imports besides itself. The longest prefix counts.
IMPORTS = {
    'files': set(),
    'structures': {'files'},
    'ops': {'files'},
    'datasets': {'datasets.transforms', 'files', 'structures'},
    'datasets.preparation': {'files', 'structures'},
    'datasets.transforms': {'files', 'structures'},
    'evaluation.functional': {'files', 'structures'},
    'evaluation.metrics': {'evaluation.functional', 'files', 'structures'},
    'evaluation.video_score_fusion': {'files'},
    'visualization': {'files'},
    'engine.ema': set(),
    'engine.hooks': {'engine.optimizers', 'files'},
    'engine.optimizers': set(),
    'models.data_preprocessors': {'files', 'structures'},
    'models.layers': {'files', 'ops'},
    'models.projections': {'files', 'models.layers'},
    'models.necks': {'files', 'models.layers', 'ops'},
    'models.task_modules': {'files', 'ops', 'structures'},
    'models.losses': {'files', 'ops', 'structures'},
    'models.sensitivity': {'files', 'models.layers', 'ops', 'structures'},
    'models.heads': {'files', 'models.layers', 'models.task_modules', 'ops', 'structures'},
    'models.post_processors': {'files', 'ops', 'structures'},
    'models.localizers': {'files', 'structures'},
    'baselines': {'files', 'models.localizers', 'structures'},
    'extraction': {'files'},
    'apis': {
        'evaluation.functional',
        'evaluation.metrics',
        'extraction',
        'files',
        'models.localizers',
        'structures',
        'visualization',
    },
    'cli': {
        'apis',
        'datasets',
        'datasets.transforms',
        'evaluation.metrics',
        'files',
        'structures',
        'visualization',
    },
    'compat': {'files'},
    'version': set(),
}
# mmaction2's own models are for what runs mmaction2's own baselines and recognisers.
MAY_IMPORT_MMACTION_MODELS = {'baselines', 'extraction'}

# Modules without a test file of their own -> where they are tested. Plain data, templates, and what
# one other module or tool is made of.
TESTED_ELSEWHERE = {
    'apis/config_types': 'test_apis/test_config',
    'apis/model': 'test_apis/test_inferencer',
    'apis/onnx_network': 'test_apis/test_export',
    'apis/predictions': 'test_apis/test_inferencer',
    'apis/samples': 'test_apis/test_inferencer',
    'apis/scored': 'test_tools/test_diagnose',
    'cli/checks/drawing': 'test_tools/test_data_check',
    'cli/checks/dataset': 'test_tools/test_data_check',
    'cli/past_runs': 'test_tools/test_compare',
    'cli/training': 'test_tools/test_train',
    'datasets/preparation/action_rows': 'test_tools/test_data_from_csv',
    'datasets/preparation/feature_folder': 'test_tools/test_data_from_csv',
    'datasets/preparation/other_forms': 'test_tools/test_data_from_csv',
    'datasets/preparation/own_data': 'test_tools/test_data_from_csv',
    'datasets/preparation/plan_config': 'test_tools/test_data_from_csv',
    'datasets/preparation/song_annotations': 'test_tools/test_data_billboard',
    'datasets/preparation/source': 'test_datasets/test_preparation/test_conversion',
    'datasets/transforms/notices': 'test_datasets/test_transforms/test_loading',
    'evaluation/functional/instances': 'test_evaluation/test_functional/test_average_precision',
    'evaluation/metrics/action_lengths': 'test_evaluation/test_metrics/test_tal_metric',
    'evaluation/metrics/base_metric': 'test_evaluation/test_metrics/test_tal_metric',
    'evaluation/metrics/reports': 'test_evaluation/test_metrics/test_tal_metric',
    'extraction/writing': 'test_extraction/test_extractor',
    'models/necks/base_pyramid': 'test_models/test_necks/test_transformer_pyramid',
    'models/sensitivity/base_sensitivity': 'test_models/test_localizers/test_sensitivity_slot',
    'structures/activations': 'test_models/test_heads/test_activation_head',
    'structures/point_targets': 'test_models/test_task_modules/test_point_assigner',
    'structures/points': 'test_models/test_task_modules/test_point_generator',
    'structures/sensitivity': 'test_models/test_localizers/test_sensitivity_slot',
    'structures/weak_labels': 'test_models/test_data_preprocessors/test_weak_preprocessor',
    'version': 'test_packaging',
}
# Tests of what several modules do together.
OF_NO_MODULE = {
    'test_datasets/test_dataset_configs',
    'test_models/test_gpu',
    'test_models/test_heads/test_per_class',
    'test_models/test_localizers/test_sensitivity_slot',
    'test_models/test_localizers/test_training_step',
    'test_models/test_localizers/test_two_processes',
    'test_visualization/test_in_browser',
}


def part_of(module):
    """'asl_mmaction.models.heads.point_head' -> 'models.heads'; None for a mere gathering place."""
    name = module.removeprefix('asl_mmaction').strip('.')
    parts = [part for part in IMPORTS if name == part or name.startswith(f'{part}.')]
    return max(parts, key=len, default=None)


def imports(path):
    """All modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            # 'from package import module' imports the module.
            for alias in node.names:
                module = f'{node.module}.{alias.name}'
                file = ROOT / Path(*module.split('.'))
                is_module = file.is_dir() or file.with_suffix('.py').is_file()
                yield module if is_module else node.module


def module_of(path):
    return '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')


def test_who_imports_whom():
    """What is used is what is allowed: a new arrow is a decision, and so is an old one's end."""
    found = {part: set() for part in IMPORTS}
    for path in FILES:
        module = module_of(path)
        part = part_of(module)
        for imported in imports(path):
            if imported.split('.')[0] != 'asl_mmaction':
                continue
            if part is None:  # an __init__ that gathers what lies below it
                assert imported.startswith(f'{module}.'), f'{module} imports {imported}'
            elif part_of(imported) != part:
                found[part].add(part_of(imported))
    assert found == IMPORTS


def test_no_part_imports_itself_by_a_detour():
    TopologicalSorter(IMPORTS).prepare()  # raises CycleError


def test_compat_imports_nothing_that_imports_the_stack():
    ours = {name for name in imports(PACKAGE / 'compat.py') if name.startswith('asl_mmaction')}
    assert ours == {'asl_mmaction.files.safe_numpy'}
    for name in ('safe_numpy', 'mistakes'):
        for imported in imports(PACKAGE / 'files' / f'{name}.py'):
            assert imported.split('.')[0] in {*sys.stdlib_module_names, 'numpy', 'asl_mmaction'}


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_models_of_mmaction_stay_outside(path):
    for imported in imports(path):
        if imported.split('.')[:2] == ['mmaction', 'models']:
            part = part_of(module_of(path))
            assert part in MAY_IMPORT_MMACTION_MODELS, 'breaks without compat, and slow'


def test_the_rules_are_about_what_exists():
    parts = {part_of(module_of(path)) for path in FILES}
    assert parts - {None} == set(IMPORTS)
    gathering = {module_of(path) for path in FILES if part_of(module_of(path)) is None}
    assert gathering == {
        f'asl_mmaction{name}' for name in ('', '.engine', '.evaluation', '.models')
    }


def test_the_package_does_without_the_models_of_mmaction(fresh_process):
    """A config that wants mmaction2's baselines names them in custom_imports."""
    modules = fresh_process['modules']
    assert 'asl_mmaction.models' in modules
    assert not {'mmaction.models', 'asl_mmaction.baselines'} & set(modules)


def test_trainings_tests_and_checks_do_without_pictures_videos_and_pages(fresh_process):
    """They take a second to load."""
    assert 'asl_mmaction.cli.training' in fresh_process['modules']
    heavy = {'av', 'jinja2', 'matplotlib', 'numba', 'onnx', 'onnxruntime', 'pandas'}
    assert not heavy & set(fresh_process['modules'])


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_assert_and_no_print(path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Assert), f'line {node.lineno}: raise an error instead'
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != 'print', f'line {node.lineno}: use the logger'


def test_every_folder_is_a_package():
    folders = {path.parent for path in FILES}
    assert all((folder / '__init__.py').is_file() for folder in folders)


def test_the_tests_mirror_the_package():
    """asl_mmaction/ops/soft_nms.py has tests/test_ops/test_soft_nms.py, and so on."""
    modules = {
        path.relative_to(PACKAGE).with_suffix('').as_posix()
        for path in FILES
        if path.name != '__init__.py'
    }
    tests = {
        path.relative_to(ROOT / 'tests').with_suffix('').as_posix()
        for path in (ROOT / 'tests').rglob('test_*.py')
    }
    own = {'/'.join(f'test_{part}' for part in module.split('/')): module for module in modules}
    assert {own[test] for test in set(own) - tests} == set(TESTED_ELSEWHERE)
    assert set(TESTED_ELSEWHERE.values()) <= tests
    rooms = tuple(f'test_{path.name}/' for path in PACKAGE.iterdir() if path.is_dir())
    assert {test for test in tests - set(own) if test.startswith(rooms)} == OF_NO_MODULE
