"""`kpbench bench`: ratios are medians of rounds in which both sides run in turn."""

import itertools

import pytest
import torch

from kpbench.errors import UsageError
from kpbench.studies import bench as module
from kpbench.studies.bench import Ratio, Side, bench, compared
from kpbench.studies.course_loop import CsvFaces, course_epochs


def test_a_ratio_is_the_median_over_rounds_and_both_sides_run_in_turn():
    order, now = [], itertools.count()
    times = {"a": iter([1.0, 2.0, 4.0]), "b": iter([2.0, 2.0, 2.0])}
    clock = {"t": 0.0}

    def side(name):
        def epochs():
            yield None  # the first is not timed
            order.append((next(now), name))
            clock["t"] += next(times[name])
            yield None

        return Side(name, epochs, images=8)

    found = compared(side("a"), side("b"), 3, lambda: clock["t"])
    assert found == Ratio("a", "b", median=1.0, low=0.5, high=2.0, images=4.0, against_images=4.0)
    assert [name for _, name in order] == ["a", "b"] * 3


def test_every_pair_of_this_machine_trains(monkeypatch):
    """All sides once over a handful of faces."""
    monkeypatch.setattr(module, "FACES", 32)
    monkeypatch.setattr(module, "BATCHES", (16,))
    monkeypatch.setattr(module, "COHORTS", {"cpu": (2,)})
    found = list(bench("cpu", rounds=1))
    assert all(one.images > 0 and one.against_images > 0 and one.low == one.median == one.high for one in found)
    names = [one.what for one in found]
    assert len(set(names)) == len(names)
    assert {"fused block, norm none", "fused block, norm batch", "fused block, norm spatial_batch"} <= set(names)
    assert any(one.against == "a course's loop" for one in found)


def test_no_round_is_refused():
    with pytest.raises(UsageError, match="--rounds must be at least 1"):
        next(bench("cpu", rounds=0))


def test_the_course_loop_trains_on_what_its_csv_says():
    faces = CsvFaces(3)
    item = faces[1]
    assert item["image"].shape == (1, 96, 96)
    assert item["keypoints"].shape == (15, 2)
    assert 0 <= item["image"].min() <= item["image"].max() <= 1
    assert next(course_epochs(4, torch.device("cpu"), batch_size=2)) is None
