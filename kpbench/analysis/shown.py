"""What of a study's cells is shown: the parameters that vary, without those that have no part in a cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kpbench.cell import RunResult, Scalar
from kpbench.space.reading import parameters_in
from kpbench.space.space import Parameter, can_vary, deciding, varied, with_part
from kpbench.store.plan import Plan


@dataclass(frozen=True)
class Shown:
    """The parameters that tell a study's cells apart, with the conditions of its space."""

    names: tuple[str, ...]
    parameters: Mapping[str, Parameter]

    @staticmethod
    def of(plan: Plan) -> "Shown":
        """Of a search what its space lets vary, of a design its factors."""
        parameters = parameters_in(plan.space_text)
        vary = (name for name, one in parameters.items() if can_vary(one))
        return Shown(tuple(vary if plan.design is None else plan.design.factors), parameters)

    def of_cell(self, cell: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """What varies of a cell, without parameters that have no part in it."""
        return varied(cell, self.names, self.parameters)


def for_reading(rows: Sequence[RunResult], parameters: Mapping[str, Parameter]) -> tuple[RunResult, ...]:
    """The rows without the parameters that have no part in their cell; its identity stays the stored one."""
    names = deciding(parameters)
    known: dict[tuple[Scalar | None, ...], frozenset[str]] = {}

    def shown(row: RunResult) -> RunResult:
        key = (*row.params, *map(row.params.get, names))
        if key not in known:
            known[key] = frozenset(row.params.keys() - with_part(row.params, parameters).keys())
        idle = known[key]
        if not idle:
            return row
        return replace(row, params={name: value for name, value in row.params.items() if name not in idle})

    return tuple(map(shown, rows))
