"""What `kpbench doctor` says of a machine, and of one that ails."""

import shutil
from collections import namedtuple

import numpy as np
import pytest

from kpbench.engine.resources import cpu_quota
from kpbench.errors import UsageError
from kpbench.faces.faces import Faces
from kpbench.faces.library import library
from kpbench.faces.parts import Parts
from kpbench.studies import doctor
from kpbench.studies.doctor import CHECKS, Asked, Finding
from kpbench.training.device import Device


def look(name, tmp_path, **options):
    return list(CHECKS[name](Asked(tmp_path, **options)))


def test_this_machine_is_well(tmp_path):
    found = [one for name in CHECKS if name not in ("Ray", "training") for one in look(name, tmp_path)]
    assert {"versions", "device", "precision", "cores", "studies", "cache", "library", "data"} <= {
        o.name for o in found
    }
    assert [
        one for one in found if one.state == "problem" and one.name != "cores"
    ] == []  # a container may have a limit
    assert all(one.remedy for one in found if one.state != "ok")
    assert list(tmp_path.iterdir()) == []  # it writes nothing


def test_versions_that_do_not_do(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "requires", lambda name: ["torch>=99", "nowhere", "wandb>=99; extra == 'wandb'"])
    (one,) = look("versions", tmp_path)
    assert one.state == "problem" and "torch>=99 (here 2" in one.text and "nowhere (here none)" in one.text
    assert "wandb" not in one.text
    monkeypatch.setattr(doctor, "metadata", lambda name: namedtuple("M", "get_all")(lambda key: ["wandb", "test", "x"]))
    (one,) = look("extras", tmp_path)
    assert one == Finding("extras", "ok", "installed: x; not: wandb", "pip install 'kpbench[wandb]'")

    monkeypatch.setattr(doctor, "metadata", lambda name: namedtuple("M", "get_all")(lambda key: ["figures"]))
    monkeypatch.setattr(doctor, "browser", lambda: None)
    assert [(one.name, one.state) for one in look("extras", tmp_path)] == [("extras", "ok"), ("figures", "note")]

    def absent(name):
        raise doctor.PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "requires", absent)
    (one,) = look("versions", tmp_path)
    assert one.state == "note" and one.remedy == "pip install -e ."


def test_a_device_without_bf16_and_a_card_that_is_not_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "find_device", lambda: Device("cpu", "an old CPU", "fp32"))
    monkeypatch.setattr(doctor, "unseen_card", lambda: "this torch is built without CUDA")
    device, precision = look("device", tmp_path)
    assert device.state == precision.state == "note"
    assert "an old CPU (cpu); a card is here, but this torch is built without CUDA" in device.text
    assert "fp32" in precision.text
    monkeypatch.setattr(doctor, "find_device", lambda: Device("cuda", "A Card", "bf16"))
    monkeypatch.setattr(doctor, "unseen_card", lambda: "")
    monkeypatch.setattr(doctor, "card_memory", lambda: (20_000_000_000, 80_000_000_000))
    device, precision = look("device", tmp_path)
    assert device.text == "A Card (cuda), 80 GB, 20 GB free" and "bf16 (the card)" in precision.text


def test_a_limit_of_a_container_and_other_work(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "own_cpus", lambda: 64)
    monkeypatch.setattr(doctor, "cpu_quota", lambda: 2.0)
    (one,) = look("cores", tmp_path)
    assert one.state == "problem" and "a limit of 2 cores" in one.text and one.remedy.startswith("--workers 2,")
    monkeypatch.setattr(doctor, "cpu_quota", lambda: None)
    monkeypatch.setattr(doctor.os, "getloadavg", lambda: (99.5, 1.0, 1.0))
    (one,) = look("cores", tmp_path)
    assert one.state == "note" and "load 99.5" in one.text


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "max 100000", "a/b/cpu.max": "150000 100000"}, 1.5),
        ({"a/cpu.max": "200000 100000", "a/b/cpu.max": "400000 100000"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"a/b/cpu.max": "nonsense"}, None),
    ],
)
def test_the_limit_of_a_cgroup_and_those_above_it(tmp_path, files, quota):
    (tmp_path / "own").write_text("0::/a/b\n")
    for name, text in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    assert cpu_quota(tmp_path / "root", tmp_path / "own") == quota
    (tmp_path / "cpu.max").write_text("1 100000")  # above the root: not a cgroup's
    assert cpu_quota(tmp_path / "root", tmp_path / "own") == quota


