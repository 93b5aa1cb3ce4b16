"""`kpbench status` and `kpbench ls studies`: how far studies are, beside whatever works on them."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from kpbench.analysis import status as analysis
from kpbench.cli import status as module
from kpbench.store import driver
from kpbench.store.driver import UnderWay, this_driver
from kpbench.store.files import PROGRESS, ROWS
from tests.ablation_rows import study_folder
from tests.analysis.test_status import TOTALS, TRIALS, at, final, listing, search, trial
from tests.cli.test_processes import start, words
from tests.verify_rows import REAL, verify_folder

UNDER_WAY = UnderWay(role="trial", number=4, params=TRIALS[1].params, seeds=(0,), epoch=2, epochs=3, score=90.0)
DRIVER = this_driver(at(0)).model_copy(update={"stage": "search", "running": (UNDER_WAY,)})


def test_a_killed_search_in_words_and_as_json(kpbench, tmp_path):
    folder = search(tmp_path / "reports" / "one", TRIALS, totals=TOTALS, progress=DRIVER)
    before = listing(folder)
    code, out, err = kpbench("status", "one")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "study      one"
    for line in (
        "what       search of s on d, 2 workers",
        "trials     4 of 6: 2 complete, 1 stopped early, 1 failed",
        "final runs 0 of 2",
        "failures   1 nan",
        "cut        trial 4: epoch 2 of 3, score 90.0; depth=3 dropout=none",
        "best       120.0 on validation, 1 seed; depth=3 dropout=none",
        "left       about 25 s",
        "continue   kpbench search",
    ):
        assert line in out.splitlines()
    assert "state      killed: its driver is gone; last row" in out
    code, plain, _ = kpbench("status", folder, "--json")
    (found,) = json.loads(plain).values()
    assert found["standing"] == "killed"
    assert found["running"][0]["cell"] == {"network.depth": 3, "network.dropout": "none"}
    assert kpbench("status", "one", "--watch")[0] == 0  # nobody works on it: told once
    assert listing(folder) == before


def test_what_cannot_be_told_is_refused(refused, tmp_path):
    search(tmp_path / "reports" / "one", TRIALS)
    assert "did you mean 'one'?" in refused("status", "onee")
    assert "give one of them" in refused("status", "one", "--watch", "--json")


def test_both_studies_of_a_verification(kpbench, tmp_path):
    verify_folder(tmp_path / "reports" / "verify-x", missing=(0, 5))
    code, out, _ = kpbench("status", "verify-x")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines() if line.startswith("study")] == [REAL, "synthetic"]
    assert "runs       157 of 162: 157 complete" in out
    assert list(json.loads(kpbench("status", REAL, "--json")[1])) == [f"reports/verify-x/{REAL}"]


def test_ls_studies_lists_nested_ones_and_how_they_are(kpbench, tmp_path):
    out = tmp_path / "reports"
    verify_folder(out / "verify-x", missing=(0, 5))
    search(out / "cut", TRIALS, totals=TOTALS, progress=DRIVER)
    rows = [*TRIALS, trial(4, 4, 60.0), trial(5, 4, 61.0), final(3, 7, 110.0, 100.0, 40), final(3, 8, 112.0, 144.0, 50)]
    search(out / "done", rows, totals=TOTALS, result={"best": None})
    search(out / "open", rows[:-2], totals={"trials": 6}, result={"best": None})
    (out / "broken").mkdir()
    (out / "broken" / "plan.json").write_text("{")
    code, text, _ = kpbench("ls", "studies")
    assert code == 0
    found = json.loads(kpbench("ls", "studies", "--json")[1])
    assert list(found) == ["broken", "cut", "done", "open", f"verify-x/{REAL}", "verify-x/synthetic"]
    assert found["cut"].endswith(": killed, 2 trials to do, 2 final runs to do, best validation 120.0 (1 seed)")
    assert found["done"] == "search of s on d: finished, best test 120.0 (2 fresh seeds)"  # not one model's 144
    assert found["open"].endswith(": finished, best validation 120.0 (1 seed)")  # no final runs were asked for
    assert "incomplete, 5 runs to do, best test" in found[f"verify-x/{REAL}"]
    assert "finished, best test" in found["verify-x/synthetic"]
    assert found["broken"].startswith("damaged: ")
    assert all(any(line.startswith(name) for line in text.splitlines()) for name in found)


def test_nested_studies_have_their_names_everywhere(kpbench, refused, tmp_path):
    verify_folder(tmp_path / "reports" / "verify-x", missing=(0, 0))
    assert kpbench("power", "synthetic", "--json")[0] == 0
    assert "verify-x/synthetic" in kpbench("report", "synthetic")[1]
    study_folder(tmp_path / "reports" / "group" / "inner")
    code, out, _ = kpbench("compare", "inner:norm=none", "inner:norm=batch")
    assert code == 0
    assert "inner" in out
    assert f"did you mean 'verify-x/{REAL}'" in refused("power", f"verify-x/{REAL}s")


def terminal(arguments, cwd, columns, until, timeout=60):
    """What a command shows in a terminal of so many columns until it has shown `until` or ended."""
    child, parent = pty.fork()
    if child == 0:
        os.chdir(cwd)
        os.environ |= {"COLUMNS": str(columns), "LINES": "40", "TERM": "xterm"}
        os.execv(sys.executable, [sys.executable, "-m", "kpbench", *arguments])
    shown, begun = "", time.monotonic()
    while until not in shown and time.monotonic() - begun < timeout:
        if select.select([parent], [], [], 0.2)[0]:
            try:
                shown += os.read(parent, 65536).decode()
            except OSError:  # the end of a terminal
                break
    return child, parent, shown


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("arguments", [["status", "verify-x"], ["ls", "studies"], ["status", "one"]])
def test_everything_fits_the_terminal(tmp_path, columns, arguments):
    verify_folder(tmp_path / "reports" / "verify-x", missing=(0, 5))
    search(tmp_path / "reports" / "one", TRIALS, totals=TOTALS, progress=DRIVER)
    child, _, shown = terminal(arguments, tmp_path, columns, until="\0")
    assert os.waitpid(child, 0)[1] == 0
    lines = shown.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    lines = [line for line in lines if not line.startswith("continue")]  # a command is never broken
    assert len(lines) >= 3
    assert max(map(len, lines)) <= columns


def test_watching_ends_with_the_study(tmp_path, monkeypatch, kpbench):
    folder = search(tmp_path / "reports" / "one", TRIALS, totals=TOTALS, progress=DRIVER)
    seen = []
    monkeypatch.setattr(analysis, "is_worked_on", lambda folder, driver: driver is not None and driver.ended is None)

    def sleep(seconds):
        seen.append(seconds)
        if len(seen) == 2:
            (folder / PROGRESS).write_text(DRIVER.model_copy(update={"ended": "interrupted"}).model_dump_json())

    monkeypatch.setattr(module.time, "sleep", sleep)
    code, out, _ = kpbench("status", "one", "--watch")
    assert (code, len(seen)) == (0, 2)
    assert "interrupted; nothing finished is lost" in out


def test_watching_waits_for_a_study_to_begin(tmp_path, monkeypatch, kpbench):
    def sleep(seconds):
        search(tmp_path / "reports" / "one", TRIALS, totals=TOTALS, progress=DRIVER)

    monkeypatch.setattr(module.time, "sleep", sleep)
    code, out, err = kpbench("status", "one", "--watch")
    assert (code, err) == (0, "no study 'one' here or in reports yet: waiting for it to begin, until Ctrl-C\n")
    assert out.startswith("study      one\n")


def test_without_a_name_it_is_the_only_study_or_the_one_that_runs(tmp_path, monkeypatch, kpbench, refused):
    assert "no study in reports" in refused("status")
    search(tmp_path / "reports" / "one", TRIALS, totals=TOTALS)
    assert kpbench("status")[1].startswith("study      one\n")
    two = search(tmp_path / "reports" / "two", TRIALS, totals=TOTALS)
    assert "2 studies are in reports: name one of one, two" in refused("status")
    monkeypatch.setattr(driver, "is_worked_on", lambda folder, record: folder.name == two.name)
    assert kpbench("status")[1].startswith("study      two\n")
    monkeypatch.setattr(driver, "is_worked_on", lambda folder, record: True)
    assert "2 studies run in reports: name one of one, two" in refused("status")


def test_ctrl_c_ends_the_watching_alone(tmp_path, monkeypatch, kpbench):
    search(tmp_path / "reports" / "one", TRIALS, totals=TOTALS, progress=DRIVER)
    monkeypatch.setattr(analysis, "is_worked_on", lambda folder, driver: True)

    def stop(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", stop)
    code, _, err = kpbench("status", "one", "--watch")
    assert (code, err) == (0, "")


def test_neither_torch_nor_ray_nor_optuna_is_imported(tmp_path):
    search(tmp_path / "reports" / "one", TRIALS, totals=TOTALS)
    program = """
