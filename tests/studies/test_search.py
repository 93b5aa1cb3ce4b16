"""A whole search in this process on a few drawn faces: what is left behind, and how it continues."""

import json
from collections import Counter

import numpy as np
import pytest

from kpbench.analysis.comparison.study import read_study
from kpbench.analysis.leaderboard.studies import study_entries
from kpbench.analysis.ranking import trial_counts
from kpbench.cell import cell_id, network_id
from kpbench.cli.dry_runs import search_lines
from kpbench.engine.events import Notice
from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.faces import SealedFaces
from kpbench.report.search.page import render
from kpbench.report.search.reader import read_report_input
from kpbench.statistics.keypoint_errors import keypoint_metrics
from kpbench.store.files import INFERENCE, JOURNAL, LATENCY, READINGS, RESULT, ROWS, SESSIONS, read_json, read_lines
from kpbench.store.plan import read_plan
from kpbench.store.values import Inference, Latency, Reading, Session
from kpbench.studies import score
from kpbench.studies.floor import floors
from kpbench.studies.inference import settings
from kpbench.studies.score_request import ScoreRequest, prepare_score
from kpbench.studies.search import dry_run, search
from kpbench.studies.search_request import SearchRequest, prepare_search
from kpbench.task.scorer import evaluate_model
from kpbench.training.model_files import load_model
from kpbench.training.predict import Labelled, predict
from tests.course_files import write_course
from tests.scripted import quiet, rows

SPACE = """
family = "cnn"
[network]
depth = [2, 3]
norm = ["none", "spatial_batch"]
width = 4
head_width = 16
[training]
batch_size = 8
"""


@pytest.fixture
def asked(tmp_path, course):
    """Keyword arguments of a small request."""
    path = tmp_path / "tiny.toml"
    path.write_text(SPACE)
    return {
        "space": str(path), "data": str(course), "n_trials": 4, "epochs": 2, "workers": 0, "scheduler": "none",
        "final_seeds": 2, "out": tmp_path / "reports", "command": "kpbench search",
    }  # fmt: skip


def run(asked, **more):
    return search(prepare_search(SearchRequest(**{**asked, **more})), quiet, quiet)


def test_a_search_leaves_a_whole_study(asked, course):
    folder = run(asked)
    found = rows(folder)
    trials = [r for r in found if r.role == "trial"]
    finals = [r for r in found if r.role == "final"]
    assert len({r.cell for r in trials}) == len(trials) == 4
    assert all(r.state == "complete" and len(r.curve) == 2 for r in found)
    result = read_json(folder / RESULT)
    best = result["best"]
    assert result["trials"] == {"complete": 4, "pruned": 0, "failed": 0}
    # The best cell is the trials' best, trained again with seeds that no trial used.
    assert best["cell_id"] == cell_id(best["cell"]) == max(trials, key=lambda r: r.val_score).cell
    assert [r.seed for r in finals] == [1, 2]
    assert {r.seed for r in trials} == {0}
    # The kept model is the better of them on val, and its scores are what the scorer says of the file.
    kept = max(finals, key=lambda r: r.val_score)
    assert best["model"] == kept.model
    network, card = load_model(folder / best["model"])
    splits = load(str(course), val_share=0.15, test_share=0.15, seed=20)
    coordinates = prepare_search(SearchRequest(**asked)).task.benchmark.coordinates
    assert evaluate_model(network, Labelled(splits.val, coordinates)) == best["val_score"] == kept.val_score
    test = splits.test.open(lambda: None)
    assert evaluate_model(network, Labelled(test, coordinates)) == best["test_score"] == kept.test_score
    assert card.data == splits.digest() == found[0].data
    mean = 1 / (2 * np.exp(np.mean(np.log([r.test_mse for r in finals]))))
    assert best["test_mean"] == pytest.approx(mean)
    assert best["test_interval"][0] < mean < best["test_interval"][1]
    # The metrics of a final run are those of the file on the sealed test, in six digits; trials have none.
    metrics = keypoint_metrics(predict(network, test, coordinates), test.keypoints).scalars()
    assert kept.metrics == {name: float(f"{value:.6g}") for name, value in metrics.items()}
    assert all(r.metrics is None for r in trials) and all(r.metrics for r in finals)
    # The floor is that of the same faces.
    models = dict(floors(splits.train, splits.val, coordinates))
    assert result["floor"] == {name: evaluate_model(m, Labelled(test, coordinates)) for name, m in models.items()}
    assert set(result["floor"]) == {"mean face", "ridge on pixels"}
    # Each opening of the sealed test stands in the study: two finals and two floors.
    readings = read_lines(folder / READINGS, Reading)
    assert Counter(r.model.split(":")[0] for r in readings) == {kept.model: 1, finals[0].model: 1, "floor": 2} | (
        {finals[1].model: 1} if finals[1].model != kept.model else {}
    )
    (session,) = read_lines(folder / SESSIONS, Session)
    assert session.versions["torch"]
    page = render(read_report_input(folder))
    assert page.count("<html") == 1 and 'id="metrics"' in page


