"""The curves of replayed searches: means, bands and looks."""

from kpbench.plots.replay import draw_regret
from kpbench.studies.replay import replayed
from tests.replay_tables import planted
from tests.scripted import quiet


def test_each_search_has_a_line_in_its_band():
    table = planted((2, 3), lambda cell, seed: 100.0 + 50 * sum(cell))
    searches = [("random", "asha_late"), ("evolution", "none")]
    found = list(replayed(table, searches, quiet, replays=20, near=0.01, budget=2, whole=True))
    drawing = draw_regret(found)
    assert [key.label for key in drawing.key] == ["random + none", "random + asha_late", "evolution + none"]
    assert len({(key.colour, key.dash) for key in drawing.key}) == 3
    (panel,) = drawing.panels
    assert len(panel.figure.data) == 6
    for one, band, line in zip(found, panel.figure.data[::2], panel.figure.data[1::2], strict=True):
        assert list(line.x) == [80 * trials for trials in range(1, 7)]
        assert line.y[1] == float(f"{100 * one.regret.value:.4g}")
        low, high = band.y[:6], band.y[6:][::-1]
        assert all(a <= b <= c for a, b, c in zip(low, line.y, high, strict=True))
        assert f"{one.name} {100 * one.regret.value:.1f} %" in panel.alt
