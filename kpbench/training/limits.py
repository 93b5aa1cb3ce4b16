"""What each training parameter may be."""

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

from kpbench.errors import UsageError, lookup
from kpbench.faces.faces import SIZE
from kpbench.training.pretrain import SOURCES
from kpbench.training.recipe import LOSSES, OPTIMIZERS, SCHEDULES

Limit = tuple[Callable[[float], bool], str]

SHARE: Limit = (lambda value: 0 <= value <= 1, "between 0 and 1")

LIMITS: Mapping[str, Limit] = {
    "lr": (lambda value: value > 0, "above 0"),
    "weight_decay": (lambda value: value >= 0, "0 or more"),
    "batch_size": (lambda value: value >= 2, "a whole number of at least 2"),
    "shift": (lambda value: 0 <= value <= SIZE, f"between 0 and {SIZE} pixels"),
    "rotate": (lambda value: 0 <= value <= 180, "between 0 and 180 degrees"),
    "scale": (lambda value: 0 <= value < 1, "at least 0 and below 1"),
    **dict.fromkeys(("brightness", "contrast", "flip", "blur", "sharpen", "cutout", "strong_until"), SHARE),
    "gamma": (lambda value: value >= 0, "0 or more"),
    "exposure": (lambda value: 0 < value <= 1, "above 0 and at most 1"),
    "ema": (lambda value: 0 <= value < 1, "at least 0 and below 1"),
}
"""Training parameter -> whether a value is allowed, and what is, in words."""

TABLES: Mapping[str, Mapping[str, object]] = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "loss": LOSSES,
    "pretrain": dict.fromkeys(SOURCES),
}
"""Training parameter -> the table that its value is a name of."""


def check_training(**values: Any) -> None:
    """Refuses training parameters out of range, by name.

    Raises:
        UsageError: the parameter, what it may be, and what it is.
    """
    for name, value in values.items():
        if name in TABLES:
            if not isinstance(value, str):
                raise UsageError(f"training.{name} must be a name: {', '.join(TABLES[name])}; got {value!r}")
            lookup(TABLES[name], value, f"training.{name}")
        elif name in LIMITS:
            allowed, wanted = LIMITS[name]
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not number or (name == "batch_size" and value != int(value)) or not allowed(value):
                raise UsageError(f"training.{name} must be {wanted}, got {value!r}")
