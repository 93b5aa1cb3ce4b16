"""Results as plain values for `--json`: fields picked by name, intervals as two ends."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from kpbench.cell import Value
from kpbench.statistics.intervals import Interval


def plain(value: Any) -> Any:
    """A value as JSON knows it: dataclasses and mappings as objects, sequences as lists, an interval as two ends."""
    if isinstance(value, Interval):
        return [plain(value.low), plain(value.high)]
    if isinstance(value, Value):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value.item() if isinstance(value, np.generic) else value
    return [plain(item) for item in value]


def picked(value: Any, names: str) -> dict[str, Any]:
    """The attributes of a value that are named, separated by spaces, as JSON knows them."""
    return {name: plain(getattr(value, name)) for name in names.split()}
