"""How far studies are, from their files alone."""

import json
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from kpbench.analysis import status as module
from kpbench.analysis.status import status_of
from kpbench.cell import cell_id
from kpbench.errors import UsageError
from kpbench.store.driver import UnderWay, this_driver
from kpbench.store.files import JOURNAL, PROGRESS, RESULT, ROWS, SESSIONS
from kpbench.store.study import open_study
from kpbench.store.values import Session
from tests.ablation_rows import FLOOR_SCORES, study_folder
from tests.store.test_study import PLAN, row
from tests.verify_rows import REAL, verify_folder

BEGUN = datetime(2026, 1, 5, 10, tzinfo=UTC)
SPACE = 'family = "cnn"\n[network]\ndepth = [2, 3, 4]\ndropout = ["none", "spatial"]\n' + (
    'dropout_rate = { low = 0.1, high = 0.5, when = { "network.dropout" = ["spatial"] } }\n'
)


def at(seconds):
    return (BEGUN + timedelta(seconds=seconds)).isoformat()


def trial(number, depth, score, *, state="complete", seconds=10.0, **more):
    params = {"family": "cnn", "network.depth": depth, "network.dropout": "none", "network.dropout_rate": 0.1}
    return row(
        number, cell=cell_id(params), params=params, state=state, epochs=3, seconds=seconds,
        finished=at(5 * (number + 1)), val_mse=1 / (2 * score) if score else None, val_score=score, images=6, **more,
    )  # fmt: skip


def final(depth, seed, val, test, finished):
    made = trial(0, depth, val)
    change = {"role": "final", "trial": None, "seed": seed, "test_mse": 1 / (2 * test), "test_score": test}
    return replace(made, **change, finished=at(finished))


def search(folder, rows, *, totals=None, workers=2, progress=None, result=None):
    with open_study(folder, PLAN.model_copy(update={"space_text": SPACE})) as study:
        session = Session(when=at(0), command="kpbench search", device="c", workers=workers, versions={}, totals=totals)
        study.append(SESSIONS, session)
        for one in rows:
            study.append(ROWS, one)
        if progress is not None:
            study.write(PROGRESS, progress.model_dump_json())
        if result is not None:
            study.write(RESULT, json.dumps(result))
    return folder


TOTALS = {"trials": 6, "final cells": 1, "final seeds": 2}
TRIALS = [
    trial(0, 2, 100.0),
    trial(1, 3, 120.0),
    trial(2, 4, None, state="failed", reason="nan", detail="loss is NaN"),
    trial(3, 2, 50.0, state="pruned"),
]


def listing(folder):
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.iterdir()}


def test_a_search_under_way(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "is_worked_on", lambda folder, driver: True)
    under_way = UnderWay(role="trial", number=4, params=TRIALS[1].params, seeds=(0,), epoch=2, epochs=3, score=90.0)
    folder = search(
        tmp_path / "s", TRIALS, totals=TOTALS, progress=this_driver(at(0)).model_copy(update={"running": (under_way,)})
    )
    before = listing(folder)
    found = status_of(folder)
    assert listing(folder) == before
    assert (found.kind, found.standing, found.workers, found.sessions) == ("search", "running", 2, 1)
    assert [(part.name, part.done, part.total) for part in found.parts] == [("trials", 4, 6), ("final runs", 0, 2)]
    assert found.states == {"complete": 2, "pruned": 1, "failed": 1}
    assert found.failures == {"nan": 1}
    assert (found.best.score, found.best.on, found.best.fresh) == (pytest.approx(120), "val", False)
    # What varies, and has a part in the cell: there is no dropout there.
    assert found.best.cell == {"network.depth": 3, "network.dropout": "none"}
    assert [(one.number, one.epoch, one.epochs, one.score) for one in found.running] == [(4, 2, 3, 90.0)]
    assert found.running[0].cell == found.best.cell
    assert found.images == 4 * 6 + 2 * 2
    # 2 trials and 2 final runs of 10 s, 2 of 3 epochs done of one; 40 s of training took 25 s.
    assert found.seconds_left == pytest.approx((40 - 20 / 3) / 1.6)


def test_before_the_first_row_the_epochs_under_way_say_how_long(tmp_path, monkeypatch):
    """From the second on: workers start and kernels are compiled before the first ends."""
    monkeypatch.setattr(module, "is_worked_on", lambda folder, driver: True)
    begun = UnderWay(role="trial", number=0, params={"family": "cnn"}, seeds=(0,), epochs=3)
    folder = search(tmp_path / "s", [], totals=TOTALS)

    def left(**change):
        driver = this_driver(at(0)).model_copy(update={"running": (begun.model_copy(update=change),)})
        (folder / PROGRESS).write_text(driver.model_dump_json())
        return status_of(folder).seconds_left

    assert left() is None
    assert left(epoch=1, first=at(60), last=at(60)) is None
    assert left(epoch=2, first=at(60), last=at(70)) == pytest.approx((8 * 30 - 20) / 2)