def test_the_faces_on_which_the_final_networks_disagree_are_kept(asked, course):
    folder = run(asked)
    apart = read_report_input(folder).apart
    val = load(str(course), val_share=0.15, test_share=0.15, seed=20).val
    assert sorted(apart.seed) == [1, 2] and len(set(apart.cell)) == 1
    coordinates = prepare_search(SearchRequest(**asked)).task.benchmark.coordinates
    models = [next(r.model for r in rows(folder) if r.role == "final" and r.seed == seed) for seed in apart.seed]
    each = [predict(load_model(folder / model)[0], val, coordinates) for model in models]
    distance = np.hypot(*(each[0] - each[1]).transpose(2, 0, 1)) / 2
    worst = np.argsort(-np.sqrt(np.square(distance).mean(axis=1)), kind="stable")[:4]
    assert np.array_equal(apart.predicted, np.stack([points[worst] for points in each]))
    assert np.array_equal(apart.images, val.images[worst]) and np.array_equal(apart.truth, val.keypoints[worst])
    assert read_report_input(folder, faces=False).apart is None


def test_the_same_request_again_does_nothing_twice_and_a_larger_one_adds(asked):
    folder = run(asked, n_trials=2)
    first = rows(folder)
    assert run(asked, n_trials=2) == folder
    assert rows(folder) == first
    assert len(read_lines(folder / READINGS, Reading)) == 4
    assert run(asked, n_trials=4) == folder
    assert rows(folder)[: len(first)] == first
    assert len([r for r in rows(folder) if r.role == "trial"]) == 4
    assert run(asked, n_trials=4, final_cells=2, final_seeds=3) == folder
    finals = Counter(r.cell for r in rows(folder) if r.role == "final")
    assert sorted(finals.values())[-2:] == [3, 3]


def test_workers_and_totals_are_no_part_of_the_plan_but_epochs_are(asked):
    named = {**asked, "name": "mine"}
    run(named, n_trials=1, final_cells=0)
    run(named, n_trials=2, final_seeds=1, final_cells=0)
    with pytest.raises(UsageError, match="epochs 2 -> 3"):
        run(named, epochs=3)


def test_an_interrupted_search_continues_to_the_same_table(asked, tmp_path):
    whole = run(asked, out=tmp_path / "whole")

    class Cut:
        left = 5

        def __call__(self, event):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            search(prepare_search(SearchRequest(**{**asked, "out": tmp_path / "cut"})), Cut(), quiet)
    cut = run(asked, out=tmp_path / "cut")

    def table(folder):
        return [(r.role, r.cell, r.seed, r.state, r.val_mse, r.test_mse) for r in rows(folder)]

    assert table(cut) == table(whole)
    assert read_json(cut / RESULT)["best"] == read_json(whole / RESULT)["best"]


