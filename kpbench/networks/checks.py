"""What families share: range checks that refuse a value by its parameter's name, and an error in one line."""

from kpbench.errors import UsageError


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