import sys
sys.argv = ["kpbench", "status", "one"]
from kpbench.cli.main import main
try:
    main()
except SystemExit as left:
    assert left.code == 0, left.code
loaded = {"torch", "ray", "optuna", "plotly", "pandas", "timm", "scipy", "numpy"} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=60)


@pytest.mark.chaos
def test_a_real_search_is_watched_killed_and_seen_to_be(tmp_path, course):
    """With Ray: running jobs are shown while they run; after kill -9 the study is told as killed, then finished."""
    arguments = words(tmp_path, course, "--epochs", "60", "--workers", "2")
    driver = start(tmp_path, arguments)
    folder = tmp_path / "reports" / "s"

    def ask():
        command = [sys.executable, "-m", "kpbench", "status", "s", "--json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        return next(iter(json.loads(done.stdout).values())) if done.returncode == 0 else None

    deadline = time.monotonic() + 120
    found = None
    while time.monotonic() < deadline and not (found and any(job["epoch"] for job in found["running"])):
        found = ask()
    assert found["standing"] == "running"
    assert found["driver"]["pid"] == driver.pid
    assert found["running"][0]["epochs"] == 60
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait(30)
    found = ask()
    assert found["standing"] == "killed"
    assert found["parts"][0]["total"] == 6
    before = (folder / ROWS).read_bytes() if (folder / ROWS).exists() else b""
    again = start(tmp_path, words(tmp_path, course, "--epochs", "60", "--workers", "0"))
    assert again.wait(240) == 0
    assert (folder / ROWS).read_bytes().startswith(before)
    found = ask()
    assert (found["standing"], found["sessions"]) == ("finished", 2)
    assert all(part["done"] == part["total"] for part in found["parts"])
