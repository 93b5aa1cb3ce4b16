"""What an ablation's rows hold beyond one number a run: the errors of single faces and of single keypoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpbench.cell import RunResult
from kpbench.faces.faces import KEYPOINTS
from kpbench.space.design import Design
from kpbench.statistics.blocks import BlockTable
from kpbench.statistics.contrasts import Contrast
from kpbench.statistics.intervals import Interval
from kpbench.statistics.plan import contrast_weights
from kpbench.statistics.seeds_and_faces import TwoUncertainties, seeds_by_faces
from kpbench.statistics.slices import SliceContrast, adjusted_together, compare_slices
from kpbench.statistics.verdicts import MINIMUM_SEEDS

REDRAWN = "faces that are drawn anew in each block"

Grid = Mapping[tuple[int, int], RunResult]
"""The complete runs of a design by the positions of their cell and of their block."""


@dataclass(frozen=True)
class ContrastDetail:
    """What single faces and keypoints say of one planned contrast.

    Attributes:
        two: the standard errors over seeds, and over seeds and faces; None where the rows cannot give them.
        seeds_and_faces: of the MSE ratio, for fresh seeds and fresh faces, at the coverage of the contrast's interval.
        without: why there is no such interval; empty where there is one.
        keypoints: the MSE ratio of each of the 15 keypoints, exploratory, p adjusted over all contrasts of the study;
            empty below two usable blocks.
        seeds: blocks behind them, without those in which a run diverged.
        tested: whether a keypoint may be marked at all: every planned block has run, and at least 5 are usable.
    """

    two: TwoUncertainties | None
    seeds_and_faces: Interval | None
    without: str
    keypoints: tuple[SliceContrast, ...]
    seeds: int
    tested: bool

    def marked(self, alpha: float) -> tuple[bool, ...]:
        """For each keypoint whether its difference holds at a false discovery rate of `alpha`."""
        return tuple(self.tested and one.p_adjusted < alpha for one in self.keypoints)


def complete_runs(rows: Sequence[RunResult], design: Design) -> Grid:
    """The complete runs of the design's own cells."""
    cells = {tuple(cell.values()): at for at, cell in enumerate(design.cells)}
    blocks = {seed: at for at, seed in enumerate(design.blocks)}
    names = list(design.cells[0])
    return {
        (cells[tuple(row.params[name] for name in names)], blocks[row.seed]): row
        for row in rows
        if row.role == "ablation" and row.state == "complete"
    }


def contrast_details(
    contrasts: Sequence[Contrast],
    table: BlockTable,
    grid: Grid,
    *,
    alpha: float,
    persons: Sequence[int] | None = None,
    same_faces: bool = True,
) -> tuple[ContrastDetail, ...]:
    """The detail of each contrast, in their order.

    Args:
        table: the one the contrasts were made of; its cells and blocks stand as in `grid`.
        alpha: 1 minus the coverage of a keypoint's interval.
        same_faces: whether every block is judged on the same ones.
        persons: who is on each face of the split that cells are judged on; None where nobody knows.
    """
    weights = [contrast_weights(table, contrast.planned) for contrast in contrasts]
    if same_faces:
        pairs = zip(contrasts, weights, strict=True)
        intervals = [_seeds_and_faces(one, cells, table, grid, persons) for one, cells in pairs]
    else:
        intervals = [(None, REDRAWN)] * len(contrasts)
    tables = [_keypoint_mse(one, cells, table, grid) for one, cells in zip(contrasts, weights, strict=True)]
    keypoints = adjusted_together(
        [
            compare_slices(level, baseline, confidence=1.0 - alpha) if len(level) > 1 else ()
            for level, baseline in tables
        ]
    )
    return tuple(
        ContrastDetail(
            two=two,
            seeds_and_faces=None if two is None or contrast.ci is None else two.ratio_interval(contrast.ci.confidence),
            without=why,
            keypoints=found,
            seeds=len(level),
            tested=contrast.word not in ("withheld", "incomplete") and len(level) >= MINIMUM_SEEDS,
        )
        for contrast, (two, why), found, (level, _) in zip(contrasts, intervals, keypoints, tables, strict=True)
    )


def _seeds_and_faces(
    contrast: Contrast,
    weights: NDArray[np.float64],
    table: BlockTable,
    grid: Grid,
    persons: Sequence[int] | None,
) -> tuple[TwoUncertainties | None, str]:
    """Both standard errors, or None and why there are none."""
    if contrast.ci is None:
        return None, "fewer than two complete blocks"
    if contrast.failed:
        return None, "a run failed and counts with the mean face, not with its errors of single faces"
    runs = _runs(contrast, weights, table, grid)
    rows = [row for cell in runs for row in cell]
    if any(row is None or not row.face_mse for row in rows):
        return None, "rows without the errors of single faces"
    faces = [row.face_mse or [] for row in rows if row is not None]
    if len({row.data for row in rows if row is not None}) > 1 or len(set(map(len, faces))) > 1:
        return None, "runs that were scored on different faces"
    errors = np.array(faces, dtype=np.float64).reshape(len(runs), contrast.n, -1)
    if errors.shape[2] < 2 or not bool(np.all(np.isfinite(errors) & (errors > 0.0))):
        return None, "errors of single faces that are no positive numbers, or a single face"
    who = persons if persons is not None and len(persons) == errors.shape[2] else None
    return seeds_by_faces(errors, weights[weights != 0.0], persons=who), ""


def _keypoint_mse(
    contrast: Contrast, weights: NDArray[np.float64], table: BlockTable, grid: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The MSE of level and baseline in square pixels, (blocks, 15) each; several cells by their geometric mean."""
    usable = [
        [row.keypoint_px for row in block if row is not None and row.keypoint_px is not None]
        for block in zip(*_runs(contrast, weights, table, grid), strict=True)
    ]
    involved = weights[weights != 0.0]
    whole = [block for block in usable if len(block) == len(involved) and all(map(_is_whole, block))]
    logs = 2.0 * np.log(np.array(whole, dtype=np.float64).reshape(len(whole), len(involved), len(KEYPOINTS)))
    level, baseline = (np.maximum(sign * involved, 0.0) for sign in (1.0, -1.0))
    return np.exp(np.tensordot(logs, level, axes=(1, 0))), np.exp(np.tensordot(logs, baseline, axes=(1, 0)))


def _runs(
    contrast: Contrast, weights: NDArray[np.float64], table: BlockTable, grid: Grid
) -> list[list[RunResult | None]]:
    """The runs of the cells with a weight, each in the contrast's complete blocks."""
    blocks = [table.blocks.index(seed) for seed in contrast.blocks]
    return [[grid.get((int(cell), block)) for block in blocks] for cell in np.flatnonzero(weights)]


def _is_whole(errors: Sequence[float]) -> bool:
    values = np.asarray(errors, dtype=np.float64)
    return values.shape == (len(KEYPOINTS),) and bool(np.all(np.isfinite(values) & (values > 0.0)))
