import io
import sys

import pytest

from kpbench.cli.progress import View
from kpbench.engine.events import Notice, Stage


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stderr", [Terminal, io.StringIO])
def test_a_notice_stays_and_a_stage_in_a_terminal_does_not(monkeypatch, stderr):
    seen = stderr()
    monkeypatch.setattr(sys, "stderr", seen)
    monkeypatch.setenv("TERM", "xterm")
    with View(quiet=False) as view:
        view.notify(Notice("no verdict from [3] seeds"))
        view.notify(Stage("training", 4))
    lines = seen.getvalue().splitlines()
    assert "no verdict from [3] seeds" in [line.rpartition("\x1b[2K")[2] for line in lines]
    assert ("training" in lines) is not seen.isatty()


def test_quiet_is_quiet(monkeypatch):
    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    with View(quiet=True) as view:
        view.notify(Notice("no verdict from 3 seeds"))
    assert seen.getvalue() == ""
