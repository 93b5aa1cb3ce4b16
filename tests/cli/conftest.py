"""The command line as a function."""

import sys

import pytest

from kpbench.cli import main as command_line
from kpbench.networks import own


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


@pytest.fixture(scope="module")
def left_by(tmp_path_factory):
    """Calls the command in a folder with a space `tiny.toml`; answers the folder, which tests copy."""

    def call(space, *words):
        folder = tmp_path_factory.mktemp("left")
        (folder / "tiny.toml").write_text(space)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(sys, "argv", ["kpbench", *map(str, words)])
            assert command_line._run() == 0
        return folder

    return call


@pytest.fixture
def refused(kpbench):
    """Calls the command, which must leave with code 2 and one line on stderr; answers the line."""

    def call(*words):
        code, out, err = kpbench(*words)
        assert (code, out) == (2, ""), words
        assert err.startswith("error: ")
        assert err.count("\n") == 1, err
        return err

    return call


@pytest.fixture
def unwatched(monkeypatch):
    """Saves the process in which a file is imported first; it has tests of its own."""
    monkeypatch.setattr(own, "_watch", lambda file, name: None)
