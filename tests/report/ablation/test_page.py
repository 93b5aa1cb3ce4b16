import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest

from kpbench.analysis.ablation.analysis import analyse
from kpbench.plots.ablation.plots import ABLATION_PLOTS
from kpbench.report.ablation import runs, tables, words
from kpbench.report.ablation.page import render_ablation
from kpbench.report.search.reader import read_sessions_and_readings
from kpbench.report.tables import Cell
from kpbench.statistics.words import interval_text
from tests.ablation_rows import CROSSED, analysis, study_folder
from tests.report.search.test_page import Page

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u2028{{ 7*7 }}"

SECTIONS = (
    "verdicts", "conclusion", "effects", "means", "metrics", "keypoints", "pairs", "seeds", "curves", "measures",
    "interactions", "variance", "ranks", "cost", "diagnostics", "failures", "methods", "plan", "again",
)  # fmt: skip

STUDIES = {
    "crossed": {"factors": CROSSED, "crossed": True, "asked": ["network.norm"]},
    "one at a time": {"factors": CROSSED, "seeds": 16},
    "few": {"seeds": 3},
    "cut": {"runs": 14},
    "none": {"runs": 0},
    "bare": {"floor": False, "control": False, "seeds": 5, "correction": "none"},
    "diverged": {"diverged": [(0, 0), (1, 3)]},
    "old": {"details": False},
    "crashed": {"crashed": [(0, 1), (2, 2)]},
}
WITHOUT_MEASURES = ("none", "old")


def page_of(folder, **options):
    study_folder(folder, **options)
    return render_ablation(analyse(folder), *read_sessions_and_readings(folder))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablations")
    return {name: page_of(folder / str(at), **options) for at, (name, options) in enumerate(STUDIES.items())}


@pytest.mark.parametrize("name", STUDIES)
def test_the_page_asks_for_nothing_and_shows_no_picture(pages, name):
    page = Page(pages[name])
    for tag, attrs in page.tags:
        assert tag not in ("iframe", "object", "embed", "base", "form", "img", "image", "audio", "video"), tag
        for attribute in ("src", "href", "srcset", "poster", "data", "action"):
            value = attrs.get(attribute)
            assert value is None or value.startswith("#") or value == "data:,", (tag, attribute, value)
    assert not re.search(r"url\(|@import", "".join(page.styles))
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")


@pytest.mark.parametrize("name", STUDIES)
def test_every_section_is_there_in_order_with_something_in_it(pages, name):
    parts = [part for part in SECTIONS if part not in ("measures", "metrics") or name not in WITHOUT_MEASURES]
    assert ('id="measures"' in pages[name]) == ('id="metrics"' in pages[name]) == ("measures" in parts)
    order = [re.search(rf'<section[^>]* id="{part}"', pages[name]).start() for part in parts]
    assert order == sorted(order)
    for part in re.findall(r"<section .*?</section>", pages[name], flags=re.S):
        assert re.search(r"<(p|table|div class=\"plot\")", part)
    assert "None" not in Page(pages[name]).words


@pytest.mark.parametrize("name", STUDIES)
def test_a_page_is_readable_by_machines_for_people(pages, name):
    page = Page(pages[name])
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings.count(1) == 1 and all(after - before <= 1 for before, after in pairwise(headings))
    assert all(attrs.get("aria-label", "").strip() for _, attrs in page.tags if attrs.get("role") in ("img", "region"))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    links = [attrs["href"][1:] for tag, attrs in page.tags if tag == "a"]
    assert len(ids) == len(set(ids)) and links and set(links) <= set(ids)
    figures = json.loads(page.figures)
    assert sorted(figures) == sorted(attrs["id"] for tag, attrs in page.tags if attrs.get("class") == "plot")


def test_a_crossed_study_has_every_plot(pages):
    figures = json.loads(Page(pages["crossed"]).figures)
    assert {name.split("-")[1] for name in figures} == set(ABLATION_PLOTS)


def test_verdicts_are_said_plainly(pages):
    crossed, few, cut = (Page(pages[name]).words for name in ("crossed", "few", "cut"))
    assert "2 planned contrasts: 2 better." in crossed
    assert "Factors interact here" in crossed
    assert "2 withheld" in few and "3 seeds; a verdict on 2 contrasts needs at least 7." in few
    assert "2 incomplete" in cut and "14 of 32 runs have ended" in cut
    assert "5 of 8 planned seeds have run for every cell it needs, so there is no verdict." in cut
    for text in (few, cut):
        assert not re.search(r"\b(better|worse|equivalent) norm", text)


