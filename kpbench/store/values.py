"""What a line of a study's files holds."""

from collections.abc import Mapping

from kpbench.cell import RunResult, Value
from kpbench.store.files import INFERENCE, LATENCY, READ_BEFORE, READINGS, ROWS, SESSIONS


class Session(Value):
    """One start of a command on a study.

    Attributes:
        totals: trials, final cells and their seeds that a search asks for; None for others and of earlier versions.
    """

    when: str
    command: str
    device: str
    workers: int
    versions: dict[str, str]
    totals: dict[str, int] | None = None

    @property
    def recipe(self) -> str:
        """The version of the code that trains: runs with the same cell and seed are the same within one alone."""
        return self.versions.get("recipe", "1")


class Reused(Value):
    """Another study whose runs were taken over, or that had the same runs when this plan was made.

    Attributes:
        plan: its plan's digest.
        contrasts: how many it had planned.
        runs: those of this plan that it had.
        versions: of its last session.
    """

    when: str
    study: str
    plan: str
    contrasts: int
    runs: int = 0
    versions: dict[str, str]


class Reading(Value):
    """One opening of the sealed test split."""

    when: str
    command: str
    model: str


class ReadBefore(Value):
    """Another study that had opened the same sealed test before this one did.

    Attributes:
        plan: its plan's digest.
        readings: how often, for a network.
    """

    when: str
    study: str
    plan: str
    readings: int


class Latency(Value):
    """How long a network takes for one face, as `networks.latency` measures it, in milliseconds.

    Attributes:
        network: identity of its parameters; `what` says them.
        low, high: first and third quartile of `repeats` passes.
    """

    network: str
    what: str
    median: float
    low: float
    high: float
    repeats: int
    device: str
    when: str


class Inference(Value):
    """How long a finalist's network takes for a batch of faces, in milliseconds, once training is over.

    Attributes:
        threads: of the CPU; 1 is its processor time, more is the time until the pass is done.
        low, high: first and third quartile of the passes.
    """

    network: str
    what: str
    batch: int
    threads: int
    median: float
    low: float
    high: float
    device: str
    when: str


LINES: Mapping[str, type[Value | RunResult]] = {
    ROWS: RunResult,
    READINGS: Reading,
    READ_BEFORE: ReadBefore,
    SESSIONS: Session,
    LATENCY: Latency,
    INFERENCE: Inference,
}
"""The files of a study with a value a line."""
