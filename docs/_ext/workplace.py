# run before the examples of every page: a folder of their own, with copies of docs/examples
import os
import pathlib
import shutil
import tempfile

DOCS = pathlib.Path(__DOCS__)  # noqa: F821  # filled in by conf.py
_workplace = tempfile.TemporaryDirectory()
shutil.copytree(DOCS / "examples", _workplace.name, dirs_exist_ok=True)
os.chdir(_workplace.name)
