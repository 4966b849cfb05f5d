"""The same files, unpacked, packed, and packed within a pack."""

import io
import zipfile

import pytest

from asl_mmaction.files.archives import walk_files


def packed(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w') as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def content(source):
    return {name: read() for name, read in walk_files(source)}


def test_files_are_the_same_wherever_they_are(tmp_path):
    folder = tmp_path / 'folder'
    (folder / 'deep').mkdir(parents=True)
    (folder / 'deep' / 'a.txt').write_bytes(b'1')
    (folder / 'inner.ZIP').write_bytes(packed({'x/b.txt': b'2', 'c.txt': b'3'}))
    whole = tmp_path / 'whole.zip'
    inner = packed({'x/b.txt': b'2', 'c.txt': b'3'})
    whole.write_bytes(packed({'deep/a.txt': b'1', 'inner.zip': inner}))
    expected = {'a.txt': b'1', 'b.txt': b'2', 'c.txt': b'3'}
    assert content(folder) == content(whole) == expected


def test_a_zip_that_is_none_is_named(tmp_path):
    (tmp_path / 'a.zip').write_bytes(b'nothing')
    with pytest.raises(ValueError, match=r'a\.zip: expected a zip file but got one that cannot be'):
        content(tmp_path)
    (tmp_path / 'a.zip').write_bytes(packed({'b.zip': b'nothing'}))
    with pytest.raises(ValueError, match=r'^b\.zip: expected a zip file but got'):
        content(tmp_path / 'a.zip')