def test_the_test_split_is_opened_only_after_the_last_trial(asked, monkeypatch):
    opened = []
    real = SealedFaces.open

    def watched(self, record):
        opened.append(len(list((asked["out"]).glob("*/models/*.safetensors"))))
        return real(self, record)

    monkeypatch.setattr(SealedFaces, "open", watched)
    folder = run(asked, final_cells=0)
    assert opened == []
    assert read_json(folder / RESULT)["floor_split"] == "val"
    assert read_json(folder / RESULT)["best"]["test_score"] is None
    assert list(read_study(folder).mean_face) == ["val"] and study_entries(folder, "s", 1)[1] == []
    run(asked)
    assert opened[:2] == [1, 2] and len(opened) == 4  # the final models as each ends, then the floor's two


def scored(model, data, split):
    request = ScoreRequest(model=str(model), data=str(data), split=split, command="kpbench score")
    return score.score(prepare_score(request, quiet), quiet)[0]


def test_score_of_a_kept_model_is_the_studys_and_is_written_down(asked, course):
    folder = run(asked)
    best = read_json(folder / RESULT)["best"]
    for split in ("val", "test"):
        result = scored(folder / best["model"], course, split)
        assert result["score"] == best[f"{split}_score"]
        assert result["notes"] == []
    readings = read_lines(folder / READINGS, Reading)
    assert [r.command for r in readings].count("kpbench score") == 1
    with pytest.raises(UsageError, match="Known: val, test"):
        scored(folder / best["model"], course, "train")


def test_the_speed_of_finalists_is_measured_once_and_stands_in_result_and_report(asked):
    folder = run(asked)
    found = read_lines(folder / INFERENCE, Inference)
    best = read_json(folder / RESULT)
    assert {(one.batch, one.threads) for one in found} == set(settings("cpu"))
    assert {(1, 1), (64, 1)} <= set(settings("cpu"))
    assert all(0 < one.low <= one.median <= one.high for one in found)
    assert {one.network for one in found} == {network_id(best["best"]["cell"])}
    assert [one["median"] for one in best["inference"]] == [one.median for one in found]
    assert "Speed of the finalists" in render(read_report_input(folder))
    run(asked)
    assert read_lines(folder / INFERENCE, Inference) == found


def test_a_model_scored_on_other_faces_says_so(asked, tmp_path):
    folder = run(asked)
    write_course(tmp_path / "others", train=6, val=4, test=4, seed=9)
    model = folder / read_json(folder / RESULT)["best"]["model"]
    assert "other faces" in scored(model, tmp_path / "others", "val")["notes"][0]


