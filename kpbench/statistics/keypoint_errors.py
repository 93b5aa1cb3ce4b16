"""Every number that the errors of predicted keypoints are summed up in; `docs/metrics.md` says which to use when.

Two errors in pixels are told apart everywhere: `rmse_px`, the root mean squared error of a coordinate (score = 1152 /
RMSE^2), and the radial error, the distance between the predicted and the true point.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kpbench.faces.faces import KEYPOINTS, mirrored_order
from kpbench.statistics.clustered import mean_intervals
from kpbench.statistics.conditions import ConditionError, error_by_condition
from kpbench.statistics.intervals import Interval
from kpbench.statistics.normalised_errors import (
    OUTER_CORNERS,
    THRESHOLD,
    auc,
    ced,
    eye_distance,
    failure_rate,
    pck,
)
from kpbench.statistics.scale import PIXELS_PER_UNIT, rmse_px
from kpbench.task.score import score_from_mse

CED_AT = tuple(step / 100 for step in range(11))
"""Values of NME at which the cumulative distribution is written down: 0 to 0.1."""

SIDES = tuple((at, other) for at, other in enumerate(mirrored_order()) if at < other)
"""Each keypoint on the subject's left (`KEYPOINTS` has it first) with its partner on the right."""


@dataclass(frozen=True)
class KeypointError:
    """The errors of one keypoint over all faces, in pixels unless said otherwise.

    Attributes:
        mse: in (k - 48) / 48 units squared; the mean over the 15 keypoints is the MSE behind the score.
        rmse_px: root mean squared coordinate error.
        radial_px: mean radial error; `interval` is that mean's, over people where they are known, else over faces.
        bias_x_px, bias_y_px: mean of predicted minus true; above 0 is right and down in the picture.
        spread_x_px, spread_y_px: standard deviation of the same, dividing by N: bias^2 + spread^2, averaged over x and
            y, is rmse_px^2.
    """

    name: str
    mse: float
    rmse_px: float
    radial_px: float
    interval: Interval | None
    bias_x_px: float
    bias_y_px: float
    spread_x_px: float
    spread_y_px: float


@dataclass(frozen=True)
class SideError:
    """A keypoint on the subject's left against its partner on the right: mean radial errors in pixels.

    Attributes:
        name: without the side, `eye_center`.
        difference_px: left minus right, paired by face, with its interval over people or faces; exploratory.
    """

    name: str
    left_px: float
    right_px: float
    difference_px: float
    interval: Interval | None


@dataclass(frozen=True)
class Metrics:
    """How far predicted keypoints lie from true ones, over N faces.

    Attributes:
        people: how many, where they are known.
        mse, score: in (k - 48) / 48 units squared, and 1 / (2 mse), in float64; the official score is the same in fp32,
            to about six digits.
        rmse_px: root mean squared error of a coordinate.
        radial_mean_px ... radial_p99_px: mean, median and percentiles of the radial error of all 15 N points
            (percentiles interpolated linearly).
        sized: faces whose eyes lie far enough apart to normalise by (`normalised_errors.LEAST`); what follows is of
            these alone, and None where there is none.
        nme: mean over faces of the mean radial error over the distance of the true eye centres.
        nme_outer: the same by the outer eye corners, as for 300-W.
        auc_08, failure_08: area under the CED of `nme` up to 0.08, over 0.08; share of faces with a larger NME.
        pck_05, pck_10: share of points within 0.05 and 0.1 of the distance of the true eye centres.
        bias_x_px, bias_y_px: mean of predicted minus true over all points.
        ced: (NME, share of faces at or below it) at `CED_AT`.
        keypoints: one a keypoint, in the order of `KEYPOINTS`.
        sides: one a pair of keypoints.
        conditions: as `error_by_condition`, on MSE; empty where nothing is recorded, or a face has no error at all.
    """

    faces: int
    people: int | None
    score: float
    mse: float
    rmse_px: float
    radial_mean_px: float
    radial_median_px: float
    radial_p90_px: float
    radial_p99_px: float
    sized: int
    nme: float | None
    nme_outer: float | None
    auc_08: float | None
    failure_08: float | None
    pck_05: float | None
    pck_10: float | None
    bias_x_px: float
    bias_y_px: float
    ced: tuple[tuple[float, float], ...]
    keypoints: tuple[KeypointError, ...]
    sides: tuple[SideError, ...]
    conditions: tuple[ConditionError, ...]

    def scalars(self) -> dict[str, float]:
        """The numbers a row keeps beside its score and MSE, by name (`SCALARS`); those that are None are left out."""
        return {name: value for name in SCALARS if (value := getattr(self, name)) is not None}

    def as_json(self) -> dict[str, Any]:
        """Plain numbers, strings, mappings and lists, an interval as two ends; a score without an end is None."""
        found: dict[str, Any] = asdict(self, dict_factory=_object)
        return found | {"score": self.score if math.isfinite(self.score) else None}


SCALARS = (
    "rmse_px", "radial_mean_px", "radial_median_px", "radial_p90_px", "radial_p99_px", "nme", "nme_outer", "auc_08",
    "failure_08", "pck_05", "pck_10", "bias_x_px", "bias_y_px",
)  # fmt: skip
"""What a row keeps."""


