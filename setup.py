"""Build script; everything but the repair below is in setup.cfg."""

from pathlib import Path

from setuptools import setup
from setuptools.command.editable_wheel import editable_wheel

HERE = Path(__file__).resolve().parent


class EditableWheelForMim(editable_wheel):
    """Editable installs that ``mim`` can use.

    mim looks for ``.mim`` in site-packages joined with the first line of ``top_level.txt``. With
    the absolute path of the package there, the join is that path.
    """

    def run(self) -> None:
        self._ensure_dist_info()
        top_level = Path(self.dist_info_dir) / 'top_level.txt'
        names = top_level.read_text().split()
        top_level.write_text(''.join(f'{HERE / name}\n' for name in names))
        super().run()


setup(cmdclass={'editable_wheel': EditableWheelForMim})
