"""What families share: range checks that refuse a value by its parameter's name, and an error in one line."""

from numbers import Integral, Real

from kpbench.cell import Scalar
from kpbench.errors import UsageError

KINDS = {bool: "true or false,", int: "a whole number", float: "a number", str: "text"}


def check_kind(name: str, value: object, default: Scalar) -> None:
    """Refuses a value of another kind than the parameter's default; a whole number is a decimal one too.

    Raises:
        UsageError: the parameter, a value that it takes, and what it is.
    """
    kind = {int: Integral, float: Real}.get(type(default), type(default))  # numpy's numbers are such too
    if not isinstance(value, kind) or isinstance(value, bool) != isinstance(default, bool):
        raise UsageError(f"{name} must be {KINDS[type(default)]} such as {default!r}, got {value!r}")


def check_counts(**counts: int) -> None:
    """Refuses a count below 1."""
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"network.{name} must be at least 1, got {count}")


def check_rate(rate: float, name: str = "dropout_rate") -> None:
    """Refuses a probability outside 0 <= rate < 1."""
    if not 0.0 <= rate < 1.0:
        raise UsageError(f"network.{name} must be at least 0 and below 1, got {rate}")


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
