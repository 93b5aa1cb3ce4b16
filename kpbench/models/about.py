"""What an exported model says of itself: where it is from, its scores, the floor, the data, the rules."""

from collections.abc import Mapping
from typing import Literal

from kpbench.cell import Scalar, Value
from kpbench.statistics.words import plural


class About(Value):
    """Travels inside each exported file, as JSON under the key `kpbench`.

    Attributes:
        what: the network on one line, without parameters that have no part in it.
        score: official scores of this very model, by split.
        floor: official scores of the mean face and of ridge, name -> split -> score.
        data: name of the faces; `data_digest` is that of their three splits.
        megabytes: of its weights, as its study keeps them.
        rules_kept: whether parameters and megabytes keep the rules of its study.
    """

    kind: Literal["kpbench model"] = "kpbench model"
    study: str
    what: str
    params: dict[str, Scalar]
    seed: int
    epochs: int
    device: str
    score: dict[str, float]
    floor: Mapping[str, Mapping[str, float]] = {}
    data: str
    data_digest: str
    benchmark: str
    parameters: int
    megabytes: float
    max_parameters: int
    max_megabytes: float
    rules_kept: bool
    kpbench: str

    def lines(self) -> list[str]:
        """The same for a person."""
        scores = ", ".join(f"{split} {score:.1f}" for split, score in self.score.items())
        floor = ", ".join(f"{name} {scores['val']:.1f}" for name, scores in self.floor.items() if "val" in scores)
        epochs = plural(self.epochs, "epoch")
        return [
            f"model    {self.what}",
            f"from     {self.study}, seed {self.seed}, {epochs} on {self.data} ({self.data_digest})",
            f"score    {scores}" + (f" (floor on val: {floor})" if floor else ""),
            f"rules    {self.parameters:,} parameters, {self.megabytes:.2f} MB of weights; at most "
            f"{self.max_parameters:,} and {self.max_megabytes:g} MB: " + ("kept" if self.rules_kept else "not kept"),
        ]
