from kpbench.plots.drawing import Marks
from kpbench.plots.search.best_so_far import draw_best_so_far
from tests.study_rows import FLOOR, row


def test_the_line_climbs_over_all_images_also_of_trials_that_were_stopped():
    rows = [
        row({"a": 1}, trial=0, score=80.0, epochs=4), row({"a": 2}, trial=1, state="pruned", score=99.0, epochs=2),
        row({"a": 3}, trial=2, score=70.0, epochs=4), row({"a": 4}, trial=3, score=120.0, epochs=4),
    ]  # fmt: skip
    drawing = draw_best_so_far(rows, Marks(100.0, FLOOR, train_faces=10))
    line = drawing.panels[0].figure.data[-1]
    assert list(line.x) == [40, 140, 140, 140] and list(line.y) == [80, 80, 120, 120]
    labels = [key.label for key in drawing.key]
    assert "pass mark 100" in labels and "ridge on pixels 96.4" in labels
    assert not draw_best_so_far(rows[:1], Marks(train_faces=10)).panels
