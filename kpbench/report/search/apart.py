"""Faces on which a search's final networks disagree, ready to be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kpbench.cell import RunResult
from kpbench.plots.search.names import cell_names, cut
from kpbench.plots.search.standings import standings
from kpbench.report.face_pictures import Place, data_uri, place
from kpbench.report.search.study_input import Apart


@dataclass(frozen=True)
class ApartFace:
    """One face: where it is labelled, where each network puts its keypoints, and how far each is off.

    Attributes:
        image: data URI of a grey PNG.
        guesses: by network; a keypoint's place in pixels, None where it is not finite.
        rmse_px: root mean squared coordinate error of each network over the labelled keypoints, in pixels.
    """

    image: str
    truth: tuple[Place | None, ...]
    guesses: tuple[tuple[Place | None, ...], ...]
    rmse_px: tuple[float, ...]


def apart_faces(apart: Apart) -> tuple[ApartFace, ...]:
    """The faces in the order in which they are stored, most disagreement first."""
    squares = np.square(np.asarray(apart.predicted, dtype=np.float64) - apart.truth)
    rmse = np.sqrt(np.nanmean(squares, axis=(2, 3)))
    return tuple(
        ApartFace(
            image=data_uri(apart.images[at, 0]),
            truth=tuple(place(point) for point in apart.truth[at]),
            guesses=tuple(tuple(place(point) for point in points[at]) for points in apart.predicted),
            rmse_px=tuple(float(value) for value in rmse[:, at]),
        )
        for at in range(len(apart.images))
    )


def network_names(apart: Apart, rows: Sequence[RunResult]) -> tuple[str, ...]:
    """What the networks are called: by their cells, or by their seeds where all are of one cell."""
    if len(set(apart.cell)) == 1:
        return tuple(f"seed {seed}" for seed in apart.seed)
    order = standings(rows)
    names = cell_names(rows, order) if order else {}
    return tuple(cut(names.get(cell, cell), length=44) for cell in apart.cell)
