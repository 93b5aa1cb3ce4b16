"""The page of replayed searches: escaped, whole, no identity twice."""

from collections import Counter

from kpbench.report.replay import replay_page
from kpbench.studies.replay import replayed
from tests.replay_tables import planted
from tests.report.search.test_page import Page
from tests.scripted import quiet

EVIL = "</pre><script>alert(1)</script>"


def page():
    table = planted((2, 3), lambda cell, seed: 100.0 + 50 * sum(cell))
    found = list(replayed(table, [("tpe", "asha_late")], quiet, replays=20, near=0.01, budget=2, whole=True))
    return replay_page(EVIL, found, ["random + none", EVIL])


def test_the_page_has_what_was_printed_and_its_plot():
    html = page()
    assert "random + none\n&lt;/pre&gt;" in html and "<script>alert" not in html
    names = Counter(attrs["id"] for _, attrs in Page(html).tags if "id" in attrs)
    assert set(names.values()) == {1} and "plot-regret-0" in names
    assert html == page()
