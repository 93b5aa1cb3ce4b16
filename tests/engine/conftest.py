"""Tests of the engine look at what Ray leaves behind, so each has a temporary folder of its own."""

import tempfile

import pytest


@pytest.fixture(autouse=True)
def _own_temporary_folder(monkeypatch):
    # Short, unlike tmp_path: Ray keeps sockets below it, whose paths are limited.
    with tempfile.TemporaryDirectory(prefix="k", ignore_cleanup_errors=True) as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield
