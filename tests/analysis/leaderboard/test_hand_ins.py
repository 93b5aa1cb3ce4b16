"""Hand-ins: what is one, what is damaged, and what a name may do."""

import json

import pytest

from kpbench.analysis.leaderboard.hand_ins import LONGEST, hand_in_entry, read_hand_in, shown
from kpbench.errors import UsageError
from tests.leaderboard_files import hand_in


def test_other_files_are_none(tmp_path):
    for content in (
        "",
        "{",
        "[]",
        '{"kind": "another"}',
        '{"a": "kpbench score"}',
        '{"kind": "x", "was": "kpbench score"}',
    ):
        (tmp_path / "x.json").write_text(content)
        assert read_hand_in(tmp_path / "x.json") is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"score": "200"}, "score"),
        ({"score": 0.0}, "score"),
        ({"score": float("nan")}, "score"),
        ({"mse": float("inf")}, "mse"),
        ({"mse": 0.001}, "its MSE gives 500"),
        ({"split": "train"}, "split"),
        ({"rules": {}}, "rules.max_parameters"),
        ({"parameters": -1}, "parameters"),
        ({"parameters": True}, "parameters"),
        ({"model": None}, "model"),
        ({"measures": {"shift 4": "x"}}, "measures.shift 4"),
    ],
)
def test_a_damaged_one_is_named_with_its_fault(tmp_path, changes, why):
    path = hand_in(tmp_path / "x.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(UsageError, match="is a damaged hand-in") as refusal:
        read_hand_in(path)
    assert why in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_field_and_a_torn_file_are_damaged(tmp_path):
    path = hand_in(tmp_path / "x.json")
    whole = json.loads(path.read_text())
    del whole["benchmark"]
    path.write_text(json.dumps(whole))
    with pytest.raises(UsageError, match="benchmark: field required"):
        read_hand_in(path)
    path.write_text('{"kind": "kpbench score", "model": ' + "[" * 100_000)
    with pytest.raises(UsageError, match="damaged hand-in"):
        read_hand_in(path)


def test_later_fields_are_passed_over_and_spacing_is_no_content(tmp_path):
    path = hand_in(tmp_path / "x.json", metrics={"nme": 0.1})
    digest, found = read_hand_in(path)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=8, sort_keys=True))
    assert read_hand_in(path) == (digest, found)
    assert read_hand_in(hand_in(tmp_path / "y.json", model="other"))[0] != digest


def test_anonymous_says_nothing_of_whose_it_is(tmp_path):
    path = hand_in(tmp_path / "alice.json", model="alice.pt", notes=["alice trained it"])
    digest, found = read_hand_in(path)
    _, _, entry = hand_in_entry(digest, found, ["alice.json", "alice-2.json"], anonymous=True)
    assert entry.name == f"hand-in {digest[:6]}"
    assert entry.marks == ("2 identical files",)
    assert "alice" not in repr(entry)


def test_measures_are_compared_with_its_own_clean_faces(tmp_path):
    measures = {"shift 4": 1 / 200, "val of mine": 1 / 100, "shift 8": 1.0, "val of none": 0.0}
    digest, found = read_hand_in(hand_in(tmp_path / "x.json", score=200.0, measures=measures))
    _, _, entry = hand_in_entry(digest, found, ["x.json"], anonymous=False)
    assert [one.name for one in entry.elsewhere] == ["shift 4", "val of mine"]
    assert (entry.shifted.score, entry.shifted.change) == (pytest.approx(100.0), pytest.approx(100.0))
    assert entry.others[0].change == pytest.approx(300.0)


def test_a_name_steers_no_terminal():
    assert shown("\x1b[31mred\nline\u202e") == "[31mred line"
    assert len(shown("x" * 10_000)) == LONGEST
    assert shown("x" * LONGEST) == "x" * LONGEST
