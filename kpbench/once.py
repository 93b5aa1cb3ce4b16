"""What several plots and tables read off the same rows is computed once."""

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Same(Generic[Item]):
    """A tuple as a key: equal to itself alone, so that no row is compared."""

    def __init__(self, items: tuple[Item, ...]) -> None:
        self.items = items

    def __hash__(self) -> int:
        return id(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.items is self.items


def once(function: Callable[[Sequence[Item]], Result]) -> Callable[[Sequence[Item]], Result]:
    """A pure function that remembers its results for the last two tuples; of a list, which may change, none."""
    remembered = lru_cache(maxsize=2)(lambda same: function(same.items))

    @wraps(function)
    def found(items: Sequence[Item]) -> Result:
        if not isinstance(items, tuple):
            return function(items)
        result: Result = remembered(_Same(items))
        return result

    return found
