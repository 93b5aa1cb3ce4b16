"""A cell (one point of a search space), and what a run (a cell with a seed) leaves behind."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass

Scalar = bool | int | float | str
Params = Mapping[str, Scalar]

State = Literal["complete", "pruned", "failed"]
Reason = Literal["nan", "oom", "crash", "error", "timeout"]
Role = Literal["trial", "final", "ablation", "control", "matched", "tuning"]


OWN = re.compile(r"([^/\\]+\.py):([A-Za-z_]\w*)#([0-9a-f]{8})")
"""A value that is code of a person's own (`networks.own`): file, name, digest of the file."""


def spoken(value: Scalar) -> str:
    """A value as a person writes it: code of one's own without the digest of its file."""
    own = OWN.fullmatch(str(value))
    return f"{own[1]}:{own[2]}" if own else str(value)


def cell_id(params: Params) -> str:
    """Twelve hex digits that identify a cell: the hash of its parameters in canonical JSON."""
    text = json.dumps(dict(params), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def network_id(params: Params) -> str:
    """Twelve hex digits that identify the network of a cell, however it is trained."""
    return cell_id({name: value for name, value in params.items() if not name.startswith("training.")})


def epochs_of(budget: int, exposure: float) -> int:
    """Epochs of a run that trains a share of a study's epochs: whole ones, at least one."""
    return max(1, round(budget * exposure))


OF_FILES = ConfigDict(extra="forbid", ser_json_inf_nan="strings")
"""How values are read from a file and written."""


class Value(BaseModel):
    """Base of the frozen values that cross the boundary to a file; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, **OF_FILES)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """What one epoch of training left: epochs count from 1, losses are MSE in (k - 48) / 48 units.

    A value as any other at the boundary to a file; with slots, as a study has a million of them.
    """

    __pydantic_config__ = OF_FILES

    epoch: int
    train_mse: float
    val_mse: float
    val_score: float
    seconds: float


@checked_dataclass(config=OF_FILES, frozen=True, slots=True, kw_only=True)
class RunResult:
    """One row of a study: a run, how it ended and its learning curve.

    A value at the boundary to a file, checked wherever one is made; with slots as an epoch: a study has 100,000.

    Attributes:
        role: `trial` (a search trial), `final` (a top cell trained again with a fresh seed), `ablation` (a cell of a
            planned design), `control` (its baseline with another cohort of seeds, A/A), `matched` (a size-matched
            control) or `tuning` (a recipe tried in a cell of a design, on validation faces alone).
        trial: number of the Optuna trial; None for a final run.
        reason: why a run failed; None unless `state` is `failed`.
        detail: one line for a person on why it failed.
        images: pictures that training showed the network, each as often as it came; None in rows of earlier versions.
        val_mse, val_score: of the last epoch; official (one image at a time) for all but trials and tuning.
        test_mse, test_score: official, of final runs and of ablations that are judged on the test or confirmed there.
        face_mse: MSE of each face of the split that the run is judged on, in the same units, in the order of the split.
        keypoint_px: root mean squared coordinate error of each of the 15 keypoints over these faces, in pixels.
        metrics: what else these errors are summed up in, by name (`statistics.keypoint_errors.SCALARS`); None in rows
            of earlier versions, and where a prediction is not finite.
        measures: MSE on other faces than these, by what they are (`shift 4`, `val of DATA`).
        costs: what a search asks of the network before training: `flops` of one face, its `latency` in ms.
        parameters: number of trainable values.
        megabytes: size of the model file.
        data: digest of the three splits.
        model: path of the model file relative to the study folder.
        taken_from: digest of the study's plan in which the run was trained and scored; None where it was in this one.
    """

    role: Role
    trial: int | None = None
    cell: str
    params: dict[str, Scalar]
    seed: int
    state: State
    reason: Reason | None = None
    detail: str | None = None
    epochs: int
    images: int | None = None
    val_mse: float | None = None
    val_score: float | None = None
    test_mse: float | None = None
    test_score: float | None = None
    face_mse: list[float] | None = None
    keypoint_px: list[float] | None = None
    metrics: dict[str, float] | None = None
    measures: dict[str, float] | None = None
    costs: dict[str, float] | None = None
    parameters: int | None = None
    megabytes: float | None = None
    seconds: float
    device: str
    data: str
    curve: list[EpochRecord] = field(default_factory=list)
    model: str | None = None
    taken_from: str | None = None
    finished: str

    def mse_on(self, split: Literal["val", "test"]) -> float | None:
        """The MSE on a split; None where the run failed or was not scored there."""
        return None if self.state != "complete" else self.val_mse if split == "val" else self.test_mse

    def images_seen(self, train_faces: int) -> int:
        """`images`, of a row of an earlier version the training faces in each of its epochs."""
        return self.epochs * train_faces if self.images is None else self.images

    @property
    def settled(self) -> bool:
        """Whether a planned run needs no other: it is complete, or diverged, which is its outcome."""
        return self.state == "complete" or self.reason == "nan"