def keypoint_metrics(
    predicted: ArrayLike,
    truth: ArrayLike,
    subjects: ArrayLike | None = None,
    *,
    conditions: Mapping[str, NDArray[np.generic]] | None = None,
    confidence: float = 0.95,
) -> Metrics:
    """Every metric of predicted against true keypoints.

    Args:
        predicted, truth: (N, 15, 2) in pixels, x then y, finite.
        subjects: (N,) who is on each face: intervals are then over people.
        conditions: name -> (N,) what is known of how each face was taken.
        confidence: of the intervals.

    Raises:
        ValueError: no face, shapes that differ, a coordinate that is not finite, or a confidence outside (0, 1).
    """
    away, true = _differences(predicted, truth)
    people = None if subjects is None else np.asarray(subjects)
    radial = np.linalg.norm(away, axis=2)
    squares = np.square(away / PIXELS_PER_UNIT)
    mse = float(squares.mean())
    of_faces = squares.mean(axis=(1, 2))
    median, p90, p99 = (float(value) for value in np.percentile(radial, [50, 90, 99]))
    bias_x, bias_y = (float(value) for value in away.mean(axis=(0, 1)))
    return Metrics(
        faces=len(away),
        people=None if people is None else len(np.unique(people)),
        score=score_from_mse(mse),
        mse=mse,
        rmse_px=rmse_px(mse),
        radial_mean_px=float(radial.mean()),
        radial_median_px=median,
        radial_p90_px=p90,
        radial_p99_px=p99,
        **_by_size(radial, true),
        bias_x_px=bias_x,
        bias_y_px=bias_y,
        keypoints=_keypoints(away, radial, squares, people, confidence),
        sides=_sides(radial, people, confidence),
        conditions=error_by_condition(of_faces, conditions, people) if conditions and of_faces.all() else (),
    )


def _object(items: Sequence[tuple[str, Any]]) -> Any:
    found = dict(items)
    return [found["low"], found["high"]] if set(found) == {"low", "high", "confidence"} else found


def _differences(predicted: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predicted minus true, and true, (N, 15, 2) float64."""
    sides = np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    for name, side in zip(("predicted", "true"), sides, strict=True):
        if side.ndim != 3 or side.shape[1:] != (len(KEYPOINTS), 2) or len(side) == 0:
            raise ValueError(
                f"{name} keypoints must be (N, {len(KEYPOINTS)}, 2) of at least one face, got {side.shape}"
            )
        if not bool(np.all(np.isfinite(side))):
            raise ValueError(f"every {name} coordinate must be finite")
    if sides[0].shape != sides[1].shape:
        raise ValueError(f"{len(sides[0])} predicted faces for {len(sides[1])} true ones")
    return sides[0] - sides[1], sides[1]


def _by_size(radial: NDArray[np.float64], true: NDArray[np.float64]) -> dict[str, Any]:
    size = eye_distance(true)
    sized = np.isfinite(size)
    relative = radial[sized] / size[sized, None]
    nme = relative.mean(axis=1)
    outer = eye_distance(true, OUTER_CORNERS)
    nme_outer = (radial.mean(axis=1) / outer)[np.isfinite(outer)]
    some = bool(sized.any())
    return {
        "sized": int(sized.sum()),
        "nme": float(nme.mean()) if some else None,
        "nme_outer": float(nme_outer.mean()) if len(nme_outer) else None,
        "auc_08": auc(nme, THRESHOLD) if some else None,
        "failure_08": failure_rate(nme, THRESHOLD) if some else None,
        "pck_05": pck(relative, 0.05) if some else None,
        "pck_10": pck(relative, 0.1) if some else None,
        "ced": tuple(zip(CED_AT, ced(nme, CED_AT).tolist(), strict=True)) if some else (),
    }


def _keypoints(
    away: NDArray[np.float64],
    radial: NDArray[np.float64],
    squares: NDArray[np.float64],
    people: NDArray[Any] | None,
    confidence: float,
) -> tuple[KeypointError, ...]:
    mse, bias, spread = squares.mean(axis=(0, 2)), away.mean(axis=0), away.std(axis=0)
    intervals = mean_intervals(radial, people, confidence=confidence) or (None,) * len(KEYPOINTS)
    return tuple(
        KeypointError(
            name=name,
            mse=float(mse[at]),
            rmse_px=rmse_px(float(mse[at])),
            radial_px=float(radial[:, at].mean()),
            interval=intervals[at],
            bias_x_px=float(bias[at, 0]),
            bias_y_px=float(bias[at, 1]),
            spread_x_px=float(spread[at, 0]),
            spread_y_px=float(spread[at, 1]),
        )
        for at, name in enumerate(KEYPOINTS)
    )


def _sides(radial: NDArray[np.float64], people: NDArray[Any] | None, confidence: float) -> tuple[SideError, ...]:
    left, right = (radial[:, [pair[side] for pair in SIDES]] for side in (0, 1))
    intervals = mean_intervals(left - right, people, confidence=confidence) or (None,) * len(SIDES)
    return tuple(
        SideError(
            name="_".join(word for word in KEYPOINTS[at].split("_") if word != "left"),
            left_px=float(left[:, pair].mean()),
            right_px=float(right[:, pair].mean()),
            difference_px=float((left - right)[:, pair].mean()),
            interval=intervals[pair],
        )
        for pair, (at, _) in enumerate(SIDES)
    )
