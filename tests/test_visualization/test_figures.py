import matplotlib
import pytest
from matplotlib import image

from asl_mmaction.visualization import save_figure
from asl_mmaction.visualization.figures import DPI, new_figure, plain


def test_saves_a_picture_of_the_size_asked_for_and_makes_the_folder(tmp_path):
    path = save_figure(new_figure(3, 2), tmp_path / 'new' / 'a.png')
    assert image.imread(path).shape[:2] == (2 * DPI, 3 * DPI)
    assert [file.name for file in path.parent.iterdir()] == ['a.png']


def test_a_failed_save_leaves_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / 'a.png'
    path.write_bytes(b'old')
    figure = new_figure(1, 1)

    def fail(part, **_):
        part.write_bytes(b'half')
        raise OSError('disk full')

    monkeypatch.setattr(figure, 'savefig', fail)
    with pytest.raises(OSError, match='disk full'):
        save_figure(figure, path)
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_another_extension_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r'ends in \.png, \.pdf, \.svg but got .*a\.tiff'):
        save_figure(new_figure(1, 1), tmp_path / 'a.tiff')


def test_pyplot_keeps_its_backend_and_holds_no_figure():
    pyplot = pytest.importorskip('matplotlib.pyplot')
    before = matplotlib.get_backend()
    new_figure(1, 1)
    assert matplotlib.get_backend() == before
    assert pyplot.get_fignums() == []


def test_vector_pictures_keep_their_text_and_are_the_same_each_time(tmp_path):
    contents = []
    for name in ('a.svg', 'b.svg', 'a.pdf', 'b.pdf'):
        figure = new_figure(3, 2)
        figure.subplots().set_title('a title')
        contents.append(save_figure(figure, tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    assert contents[2] == contents[3]
    assert b'>a title</text>' in contents[0]
    assert contents[2].startswith(b'%PDF')


def test_a_name_that_is_no_valid_unicode_is_drawn(tmp_path):
    """As Linux allows for names of files; fonts do not take it."""
    figure = new_figure(3, 2)
    figure.suptitle(plain('\udcff, $x$'))
    assert figure.get_suptitle() == r'\udcff, \$x\$'
    save_figure(figure, tmp_path / 'a.png')
