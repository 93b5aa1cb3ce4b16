"""The entries of a study: its best cells by validation, with their scores on the sealed test."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kpbench.analysis.ablation.analysis import latest
from kpbench.analysis.comparison.arms import arm_of, counted
from kpbench.analysis.comparison.study import COUNTED, StudyRows, judged_on, read_study
from kpbench.analysis.leaderboard.entries import Entry, Facts, Found, Task, elsewhere, known_floor, usable
from kpbench.analysis.shown import Shown
from kpbench.statistics.intervals import score_interval
from kpbench.store.files import FLOOR, RESULT, read_json
from kpbench.task.benchmark import parse_benchmark
from kpbench.task.score import mean_score


def study_entries(folder: Path, name: str, cells: int) -> tuple[str, list[Found]]:
    """The digest of the plan of the study in `folder`, and its first `cells` entries; none before a test score.

    Raises:
        UsageError: a file of the study is damaged.
    """
    study = read_study(folder)
    plan, resplit = study.plan, bool(study.plan.design and study.plan.design.resplit)
    benchmark = parse_benchmark(plan.benchmark_text, str(folder))
    limits = (benchmark.rules.max_parameters, benchmark.rules.max_model_megabytes)
    floor = read_json(folder / FLOOR) or {}
    facts = Facts(
        plan.data_name,
        plan.benchmark_name,
        plan.data_sizes.get("test"),
        benchmark.scorer.pass_mark,
        known_floor({what: one["test"] for what, one in floor.items() if isinstance(one, dict) and "test" in one}),
    )
    if any(row.test_mse is not None for row in study.rows if row.role in COUNTED):
        entries = _cells(study, name)[:cells]
    else:
        best = (read_json(folder / RESULT) or {}).get("best")
        entries = list(_from_result(best, name)) if isinstance(best, dict) else []
    if not study.finished:
        entries = [replace(entry, marks=(*entry.marks, "not finished")) for entry in entries]
    task = Task(plan.data, "test", plan.benchmark, *limits, plan.scorer, resplit)
    return plan.digest, [(task, facts, entry) for entry in entries]


def _cells(study: StudyRows, name: str) -> list[Entry]:
    """Each cell of which every complete run has a score on the sealed test, the best on validation first.

    As in the reports, a failed run of an ablation counts with the mean face, and one of a search does not count.
    """
    plan, design = study.plan, study.plan.design
    test = replace(study, split="test", mean_face=study.mean_face if design else {})
    shown = Shown.of(plan)
    found = []
    for cell, rows in counted(test).items():
        runs = [row for row in latest(study.rows) if row.role in COUNTED and row.cell == cell]
        complete = [row for row in runs if row.state == "complete"]
        if not complete or any(row.test_mse is None for row in complete):
            continue
        arm, on_val = (
            arm_of(replace(test, split=split), rows if design else complete, "named") for split in ("test", "val")
        )
        score = score_interval(list(arm.mse.values()))
        failed = len(arm.failed) if design else len(runs) - len(complete)
        entry = Entry(
            name,
            plan.kind,
            score.score,
            low=score.low,
            high=score.high,
            seeds=score.n,
            parameters=arm.parameters,
            megabytes=arm.megabytes,
            elsewhere=tuple(
                elsewhere(((row.measures, row.mse_on(judged_on(plan))) for row in complete), judged_on(plan))
            ),
            cell=cell,
            varies=shown.of_cell(arm.params),
            marks=(f"{failed} of {len(runs)} runs failed",) if failed else (),
            taken=any(row.taken_from for row in rows),
            runs=tuple(sorted(arm.mse.items())),
            models=tuple(mse for seed, mse in sorted(arm.mse.items()) if seed not in arm.failed),
        )
        found.append((-mean_score(list(on_val.mse.values())), cell, entry))
    return [entry for *_, entry in sorted(found, key=lambda one: one[:2])]


def _from_result(best: Mapping[str, Any], name: str) -> Iterator[Entry]:
    """What a result says where no row has a score: a mean over seeds, of an old study one model's score."""
    mean, one, ends = best.get("test_mean"), best.get("test_score"), best.get("test_interval") or (None, None)
    if usable(mean):
        mark = "its result alone: no row has a score"
        yield Entry(name, "search", mean, low=ends[0], high=ends[1], seeds=best.get("seeds"), marks=(mark,))
    elif usable(one):
        yield Entry(name, "search", one, seeds=1, marks=("one model's score: an old study, without a mean",))
