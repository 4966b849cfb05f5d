"""Tools answer --help and wrong arguments before they load the stack, which takes seconds."""

import json
from pathlib import Path

import pytest

from asl_mmaction.apis.onnx_network import BACKENDS
from asl_mmaction.apis.outputs import PICTURES, SUBTITLES, TABLES
from asl_mmaction.datasets.preparation.action_rows import UNITS
from asl_mmaction.datasets.preparation.click_simulation import ACTION_LAWS, KEEPS

TOOLS = Path(__file__).parents[2] / 'tools'
#: mmaction2's own tool, which loads the stack before it looks at its arguments.
FOREIGN = 'mmaction/clip_feature_extraction.py'

#: Tool -> words behind it, the config among them.
WITHOUT_CONFIG = {
    'train.py': ['no/such.py'],
    'test.py': ['no/such.py', 'a.pth'],
    'data/check.py': ['no/such.py'],
    'infer.py': ['no/such.py', 'a.pth', 'a.npy', '--out', 'found'],
}

# Runs tools with some arguments in one process in which nothing can be imported but the standard
# library, PyYAML and what lies beside a tool; prints what each answers.
SCRIPT = """
import contextlib, io, json, pathlib, runpy, sys

class Fence:
    def find_spec(self, name, path=None, target=None):
        top = name.partition('.')[0]
        beside = pathlib.Path(sys.path[0], f'{top}.py').is_file()
        if not beside and top not in {'yaml', '_yaml', *sys.stdlib_module_names}:
            raise ImportError(f'{name} is imported before the arguments are read')

sys.meta_path.insert(0, Fence())
answers = []
for tool, *argv in json.loads(sys.argv[1]):
    sys.argv, sys.path[0] = [tool, *argv], str(pathlib.Path(tool).parent)
    out, err, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(tool, run_name='__main__')
        except SystemExit as exit:
            code = exit.code
        except ImportError as error:
            code = str(error)
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""


def tools():
    """Names of the tools; the other files beside them are parts of tools."""
    files = [path for path in TOOLS.rglob('*.py') if "__name__ == '__main__'" in path.read_text()]
    return sorted({path.relative_to(TOOLS).as_posix() for path in files} - {FOREIGN})


@pytest.fixture(scope='module')
def answers(run_python):
    """By tool: exit code, output and error output for --help, for an unknown option and, of some,
    for a config that is not there."""
    calls = [
        [name, *words]
        for name in tools()
        for words in (['--help'], ['--no-such'], WITHOUT_CONFIG.get(name))
        if words is not None
    ]
    given = [[str(TOOLS / name), *words] for name, *words in calls]
    done = run_python('-c', SCRIPT, json.dumps(given))
    assert done.returncode == 0, done.stderr[-2000:]
    found = {}
    for (name, *_), answer in zip(calls, json.loads(done.stdout), strict=True):
        found.setdefault(name, []).append(answer)
    return found


@pytest.mark.parametrize('name', tools())
def test_help_and_mistakes_are_answered_without_the_stack(answers, name):
    (code, out, _), (wrong, _, err), *_ = answers[name]
    assert code == 0
    assert out.startswith(f'usage: {Path(name).name}')
    assert '--gpus' not in out  # to a tool whose help names it, mim appends --gpus and --device
    assert wrong == 2
    assert f'{Path(name).name}: error: ' in err


@pytest.mark.parametrize('name', WITHOUT_CONFIG)
def test_a_missing_config_is_answered_without_the_stack(answers, name):
    code, out, err = answers[name][2]
    assert (code, out) == (2, '')
    assert err.splitlines()[-1].startswith(f'{Path(name).name}: error: expected a')
    assert err.endswith('but got no/such.py, which does not exist\n')


def test_the_choices_of_arguments_are_those_of_the_package(load_tool):
    """The parsers repeat them: they cannot import the package."""
    parse = load_tool('infer').parse_args
    draw, formats = [*PICTURES, 'none'], [*TABLES, *SUBTITLES]
    for backend in BACKENDS:
        words = ['--draw', *draw, '--format', *formats, '--backend', backend]
        parse(['asl', 'asl.pth', 'in.npy', '--out', 'found', *words])
    parse = load_tool('data/clicks').parse_args
    for keep in KEEPS:
        for law in ACTION_LAWS:
            parse(['simulate', 'a.json', '--out', 'b.json', '--keep', keep, '--action', law])
    parse = load_tool('data/from_csv').parse_args
    for unit in UNITS:
        parse(['a.csv', '--features', 'feats', '--out', 'out', '--unit', unit])
    for name, choice in (('synthetic/generate', 'kind'), ('activitynet13/prepare', 'release')):
        tool = load_tool(f'data/{name}')
        for value in tool.KINDS if choice == 'kind' else tool.RELEASES:
            sources = ['a.json'] if choice == 'release' else []
            assert getattr(tool.parse_args([*sources, f'--{choice}', value]), choice) == value
