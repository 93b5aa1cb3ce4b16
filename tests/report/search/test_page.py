import json
import math
import re
import subprocess
import sys
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from kpbench.analysis.search import pareto
from kpbench.plots.search.plots import PLOTS
from kpbench.report.search.page import render
from kpbench.report.search.study_input import Best, ReportInput
from kpbench.report.search.tables import front_note
from kpbench.report.shell import safe_json
from kpbench.whole_file import write_whole
from tests.study_rows import bare, examples, grid_rows, row, study, tuned_rows

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u2028{{ 7*7 }}"


def unpacked(text: str, size: int) -> str:
    """The inverse of `packed`."""
    digits = np.frombuffer(text.replace("~", "<").encode("ascii"), dtype=np.uint8).astype(int).reshape(-1, 2) - 35
    bits = "".join(f"{high * 91 + low:013b}" for high, low in digits)
    return zlib.decompress(int(bits[: 8 * size], 2).to_bytes(size, "big")).decode()


class Page(HTMLParser):
    """What a browser would see of a page: tags with attributes, text outside scripts, scripts by type."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.scripts, self.styles, self.open = [], [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in ("script", "style") and self.open:
            self.open.pop()

    def handle_data(self, data):
        if not self.open:
            self.text.append(data)
        elif self.open[-1][0] == "style":
            self.styles.append(data)
        else:
            self.scripts.append((self.open[-1][1], data))

    def script(self, name):
        return "".join(data for attrs, data in self.scripts if attrs.get("id") == name)

    @property
    def figures(self):
        sizes = [int(attrs["data-bytes"]) for attrs, _ in self.scripts if attrs.get("id") == "figures"]
        return unpacked(self.script("figures"), sizes[0]) if sizes else "{}"

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def full():
    return Page(render(replace(study(grid_rows()), examples=examples(each=2))))


STUDIES = {
    "full": lambda: study(tuned_rows(60)),
    "one": lambda: study(tuned_rows(1, finals=0)),
    "none": lambda: study([]),
    "bare": lambda: bare(study(tuned_rows(20))),
    "failed": lambda: study([row({"a": 1}, state="failed", score=None, reason="oom", detail="x")]),
}


def hostile(count: int = 6, **more) -> ReportInput:
    """A study whose every name is markup, or far too long."""
    bad = "</script><script>alerted = 1</script><img src=x onerror='alerted = 1'>"
    rows = [
        row(
            {bad: f"{bad}{at}", "network." + "w" * 300: "v" * 300 + str(at), "a": at},
            trial=at,
            score=90.0 + at,
            detail=bad,
        )
        for at in range(count)
    ]
    rows.append(row({"a": 99}, trial=count, state="failed", score=None, reason="error", detail=bad * 4))
    floor = {bad: {"val": 5.0, "test": 5.0}, "f" * 300: {"val": 91.0, "test": 92.0}}
    return replace(study(rows), name=bad, title="t" * 300, floor=floor, plan={bad: [bad], "k" * 300: "v" * 300}, **more)


def unscored(**outcome) -> ReportInput:
    """Five trials that ended alike."""
    return study([row({"a": at}, trial=at, **outcome) for at in range(5)])


HOSTILE_STUDIES = {
    "markup and long names": hostile,
    "one trial": lambda: study(tuned_rows(1, finals=0)),
    "none finished": lambda: unscored(state="pruned", score=20.0),
    "all failed": lambda: unscored(state="failed", score=None, reason="oom", detail="x" * 300),
    "not a number": lambda: unscored(score=math.nan),
    "infinite": lambda: unscored(score=math.inf),
    "five thousand trials": lambda: study(tuned_rows(5000)),
}


@pytest.mark.parametrize("name", HOSTILE_STUDIES)
def test_a_hostile_study_gives_a_correct_page(name):
    found = HOSTILE_STUDIES[name]()
    page = Page(render(found))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids)) and not any(tag == "img" or "onerror" in attrs for tag, attrs in page.tags)
    assert sum(tag == "script" for tag, _ in page.tags) == 5
    assert sorted(json.loads(page.figures)) == sorted(one for one in ids if one.startswith("plot-"))
    states = [entry.state for entry in found.rows if entry.role == "trial"]
    for state, word in (("complete", "Complete"), ("pruned", "Stopped early"), ("failed", "Failed")):
        assert f"{word} {states.count(state):,}" in page.words
    said = page.words.replace("loss is NaN", "").replace(" nan ", "", 1)  # the reason of a failure
    assert not re.search(r"\b(nan|NaN|None|inf)\b", said)


@pytest.mark.parametrize("name", STUDIES)
def test_the_page_asks_for_nothing_outside_itself(name):
    page = Page(render(STUDIES[name]()))
    for tag, attrs in page.tags:
        assert tag not in ("iframe", "object", "embed", "base", "form", "audio", "video"), tag
        for attribute in ("src", "href", "srcset", "poster", "data", "action", "background", "xlink:href"):
            value = attrs.get(attribute)
            assert value is None or value.startswith(("#", "data:")), (tag, attribute, value)
        assert "url(" not in (attrs.get("style") or "")
    assert not re.search(r"url\(|@import", "".join(page.styles))
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split("style-src")[0]


@pytest.mark.parametrize("name", STUDIES)
def test_every_section_is_there_with_something_in_it(name):
    html = render(STUDIES[name]())
    order = [re.search(rf'<section id="{part}">', html).start() for part in
             ("leaderboard", "curves", "factors", "parallel", "faces", "failures", "test", "again")]  # fmt: skip
    assert order == sorted(order)
    for part in re.findall(r"<section id=.*?</section>", html, flags=re.S):
        assert re.search(r"<(p|table|div class=\"plot\")", part)


def test_figures_and_their_places_match(full):
    figures = json.loads(full.figures)
    places = [attrs["id"] for tag, attrs in full.tags if attrs.get("class") == "plot"]
    assert sorted(figures) == sorted(places)
    assert {place.split("-")[1] for place in places} == set(PLOTS) - {"pareto"}  # it has one objective
    assert all("template" not in figure["layout"] for figure in figures.values())


def test_a_page_is_readable_by_machines_for_people(full):
    headings = [int(tag[1]) for tag, _ in full.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    assert all(attrs.get("aria-label", "").strip() for _, attrs in full.tags if attrs.get("role") in ("img", "region"))
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in full.tags if tag == "th")
    assert ("html", {"lang": "en"}) in full.tags
    ids = [attrs["id"] for _, attrs in full.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"][1:] for tag, attrs in full.tags if tag == "a"]
    assert links and set(links) <= set(ids)


def test_the_page_tells_the_headline_the_floor_and_how_to_reproduce(full):
    found = study(grid_rows())
    for words in ("on the sealed test, 3× ridge on pixels: above the pass mark of 100",
                  "95 % interval", "ridge on pixels", "mean face",
                  "kpbench search --space cnn_small", "9a0be2f0c1d44e11", "torch 2.13.0", "Xeon", "opened once",
                  found.best.model, found.best.cell, "RMSE"):  # fmt: skip
        assert words in full.words, words


def test_truth_and_prediction_differ_in_shape(full):
    marks = [(tag, attrs.get("class")) for tag, attrs in full.tags]
    assert marks.count(("circle", "mark truth")) == marks.count(("path", "mark guess")) == 1
    used = [attrs.get("href") for tag, attrs in full.tags if tag == "use"]
    assert used.count("#at-truth") == used.count("#at-guess") == 6 * 15


def test_hostile_texts_stay_text():
    rows = [row({EVIL: f"{EVIL}{at}", "a": at}, score=90.0 + at, detail=EVIL) for at in range(3)]
    rows.append(row({"a": 9}, state="failed", score=None, reason="error", detail=EVIL))
    best = Best(rows[2].cell, rows[2].params, 92.0, 90.0, EVIL, 3, 90.0, (80.0, 99.0))
    found = replace(
        study(rows), name=EVIL, title=EVIL, best=best, floor={EVIL: {"val": 5.0, "test": 5.0}}, plan={EVIL: [EVIL]},
        sessions=[{EVIL: EVIL}], readings=[{"when": EVIL, "command": EVIL, "model": EVIL}],
        examples=replace(examples(), label=[EVIL] * 3), examples_note=EVIL,
    )  # fmt: skip
    html = render(found)
    page = Page(html)
    assert html.lower().count("<script") == html.lower().count("</script") == 5
    assert not any(tag == "img" or "onerror" in attrs for tag, attrs in page.tags)
    assert "{{ 7*7 }}" in page.words and "49" not in page.words.split()
    figures = page.figures
    assert "alert(1)" in figures
    assert not set(figures) & set("<>&\u2028")
    texts = [text for figure in json.loads(figures).values() for text in strings(figure) if "alert(" in text]
    assert texts and not any("<script" in text or "<img" in text for text in texts)


def strings(value):
    """Every text in a figure, at any depth."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_json_in_a_script_is_safe_and_says_the_same():
    value = {"a": EVIL, "b": [1, None, "<!--"]}
    assert not set(safe_json(value)) & set("<>&\u2028\u2029")
    assert json.loads(safe_json(value)) == value
    with pytest.raises(ValueError, match="Out of range"):
        safe_json([float("nan")])


