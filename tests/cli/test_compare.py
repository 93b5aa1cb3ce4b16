"""`kpbench compare` from the command line."""

import json
import math
import shutil
import subprocess
import sys

import pytest

from kpbench.store.files import FLOOR, PLAN, READINGS, RESULT, ROWS
from kpbench.store.study import open_study
from tests.ablation_rows import CROSSED, FLOOR_SCORES, NORM, study_folder
from tests.analysis.comparison.test_comparison import search


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two ablations of three norms, written once."""
    folder = tmp_path_factory.mktemp("written")
    study_folder(folder / "norm")
    study_folder(folder / "again", noise=0.1)
    return folder


@pytest.fixture
def norm(written, tmp_path):
    return shutil.copytree(written / "norm", tmp_path / "reports" / "norm")


@pytest.fixture
def again(written, tmp_path):
    return shutil.copytree(written / "again", tmp_path / "reports" / "again")


def search_folder(folder, **options):
    """A finished search on the disk."""
    found = search(**options)
    with open_study(folder, found.plan) as study:
        study.write(FLOOR, json.dumps(FLOOR_SCORES))
        study.write(RESULT, "{}")
        for row in found.rows:
            study.append(ROWS, row)
    return folder


def json_of(kpbench, *words):
    code, out, err = kpbench("compare", *words, "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    return json.loads(out)


def test_two_cells_of_one_study(kpbench, norm):
    result = json_of(kpbench, "norm:norm=spatial_batch", "norm:norm=none")
    (one,) = result["comparisons"]
    assert (one["test"], one["n"], one["verdict"], one["size"]) == ("paired t", 8, "withheld", None)
    assert one["ratio"] == pytest.approx(math.exp(-0.35), abs=0.05)
    assert one["detectable_interval"][0] < one["detectable"] < one["detectable_interval"][1]
    assert (result["split"], result["needed_seeds"], one["shared"], one["why"]) == ("test", 6, 8, "picked")
    assert one["differs"] == {"network.norm": ["spatial_batch", "none"]}
    assert one["a"]["score"] > one["b"]["score"] > 200
    assert one["a"]["interval"][0] < one["a"]["score"] < one["a"]["interval"][1]
    assert (one["a"]["parameters"], one["a"]["megabytes"], one["a"]["seconds_per_epoch"]) == (40_000, 0.2, 1.5)
    assert (result["compared"], result["across"], result["correction"]) == ("network", [], "holm")
    assert result["recipe"]["a"] == result["recipe"]["b"]
    assert any("picked out of 3 cells" in note for note in result["notes"])

    code, out, err = kpbench("compare", "norm:norm=spatial_batch", "norm:norm=none")
    assert (code, err) == (0, "")
    low, high = one["detectable_interval"]
    detectable = f"detectable        {one['detectable']:.2g} % ({low:.2g} to {high:.2g} %) of MSE at this n, 80 % power"
    for words in (
        f"MSE ratio A/B     {one['ratio']:.3f}, 95 % interval", "paired t on log MSE, 8 seeds in common, correlation",
        "P(A beats B)      1.000", detectable, "judged on         the sealed test", "40,000", "0.20 MB", "1.50 s", "px",
        "withheld: both are cells of one ablation", f"{one['a']['score']:.1f} (",
        "network.norm spatial_batch against none",
    ):  # fmt: skip
        assert words in out


def test_fresh_faces_too_where_rows_carry_them(kpbench, norm):
    lines = [json.loads(line) for line in (norm / ROWS).read_text().splitlines()]
    for place, line in enumerate(lines):
        line["face_mse"] = [line["test_mse"] * (1 + 0.9 * math.sin(place + 3 * face)) for face in range(30)]
    (norm / ROWS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (one,) = json_of(kpbench, "norm:norm=batch", "norm:norm=none")["comparisons"]
    low, high = one["seeds_and_faces"]["ci"]
    assert math.log(high / low) > math.log(one["ci"][1] / one["ci"][0])
    out = kpbench("compare", "norm:norm=batch", "norm:norm=none")[1]
    assert f"fresh faces too MSE ratio {one['seeds_and_faces']['ratio']:.3f}, {low:.3f} to {high:.3f}" in out


def test_seeds_that_overlap_are_said_and_too_few_for_a_verdict(kpbench, tmp_path):
    for name, seeds in (("one", 5), ("two", 9)):
        study_folder(tmp_path / "reports" / name, factors=NORM, seeds=seeds, noise=0.05 + 0.01 * seeds)
    words = ["one:norm=batch", "two:norm=none"]
    (one,) = json_of(kpbench, *words)["comparisons"]
    assert (one["test"], one["shared"], one["verdict"], one["why"]) == ("overlapping samples", 5, "withheld", "seeds")
    out = " ".join(kpbench("compare", *words)[1].split())
    assert (
        f"t of overlapping samples on log MSE, 5 of 5 and 9 seeds in common, correlation {one['correlation']:.2f}"
        in out
    )
    assert "withheld: 5 of the 6 seeds a side that a verdict needs" in out
    assert "Withheld: a verdict needs 7 seeds a side." in " ".join(kpbench("compare", "one", "two")[1].split())


def test_studies_judged_on_val_are_compared_there(kpbench, refused, norm, again):
    plan = json.loads((again / PLAN).read_text())
    plan["design"]["split"] = "val"
    (again / PLAN).write_text(json.dumps(plan))
    (again / FLOOR).write_text('{"mean face": {"val": 110.0}}')
    lines = [
        json.loads(line) | {"test_mse": None, "test_score": None} for line in (again / ROWS).read_text().splitlines()
    ]
    (again / ROWS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = json_of(kpbench, "norm", "again")
    assert result["split"] == "val"
    out = kpbench("compare", "norm", "again")[1]
    assert "validation faces; the sealed test was not opened for every run of again" in " ".join(out.split())
    (again / FLOOR).write_text('{"mean face": {"test": 110.0}}')
    assert "no val score of the mean face" in refused("compare", "norm", "again")


def test_what_was_confirmed_is_compared_where_it_was_judged(kpbench, norm, again):
    for folder in (norm, again):
        plan = json.loads((folder / PLAN).read_text())
        plan["design"]["split"] = "val"
        (folder / PLAN).write_text(json.dumps(plan))
        (folder / FLOOR).write_text('{"mean face": {"val": 110.0, "test": 110.0}}')
        assert all(json.loads(line)["test_mse"] for line in (folder / ROWS).read_text().splitlines())
    assert json_of(kpbench, "norm", "again")["split"] == "val"
    assert "validation faces, as both were" in kpbench("compare", "norm", "again")[1]


def test_a_search_on_the_faces_it_was_chosen_on_is_flattered(kpbench, tmp_path, norm):
    search_folder(tmp_path / "reports" / "found", best=range(1001, 1009))
    plan = json.loads((norm / PLAN).read_text())
    plan["design"]["split"] = "val"
    (norm / PLAN).write_text(json.dumps(plan))
    lines = [
        json.loads(line) | {"test_mse": None, "test_score": None} for line in (norm / ROWS).read_text().splitlines()
    ]
    (norm / ROWS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = " ".join(kpbench("compare", "found", "norm")[1].split())
    assert "scored here on the faces it was chosen on, which flatters it, after that choice" in out


def test_runs_worse_than_the_mean_face_are_said(kpbench, norm):
    lines = [json.loads(line) for line in (norm / ROWS).read_text().splitlines()]
    bad = next(line for line in lines if line["params"]["network.norm"] == "batch")
    bad["test_mse"] *= 9
    (norm / ROWS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = json_of(kpbench, "norm:norm=batch", "norm:norm=none")
    assert result["comparisons"][0]["a"]["collapsed"] == [bad["seed"]]
    said = f"A: 1 run worse than the mean face (seed {bad['seed']}), counted with the mean face's MSE, score 114.0."
    assert said in result["notes"]
    assert "below mean face   1 " in kpbench("compare", "norm:norm=batch", "norm:norm=none")[1]


def test_two_ablations_are_compared_cell_by_cell(kpbench, tmp_path):
    for name, noise in (("one", 0.06), ("two", 0.1)):
        study_folder(
            tmp_path / "reports" / name, factors=CROSSED, crossed=True, noise=noise, diverged=[(1, 2)], seeds=10
        )
    result = json_of(kpbench, "one", "two")
    assert len(result["comparisons"]) == 9
    assert result["comparisons"][5]["label"] == "norm=batch dropout=spatial"
    assert any("A: 1 diverged run, counted with the mean face's MSE, score 114.0." in note for note in result["notes"])
    code, out, _ = kpbench("compare", "one", "two")
    lines = out.splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith("norm dropout"))
    rows = lines[head + 1 : head + 10]
    assert code == 0
    assert [row.split()[0] for row in rows] == ["none"] * 3 + ["batch"] * 3 + ["spatial_batch"] * 3
    assert all(row.split()[-1] in ("undecided", "equivalent", "better", "worse") for row in rows)
    assert "Holm over 9 cells" in " ".join(out.split())


def test_a_search_says_how_its_cell_was_chosen(kpbench, norm, tmp_path):
    search_folder(tmp_path / "reports" / "found", best=(101, 102, 103), second=(101, 102, 103))
    result = json_of(kpbench, "found", "norm")
    (one,) = result["comparisons"]
    assert (one["a"]["chosen"], one["b"]["chosen"], one["test"], one["verdict"]) == (
        "best", "baseline", "Welch", "withheld",
    )  # fmt: skip
    (note,) = [note for note in result["notes"] if note.startswith("A is")]
    assert "the best cell of 3 trials, chosen by validation score; its 3 fresh seeds" in note
    assert "300.0 when chosen, 250.0 on them" in note
    assert "Of 2 finalists" in note
    out = kpbench("compare", "found", "norm")[1]
    assert "best cell" in out
    assert "Welch's t on log MSE" in out
    assert "withheld: 3 of the 6 seeds a side" in out
    (tmp_path / "reports" / "found" / RESULT).unlink()
    assert "its search may not have ended" in " ".join(kpbench("compare", "found", "norm")[1].split())


@pytest.mark.parametrize(
    ("what", "field", "other"),
    [
        ("faces or their split", "data", "fedcba9876543210"),
        ("the benchmark", "benchmark", "fedcba9876543210"),
        ("the scorer's version", "scorer", 2),
    ],
)
def test_a_tampered_task_is_refused(refused, norm, again, what, field, other):
    plan = json.loads((again / PLAN).read_text())
    before, plan[field] = plan[field], other
    (again / PLAN).write_text(json.dumps(plan))
    for words in (["norm", "again"], ["norm:norm=batch", "again"], ["norm", "again", "--across", "recipe"]):
        assert f"{what} ({field} {before} against {other})" in refused("compare", *words, "--json")


def test_another_recipe_is_refused_unless_asked_for(kpbench, refused, norm, again):
    plan = json.loads((again / PLAN).read_text())
    (again / PLAN).write_text(json.dumps(plan | {"epochs": 30}))
    err = refused("compare", "norm", "again")
    assert "epochs 12 against 30" in err
    assert "--across recipe" in err
    result = json_of(kpbench, "norm", "again", "--across", "recipe")
    assert (result["compared"], result["across"]) == ("network and recipe", ["recipe"])
    assert result["recipe"]["differs"] == {"epochs": [12, 30]}
    for digest in (result["recipe"]["a"], result["recipe"]["b"]):
        assert digest in err
    out = " ".join(kpbench("compare", "norm", "again", "--across", "recipe")[1].split())
    assert "Compared across recipes (epochs 12 against 30): a difference is of network plus recipe" in out


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["norm"], "'B'"),
        (["norm", "nothing"], "no study 'nothing' here or in reports; known: again, norm"),
        (["norm:norm=btch", "again"], "did you mean 'batch'"),
        (["norm:depht=4", "again"], "did you mean 'depth'"),
        (["norm:zzz", "again"], "has no cell 'zzz'"),
        (["norm:depth=4", "again"], "picks 3 cells"),
        (["norm:", "again"], "names no cell behind its colon"),
        (["norm", "norm"], "name a cell of each"),
        (["norm:norm=batch", "norm:norm=batch"], "both sides are cell"),
        (["norm", "again", "--across", "data"], "unknown --across 'data'"),
        (["norm", "again", "--sesoi", "much"], "--sesoi must be a share"),
        (["norm", "again", "--sesoi", "nan"], "--sesoi must lie between 0 and 1"),
        (["norm", "again", "--alpha", "1"], "--alpha must lie between 0 and 0.5"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(refused, norm, again, words, names):
    assert names in refused("compare", *words)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (ROWS, b"{}\n"),
        (ROWS, b"\xff\xfe no row\n"),
        (ROWS, b""),
        (PLAN, b"{"),
        (FLOOR, b"[]"),
        (FLOOR, b'{"mean face": {"test": "much"}}'),
        (FLOOR, b'{"mean face": {"test": -1}}'),
        ("sessions.jsonl", b"no\n"),
    ],
)
def test_a_damaged_study_is_one_line(refused, norm, again, file, content):
    (again / file).write_bytes(content)
    err = refused("compare", "norm", "again")
    assert file in err or "no run with an official test score" in err


def test_a_study_that_is_being_written_is_read_up_to_its_last_whole_row(kpbench, norm, again):
    lines = (again / ROWS).read_bytes().splitlines(keepends=True)
    (again / ROWS).write_bytes(b"".join(lines[:9]) + lines[9][:50])
    result = json_of(kpbench, "norm", "again")
    assert {one["verdict"] for one in result["comparisons"]} == {"incomplete"}
    assert "planned runs have no outcome yet" in " ".join(result["notes"])
    assert "incomplete" in kpbench("compare", "norm", "again")[1]


def test_nothing_is_written_and_the_sealed_test_is_not_opened(kpbench, norm, again):
    before = {path: path.read_bytes() for path in sorted(norm.parent.rglob("*")) if path.is_file()}
    assert kpbench("compare", "norm", "again")[0] == 0
    assert {path: path.read_bytes() for path in sorted(norm.parent.rglob("*")) if path.is_file()} == before
    assert norm / READINGS in before


def test_every_line_fits_80_columns(kpbench, tmp_path):
    long = {"network.normalisation_of_the_last_block": ("none", "spatial_batch_with_a_long_name"), **CROSSED}
    for name, options in (
        ("a" * 60, {"factors": NORM, "diverged": [(0, 1), (2, 3)]}),
        ("b" * 60, {"factors": NORM, "noise": 0.4, "missing": [(1, 1)]}),
        ("c" * 60, {"factors": long, "crossed": True, "seeds": 2}),
        ("d" * 60, {"factors": long, "crossed": True, "seeds": 2, "noise": 0.9}),
    ):
        study_folder(tmp_path / "reports" / name, **options)
    one = ",".join(["block=none", "norm=none", "dropout=none"])
    other = ",".join(["block=spatial_batch_with_a_long_name", "norm=batch", "dropout=spatial"])
    one, other = (words.replace("block", "normalisation_of_the_last_block") for words in (one, other))
    for words in (
        ["a" * 60, "b" * 60],
        ["a" * 60 + ":norm=none", "b" * 60 + ":norm=spatial_batch"],
        ["c" * 60, "d" * 60],
        ["c" * 60 + ":" + one, "d" * 60 + ":" + other],
        ["c" * 60 + ":" + one, "d" * 60 + ":" + other, "--alpha", "0.0001"],
    ):
        code, out, _ = kpbench("compare", *words)
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80, out
        json_of(kpbench, *words)


def test_help_imports_nothing_heavy():
    program = (
        "import sys; sys.argv = ['kpbench', 'compare', '--help']\n"
        "from kpbench.cli.main import _run\n"
        "assert _run() == 0\n"
        "assert not {'torch', 'pandas', 'scipy', 'numpy', 'optuna', 'plotly'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60)
