"""What of a study's cells is shown: the parameters that vary, without those that have no part in a cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kpbench.cell import RunResult, Scalar
from kpbench.space.reading import parameters_in
from kpbench.space.space import Parameter, can_vary, varied, with_part
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
    kept = (with_part(row.params, parameters) for row in rows)
    return tuple(
        row if len(params) == len(row.params) else replace(row, params=params)
        for row, params in zip(rows, kept, strict=True)
    )
