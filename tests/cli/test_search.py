"""What `kpbench search` prints of several objectives, and the words it refuses."""

import pytest

from kpbench.analysis.search import against_floor
from kpbench.cli.search import front_lines, outcome
from kpbench.report.search.tables import front_note

NAMES = ["score", "params", "latency"]


def result(count):
    front = [
        {"score": 200.0 - at, "params": 1e6 - at, "latency": 1.234, "seeds": 1, "varies": {"network.depth": at}}
        for at in range(count)
    ]
    counts = {"complete": 9, "pruned": 2, "failed": 0}
    return {"trials": counts, "best": None, "floor": {}, "report": "r.html", "objectives": NAMES, "pareto": front}


def test_a_front_is_printed_in_few_lines():
    few = front_lines(result(2))
    assert few == [
        "front    2 cells that no other beats over score, params, latency:",
        "         score 200.0, params 1,000,000, latency 1.23 ms: depth=0",
        "         score 199.0, params 999,999, latency 1.23 ms: depth=1",
        f"         {front_note(1)}",
    ]
    many = front_lines(result(40))
    assert len(many) == 9 and many[-2].endswith("and 34 between them, in the report")
    assert "depth=0" in many[1] and "depth=39" in many[-3]
    assert set(few) <= set(outcome(result(2)))


def test_a_search_for_the_score_alone_prints_none():
    alone = {name: value for name, value in result(2).items() if name not in ("objectives", "pareto")}
    assert front_lines(alone) == [] and not any("front" in line for line in outcome(alone))


FLOOR = {"mean face": 69.03, "ridge on pixels": 153.5}


def ended(score, *, interval=None, epochs=8, finals=True):
    """The result of a search whose best cell has `score`, on the sealed test where it had final runs."""
    best = {
        "cell": {"family": "cnn"},
        "varies": {"network.depth": 3, "training.lr": 0.004445046217937025},
        "model": "m.safetensors",
    }
    best |= {"val_score": score, "test_score": score if finals else None, "test_mean": score if finals else None}
    best |= {"seeds": 3 if finals else 0, "test_interval": interval}
    floor = {name: {"val": value, "test": value} for name, value in FLOOR.items()}
    plain = {"trials": {"complete": 9, "pruned": 2, "failed": 0}, "best": best, "floor": FLOOR, "epochs": epochs}
    return {**plain, "report": "r.html", **against_floor(best, floor, 100.0)}


def test_what_passed_stands_first_with_its_floor():
    first, *others = outcome(ended(214.2, interval=[200.2, 229.1]))
    assert first == "PASS     214.2 on the sealed test; pass mark 100, mean face 69.0, ridge on pixels 153.5"
    assert others == [
        "trials   9 complete, 2 pruned, 0 failed",
        "best     depth=3 lr=0.00445",
        "test     214.2, the geometric mean of 3 fresh seeds, 95 % interval 200 to 229",
        "model    m.safetensors: validation 214.2, test 214.2",
        "report   r.html",
    ]


def test_the_end_of_a_wide_interval_is_not_rounded_to_nothing():
    assert any("95 % interval 0.312 to 8,625" in line for line in outcome(ended(60.0, interval=[0.312, 8625.3])))


def test_a_best_below_the_floor_is_warned_of_with_what_to_do():
    low = outcome(ended(60.0, epochs=2))
    assert low[0].startswith("no pass  60.0 on the sealed test")
    assert low[1] == (
        "warning  not above mean face and ridge on pixels: nothing was learnt yet; try more --epochs (these runs had "
        "2), or another --space (kpbench ls spaces)"
    )
    between = outcome(ended(120.0))
    assert between[0].startswith("PASS")
    assert "not above ridge on pixels: a network has not earned its place" in between[1]
    assert not any("warning" in line for line in outcome(ended(214.2)))


def test_a_score_above_the_mark_and_below_the_mean_face_is_no_pass():
    best, high = ended(15708.0)["best"], {"mean face": {"val": 36491.0, "test": 36491.0}}
    found = against_floor(best, high, 100.0)
    assert found["passed"] is False
    first, second, *_ = outcome({**ended(15708.0), "floor": {"mean face": 36491.0}, **found})
    assert first == "no pass  15708.0 on the sealed test; pass mark 100, mean face 36491.0"
    assert second.startswith("warning  not above mean face: nothing was learnt yet")


def test_an_interval_over_the_pass_mark_is_warned_of():
    assert "the interval includes the pass mark" in outcome(ended(160.0, interval=[90.0, 230.0]))[1]


def test_without_the_sealed_test_nothing_is_passed():
    found = ended(120.0, finals=False)
    assert found["passed"] is None and found["not_above"] == ["ridge on pixels"]
    assert outcome(found)[0].startswith("open     validation score 120.0; the sealed test was not opened for it")
    assert against_floor(None, {}, 100.0) == {"pass_mark": 100.0, "passed": None, "not_above": []}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--objective", "score,parms"], "did you mean 'params'"),
        (["--objective", "score,"], "unknown objective ''"),
        (["--objective", "score,score"], "names score twice"),
        (["--max-params", "many"], "--max-params must be a positive number such as"),
        (["--max-flops", "0"], "--max-flops must be a positive number"),
        (["--max-latency-ms", "-1"], "--max-latency-ms must be a positive number, got -1"),
        (
            ["--max-parameters", "100"],
            "the rules allow 100; lower its width, depth or head; --max-parameters is for every "
            "cell: kpbench search --max-params leaves larger ones out instead",
        ),
        (["--max-params", "100"], "no cell of search space 'cnn_small' keeps --max-params 100; the least found"),
    ],
)
def test_other_words_are_refused_in_one_line(refused, tmp_path, words, says):
    assert says in refused("search", "--workers", "0", *words)
    assert not (tmp_path / "reports").exists()
