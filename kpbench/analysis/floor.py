"""What a failed run counts with: the mean face's MSE, as a study has scored it."""

import math
from pathlib import Path

from kpbench.errors import UsageError
from kpbench.space.design import Split
from kpbench.store.files import FLOOR, read_json

SPLITS: tuple[Split, ...] = ("test", "val")
"""The one to compare on first."""


def mean_face_mse(folder: Path, judged_on: Split) -> dict[Split, float]:
    """The mean face's MSE by split, in the task's coordinates; empty before the floor was scored.

    Raises:
        UsageError: the file is damaged, or has no score on the split that the study is judged on.
    """
    floor = read_json(folder / FLOOR)
    if floor is None:
        return {}
    scores = floor.get("mean face")
    found: dict[Split, float] = {}
    for split in SPLITS:
        score = scores.get(split) if isinstance(scores, dict) else None
        if isinstance(score, int | float) and 0 < score < math.inf:
            found[split] = 1 / (2 * score)
        elif score is not None:
            raise UsageError(f"{folder / FLOOR} is damaged: the mean face's {split} score is {score!r}; move it away")
    if judged_on not in found:
        raise UsageError(f"{folder / FLOOR} is damaged: no {judged_on} score of the mean face; move it away")
    return found
