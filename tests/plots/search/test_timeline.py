from dataclasses import replace

from kpbench.plots.drawing import Marks
from kpbench.plots.search.timeline import bars, draw_timeline, joined
from tests.study_rows import row


def at(minute, seconds, **more):
    second = 60 * minute
    when = f"2026-01-05T{10 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}+00:00"
    return replace(row({"a": minute}, **more), finished=when, seconds=float(seconds))


def test_runs_side_by_side_have_lanes_and_runs_in_turn_share_one():
    found, pauses = bars([at(2, 120), at(3, 120), at(4, 120), at(5, 120)])
    assert [bar.lane for bar in found] == [0, 1, 0, 1] and pauses == 0
    assert [(bar.begin - found[0].begin, bar.end - found[0].begin) for bar in found][:2] == [(0, 120), (60, 180)]


def test_a_pause_is_cut_and_told():
    rows = [at(2, 60), at(200, 60)]
    found, pauses = bars(rows)
    assert pauses == 1 and found[1].begin - found[0].end == 120
    assert "1 pause of more than 2 minutes" in draw_timeline(rows, Marks()).notes[0]


def test_the_colour_says_how_a_run_ended():
    rows = [
        at(2, 60),
        at(3, 60, state="pruned"),
        at(4, 60, state="failed", score=None, reason="oom"),
        at(5, 60, trial=None),
    ]
    drawing = draw_timeline(rows, Marks())
    assert [key.label for key in drawing.key] == ["trial, complete", "trial, stopped early", "failed", "final run"]
    assert not draw_timeline(rows[:1], Marks()).panels


def test_bars_that_touch_are_joined_within_their_lane():
    found = sorted(joined([(0, 1, 0), (0, 2, 1), (1.05, 2, 0), (3, 4, 0)], 0.1))
    assert found == [(0, 2, 0), (0, 2, 1), (3, 4, 0)]