def test_a_study_in_which_everything_fails_ends_and_says_so(asked, tmp_path):
    (tmp_path / "wild.toml").write_text(SPACE + "lr = 1e15\n")
    folder = run(asked, space=str(tmp_path / "wild.toml"), epochs=3)
    result = read_json(folder / RESULT)
    assert result["best"] is None
    assert result["trials"]["failed"] == 4
    assert {r.reason for r in rows(folder)} == {"nan"}
    assert (
        "no cell" in render(read_report_input(folder)).lower() or "nothing" in render(read_report_input(folder)).lower()
    )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"n_trials": 0}, "--n-trials must be at least 1, got 0"),
        ({"epochs": 0}, "--epochs must be at least 1"),
        ({"seeds": 0}, "--seeds must be"),
        ({"workers": -1}, "--workers must be at least 0"),
        ({"final_seeds": 0}, "--final-seeds"),
        ({"space": "cnn_smal"}, "did you mean 'cnn_small'"),
        ({"sampler": "tp"}, "did you mean 'tpe'"),
        ({"scheduler": "asa"}, "did you mean 'asha'"),
        ({"space": "exposure", "scheduler": "asha"}, "varies training.exposure"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"space": "cnn_tune", "sampler": "grid"}, "needs a finite space"),
        ({"data": "nowhere/faces.zip"}, "nowhere"),
        ({"name": "../up"}, "plain folder name"),
        ({"objective": ("score", "size")}, "unknown objective 'size'"),
        ({"objective": ("params",)}, "write --objective score,params"),
        ({"objective": ("score", "params", "params")}, "names params twice"),
        ({"objective": ("score", "params"), "warm_start": "other"}, "--warm-start shows the sampler scores alone"),
        ({"max_params": 10.0}, "no cell of search space 'tiny' keeps --max-params 10"),
        ({"max_latency_ms": 1e-9}, "keeps --max-latency-ms 1e-09"),
        ({"max_latency_ms": float("nan")}, "--max-latency-ms must be a positive number, got nan"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_written(asked, more, says):
    with pytest.raises(UsageError, match=says) as refusal:
        run(asked, **more)
    assert "\n" not in str(refusal.value)
    assert not asked["out"].exists()


def test_a_space_whose_cells_break_the_rules_is_refused_with_the_number(asked, tmp_path):
    path = tmp_path / "big.toml"
    path.write_text(SPACE.replace("head_width = 16", "head_width = 4096"))
    with pytest.raises(UsageError, match=r"\d,\d{3},\d{3} parameters, the rules allow 4,999,999"):
        prepare_search(SearchRequest(**{**asked, "space": str(path)}))
    path.write_text(SPACE.replace("[2, 3]", "[2, 7]"))
    with pytest.raises(UsageError, match="block 7"):
        prepare_search(SearchRequest(**{**asked, "space": str(path)}))


def test_a_dry_run_says_what_would_happen_and_writes_nothing(asked):
    said = dry_run(prepare_search(SearchRequest(**asked)), quiet)
    assert said["cells"] == 4
    assert (said["trials"], said["every_cell"]) == (4, True)
    assert said["runs"]["trials"] == 4 and said["minutes"] >= 0 and said["warnings"] == []
    assert not asked["out"].exists()
    assert json.dumps(said)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"workers": 1000}, "1,000 workers: this machine has"),
        ({"epochs": 10**9}, "1,000,000,000 epochs"),
        ({"epochs": 10**9}, "days at this speed"),
        ({"space": "batch_size = 1000000"}, "training.batch_size 1,000,000: there are 24 training faces"),
    ],
)
def test_a_dry_run_warns_of_what_nobody_can_have_meant(asked, more, says, tmp_path):
    if line := more.get("space"):
        (tmp_path / "large.toml").write_text(SPACE.replace("batch_size = 8", line))
        more = {"space": str(tmp_path / "large.toml")}
    said = dry_run(prepare_search(SearchRequest(**{**asked, **more})), quiet)
    assert any(says in line for line in said["warnings"])


def test_a_dry_run_refuses_what_a_search_would_refuse(asked, tmp_path, monkeypatch):
    def said(**more):
        with pytest.raises(UsageError) as refusal:
            dry_run(prepare_search(SearchRequest(**{**asked, **more})), quiet)
        return str(refusal.value)

    (tmp_path / "file").write_text("")
    assert "is a file; choose another --out" in said(out=tmp_path / "file" / "deeper")
    folder = run(asked, name="s", n_trials=1, final_cells=0)
    journal = (folder / JOURNAL).read_bytes()
    (folder / JOURNAL).write_bytes(journal + b"no\n" + journal)
    assert said(name="s").startswith(f"{folder / JOURNAL} is damaged: line {len(journal.splitlines()) + 1} is no entry")
    (folder / JOURNAL).write_bytes(journal)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    dry_run(prepare_search(SearchRequest(**{**asked, "name": "s", "n_trials": 1})), quiet)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    (folder / ROWS).write_text("{}\n")
    assert "rows.jsonl: line 1 is damaged" in said(name="s")
    monkeypatch.setattr("kpbench.engine.limits.FREE", 1e18)
    assert "MB are free" in said(out=tmp_path / "elsewhere")


def test_a_search_on_faces_that_leak_or_are_wrong_says_so_first(asked, tmp_path):
    course = tmp_path / "leaky"
    write_course(course)
    rows = (course / "training.csv").read_text().splitlines(keepends=True)
    with (course / "val.csv").open("a") as file:
        file.write(rows[3])
    (course / "training.csv").write_text("".join([*rows[:5], ",".join(["0", "0", *rows[5].split(",")[2:]]), *rows[6:]]))
    events = []
    prepared = prepare_search(SearchRequest(**{**asked, "data": str(course), "n_trials": 1}))
    said = dry_run(prepared, quiet)
    search(prepared, events.append, quiet)
    faults = "data check finds 1 error (placeholders for labels 1); `kpbench data check` names them"
    assert said["faults"] == faults
    assert any(line.startswith("faults") for line in search_lines(said))
    assert events[1] == Notice(faults)
    leak = (
        "repeat a picture of another split, exactly or nearly: scores on them flatter; `kpbench data check` names them"
    )
    assert isinstance(events[0], Notice) and events[0].text.endswith(leak)


