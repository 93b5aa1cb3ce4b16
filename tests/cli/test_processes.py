"""The command in real processes: Ray, kill -9, Ctrl-C, and a wheel in an empty environment."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

from kpbench.cell import RunResult
from kpbench.store.files import JOURNAL, ROWS, read_lines

ROOT = Path(__file__).parents[2]
SPACE = (
    'family = "cnn"\n[network]\ndepth = [1, 2, 3]\nnorm = ["none", "spatial_batch"]\nwidth = 4\nhead_width = 8\n'
    "[training]\nbatch_size = 8\n"
)


def words(tmp_path, course, *more):
    (tmp_path / "tiny.toml").write_text(SPACE)
    return [
        *("search", "--space", "tiny.toml", "--data", str(course), "--n-trials", "6", "--name", "s"),
        *("--scheduler", "none", "--final-seeds", "2", "--json", *more),
    ]


def start(tmp_path, arguments, **more):
    """The command as a process in its own session, so that a signal to it meets nobody else.

    A shell lets the jobs it puts in the background ignore Ctrl-C, and they hand that on; a signal with a handler is
    the default again in a new program, and that is what these tests are about.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "kpbench", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **more,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def table(folder):
    """The study's outcome without times: each cell and seed once."""
    rows = read_lines(folder / ROWS, RunResult)
    found = {(r.role, r.cell, r.seed): (r.state, r.val_mse, r.test_mse) for r in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, course):
    """The table of the same search run inline without a stop."""
    folder = tmp_path_factory.mktemp("whole")
    process = start(folder, words(folder, course, "--epochs", "6", "--workers", "0"))
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert json.loads(out)["trials"]["complete"] == 6
    return table(folder / "reports" / "s")


def test_two_ray_workers_give_the_same_table_and_a_clean_terminal(tmp_path, course, uninterrupted):
    process = start(tmp_path, words(tmp_path, course, "--epochs", "6", "--workers", "2"))
    out, err = process.communicate(timeout=250)
    assert process.returncode == 0, err
    assert json.loads(out)["trials"] == {"complete": 6, "pruned": 0, "failed": 0}
    assert table(tmp_path / "reports" / "s") == uninterrupted
    noise = [line for line in err.splitlines() if "ray" in line.lower() or "warning" in line.lower()]
    assert noise == []


@pytest.mark.chaos
@pytest.mark.parametrize("workers", ["0", "2"])
def test_killed_at_random_points_it_ends_with_the_same_table(tmp_path, course, uninterrupted, workers):
    chance, killed = random.Random(int(workers)), 0
    arguments = words(tmp_path, course, "--epochs", "6", "--workers", workers)
    rows = tmp_path / "reports" / "s" / ROWS
    for _ in range(3):
        process = start(tmp_path, arguments)
        seen = rows.read_bytes().count(b"\n") if rows.exists() else 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if rows.exists() and rows.read_bytes().count(b"\n") > seen:
                break  # at least one more row, so that each start gets somewhere
            time.sleep(0.05)
        time.sleep(chance.random() / 2)
        with contextlib.suppress(ProcessLookupError):  # on a fast machine it may have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed
    process = start(tmp_path, arguments)
    out, err = process.communicate(timeout=250)
    assert process.returncode == 0, err
    assert table(tmp_path / "reports" / "s") == uninterrupted
    assert json.loads(out)["trials"] == {"complete": 6, "pruned": 0, "failed": 0}


@pytest.mark.chaos
def test_a_search_for_two_objectives_killed_again_and_again_has_the_same_table_and_front(tmp_path, course):
    arguments = words(tmp_path, course, "--epochs", "6", "--workers", "0", "--objective", "score,params")
    arguments[arguments.index("none")] = "asha_half"
    fronts, tables = [], []
    for kills in (0, 4):
        folder = tmp_path / str(kills)
        journal = folder / "s" / JOURNAL
        for _ in range(kills):
            seen = journal.read_bytes().count(b"\n") if journal.exists() else 0
            process = start(tmp_path, [*arguments, "--out", str(folder)])
            while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > seen + 5):
                time.sleep(0.02)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        process = start(tmp_path, [*arguments, "--out", str(folder)])
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
        assert json.loads(out)["trials"]["pruned"] > 0
        fronts.append(json.loads(out)["pareto"])
        tables.append(table(folder / "s"))
    assert fronts[0] == fronts[1] and tables[0] == tables[1]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_ray_search_with_130_and_it_continues(tmp_path, course, uninterrupted, stop):
    arguments = words(tmp_path, course, "--epochs", "6", "--workers", "2")
    process = start(tmp_path, arguments)
    rows = tmp_path / "reports" / "s" / ROWS
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (rows.exists() and rows.stat().st_size):
        time.sleep(0.1)
    process.send_signal(stop)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert out == ""
    assert "continue with: kpbench search" in err
    assert "Traceback" not in err
    process = start(tmp_path, arguments)
    process.communicate(timeout=250)
    assert table(tmp_path / "reports" / "s") == uninterrupted