def test_five_thousand_trials_stay_under_three_megabytes():
    html = render(replace(study(tuned_rows(5000)), examples=examples(each=4)))
    assert len(html.encode()) < 3_000_000


def test_writing_replaces_the_page_in_one_step(tmp_path):
    path = tmp_path / "report.html"
    write_whole(path, "old")
    write_whole(path, "neu ü")
    assert path.read_text(encoding="utf-8") == "neu ü"
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]


def test_a_page_that_cannot_be_written_leaves_the_old_one_and_no_rest(tmp_path):
    path = tmp_path / "report.html"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(OSError, match="missing"):
        write_whole(tmp_path / "missing" / "report.html", "x")


def test_the_page_needs_neither_torch_nor_optuna_nor_ray():
    code = "import sys, kpbench.report.search.page; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "plotly" in done.stdout.split()
    assert not {"torch", "optuna", "ray", "timm"} & set(done.stdout.split())


def test_several_objectives_have_their_set_drawn_and_listed():
    found = replace(study(grid_rows()), objectives=("score", "params"), most={"params": 4_999_999})
    html = render(found)
    page = Page(html)
    assert "plot-pareto-0" in html and "at most 4,999,999" in page.words
    front = pareto(found.rows, found.objectives)
    section = html[html.index('<section id="pareto">') : html.index('<section id="curves">')]
    assert section.count('<th scope="row"') == len(front) < 36
    assert {one["seeds"] for one in front} == {1} and front_note(1) in " ".join(section.split())
    assert all(f"{one['params']:,.0f}" in section and one["cell_id"] in section for one in front)
    assert 'id="size"' not in html  # its panel is the Pareto set's
    single = render(study(grid_rows()))
    assert 'id="pareto"' not in single and "plot-size-0" in single