def test_the_methods_tell_the_choices_that_were_made(pages):
    crossed, bare = (Page(pages[name]).words for name in ("crossed", "bare"))
    for phrase in ("Full factorial of 9 cells", "72 runs", "baseline cell with 8 seeds of another cohort", "12 epochs",
                  "images seen in all",
                  "data order, augmentation, initial weights and dropout", "No run is stopped early",
                  "order of runs is randomised", "on the sealed test split, which each run opens once",
                  "corrected by Holm",
                  "Each interval is at the level at which Holm's procedure tested", "0.952 to 1.050", "mean face 114",
                  "80 % power at alpha = 0.05 / 2", "ridge on pixels 161", "MSE of the mean face"):  # fmt: skip
        assert phrase in crossed, phrase
    assert "not corrected for their number" in bare and "alpha = 0.05." in bare
    assert "No floor is stored" in bare and "No A/A arm was planned" in bare


def test_deviations_and_missing_runs_are_listed(pages):
    cut, diverged, whole = (Page(pages[name]).words for name in ("cut", "diverged", "one at a time"))
    assert "18 of 32 planned runs have no outcome." in cut
    assert "A/A arm (baseline) 8 of 8" in cut
    assert "2 runs diverged" in diverged and "They count with the mean face's MSE." in diverged
    assert "the loss or the score was not a number" in diverged
    assert "No deviation from the plan is recorded." in whole and "Every planned run has an outcome." in whole
    assert "The sealed test was opened 96 times: 96 for a run's model" in whole


def test_hostile_texts_stay_text(tmp_path):
    html = page_of(
        tmp_path / "a", factors={EVIL: ("a", EVIL, "c"), "b": (1, 2)}, crossed=True, command=EVIL, diverged=[(1, 1)]
    )
    page = Page(html)
    assert html.lower().count("<script") == html.lower().count("</script") == 5
    assert not any(tag == "img" or "onerror" in attrs for tag, attrs in page.tags)
    assert "{{ 7*7 }}" in page.words
    assert not set(page.figures) & set("<>&\u2028")


def test_the_contrast_table_carries_the_analysis(tmp_path):
    found = analysis(tmp_path / "a", noise=0.02)
    line, contrast = tables.contrasts(found).records()[1], found.contrasts[1]
    assert (line["Verdict"], line["Seeds"], line["Failed"]) == ("better", "8", "")
    assert float(line["MSE ratio"]) == pytest.approx(contrast.ratio, rel=5e-3)
    assert line["Interval"] == f"{contrast.ci.low:.3g} to {contrast.ci.high:.3g}"
    assert line["p adjusted"] == "< 0.001" and line["P(better), interval"].startswith("1.00 (0.")
    assert line["Permutation p"] == f"{contrast.checks.p_permutation:.3f}"
    assert line["d_z"].startswith("−")


def test_costs_name_the_change_and_flag_the_large_ones(tmp_path):
    base, batch, spatial = runs.costs(analysis(tmp_path / "a")).records()
    assert base["Level"] == Cell("norm none", tag="baseline")
    assert base["Parameters"] == Cell("40,000")
    assert batch["Parameters"] == Cell("49,000", flag="+23 %")
    assert spatial["FLOPs a face"] == Cell("12.2 M", detail="+2 %")
    assert base["Memory of a step, MB"] == Cell("74")
    assert spatial["Memory of a step, MB"] == Cell("110", flag="+49 %")


def test_measures_have_a_line_a_level_and_a_column_each(tmp_path):
    found = analysis(tmp_path / "a")
    table = runs.measures(found)
    assert list(table.columns) == [
        "Level", "shifted 0 px", "shifted 2 px", "shifted 4 px", "shifted 8 px", "val of other_faces",
    ]  # fmt: skip
    none, batch, _ = table.records()
    assert none["Level"].tag == "baseline" and "×" not in none["shifted 2 px"].detail
    one = found.levels[1].measures[1]
    assert batch["shifted 2 px"].text == f"{one.interval.score:.0f}"
    assert batch["shifted 2 px"].detail.endswith(f"× {one.ratio:.3g} ({interval_text(one.ci)})")
    assert not runs.measures(analysis(tmp_path / "b", details=False))


