"""Reads a study folder into what its page is made from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from kpbench.analysis.ranking import trial_counts
from kpbench.analysis.search import best_of
from kpbench.analysis.shown import for_reading
from kpbench.cell import RunResult, network_id
from kpbench.errors import UsageError
from kpbench.report.search.quote import setting
from kpbench.report.search.study_input import Apart, Best, Examples, ReportInput
from kpbench.space.reading import parameters_in
from kpbench.space.space import Range
from kpbench.store.files import (
    EXAMPLES,
    FLOOR,
    INFERENCE,
    LATENCY,
    READINGS,
    ROWS,
    SESSIONS,
    no_collection,
    read_json,
    read_lines,
)
from kpbench.store.plan import read_plan
from kpbench.store.values import Inference, Latency, Reading, Session
from kpbench.task.benchmark import parse_benchmark
from kpbench.task.objectives import SCORE


@no_collection()
def read_report_input(folder: Path, *, faces: bool = True) -> ReportInput:
    """Everything the page of the study in `folder` shows; a study under way gives what it has so far.

    Args:
        faces: embed the example faces; without them the page can be published where the pictures may not.

    Raises:
        UsageError: there is no study, or one of its files is damaged.
    """
    plan = read_plan(folder)
    stored, parameters = read_lines(folder / ROWS, RunResult), parameters_in(plan.space_text)
    rows = for_reading(stored, parameters)
    shown = {"digest": plan.digest, **plan.model_dump(exclude={"space_text", "benchmark_text", "own_texts"})}
    sessions, readings = read_sessions_and_readings(folder)
    examples, apart = _examples(folder / EXAMPLES) if faces else (None, None)
    benchmark = parse_benchmark(plan.benchmark_text, str(folder))
    return ReportInput(
        name=folder.name,
        title=f"{plan.space_name} on {plan.data_name}",
        rows=rows,
        pass_mark=benchmark.scorer.pass_mark,
        floor=read_json(folder / FLOOR) or {},
        ranges={name: one.log for name, one in parameters.items() if isinstance(one, Range)},
        best=_best(best_of(rows)),
        setting=setting(plan, parameters, sessions, sum(trial_counts(rows).values())),
        plan=shown,
        train_faces=plan.data_sizes["train"],
        sessions=sessions,
        readings=readings,
        objectives=plan.objectives or SCORE,
        most={"params": benchmark.rules.max_parameters, **(plan.constraints or {})},
        latency=_latency(read_lines(folder / LATENCY, Latency), stored),
        inference=_inference(read_lines(folder / INFERENCE, Inference), stored),
        examples=examples,
        apart=apart,
        examples_note="" if faces else "Faces are left out of this page on purpose.",
    )


def _latency(found: Sequence[Latency], rows: Sequence[RunResult]) -> dict[str, Latency]:
    by_network = {one.network: one for one in found}
    cells = {row.cell: by_network.get(network_id(row.params)) for row in rows} if found else {}
    return {cell: one for cell, one in cells.items() if one is not None}


def _inference(found: Sequence[Inference], rows: Sequence[RunResult]) -> list[tuple[str, Inference]]:
    cells = {network_id(row.params): row.cell for row in rows if row.role == "final"} if found else {}
    return [(cells[one.network], one) for one in found if one.network in cells]


def read_sessions_and_readings(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The starts of a command on the study in `folder` and the openings of its sealed test, in order.

    Raises:
        UsageError: one of the two files is damaged.
    """
    return (
        [session.model_dump() for session in read_lines(folder / SESSIONS, Session)],
        [reading.model_dump() for reading in read_lines(folder / READINGS, Reading)],
    )


def _best(best: dict[str, Any] | None) -> Best | None:
    if best is None:
        return None
    interval = best.get("test_interval")
    return Best(
        cell=best["cell_id"],
        params=best["cell"],
        val_score=best["search_score"],
        test_score=best["test_score"],
        model=best["model"],
        seeds=best.get("seeds", 0),
        test_mean=best.get("test_mean"),
        test_interval=None if interval is None else (interval[0], interval[1]),
    )


def _examples(path: Path) -> tuple[Examples | None, Apart | None]:
    if not path.is_file():
        return None, None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            faces = ("images", "truth", "predicted")
            label = [str(label) for label in arrays["label"]]
            examples = Examples(**{name: arrays[name] for name in faces}, error=arrays["error"], label=label)
            if "apart_images" not in arrays:
                return examples, None
            return examples, Apart(
                **{name: arrays[f"apart_{name}"] for name in faces},
                cell=[str(cell) for cell in arrays["apart_cell"]],
                seed=[int(seed) for seed in arrays["apart_seed"]],
            )
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        why = "it is empty" if isinstance(error, EOFError) else str(error)
        why = "no arrays of numpy" if "pickle" in why else why  # numpy advises to trust what is no file of its own
        raise UsageError(f"{path} is damaged: {why}; remove it and run the study's command again") from error
