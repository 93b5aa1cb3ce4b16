"""What an ablation does by what it found so far: the next look of a sequential design, the sealed test at the end."""

from collections.abc import Iterator, Sequence

from kpbench.analysis.ablation.analysis import analyse
from kpbench.analysis.ablation.provenance import read_before
from kpbench.engine.beside import MOST, beside
from kpbench.engine.events import Notice, Notify, Stage
from kpbench.engine.resources import own_cpus
from kpbench.errors import UsageError
from kpbench.faces.faces import Splits
from kpbench.space.design import Design
from kpbench.statistics.words import plural
from kpbench.store.files import MODELS, READ_BEFORE, READINGS, ROWS, read_lines
from kpbench.store.plan import read_plan
from kpbench.store.study import Study
from kpbench.store.values import ReadBefore, Reading
from kpbench.studies.official import confirm_row, model_file, remove_model, score_floor
from kpbench.studies.preflight import Task

WORTH = 8
"""Models for each process that scores them: starting one takes about as long as scoring three."""


def looks_to_run(study: Study, design: Design) -> Iterator[int]:
    """The numbers of blocks to train, one after the other: all, or in a sequential design those of the next look.

    A look whose runs did not all end well is the last: the same command trains what is missing.
    """
    if design.looks is None:
        yield len(design.blocks)
        return
    before = None
    while (n := analyse(study.folder).next_look) is not None and n != before:
        yield n
        before = n


def confirm(study: Study, task: Task, splits: Splits, command: str, notify: Notify) -> None:
    """Opens the sealed test once for the models of a finished study, for the contrasts that it planned.

    It stays closed where no contrast can get a verdict: the study is post hoc, or tuned once for all seeds.

    Raises:
        UsageError: planned runs are missing, or models were removed since.
    """
    found = analyse(study.folder)
    if found.missing:
        raise UsageError(f"--confirm: {found.missing} planned runs have no outcome; the same command runs them first")
    rows = [row for row in found.rows if row.state == "complete" and row.test_mse is None]
    if not rows:
        readings = read_lines(study.folder / READINGS, Reading)
        when = readings[-1].when if readings else "before"
        notify(Notice(f"confirmed on {when}: the sealed test is not opened again"))
        return
    if found.terms.withhold:
        notify(Notice(f"the sealed test stays closed: every verdict is withheld ({found.terms.withhold})"))
        return
    if lost := [row for row in rows if not (study.folder / model_file(row)).is_file()]:
        raise UsageError(
            f"--confirm: {len(lost)} of {len(rows)} models are not in {study.folder / MODELS} any more; "
            "run the ablation anew under another --name, with --confirm"
        )
    note_readings(study, notify)
    score_floor(study, task, splits, command, notify, test=True)
    notify(Stage("confirming on the sealed test", len(rows)))
    count = min(MOST, own_cpus(), len(rows) // WORTH)
    with beside(count, task.own) as pool:
        for start in range(0, len(rows), max(1, count)):
            some = rows[start : start + max(1, count)]
            # No more at once than are scored at once: a reading is written down as it happens.
            for scored in [confirm_row(pool, study, task, splits, row, command) for row in some]:
                study.append(ROWS, row := scored.result())
                remove_model(study, row.params, row.seed)


def note_readings(study: Study, notify: Notify) -> None:
    """Writes down, once and before the design opens it, which studies beside this one have opened this sealed test."""
    if (study.folder / READ_BEFORE).exists():
        return
    before = read_before(study.folder, read_plan(study.folder), study.folder.parent)
    study.write(READ_BEFORE, "".join(one.model_dump_json() + "\n" for one in before))
    if before:
        notify(Notice(not_fresh(before)))


def not_fresh(before: Sequence[ReadBefore]) -> str:
    """That other studies have read the sealed test, in words."""
    names = ", ".join(f"{one.study} ({plural(one.readings, 'time')})" for one in before[:3])
    more = f" and {len(before) - 3} more" if len(before) > 3 else ""
    return f"this sealed test is not fresh: read before by {names}{more}"
