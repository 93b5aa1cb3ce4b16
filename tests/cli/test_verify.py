"""`kpbench verify` from the command line."""

import json
import os

import pytest

from kpbench.analysis.verify import read_verification
from kpbench.cli.verify import outcome
from kpbench.report.verify import page as verify_page
from kpbench.report.verify.page import write_verification
from kpbench.studies import verify
from tests.verify_rows import EFFECTS, REAL, planted, verify_folder


def turned(cell):
    return planted(cell, {**EFFECTS, "standard": -0.12})


@pytest.fixture
def studies(monkeypatch, tmp_path):
    """Two finished studies in place of training; `options` of `verify_folder` may be set before the command."""
    options = {"truths": (planted, turned)}

    def made(prepared, notify, say, cluster):
        folder = verify_folder(prepared.studies[0].request.out / f"verify-{REAL}", **options)
        for name in ("synthetic", REAL):
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "report.html").touch()  # a page of its own is tested elsewhere and takes seconds
        return folder

    monkeypatch.setattr(verify, "verify", made)
    return options


def test_figures_text_and_page(kpbench, studies, tmp_path):
    code, out, err = kpbench("verify", "faces", "--data", "real.zip", "--json", "-q")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["verification"] == f"reports/verify-{REAL}"
    assert result["signs"] == {
        "contrasts": 5, "agree": 4, "disagree": 1, "one_side": 0, "neither": 0, "same_direction": 4,
    }  # fmt: skip
    folder = tmp_path / result["verification"]
    kept = json.loads((folder / "verify.json").read_text())
    assert kept == {key: value for key, value in result.items() if key not in ("verification", "report")}
    assert {study["digest"] for study in kept["studies"]} == {"0" * 16, "1" * 16}
    assert (kept["seeds"], kept["epochs"], kept["device"]) == ([9, 9], 12, "cpu")
    assert str(tmp_path) not in (folder / "verify.json").read_text()
    page = folder / "report.html"
    assert page.stat().st_size > 1_000_000
    before = page.read_bytes()

    found = read_verification(folder)
    lines = outcome(found)
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    for number in (result["agreement"]["tau"], result["agreement"]["corrected"], result["agreement"]["ceiling"]["tau"]):
        assert f"{number:.2f}" in text
    assert [line.split()[-1] for line in lines if line.startswith(("norm ", "dropout ", "depth "))] == [
        "agree", "agree", "FLIPS", "agree", "agree",
    ]  # fmt: skip
    for words in (
        "Without the noise",
        "5 are significant in both studies, and of these 1 sign flips",
        "mean face of the",
    ):
        assert words in text
    assert f"synthetic against {REAL}: 18 cells x 9 seeds x 12 epochs in each study, cpu" in text
    for one in result["ranks"]:
        cell = f"{' / '.join(map(str, one['cell'].values()))} ({one['ranks'][0]} built-in, {one['ranks'][1]} real)"
        assert (cell in text) == one["apart"]
    for part in ("cells", "best", "real_cells", "real_best"):
        assert f"{result['transfer'][part]['score']:.3g}" in text
    assert write_verification(folder, found) == folder / "report.html"
    assert json.loads((folder / "verify.json").read_text()) == kept
    assert page.read_bytes() == before


def test_few_seeds_withhold_the_signs(kpbench, studies):
    studies["seeds"] = (4, 6)
    code, out, _ = kpbench("verify", "faces", "--data", "real.zip", "-q")
    assert code == 0
    rows = [line.split()[-1] for line in out.splitlines() if line.startswith(("norm ", "dropout ", "depth "))]
    assert rows == ["withheld"] * 5
    assert "their signs are withheld; they are given from 8 seeds in each study on" in " ".join(out.split())
    assert not {"FLIPS", "significant"} & set(out.split())
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(("words", "seeds", "as_found"), [([], 8, True), (["--seeds", "4"], 4, False)])
def test_the_seeds_are_eight_or_those_that_are_there(kpbench, studies, monkeypatch, words, seeds, as_found):
    asked = []
    prepare = verify.prepare_verify
    monkeypatch.setattr(verify, "prepare_verify", lambda *a, **k: asked.append(prepare(*a, **k)) or asked[0])
    assert kpbench("verify", "faces", "--data", "real.zip", "-q", *words)[0] == 0
    assert (asked[0].studies[0].request.seeds, asked[0].seeds_as_found) == (seeds, as_found)


def test_a_partial_one_says_what_is_missing(kpbench, studies, tmp_path):
    studies["missing"] = (0, 7)
    code, out, _ = kpbench("verify", "faces", "--data", "real.zip", "-q")
    assert code == 1
    assert f"{REAL}: 7 of the 162 runs have no outcome" in out
    assert "tau" not in out.lower()
    assert max(map(len, out.splitlines())) <= 80
    assert (tmp_path / f"reports/verify-{REAL}/report.html").exists()


def test_the_studies_pages_are_made_once_and_again_after_new_rows(studies, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(verify_page, "render_ablation", lambda study, *_: made.append(study.plan.data_name) or "")
    folder = verify_folder(tmp_path / "v")
    found = read_verification(folder)
    for expected in (2, 2):
        write_verification(folder, found)
        assert len(made) == expected
    rows = folder / REAL / "rows.jsonl"
    os.utime(rows, (rows.stat().st_mtime + 60,) * 2)
    write_verification(folder, found)
    assert made[2:] == [REAL]


def test_a_page_that_cannot_be_written_is_one_line(kpbench, studies, tmp_path):
    (tmp_path / f"reports/verify-{REAL}/verify.json").mkdir(parents=True)
    code, out, err = kpbench("verify", "faces", "--data", "real.zip", "-q")
    assert (code, out) == (2, "")
    assert err.startswith("error: cannot write to ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["verify"], "Missing command"),
        (["verify", "figures", "--data", "real.zip"], "figures"),
        (["verify", "faces"], "--data"),
        (["verify", "faces", "--data", "synthetic"], "cannot be compared with itself"),
        (["verify", "faces", "--data", "nowhere.zip"], "nowhere.zip"),
        (["verify", "faces", "--data", "real.zip", "--levels", "2,4"], "does not say whose level"),
        (["verify", "faces", "--data", "real.zip", "--levels", "depht=2"], "did you mean 'depth'"),
        (["verify", "faces", "--data", "real.zip", "--factors", "hed", "--space", "heads"], "did you mean 'head'"),
        (["verify", "faces", "--data", "real.zip", "--factors", ","], "--factors names no factor"),
        (["verify", "faces", "--data", "real.zip", "--seeds", "1"], "--seeds must be at least 2"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(kpbench, words, names, tmp_path):
    code, out, err = kpbench(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert names.lower() in err.lower()
    assert list(tmp_path.iterdir()) == []


def test_the_page_is_made_again_by_report(kpbench, studies, tmp_path):
    code, out, _ = kpbench("verify", "faces", "--data", "real.zip", "--json", "-q")
    assert code == 0
    page = tmp_path / json.loads(out)["report"]
    page.unlink()
    code, out, _ = kpbench("report", f"verify-{REAL}")
    assert code == 0 and page.is_file() and out.strip() == f"reports/verify-{REAL}/report.html"
    code, _, err = kpbench("report", f"verify-{REAL}", "--to", "elsewhere.html")
    assert code == 2 and "leave out --to" in err
