"""A user's mistake is known by its type, and caught as the error of Python that it is, too."""

import pickle

import pytest

from asl_mmaction.files.mistakes import (
    FileExistsMistake,
    FileMistake,
    Mistake,
    PackageMistake,
    TypeMistake,
    ValueMistake,
)

KINDS = {
    ValueMistake: ValueError,
    TypeMistake: TypeError,
    FileMistake: FileNotFoundError,
    FileExistsMistake: FileExistsError,
    PackageMistake: ImportError,
}


@pytest.mark.parametrize(('mistake', 'error'), KINDS.items())
def test_a_mistake_is_an_error_of_python_too(mistake, error):
    for kind in (Mistake, error):
        with pytest.raises(kind, match='expected 2 but got 3') as caught:
            raise mistake('expected 2 but got 3')
        assert str(caught.value) == 'expected 2 but got 3'
    assert not issubclass(error, Mistake)


@pytest.mark.parametrize('mistake', [Mistake, *KINDS])
def test_a_mistake_comes_through_another_process(mistake):
    found = pickle.loads(pickle.dumps(mistake('expected 2 but got 3')))
    assert type(found) is mistake
    assert str(found) == 'expected 2 but got 3'
