"""What a paragraph for a paper says of the setting: faces, training, networks."""

from collections.abc import Iterable, Mapping

from kpbench.cell import RunResult, spoken
from kpbench.statistics.words import plural


def faces_words(name: str, sizes: Mapping[str, int]) -> str:
    """The data set with its faces a split: `faces (1,546 faces to train, ...)`."""
    return f"{name} ({sizes['train']:,} faces to train, {sizes['val']:,} to validate, {sizes['test']:,} as sealed test)"


def training_words(epochs: int, train_faces: int) -> str:
    """How long a run is: `60 epochs (92,760 images)`."""
    return f"{plural(epochs, 'epoch')} ({plural(epochs * train_faces, 'image')})"


def family_words(rows: Iterable[RunResult]) -> str:
    """The families of the networks that were trained: `family cnn`, `families cnn and mlp`; empty without a row."""
    found = sorted({spoken(row.params["family"]) for row in rows if "family" in row.params})
    if len(found) <= 1:
        return "".join(f"family {name}" for name in found)
    return f"families {', '.join(found[:-1])} and {found[-1]}"
