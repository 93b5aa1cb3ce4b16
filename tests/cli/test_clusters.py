"""Searches on clusters: pretended cards with a node lost on the way, and two nodes started by `ray start`."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

import pytest

from kpbench.store.files import ROWS
from tests.cli.test_processes import of_the_study, start, table, words

pytestmark = pytest.mark.slow

SPACE = (
    'family = "cnn"\n[network]\ndepth = [1, 2, 3, 4]\nwidth = [2, 4]\nhead_width = 8\n'
    'norm = ["none", "spatial_batch"]\ndropout = ["none", "spatial"]\n[training]\nbatch_size = [8, 16]\n'
)
ENDED = 20
"""Trials that have ended when the node is taken away."""


def asked(tmp_path, course, *more):
    """A search over the 64 cells of `SPACE`."""
    (tmp_path / "many.toml").write_text(SPACE)
    return [
        *("search", "--space", "many.toml", "--data", str(course), "--n-trials", "64", "--epochs", "3", "--name", "s"),
        *("--scheduler", "none", "--final-seeds", "1", "--device", "cpu", "--json", "-q", *more),
    ]


def finished(process, timeout=400):
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, err
    assert err == ""
    return json.loads(out)


def waits_for_rows(process, rows, seen):
    """Seconds from row to row until the process ends: the longest is what the loss of a node cost."""
    waits, last = [], time.monotonic()
    while process.poll() is None:
        time.sleep(0.02)
        if (now := rows.read_bytes().count(b"\n")) > seen:
            waits += [(time.monotonic() - last) / (now - seen)] * (now - seen)
            seen, last = now, time.monotonic()
    return waits


def test_64_trials_on_8_pretended_cards_with_a_node_lost_on_the_way(tmp_path, course, capfd):
    """Each trial takes half of a card; the rows equal those of a serial run, bit for bit."""
    from ray.cluster_utils import Cluster  # for this test alone

    serial = tmp_path / "serial"
    serial.mkdir()
    finished(start(serial, asked(serial, course, "--workers", "0")))

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=4, num_gpus=2) for _ in range(4)]
        process = start(
            tmp_path, asked(tmp_path, course, "--address", cluster.address, "--gpus-per-trial", "0.5", "--workers", "4")
        )
        rows = tmp_path / "reports" / "s" / ROWS
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and not (rows.exists() and rows.read_bytes().count(b"\n") >= ENDED):
            time.sleep(0.05)
            assert process.poll() is None
        held = [len(of_the_study(node.all_processes["raylet"][0].process.pid, "Trainable")) for node in nodes]
        before = rows.read_bytes().count(b"\n")
        begun = time.monotonic()
        removal = threading.Thread(target=cluster.remove_node, args=[nodes[held.index(max(held))]])
        removal.start()  # it waits for the node's processes, and rows come meanwhile
        waits = waits_for_rows(process, rows, before)
        removal.join()
        result = finished(process)
        rest = time.monotonic() - begun
    finally:
        cluster.shutdown()
    assert max(held) > 0, "the node that was lost trained nothing"
    assert result["trials"] == {"complete": 64, "pruned": 0, "failed": 0}
    assert table(tmp_path / "reports" / "s") == table(serial / "reports" / "s")
    with capfd.disabled():
        print(
            f"\n64 trials, 4 at once, node with {max(held)} lost at {before}: the rest in {rest:.1f} s, "
            f"{(64 - before) / rest:.1f} trials a second; for a row it waited {max(waits):.1f} s at most, "
            f"{median(waits):.2f} s in the median"
        )


def free_port():
    with socket.socket() as one:
        one.bind(("", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def ray_started(tmp_path, environment, *arguments):
    """`ray start --block` as a process group of its own, ended by its id: `ray stop` would end every Ray here."""
    with (tmp_path / "ray.log").open("ab") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats", *arguments],
            env=environment, stdout=log, stderr=log, start_new_session=True, cwd=tmp_path,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_two_started_nodes_with_a_token_of_their_own(tmp_path, course):
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    port = free_port()
    head = ("--head", f"--port={port}", "--num-cpus=1", "--include-dashboard=false")
    address = f"{socket.gethostbyname(socket.gethostname())}:{port}"
    with ray_started(tmp_path, environment, *head):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(address.split(":"), timeout=1):
                break
            time.sleep(0.2)
        with ray_started(tmp_path, environment, f"--address={address}", "--num-cpus=1"):
            arguments = words(tmp_path, course, "--epochs", "6", "-q", "--address", address)
            process = start(tmp_path, arguments, env=environment)
            assert finished(process)["trials"] == {"complete": 6, "pruned": 0, "failed": 0}
            session = json.loads((tmp_path / "reports" / "s" / "sessions.jsonl").read_text().splitlines()[0])
            assert session["workers"] in (1, 2)  # as many nodes as had come

            greedy = start(tmp_path, [*arguments, "--cpus-per-trial", "5", "--name", "t"], env=environment)
            out, err = greedy.communicate(timeout=120)
            assert (greedy.returncode, out) == (2, "")
            assert "no node of the cluster holds a trial of 5 CPU(s)" in err
            assert not (tmp_path / "reports" / "t").exists()

            stranger = start(tmp_path, [*arguments, "--name", "t"], env=os.environ | {"RAY_AUTH_MODE": "disabled"})
            out, err = stranger.communicate(timeout=120)
            assert (stranger.returncode, out, err.count("\n")) == (2, "", 1)
            assert "it asks for a token, and this command has none or another" in err
    alone = tmp_path / "alone"
    alone.mkdir()
    finished(start(alone, words(alone, course, "--epochs", "6", "-q", "--workers", "0")))
    assert table(tmp_path / "reports" / "s") == table(alone / "reports" / "s")


@pytest.mark.parametrize("auto", [False, True])
def test_no_cluster_at_the_address_is_one_line(tmp_path, course, auto):
    """`auto` goes by what Ray was told or remembers, here of a cluster that has ended."""
    gone = f"127.0.0.1:{free_port()}"
    process = start(
        tmp_path,
        words(tmp_path, course, "--address", "auto" if auto else gone),
        env=os.environ | ({"RAY_ADDRESS": gone} if auto else {}),
    )
    out, err = process.communicate(timeout=200)
    assert (process.returncode, out) == (2, "")
    assert err.count("\n") == 1
    assert f"no Ray cluster at --address {'auto' if auto else gone}" in err
    assert not (tmp_path / "reports").exists()


BROKEN = """
import os, time, torch
from torch import nn

