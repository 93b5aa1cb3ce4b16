"""The fixed task and rules of one's own."""

import pytest

from kpbench.errors import UsageError
from kpbench.task.benchmark import parse_benchmark, read_benchmark, with_rules


def test_rules_of_ones_own_are_another_task_and_nothing_else_changes():
    course = read_benchmark()
    own = with_rules(course, max_parameters=10_000_000, max_megabytes=40)
    assert own.rules.model_dump() == {"max_parameters": 10_000_000, "max_model_megabytes": 40.0}
    assert own.digest != course.digest
    same = {"rules", "text"}
    assert own.model_dump(exclude=same) == course.model_dump(exclude=same)
    assert parse_benchmark(own.text, "stored").digest == own.digest
    assert "of the course" not in own.text.partition("[rules]")[2].partition("[")[0]
    assert with_rules(course) is course
    assert with_rules(course, max_parameters=course.rules.max_parameters).digest == course.digest
    inline = course.text.replace("max_parameters =", '"max_parameters" =')
    with pytest.raises(UsageError, match="cannot be replaced"):
        with_rules(parse_benchmark(inline, "mine"), max_parameters=10_000_000)
    for wrong in ({"max_parameters": 0}, {"max_megabytes": -1.0}, {"max_megabytes": float("nan")}):
        with pytest.raises(UsageError, match="must be a positive number"):
            with_rules(course, **wrong)
