"""What comes before the first map: importing, the command line, making networks."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import erfgraph as eg
from benchmarks.rows.processes import command as installed


class Load:
    params = (["vgg16", "resnet152", "densenet121", "conv7*3", "res(conv3p1 conv3p1)*50"],)
    param_names = ("source",)

    def setup(self, source: str) -> None:
        self.shape = (64, 64) if source.startswith("res(") else None

    def time_load(self, source: str) -> None:
        eg.load(source, self.shape)


class NetworkFile:
    params = (["json", "toml", "yaml"],)
    param_names = ("format",)

    def setup(self, suffix: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, f"net.{suffix}")
        eg.save_network(eg.load("resnet50"), self.path)

    def teardown(self, _: str) -> None:
        self.folder.cleanup()

    def time_load(self, _: str) -> None:
        eg.load(str(self.path))


class Import:
    """In a new interpreter each."""

    params = (["import erfgraph", "import numpy", "import numpy, scipy.sparse"],)
    param_names = ("statement",)

    def timeraw_import(self, statement: str) -> str:
        return statement


class Command:
    """Whole processes."""

    params = (["map conv7*3 --json", "map resnet50 --json", "table resnet50 --json", "--help"],)
    param_names = ("command",)

    def setup(self, command: str) -> None:
        self.words = [*installed(), *command.split()]

    def time_process(self, _: str) -> None:
        subprocess.run(self.words, check=True, stdout=subprocess.DEVNULL)
