"""The command as a whole: its version, and completion that answers without loading anything heavy."""

import os
import subprocess
import sys

import pytest

from kpbench.version import __version__

HEAVY = ("numpy", "torch", "pandas", "optuna", "ray", "plotly", "scipy")

PROGRAM = f"""
import sys
for name in {HEAVY}:
    sys.modules[name] = None  # so importing one fails
sys.argv = ["kpbench"]
from kpbench.cli.main import main
main()
"""


def completed(shell, **words):
    """What the command answers a shell that asks for completion, in a process without any heavy package."""
    asked = os.environ | {"_KPBENCH_COMPLETE": f"complete_{shell}", **words}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=asked, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_has_a_short_option_too(kpbench, option):
    assert kpbench(option) == (0, f"kpbench {__version__}\n", "")


@pytest.mark.parametrize("words", [["search", "--space", ""], ["search", "--space="], ["ls", "studies", "--out", ""]])
def test_an_empty_value_is_not_the_default(refused, words):
    option = words[-1].strip("=") or words[-2]
    assert refused(*words) == f"error: {option} has an empty value; give one, or leave the option out\n"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("kpbench sc", ["score"]),
        ("kpbench data ch", ["check"]),
        ("kpbench search --sam", ["--sampler"]),
        ("kpbench ls s", ["spaces", "studies", "samplers"]),
        ("kpbench nothing", []),
    ],
)
def test_bash_is_told_commands_options_and_choices(line, found):
    said = completed("bash", COMP_WORDS=line, COMP_CWORD=str(len(line.split()) - 1))
    assert said.split() == found


def test_zsh_and_fish_are_told_what_a_command_does():
    assert '"score":"Score a model' in completed("zsh", _TYPER_COMPLETE_ARGS="kpbench sc")
    said = completed("fish", _TYPER_COMPLETE_ARGS="kpbench sc", _TYPER_COMPLETE_FISH_ACTION="get-args")
    assert said.startswith("score\tScore a model")


def test_the_script_for_a_shell_asks_by_the_same_variable(kpbench, capsys, monkeypatch):
    monkeypatch.setattr("shellingham.detect_shell", lambda *_: ("bash", "bash"))
    with pytest.raises(SystemExit, match="0"):
        kpbench("--show-completion", "bash")
    assert "_KPBENCH_COMPLETE=complete_bash" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("search", ["the space's budget, else 7", "the space's budget, else 8", "cnn_small", "--max-params"]),
        ("status", ["the only one, or the running"]),
        ("score", ["the study's, or synthetic"]),
        ("leaderboard", ["reports"]),
    ],
)
def test_help_shows_the_defaults_that_another_thing_says(kpbench, monkeypatch, command, says):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = kpbench(command, "--help")
    assert code == 0
    assert all(one in out for one in says), out