def test_folders_that_are_full_or_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    first = look("folders", tmp_path / "file" / "reports")[0]
    assert first.state == "problem" and "cannot be written" in first.text and first.remedy == "--out another folder"
    usage = shutil.disk_usage(tmp_path)
    for free, state in ((50_000_000, "problem"), (1_000_000_000, "note"), (5_000_000_000, "ok")):
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place, free=free: usage._replace(free=free))
        assert {one.state for one in look("folders", tmp_path / "new")} == {state}
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: usage._replace(free=64_000_000))
    (one,) = look("shared memory", tmp_path)
    assert one.state == "note" and "--shm-size=2g" in one.remedy


def test_a_data_set_that_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("KPBENCH_DATA", str(tmp_path))
    parts = Parts(Faces(np.zeros((4, 1, 96, 96), np.uint8), np.zeros((4, 15, 2), np.float32)))
    for name in ("good", "torn", "odd"):
        about = library.write(name, parts, source="x", layout="npz", content="0")
    faces = tmp_path / "faces"
    content = (faces / "torn" / about.faces).read_bytes()
    (faces / "torn" / about.faces).write_bytes(content[: len(content) // 2])
    (faces / "odd" / "about.json").write_text("{}")
    built_in, good, odd, torn = look("data", tmp_path)
    assert (built_in.state, good.state, odd.state, torn.state) == ("ok", "ok", "problem", "problem")
    assert good.text == "good, added: 4 train faces"
    assert torn.remedy == "kpbench data add torn PATH --replace"


def test_a_card_on_which_nothing_compiles_is_told(tmp_path, monkeypatch):
    assert look("passes", tmp_path) == []
    monkeypatch.setattr(doctor, "find_device", lambda: Device("cuda", "A Card", "bf16"))
    monkeypatch.setattr(doctor, "card_fault", lambda: "RuntimeError: Failed to find C compiler")
    (one,) = look("passes", tmp_path)
    assert one.state == "note" and "Failed to find C compiler" in one.text and "gcc" in one.remedy


def test_what_a_search_will_take(tmp_path, monkeypatch):
    seen = []

    def timed(cell, staged):
        seen.append((cell["family"], len(staged.train_images)))
        return 3.0  # seconds an epoch

    monkeypatch.setattr(doctor, "epoch_seconds", timed)
    monkeypatch.setattr(doctor, "Resources", lambda: namedtuple("R", "here")(2))
    small, large = look("training", tmp_path)
    assert seen == [("cnn", 1498), ("keypoint_net", 1498)]
    assert "499 images/s" in small.text
    assert (
        "`kpbench search` on the built-in faces, 10 runs of 8 epochs with 2 workers, trains for at most 2 min"
        in small.text
    )
    assert "`kpbench search --space keypoint`" in large.text and "60 epochs" in large.text

    def broken(cell, staged):
        raise UsageError("an epoch cannot be timed here: no memory")

    monkeypatch.setattr(doctor, "epoch_seconds", broken)
    assert {one.state for one in look("training", tmp_path)} == {"problem"}


def test_ray_that_does_not_start(tmp_path, monkeypatch):
    closed = []

    class Broken:
        def __init__(self, resources):
            pass

        def scratch(self):
            raise UsageError("Ray did not start: no port; --workers 0 trains in this process")

        def close(self):
            closed.append(True)

    monkeypatch.setattr(doctor, "Cluster", Broken)
    (one,) = look("Ray", tmp_path)
    assert one == Finding("Ray", "problem", "Ray did not start: no port", "--workers 0 trains in one process")
    assert closed == [True]
    assert look("Ray", tmp_path, ray=False) == []
