"""What the cells of a search cost before they are trained, and which of them keep its constraints."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kpbench.cell import Params, Scalar, network_id
from kpbench.engine.evaluate import one_line
from kpbench.errors import UsageError
from kpbench.networks.families import describe, flops
from kpbench.networks.latency import REPEATS, latency
from kpbench.sampling.samplers import SAMPLERS, propose
from kpbench.store.study import now
from kpbench.store.values import Latency
from kpbench.studies.preflight import CHECKED, Task
from kpbench.task.objectives import OBJECTIVES
from kpbench.training.device import THREADS, threads


@dataclass(eq=False)
class Costing:
    """Counts and measures what a search asks of its cells before they are trained.

    Attributes:
        asked: names of `OBJECTIVES` that are known before training: objectives, constraints or both.
        constraints: name -> the most that a cell may have.
        measured: network -> its latency; one that stands here is never measured again.
        keep: takes each new measurement.
        least: name -> the least among the cells that were looked at.
    """

    task: Task
    asked: tuple[str, ...]
    constraints: Mapping[str, float]
    measured: dict[str, Latency] = field(default_factory=dict)
    keep: Callable[[Latency], object] = lambda found: None
    least: dict[str, float] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """Where latency is measured."""
        return f"{self.task.device.title}, {THREADS} thread"

    def of(self, params: Params) -> dict[str, float]:
        """What a complete cell costs by each name asked: parameters, FLOPs, milliseconds of one face.

        Raises:
            UsageError: the network breaks the rules or does not run.
        """
        return {name: self._cost(name, params) for name in self.asked}

    def beside_parameters(self, params: Params) -> dict[str, float] | None:
        """What a row says of a cell's costs; None where it says the parameters alone."""
        return {name: cost for name, cost in self.of(params).items() if name != "params"} or None

    def legal(self, cell: Params) -> bool:
        """Whether a cell keeps the rules and the constraints, and what it costs can be counted."""
        params = self.task.complete(cell)
        try:
            counted = [name for name in self.asked if name in self.constraints or name != "latency"]
            return self.task.legal(cell) and all(
                self._cost(name, params) <= self.constraints.get(name, math.inf) for name in counted
            )
        except UsageError:
            return False

    def legal_cells(self) -> list[dict[str, Scalar]] | None:
        """The cells that keep rules and constraints; None where there are too many to look at each."""
        space = self.task.space
        few = space.size is not None and space.size <= CHECKED
        return [cell for cell in space.cells() if self.legal(cell)] if few else None

    def size(self) -> int | None:
        """The number of cells that keep rules and constraints, as far as they are looked at; None for a continuum."""
        cells = self.legal_cells() if self.constraints else None
        return self.task.space.size if cells is None else len(cells)

    def as_options(self) -> str:
        """The constraints as options: `--max-params 500,000 and --max-latency-ms 2.5`."""
        return " and ".join(f"{OBJECTIVES[name].constraint} {most:,.12g}" for name, most in self.constraints.items())

    def check(self, objectives: tuple[str, ...]) -> None:
        """Refuses constraints that no cell keeps, and objectives that cannot tell two cells apart.

        Raises:
            UsageError: the option or the objective, and what there is.
        """
        if not self.constraints and len(objectives) == 1:
            return
        space, cells = self.task.space, self.legal_cells()
        if cells is None and self.constraints:
            finite, drawn = space.size is not None, SAMPLERS["random"]
            found = propose(space, [], set(), sampler=drawn, seed=0, enumerated=finite, legal=self.legal)
            cells = None if found else []
        if cells == []:
            least = ", ".join(f"{name} {OBJECTIVES[name].show(value)}" for name, value in self.least.items())
            raise UsageError(
                f"no cell of search space '{space.name}' keeps {self.as_options()}; the least found: {least}"
            )
        for name in objectives if cells else ():
            if OBJECTIVES[name].known == "before" and len({self._tells(name, cell) for cell in cells or ()}) == 1:
                title = OBJECTIVES[name].title
                raise UsageError(
                    f"--objective {name} has no meaning in search space '{space.name}': its cells have the same {title}"
                )

    def _tells(self, name: str, cell: Params) -> object:
        params = self.task.complete(cell)
        return network_id(params) if name == "latency" else self._cost(name, params)

    def _cost(self, name: str, params: Params) -> float:
        cost = self._look(name, params)
        self.least[name] = min(cost, self.least.get(name, cost))
        return cost

    def _look(self, name: str, params: Params) -> float:
        if name == "params":
            return float(self.task.size(params)[0])
        network = network_id(params)
        try:
            if name == "flops":
                if network not in self.counted:
                    self.counted[network] = flops(params)
                return float(self.counted[network])
            if network not in self.measured:
                self.measured[network] = self._measure(network, params)
                self.keep(self.measured[network])
        except Exception as error:  # code of a person's own may raise anything
            raise UsageError(f"{describe(params)}: {name} cannot be found: {one_line(error)}") from error
        return self.measured[network].median

    def _measure(self, network: str, params: Params) -> Latency:
        device = self.task.device
        with threads():
            median, low, high = (round(one, 4) for one in latency(params, device.kind))
        return Latency(
            network=network,
            what=describe(params),
            median=median,
            low=low,
            high=high,
            repeats=REPEATS,
            device=self.device,
            when=now(),
        )
