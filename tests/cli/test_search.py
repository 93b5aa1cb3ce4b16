"""What `kpbench search` prints of several objectives, and the words it refuses."""

import pytest

from kpbench.cli.search import front_lines, outcome

NAMES = ["score", "params", "latency"]


def result(count):
    front = [
        {"score": 200.0 - at, "params": 1e6 - at, "latency": 1.234, "varies": {"network.depth": at}}
        for at in range(count)
    ]
    counts = {"complete": 9, "pruned": 2, "failed": 0}
    return {"trials": counts, "best": None, "floor": {}, "report": "r.html", "objectives": NAMES, "pareto": front}


def test_a_front_is_printed_in_few_lines():
    few = front_lines(result(2))
    assert few == [
        "front    2 cell(s) that no other beats over score, params, latency:",
        "         score 200.0, params 1,000,000, latency 1.23 ms: depth=0",
        "         score 199.0, params 999,999, latency 1.23 ms: depth=1",
    ]
    many = front_lines(result(40))
    assert len(many) == 8 and many[-1].endswith("and 34 between them, in the report")
    assert "depth=0" in many[1] and "depth=39" in many[-2]
    assert set(few) <= set(outcome(result(2)))


def test_a_search_for_the_score_alone_prints_none():
    alone = {name: value for name, value in result(2).items() if name not in ("objectives", "pareto")}
    assert front_lines(alone) == [] and not any("front" in line for line in outcome(alone))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--objective", "score,parms"], "did you mean 'params'"),
        (["--objective", "score,"], "unknown objective ''"),
        (["--objective", "score,score"], "names score twice"),
        (["--max-params", "many"], "--max-params must be a positive number such as"),
        (["--max-flops", "0"], "--max-flops must be a positive number"),
        (["--max-latency-ms", "-1"], "--max-latency-ms must be a positive number, got -1"),
        (["--max-params", "100"], "no cell of search space 'cnn_small' keeps --max-params 100; the least found"),
    ],
)
def test_other_words_are_refused_in_one_line(refused, tmp_path, words, says):
    assert says in refused("search", "--workers", "0", *words)
    assert not (tmp_path / "reports").exists()
