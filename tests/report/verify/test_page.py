"""The page of a verification: complete in itself, every state has a sentence, no face."""

import dataclasses
import json
import re

import pytest

from kpbench.analysis.verify import as_json, read_verification
from kpbench.report.verify.page import render_verify
from kpbench.report.verify.words import findings, headline, limits
from tests.report.search.test_page import Page
from tests.verify_rows import EFFECTS, REAL, planted, verify_folder

STATES = {
    "alike": {},
    "turned": {"truths": (planted, lambda cell: planted(cell, {**EFFECTS, "standard": -0.3}))},
    "unrelated": {"truths": (planted, lambda cell: -planted(cell) - 12)},
    "few": {"seeds": (4, 4)},
    "on val": {"split": "val"},
    "flat": {"truths": (planted, lambda cell: -6.0), "noise": 0.0},
    "without transfer": {"measured": False},
    "partial": {"missing": (0, 5)},
    "begun": {"begun": 1},
    "nothing": {"begun": 0},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return {
        name: read_verification(verify_folder(tmp_path_factory.mktemp("v") / "verify-real_faces", **options))
        for name, options in STATES.items()
    }


@pytest.mark.parametrize("state", STATES)
def test_the_page_asks_for_nothing_and_shows_no_picture(found, state):
    text = render_verify(found[state])
    page = Page(text)
    for tag, attrs in page.tags:
        assert tag not in ("iframe", "object", "embed", "base", "form", "img", "image", "audio", "video"), tag
        for attribute in ("src", "href", "srcset", "poster", "data", "action"):
            value = attrs.get(attribute)
            assert value is None or value.startswith("#") or value == "data:,", (tag, attribute, value)
    assert not re.search(r"url\(|@import", "".join(page.styles))
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {attrs["href"][1:] for tag, attrs in page.tags if tag == "a"} <= ids
    assert ("nan" in text.split("<script")[0].lower()) is False


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("alike", "order the 18 cells alike as far as noise lets one see"),
        ("turned", "in part alike"),
        ("unrelated", "no common order"),
        ("flat", "ties all 18 cells"),
        ("partial", "Nothing is compared yet: 5 planned runs"),
        ("begun", "Nothing is compared yet: 162 planned runs"),
        ("nothing", "Nothing is compared yet: 324 planned runs"),
    ],
)
def test_the_headline_says_what_was_found(found, state, says):
    assert says in headline(found[state])


def test_few_seeds_and_a_tau_without_correction_are_named(found, tmp_path):
    few = found["few"]
    assert "4 seeds a study" in limits(few.result.agreement, few.studies)[0]
    uncorrected = dataclasses.replace(few.result.agreement, corrected=None)
    assert "not corrected" in limits(uncorrected, few.studies)[-1]
    many = read_verification(verify_folder(tmp_path / "v", seeds=(8, 8)))
    assert not any("seeds a study" in sentence for sentence in limits(many.result.agreement, many.studies))


def test_signs_are_said_or_withheld(found):
    few = findings(found["few"].result)
    assert "Contrasts averaged over the other factors: their signs are withheld; they are given from 8 seeds" in few[1]
    assert "Simple contrasts: their signs are withheld; they are given from 9 seeds in each study on." in few
    page = render_verify(found["few"])
    assert "<dt>Signs that agree</dt><dd>withheld</dd>" in page
    assert page.count(">withheld</span>") == 5 + 12
    assert not any("withheld" in sentence for sentence in findings(found["alike"].result))
    assert "5 of 5" in render_verify(found["alike"])


def test_the_page_names_the_faces_that_cells_are_judged_on(found):
    assert "study's validation faces" in render_verify(found["on val"])
    assert "sealed test" not in render_verify(found["on val"]).split("<script")[0]
    assert "study's sealed test" in render_verify(found["alike"])


def test_every_figure_of_the_json_is_on_the_page(found):
    figures = as_json(found["turned"])
    page = render_verify(found["turned"])
    for number in (figures["agreement"]["tau"], figures["agreement"]["corrected"]):
        assert f"{number:.2f}" in page
    assert page.count("SIGN FLIPS") >= 1
    assert page.count('<span class="tag worse">apart</span>') == len(figures["apart"]) > 0
    for study in figures["studies"]:
        assert study["digest"] in page
    assert "mean face of real_faces" in page


def test_the_plots_carry_every_cell(found):
    page = render_verify(found["alike"])
    drawn = json.loads(Page(page).figures)
    assert set(drawn) == {"plot-scores-0", "plot-ranks-0", "plot-effects-0"}
    marks = [trace for trace in drawn["plot-scores-0"]["data"] if trace["mode"] == "markers"]
    assert len(marks) == 18
    assert len({(trace["marker"]["color"], trace["marker"]["symbol"]) for trace in marks}) == 18
    assert len(drawn["plot-ranks-0"]["data"]) == 18
    starts = sorted(trace["y"][0] for trace in drawn["plot-ranks-0"]["data"])
    assert starts == list(range(1, 19))
    assert not json.loads(Page(render_verify(found["partial"])).figures)


def test_a_name_is_only_text(tmp_path):
    folder = verify_folder(tmp_path / "v")
    evil = "<script>alert(1)</script>"
    asked = json.loads((folder / "asked.json").read_text())
    (folder / REAL / "plan.json").write_text((folder / REAL / "plan.json").read_text().replace(REAL, evil))
    (folder / "asked.json").write_text(json.dumps(asked))
    assert evil not in render_verify(read_verification(folder))