def test_the_mean_over_fresh_seeds_is_what_is_told(tmp_path):
    rows = [*TRIALS, trial(4, 4, 60.0), trial(5, 4, 61.0), final(3, 7, 110.0, 100.0, 40), final(3, 8, 112.0, 144.0, 50)]
    folder = search(tmp_path / "s", rows, totals=TOTALS, result={"best": None})
    found = status_of(folder)
    assert found.standing == "finished"
    assert (found.seconds_left, found.running) == (0.0, ())
    assert (found.best.score, found.best.seeds, found.best.on) == (pytest.approx(120), 2, "test")  # sqrt(100 * 144)


@pytest.mark.parametrize(
    ("ended", "standing"),
    [(None, "killed"), ("interrupted", "interrupted"), ("failed", "failed")],
)
def test_how_the_last_driver_left(tmp_path, ended, standing):
    under_way = UnderWay(role="trial", number=4, params={"family": "cnn"}, seeds=(0,), epochs=3)
    progress = this_driver(at(0)).model_copy(update={"ended": ended, "running": () if ended else (under_way,)})
    found = status_of(search(tmp_path / "s", TRIALS, totals=TOTALS, progress=progress))
    assert found.standing == standing
    assert len(found.running) == (standing == "killed")  # what was cut
    assert found.seconds_left == pytest.approx(25)


def test_a_study_of_an_earlier_version(tmp_path):
    """No record of its driver, no totals, rows without images."""
    rows = [replace(one, images=None) for one in TRIALS]
    found = status_of(search(tmp_path / "s", rows))
    assert (found.standing, found.seconds_left, found.images) == ("incomplete", None, 4 * 3 * 2)
    assert [part.total for part in found.parts] == [None, None]
    found = status_of(search(tmp_path / "t", rows, result={"best": None}))
    assert found.standing == "finished"


def test_torn_lines_and_lost_files(tmp_path):
    folder = search(tmp_path / "s", TRIALS, totals=TOTALS)
    for file in (ROWS, SESSIONS):
        (folder / file).write_bytes((folder / file).read_bytes() + b'{"role": "tri')
    (folder / JOURNAL).unlink(missing_ok=True)
    assert status_of(folder).parts[0].done == 4
    (folder / JOURNAL).touch()
    (folder / ROWS).unlink()
    found = status_of(folder)
    assert (found.parts[0].done, found.best, found.images, found.last) == (0, None, 0, None)
    (folder / SESSIONS).unlink()
    assert status_of(folder).standing == "not begun"
    with pytest.raises(UsageError, match="no study"):
        status_of(tmp_path)


def test_an_ablation(tmp_path):
    folder = study_folder(tmp_path / "a", missing=[(1, 7)], crashed=[(2, 6)], diverged=[(0, 0)])
    found = status_of(folder)
    assert found.kind == "ablation"
    assert [(part.name, part.done, part.total) for part in found.parts] == [("runs", 30, 32)]
    assert (found.states, found.failures) == ({"complete": 29, "failed": 2}, {"nan": 1, "oom": 1})
    assert found.best.cell == {"network.norm": "spatial_batch"}
    assert (found.best.seeds, found.best.on) == (7, "test")
    assert found.best.score > FLOOR_SCORES["mean face"]["test"]
    assert found.seconds_left > 0
    assert status_of(folder, planned=30).standing == "finished"  # a sequential one, at its look


def test_the_studies_of_a_verification(tmp_path):
    folder = verify_folder(tmp_path / "v", missing=(0, 5))
    parts = [status_of(folder / name).parts[0] for name in ("synthetic", REAL)]
    assert [part.left for part in parts] == [0, 5]


def test_2000_trials_are_read_in_no_time(tmp_path):
    rows = [trial(number, 2 + number % 3, 50.0 + number % 70) for number in range(2000)]
    curve = [{"epoch": n, "train_mse": 0.1, "val_mse": 0.1, "val_score": 5.0, "seconds": 1.0} for n in range(1, 13)]
    folder = search(tmp_path / "s", rows[:1], totals={**TOTALS, "trials": 2000})
    lines = [json.dumps({**asdict(one), "curve": curve}) + "\n" for one in rows]
    (folder / ROWS).write_text("".join(lines))
    begun = time.process_time()
    found = status_of(folder)
    assert found.parts[0].done == 2000
    assert time.process_time() - begun < 2
