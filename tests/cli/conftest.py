"""The command line as a function."""

import sys

import pytest

from kpbench.cli import main as command_line


@pytest.fixture
def kpbench(monkeypatch, capsys, tmp_path):
    """Calls the command in a folder of its own; answers (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["kpbench", *map(str, words)])
        capsys.readouterr()
        code = command_line._run()
        out, err = capsys.readouterr()
        return code, out, err

    return call
