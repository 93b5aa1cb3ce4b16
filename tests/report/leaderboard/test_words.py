"""The leaderboard's lines and CSV."""

import csv
import io

import pytest

from kpbench.analysis.leaderboard.entries import Elsewhere
from kpbench.analysis.leaderboard.leaderboard import read_leaderboard
from kpbench.report.leaderboard.words import COLUMNS, change_text, csv_text, heading, show, terms, text
from tests.leaderboard_files import ablation_folder, hand_in, search_folder
from tests.verify_rows import verify_folder


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all")
    search_folder(folder / "a-search-with-quite-a-long-name-that-does-not-fit-in-the-width", {3: [(110.0, 205.0)]})
    ablation_folder(folder / "norms", noise=0.02)
    hand_in(folder / "a.json", model="<script>alert(1)</script>" * 9, score=12345.6, measures={"val of b": 1.0})
    hand_in(folder / "b.json", model="=HYPERLINK(1)", parameters=4_999_999, megabytes=19.96)
    hand_in(folder / "c.json", rules={"max_parameters": 10**9, "max_model_megabytes": 9000.0}, notes=[])
    verify_folder(folder / "verify-x", begun=1)
    return read_leaderboard([folder], cells=3)


def test_every_line_fits(found):
    lines = list(text(found))
    assert max(map(len, lines)) <= COLUMNS
    assert len(lines) > 40


def test_a_table_says_what_its_entries_share(found):
    course, own = found.tables
    assert heading(course) == "synthetic, sealed test of 300 faces"
    assert "the course's rules (at most 4,999,999 parameters and 20 MB)" in terms(course)
    assert "rules of its own, not the course's (at most 1,000,000,000 parameters and 9000 MB)" in terms(own)
    for digest in (course.task.data, course.task.benchmark):
        assert digest in terms(course)


def test_the_marks_are_explained_where_they_stand(found):
    lines = "\n".join(text(found))
    assert "  1  <script>" in lines
    assert "val of other_faces" in lines
    assert "1 hand-in: what" not in lines
    assert "2 hand-ins: what these weights" in lines
    assert "Overlap is no test" not in lines  # nothing meets the first
    assert "Verifications, not ranked: verify-x/synthetic." in lines


def test_the_csv_has_every_line_and_no_formula(found):
    rows = list(csv.DictReader(io.StringIO(csv_text(found))))
    assert len(rows) == sum(len(table.lines) for table in found.tables)
    assert {row["name"] for row in rows} >= {"'=HYPERLINK(1)", "norms", "mean face", "pass mark"}
    best = next(row for row in rows if row["name"] == "norms")
    assert float(best["shift 4 change of MSE in %"]) > 0
    assert float(best["val of other_faces score"]) > 0
    assert best["varies"] == "norm spatial_batch"
    assert csv_text(found) == csv_text(found)


def test_numbers():
    assert [show(one) for one in (None, 9.96, 679.69, 1234.5)] == ["–", "10.0", "679.7", "1,234"]
    changes = [Elsewhere("shift 4", 1.0, change, "test", 1) for change in (3.04, 152.6, -12.6, 1e6)]
    assert [change_text(one) for one in (None, *changes)] == ["–", "+3.0 %", "+153 %", "−13 %", "> +1,000 %"]
