"""Trackers are given every run by their own clients, and nothing that they do harms a study."""

import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType

import pytest

from kpbench.engine import trackers
from kpbench.engine.events import Advanced, Ended, Notice, Stage, Started
from kpbench.engine.jobs import Job
from kpbench.engine.trackers import TRACKERS, Run, check_tracker, run_name, tracked
from kpbench.errors import UsageError


def job(number, **more):
    params = {"family": "cnn", "network.depth": 3, "training.lr": 0.01, "training.spare_norms": True}
    return Job(**{"number": number, "role": "trial", "params": params, "seeds": (0,), "budget": 2, **more})


DONE, LOST, FINAL, CUT = job(0), job(1), job(0, role="final", seeds=(5,)), job(1, role="final", seeds=(6,))
EVENTS = [
    Stage("search", 2), Started(DONE), Started(LOST), Advanced(DONE, 1, 80.0), Advanced(DONE, 2, 90.5),
    Ended(LOST, "failed", None, "loss is NaN"), Ended(DONE, "complete", 90.5), Stage("final runs", 1),
    Started(FINAL), Advanced(FINAL, 1, 70.0), Ended(FINAL, "pruned", 70.0), Started(CUT),
]  # fmt: skip
STATES = {run_name(DONE): "complete", run_name(LOST): "failed", run_name(FINAL): "pruned", run_name(CUT): "interrupted"}
"""How each run ended; the last was under way when the command was."""

Found = dict[str, tuple[str, dict[str, str], list[tuple[int, float]]]]
"""Run -> state, parameters as words, score an epoch."""


def read_tensorboard(folder) -> Found:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    found = {}
    for path in (folder / "tensorboard").iterdir():
        events = EventAccumulator(str(path)).Reload()
        state = events.Tensors("state/text_summary")[0].tensor_proto.string_val[0].decode().partition(":")[0]
        raw = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        params = HParamsPluginData.FromString(raw).session_start_info.hparams
        named = {k: str(getattr(v, v.WhichOneof("kind"))) for k, v in params.items()}
        scores = events.Scalars("val_score") if "val_score" in events.Tags()["scalars"] else []
        found[path.name] = (state, named, [(one.step, one.value) for one in scores])
    return found


def read_mlflow(folder) -> Found:
    import mlflow

    client = mlflow.MlflowClient()
    found = {}
    for run in client.search_runs([client.get_experiment_by_name("study").experiment_id]):
        scores = [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, "val_score")]
        found[run.info.run_name] = (run.data.tags["state"], run.data.params, sorted(scores))
        assert run.info.status != "RUNNING"
    return found


def records_of(path):
    """The records of a `.wandb` file, a log as LevelDB writes it: blocks of 32 KB, each part with 7 bytes before it."""
    data, at, record = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if left < 7 or kind == 0:
            at += left
            continue
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def read_wandb(folder) -> Found:
    from wandb.proto.wandb_internal_pb2 import Record

    found = {}
    for path in folder.glob("wandb/offline-run-*/*.wandb"):
        name, params, scores, summary = "", {}, [], {}
        for record in map(Record.FromString, records_of(path)):
            name = record.run.display_name or name
            params |= {one.key: one.value_json.strip('"') for one in record.run.config.update}
            if record.WhichOneof("record_type") == "history":
                items = {one.key or ".".join(one.nested_key): one.value_json for one in record.history.item}
                scores.append((int(float(items["_step"])), float(items["val_score"])))
            summary |= {one.key or ".".join(one.nested_key): one.value_json for one in record.summary.update}
        found[name] = (summary.get("state", "").strip('"'), params, scores)
    return found


READ: dict[str, Callable[..., Found]] = {"tensorboard": read_tensorboard, "mlflow": read_mlflow, "wandb": read_wandb}


