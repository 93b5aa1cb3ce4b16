"""The page of a leaderboard: whole, escaped, without a request or a script, the same each time."""

import re

import pytest

from kpbench.analysis.leaderboard.leaderboard import read_leaderboard
from kpbench.report.leaderboard.page import bar, leaderboard_page, most
from tests.leaderboard_files import ablation_folder, hand_in, search_folder
from tests.report.search.test_page import Page

EVIL = "</td><script>alert(1)</script><img src=http://127.0.0.1:9/x onerror=alert(1)>"


@pytest.fixture
def folder(tmp_path):
    search_folder(tmp_path / "one", {3: [(110.0, 205.0), (111.0, 190.0)]})
    ablation_folder(tmp_path / "norms")
    hand_in(tmp_path / "a.json", model=EVIL, notes=[EVIL], data=EVIL, measures={f"val of {EVIL}": 0.01})
    return tmp_path


def test_the_page_asks_for_nothing_and_runs_nothing(folder):
    page = leaderboard_page(read_leaderboard([folder]))
    tags = Page(page).tags
    for tag, attrs in tags:
        assert tag not in ("script", "img", "iframe", "object", "embed", "base", "form"), tag
        assert not any(name.startswith("on") for name in attrs)
        assert attrs.get("href") in (None, "data:,", "#main")
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import", page)
    assert page.count("&lt;script&gt;") >= 3


def test_the_page_shows_every_line(folder):
    found = read_leaderboard([folder], cells=9)
    page = leaderboard_page(found)
    for line in found.tables[0].lines:
        if line.kind != "hand-in":
            assert line.name in page
        assert f"{line.score:.1f}" in page
    assert page.count('<tr class="floor">') == 2
    assert page.count('<tr class="pass">') == 1


def test_the_same_files_give_the_same_bytes(folder):
    assert leaderboard_page(read_leaderboard([folder])) == leaderboard_page(read_leaderboard([folder]))


def test_an_empty_folder_has_a_page(tmp_path):
    assert "no score to rank yet" in leaderboard_page(read_leaderboard([tmp_path]))


def test_bars_lie_on_the_axis(folder):
    (table,) = read_leaderboard([folder]).tables
    bars = [bar(line, most(table)) for line in table.lines]
    assert all(0 < one.low <= one.score <= one.high <= 100 for one in bars)
    assert max(one.high for one in bars) == 100
