"""Rows that belong to the plan of their study."""

from collections.abc import Sequence

from kpbench.cell import RunResult, cell_id, epochs_of
from kpbench.errors import UsageError
from kpbench.space.design import Design
from kpbench.store.plan import Plan


def check_rows(name: str, rows: Sequence[RunResult], plan: Plan, design: Design) -> None:
    """Refuses rows that a study's own commands cannot have written.

    Raises:
        UsageError: a row whose cell is not that of its parameters, of another length than the plan's, with a seed that
            is not planned, or an error that is not positive.
    """
    for row in rows:
        if problem := _problem(row, plan, design):
            raise UsageError(
                f"a row of {name} is damaged: cell {row.cell}, seed {row.seed}: {problem}; remove the row and run the "
                "study's command again"
            )


def _problem(row: RunResult, plan: Plan, design: Design) -> str:
    epochs = epochs_of(plan.epochs, float(row.params.get("training.exposure", 1.0)))
    if row.cell != (own := cell_id(row.params)):
        return f"its parameters are those of cell {own}"
    if row.state == "complete" and row.epochs != epochs:
        return f"{row.epochs} epochs, where the plan has {epochs}"
    if row.role == "ablation" and row.seed not in design.blocks:
        return "the plan has no such seed"
    if any(mse is not None and mse <= 0.0 for mse in (row.val_mse, row.test_mse)):
        return "an error of 0 or less"
    return ""