@pytest.mark.slow
def test_a_wheel_outside_the_checkout_lists_the_same_spaces_and_searches(tmp_path, course):
    """Only kpbench itself is installed anew; its dependencies are this environment's, by path."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True, timeout=120)
    site = next((tmp_path / "env" / "lib").glob("python*/site-packages"))
    assert not (site / "benchmarks").exists()
    others = [p for p in sys.path if p.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(others) + "\n")
    away = tmp_path / "away"
    away.mkdir()

    def run(*arguments):
        return subprocess.run(
            [python, "-m", "kpbench", *arguments], cwd=away, check=True, capture_output=True, text=True, timeout=250
        ).stdout

    place = subprocess.run(
        [python, "-c", "import kpbench; print(kpbench.__file__)"], cwd=away, capture_output=True, text=True
    ).stdout
    assert str(site) in place
    assert set(json.loads(run("ls", "spaces", "--json"))) == {p.stem for p in (ROOT / "search_spaces").glob("*.toml")}
    result = json.loads(run(*words(away, course, "--epochs", "1", "--workers", "0", "-q")))
    assert result["trials"]["complete"] == 6
    assert (away / result["report"]).exists()


MANY = (
    SPACE.replace("width = 4", 'width = [2, 3, 4, 5]\ndropout = ["none", "spatial"]')
    .replace("batch_size = 8", "batch_size = [4, 6, 8, 12]")
)  # fmt: skip
CELLS = 192
"""Of `MANY`: so many that the study does not end before the kills do."""


def of_the_study(driver, what):
    """The ids of processes below a driver whose command line has `what` in it."""
    parents, lines = {}, {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            lines[int(process.name)] = (process / "cmdline").read_bytes().decode(errors="replace")

    def below(one):
        while one in parents and one != driver:
            one = parents[one]
        return one == driver

    return [one for one, line in lines.items() if what in line and below(one)]


def kill(one):
    """Kills a process that may have ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(one, signal.SIGKILL)
        return True
    return False


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_twenty_kills_of_drivers_workers_and_nodes_change_nothing(tmp_path, course):
    """In each life of a driver a worker or its node (raylet) dies, then the driver; the last life ends the study."""
    chance, killed = random.Random(7), []
    arguments = words(tmp_path, course, "--epochs", "30", "--workers", "2")
    arguments[arguments.index("--n-trials") + 1] = str(CELLS)
    (tmp_path / "tiny.toml").write_text(MANY)
    rows = tmp_path / "reports" / "s" / ROWS

    def one_more_row(process, seen):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None:
            if rows.exists() and rows.read_bytes().count(b"\n") > seen:
                return
            time.sleep(0.02)

    def so_far():
        return rows.read_bytes().count(b"\n") if rows.exists() else 0

    while len(killed) < 20:
        process = start(tmp_path, arguments)
        one_more_row(process, so_far())
        victim, name = chance.choice([("worker", "Trainable"), ("node", "raylet/raylet")])
        if (found := of_the_study(process.pid, name)) and kill(chance.choice(found)):
            killed.append(victim)
        time.sleep(chance.random() / 2)  # without its node a worker lives on for a while
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        killed += ["driver"] * (process.returncode == -signal.SIGKILL)
        assert so_far() < CELLS, f"the study ended after {len(killed)} kills"
    process = start(tmp_path, arguments)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert json.loads(out)["trials"] == {"complete": CELLS, "pruned": 0, "failed": 0}
    assert set(killed) == {"worker", "node", "driver"}

    alone = tmp_path / "alone"
    alone.mkdir()
    serial = [*arguments[: arguments.index("--workers")], "--workers", "0"]
    process = start(alone, [str(tmp_path / word) if word == "tiny.toml" else word for word in serial])
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert table(tmp_path / "reports" / "s") == table(alone / "reports" / "s")