@pytest.mark.parametrize("damage", ["torn", "other", "description", "gone"])
def test_a_damaged_model_is_refused_by_name(asked, damage):
    folder = run(asked, n_trials=1, final_seeds=1)
    model = folder / read_json(folder / RESULT)["best"]["model"]
    card = model.with_suffix(".json")
    if damage == "torn":
        model.write_bytes(model.read_bytes()[:-100])
    elif damage == "other":
        card.write_text(card.read_text().replace('"network.width": 4', '"network.width": 8'))
    elif damage == "description":
        card.write_text("{}")
    else:
        card.unlink()
    with pytest.raises(UsageError, match=model.stem) as refusal:
        load_model(model)
    assert "\n" not in str(refusal.value)


def test_the_best_is_kept_when_a_study_grows(asked):
    """A cell with better fresh seeds stays the best, whatever a larger search's finalist or fewer finals say."""
    folder = run(asked, final_cells=4, n_trials=4)
    best = read_json(folder / RESULT)["best"]
    finals = {}
    for r in rows(folder):
        if r.role == "final":
            finals.setdefault(r.cell, []).append(r.val_mse)
    assert best["cell_id"] == min(finals, key=lambda cell: np.mean(np.log(finals[cell])))
    run(asked, final_cells=0)
    assert read_json(folder / RESULT)["best"] == best


def test_the_page_of_a_study_under_way_says_what_there_is(asked):
    folder = run(asked, n_trials=3, final_cells=0)
    (folder / RESULT).unlink()
    found = read_report_input(folder)
    assert trial_counts(found.rows) == {"complete": 3, "pruned": 0, "failed": 0}
    assert found.best is not None
    assert "Best so far" in render(found) or "best so far" in render(found)


WIDE = SPACE.replace("[2, 3]", "[1, 2, 3]").replace("width = 4", "width = [2, 4]", 1)


@pytest.fixture
def several(asked, tmp_path):
    """A small request with two objectives, a limit, and early stopping at epoch 2 of 4."""
    (tmp_path / "wide.toml").write_text(WIDE)
    return {
        **asked, "space": str(tmp_path / "wide.toml"), "objective": ("score", "params"), "max_params": 140_000.0,
        "n_trials": 9, "epochs": 4, "scheduler": "asha_half", "final_cells": 2,
    }  # fmt: skip


def table(folder):
    return [(r.role, r.cell, r.seed, r.state, r.epochs, r.val_mse, r.test_mse) for r in rows(folder)]


def test_a_search_for_two_objectives_prunes_has_a_front_and_ends_alike_after_a_kill(several, tmp_path):
    whole = run(several, out=tmp_path / "whole")
    result = read_json(whole / RESULT)
    trials = {r.cell: r for r in rows(whole) if r.role == "trial"}
    assert result["trials"]["pruned"] > 0 and result["trials"]["failed"] == 0
    assert all(r.parameters <= 140_000 for r in trials.values())
    assert sum(result["trials"].values()) == len(trials) < 12  # the limit leaves some cells out
    front = result["pareto"]
    complete = [r for r in trials.values() if r.state == "complete"]
    assert [one["cell_id"] for one in front] == [
        r.cell
        for r in sorted(complete, key=lambda r: -r.val_score)
        if not any(o.val_score >= r.val_score and o.parameters < r.parameters for o in complete)
    ]
    assert front[0]["score"] == pytest.approx(max(r.val_score for r in complete))
    assert front[0]["test"] is not None
    finals = {r.cell for r in rows(whole) if r.role == "final"}
    assert len(finals) == 2 and front[0]["cell_id"] in finals  # the highest score, and the other end
    assert len(front) == 1 or front[-1]["cell_id"] in finals

    class Killed(BaseException):
        """Comes as a kill does: nothing is settled on the way out."""

    def killed_after(events):
        count = iter(range(events))

        def notify(event):
            if next(count, None) is None:
                raise Killed

        return notify

    for events in (4, 9, 25, 40):
        with pytest.raises(Killed):
            search(prepare_search(SearchRequest(**{**several, "out": tmp_path / "cut"})), killed_after(events), quiet)
    cut = run(several, out=tmp_path / "cut")
    assert table(cut) == table(whole)
    assert read_json(cut / RESULT)["pareto"] == front
    page = render(read_report_input(cut))
    assert all(one["cell_id"] in page for one in front) and 'id="pareto"' in page


