"""What a page of a study shows that its rows do not hold: how far it is, and its network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kpbench.analysis.status import WORKED_ON, status_of
from kpbench.cell import RunResult
from kpbench.report.tables import Kind, Table


@dataclass(frozen=True)
class Beside:
    """Beside the rows.

    Attributes:
        progress: how far a study is that is not done, as a sentence; empty where it is.
        running: whether a driver works on it now, so that the page opens itself anew.
        network: layers of the best or baseline cell's network; empty where they could not be had.
    """

    progress: str = ""
    running: bool = False
    network: Table = field(default_factory=lambda: Table("Layers", {}))


def progress_of(folder: Path, rows: Sequence[RunResult] | None = None) -> tuple[str, bool]:
    """`progress` and `running` of the study in a folder; its rows where they were just read."""
    status = status_of(folder, rows=rows)
    parts = [
        f"{part.done:,} of {part.total:,} {part.name}" if part.total is not None else f"{part.done:,} {part.name}"
        for part in status.parts
    ]
    running = status.standing in WORKED_ON
    if status.standing == "finished" or not (running or any(part.left for part in status.parts)):
        return "", False
    why = "" if status.standing == "incomplete" else f" ({status.standing})"
    return f"{'Running' if running else f'Not complete{why}'}: {', '.join(parts)}.", running


def layer_table(layers: Sequence[tuple[str, str, Sequence[int], int]]) -> Table:
    """Layers as (name, kind, shape, parameters) with each one's share of the parameters."""
    total = sum(layer[-1] for layer in layers) or 1
    columns: dict[str, Kind] = {"Layer": "mono", "Kind": "", "Output": "n", "Parameters": "n strong", "Share": "n"}
    rows = [
        (
            name or "(network)",
            kind,
            " × ".join(map(str, shape)),
            f"{count:,}" if count else "",
            f"{100 * count / total:.1f} %" if count else "",
        )
        for name, kind, shape, count in layers
    ]
    return Table("Layers of the network", columns, rows)