@pytest.mark.filterwarnings("ignore")  # of packages that are not kpbench's
@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_has_every_run_with_parameters_scores_and_end(name, tmp_path, monkeypatch):
    pytest.importorskip(name, reason=f"pip install {'mlflow-skinny' if name == 'mlflow' else name}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setattr(trackers, "LAST_WAIT", 120.0)
    told = []
    with tracked(name, "study", tmp_path, told.append) as notify:
        for event in EVENTS:
            notify(event)
    assert told == []
    found = READ[name](tmp_path)
    for _ in range(60):  # a process of W&B's own writes the last bytes after a run is finished
        if {run: state for run, (state, _, _) in found.items()} == STATES:
            break
        time.sleep(0.5)
        found = READ[name](tmp_path)
    assert {run: state for run, (state, _, _) in found.items()} == STATES
    _, params, scores = found[run_name(DONE)]
    assert scores == [(1, 80.0), (2, 90.5)]
    assert params["family"] == "cnn"
    assert float(params["network.depth"]) == 3
    assert float(params["training.lr"]) == 0.01
    assert found[run_name(LOST)][2] == []


def test_names_of_runs():
    assert run_name(DONE) == "trial-0"
    assert run_name(FINAL) == f"final-{FINAL.cell}-seed5"
    assert len({run_name(one) for one in (DONE, LOST, FINAL, CUT)}) == 4


def test_unknown_and_missing_packages_are_one_line(monkeypatch):
    check_tracker(None)
    with pytest.raises(UsageError, match="unknown tracker 'tensorbord'; did you mean 'tensorboard'"):
        check_tracker("tensorbord")
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    for name in TRACKERS:
        with pytest.raises(UsageError, match=f"needs the package {name}: pip install {name}"):
            check_tracker(name)


def broken_at(place):
    """A tracker whose client fails where it is told to."""

    def fail(*_):
        raise ConnectionError(f"no server\nat {place}")

    def fine(*_):
        return None

    def make(study, folder):
        if place == "make":
            fail()
        ends = Run(fail if place == "epoch" else fine, fail if place == "end" else fine)
        return (lambda job: fail()) if place == "begin" else (lambda job: ends)

    return make


@pytest.mark.parametrize("place", ["make", "begin", "epoch", "end"])
def test_an_error_is_told_once_and_harms_nothing(tmp_path, monkeypatch, place):
    monkeypatch.setitem(trackers.TRACKERS, "mlflow", broken_at(place))
    told = []
    with tracked("mlflow", "study", tmp_path, told.append) as notify:
        for event in EVENTS * 2:
            notify(event)
    assert told == [Notice("mlflow tracks no more, the study goes on: no server")]


def test_a_tracker_that_hangs_holds_up_nothing(tmp_path, monkeypatch):
    release = threading.Event()

    def make(study, folder):
        return lambda job: Run(lambda *_: None, lambda *_: None) if release.wait(60) else None

    monkeypatch.setitem(trackers.TRACKERS, "mlflow", make)
    monkeypatch.setattr(trackers, "LAST_WAIT", 0.2)
    told = []
    begun = time.monotonic()
    with tracked("mlflow", "study", tmp_path, told.append) as notify:
        for event in EVENTS:
            notify(event)
    assert time.monotonic() - begun < 5
    assert [type(one) for one in told] == [Notice]
    assert "still busy" in told[0].text
    release.set()


def test_a_package_that_cannot_be_imported_is_an_error_of_its_own(tmp_path, monkeypatch):
    broken = ModuleType("wandb")  # a folder `wandb` beside the study is such a package
    monkeypatch.setitem(sys.modules, "wandb", broken)
    told = []
    with tracked("wandb", "study", tmp_path, told.append) as notify:
        notify(Started(DONE))
    assert len(told) == 1
    assert "has no attribute 'init'" in told[0].text


def test_a_job_that_is_settled_without_a_start_ends_no_tracker():
    """A cell that was lost with its driver too often is told as failed without another run."""
    seen = []

    class Seen:
        def epoch(self, epoch, score):
            seen.append(epoch)

        def end(self, state, score, detail):
            seen.append(state)

    events = [Ended(job(0), "failed", None), Started(job(1)), Advanced(job(1), 1, 2.0), Ended(job(1), "complete", 2.0)]
    trackers._follow(lambda job: Seen(), iter(events))
    assert seen == [1, "complete"]