def test_latency_is_measured_once_a_network_and_remembered(several, monkeypatch):
    asked = {**several, "objective": ("score", "latency"), "n_trials": 3, "max_params": None, "final_cells": 0}
    folder = run(asked, name="l")
    lines = read_lines(folder / LATENCY, Latency)
    told = {network_id(r.params): r.costs["latency"] for r in rows(folder)}
    assert told == {one.network: one.median for one in lines} and len(lines) == 3
    assert {r.costs.keys() == {"latency"} for r in rows(folder)} == {True}
    monkeypatch.setattr("kpbench.studies.costs.latency", lambda params, device: (777.0, 777.0, 777.0))
    run({**asked, "n_trials": 4}, name="l")
    assert read_lines(folder / LATENCY, Latency)[:3] == lines
    assert [r.costs["latency"] for r in rows(folder)][3:] == [777.0]
    says = []
    run({**asked, "n_trials": 4}, name="l")
    (folder / LATENCY).write_text((folder / LATENCY).read_text().replace(lines[0].device, "another one"))
    search(prepare_search(SearchRequest(**{**asked, "n_trials": 4, "name": "l"})), says.append, quiet)
    assert any(isinstance(one, Notice) and "another one" in one.text for one in says)


def test_objectives_and_constraints_are_part_of_the_plan_and_the_default_is_not(asked):
    named = {**asked, "name": "mine", "n_trials": 1, "final_cells": 0}
    folder = run(named)
    assert not {"objectives", "constraints"} & read_plan(folder).identity().keys()
    with pytest.raises(UsageError, match=r"objectives None -> \['score', 'params'\]"):
        run(named, objective=("score", "params"))
    with pytest.raises(UsageError, match=r"constraints None -> {'params': 900000.0}"):
        run(named, max_params=9e5)
    one = prepare_search(SearchRequest(**{**asked, "objective": ("score", "flops", "params")})).objectives
    assert one == prepare_search(SearchRequest(**{**asked, "objective": ("score", "params", "flops")})).objectives


def test_a_dry_run_says_which_cells_a_constraint_leaves_out(several):
    said = dry_run(prepare_search(SearchRequest(**several)), quiet)
    assert said["objectives"] == ["score", "params"]
    assert said["constraints"] == {"params": 140_000}
    assert said["left_out"][0]["network.depth"] == 1
    assert said["cells"] + len(said["left_out"]) == 12
    line = f"constraints --max-params 140,000: {len(said['left_out'])} of 12 cells are never trained: depth=1"
    options = {"gpus_per_trial": None, "trial_timeout_s": None, "address": None}
    assert any(text.startswith(line) for text in search_lines(said | options))
    kept = dry_run(prepare_search(SearchRequest(**{**several, "max_params": 4e6})), quiet)
    assert kept["left_out"] == []
    assert "constraints --max-params 4,000,000: kept by every cell" in search_lines(kept | options)
    for minutes, text in ((0.04, "0.0"), (99.94, "99.9"), (162_136_853.0, "162,000,000")):
        lines = search_lines(kept | options | {"minutes": minutes})
        assert any(line.startswith(f"minutes     {text},") for line in lines)
    assert not several["out"].exists()