class Broken(nn.Module):
    def __init__(self, *, how: str = "fine"):
        super().__init__()
        self.how, self.linear = how, nn.Linear(96 * 96, 30)

    def forward(self, x):
        y = self.linear(x.flatten(1))
        if self.training and len(x) > 2:
            if self.how == "nan":
                return y * float("nan")
            if self.how == "raise":
                raise ValueError("no such thing")
            if self.how == "exit":
                os._exit(3)
            if self.how == "hang":
                time.sleep(10_000)
            if self.how == "memory":
                torch.empty(10**15)
        return y
"""


def test_each_way_to_break_is_in_the_rows_by_kind(tmp_path, course):
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "broken.toml").write_text(
        'family = "broken.py:Broken"\n[network]\nhow = ["fine", "nan", "raise", "exit", "hang", "memory"]\n'
        "[training]\nbatch_size = 8\n"
    )
    process = start(
        tmp_path,
        [
            *("search", "--space", "broken.toml", "--data", str(course), "--n-trials", "6", "--epochs", "2"),
            *("--workers", "2", "--trial-timeout", "10s", "--final-seeds", "1", "--name", "s", "--json", "-q"),
        ],
    )
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1
    told = sorted(err.splitlines())  # a line a kind, with --quiet too
    kinds = ("ValueError: no such thing", "can't allocate memory", "its worker process died", "--trial-timeout, 10 s",
             "the loss is not finite")  # fmt: skip
    assert len(told) == 5 and all(line.startswith("failed: ") for line in told)
    assert all(sum(kind in line for line in told) == 1 for kind in kinds)
    assert json.loads(out)["trials"] == {"complete": 1, "pruned": 0, "failed": 5}
    rows = [json.loads(line) for line in (tmp_path / "reports" / "s" / ROWS).read_text().splitlines()]
    assert {row["params"]["network.how"]: row["reason"] for row in rows if row["role"] == "trial"} == {
        "fine": None, "nan": "nan", "raise": "error", "exit": "crash", "hang": "timeout", "memory": "oom",
    }  # fmt: skip
    assert "it took longer than --trial-timeout" in (tmp_path / "reports" / "s" / "report.html").read_text()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 110 MB, where a test may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=110m", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_runs_full_ends_a_study_cleanly(tmp_path, course, small_disk):
    arguments = words(tmp_path, course, "--epochs", "6", "--workers", "2", "-q", "--out", str(small_disk))
    process = start(tmp_path, arguments)
    rows = small_disk / "s" / ROWS
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (rows.exists() and rows.stat().st_size):
        time.sleep(0.02)
    (small_disk / "filler").write_bytes(b"\0" * 20_000_000)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, ""), err
    assert "MB are free where" in err
    assert "make room, then the same command continues" in err
    assert 1 <= len(table(small_disk / "s")) < 6

    (small_disk / "filler").unlink()
    assert finished(start(tmp_path, arguments))["trials"] == {"complete": 6, "pruned": 0, "failed": 0}
    alone = tmp_path / "alone"
    alone.mkdir()
    finished(start(alone, words(alone, course, "--epochs", "6", "-q", "--workers", "0")))
    assert table(small_disk / "s") == table(alone / "reports" / "s")
