"""`kpbench doctor` on the command line."""

import json

import pytest

from kpbench.studies import doctor
from kpbench.studies.doctor import Finding


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("note", 0), ("problem", 1)])
def test_it_leaves_with_1_where_there_is_a_problem(kpbench, monkeypatch, state, code):
    one = Finding("disk", state, "nearly full", "make room")
    monkeypatch.setattr(doctor, "CHECKS", {"disk": lambda asked: iter([one])})
    assert kpbench("doctor") == (code, f"{state:8} disk           nearly full  -> make room\n", "")
    left, out, _ = kpbench("doctor", "--json")
    assert left == code
    assert json.loads(out) == {
        "problems": code,
        "findings": [{"name": "disk", "state": state, "text": "nearly full", "remedy": "make room"}],
    }


def test_the_whole_of_it(kpbench, tmp_path):
    code, out, _ = kpbench("doctor")
    assert code == any(line.startswith("problem") for line in out.splitlines()), out
    names = [line.split()[1] for line in out.splitlines()]
    assert {"versions", "cores", "training", "Ray"} <= set(names)
    assert "images/s" in out and "started in" in out
    assert list(tmp_path.iterdir()) == []