def test_metrics_have_a_line_a_level_with_the_range_of_its_runs(tmp_path):
    found = analysis(tmp_path / "a")
    table = runs.metrics(found)
    assert list(table.columns) == [
        "Level", "Runs", "RMSE, px", "Median, px", "99 % below, px", "NME, %", "Failure@0.08, %", "PCK@0.1, %",
    ]  # fmt: skip
    none, batch, _ = table.records()
    assert none["Level"].tag == "baseline" and none["Runs"] == batch["Runs"] == "8"
    mine = [row.metrics for row in found.rows if row.role == "ablation" and row.params["network.norm"] == "batch"]
    for name, heading, unit in (("rmse_px", "RMSE, px", 1), ("nme", "NME, %", 100)):
        values = [unit * one[name] for one in mine]
        assert len(values) == 8 and float(batch[heading].text) == pytest.approx(sum(values) / 8, abs=0.006)
        assert batch[heading].detail == f"{min(values):.2f} to {max(values):.2f}"
    crossed = runs.metrics(analysis(tmp_path / "c", factors=CROSSED, crossed=True, asked=["network.norm"]))
    assert [line["Runs"] for line in crossed.records()] == ["24"] * 6  # averaged over what a level is crossed with
    assert not runs.metrics(analysis(tmp_path / "b", details=False))


def test_runs_without_an_outcome_are_named_with_their_reason(pages, tmp_path):
    words = Page(pages["crashed"]).words
    assert "2 planned runs ended without an outcome and are counted nowhere; the same command runs them again" in words
    assert "norm none 1001 oom memory ran out, 2 times 13.2 GB of 16 GB in use" in words
    assert "2 of 32 planned runs have no outcome, 2 of them after a failed attempt." in words
    assert "No run diverged." in words
    many = analysis(tmp_path / "a", seeds=60, crashed=[(0, block) for block in range(60)])
    assert len(runs.failures(many).rows) == runs.MOST_FAILURES == 50


def test_the_interval_over_seeds_and_faces_stands_in_table_and_methods(pages, tmp_path):
    found = analysis(tmp_path / "a")
    wide = found.details[1].seeds_and_faces
    assert tables.contrasts(found).records()[1]["Interval over seeds and faces"] == f"{wide.low:.3g} to {wide.high:.3g}"
    assert words.without_faces(found) == ""
    crossed, old, diverged = (Page(pages[name]).words for name in ("crossed", "old", "diverged"))
    assert "pigeonhole bootstrap" in crossed
    assert "No interval over seeds and faces: all contrasts (rows without the errors of single faces)." in old
    assert "No interval over seeds and faces: all contrasts (a run failed" in diverged
    assert "adjusted by Benjamini and Hochberg over the 30 differences of this study" in crossed
    assert "at most 5 % of the ringed" in crossed and "errors of single keypoints" in old


def test_the_alarm_of_the_control_is_told_with_its_chance(tmp_path):
    found = analysis(tmp_path / "a")
    loud = replace(found, control=replace(found.control, difference=0.5, error=0.01))
    assert "happens by chance in 5 % of healthy studies" in words.control_sentences(loud)[1]
    assert "A/A control raised an alarm" in " ".join(words.caveats(loud))
    assert (
        "does not prove" in words.control_sentences(replace(found, control=replace(found.control, difference=0.0)))[1]
    )


def test_the_page_needs_neither_torch_nor_optuna_nor_ray():
    code = "import sys, kpbench.report.ablation.page; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "optuna", "ray", "timm"} & set(done.stdout.split())


def test_levels_below_the_floor_are_named_with_their_factor(tmp_path):
    """`none` is a level of the norm and of the dropout: each stands for itself."""
    found = analysis(tmp_path / "low", factors=CROSSED, crossed=True)
    high = replace(found, floor={"ridge on pixels": {"val": 900.0, "test": 900.0}})
    said = words.floor_sentence(high).partition("on average: ")[2]
    assert said.startswith("norm none, norm batch, norm spatial_batch, dropout none")
    assert "Not above" not in words.floor_sentence(replace(found, floor={"mean face": {"test": 10.0}}))
