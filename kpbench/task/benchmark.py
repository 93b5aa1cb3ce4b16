"""The fixed task, read from TOML: coordinates, splits, rules, pass mark, budget."""

import hashlib
import re
import tomllib
from pathlib import Path

from pydantic import Field, ValidationError

from kpbench.cell import Value
from kpbench.errors import UsageError
from kpbench.space.catalog import find


class Coordinates(Value):
    """What a network sees and predicts: image / image_divisor, (k - centre) / scale."""

    image_divisor: float
    centre: float
    scale: float


class Scorer(Value):
    """The scorer's formula in words, its version and the score that passes the course."""

    formula: str
    version: int
    pass_mark: float


class SplitShares(Value):
    """Shares and seed of the splits that a data set does not bring itself."""

    val_share: float = Field(gt=0, lt=0.5)
    test_share: float = Field(gt=0, lt=0.5)
    seed: int


class Rules(Value):
    """The course's rules for a network."""

    max_parameters: int
    max_model_megabytes: float


class Budget(Value):
    """What a run may cost unless the command says otherwise."""

    epochs: int = Field(ge=1)


class Benchmark(Value):
    """The fixed task; two studies compare only if their hashes are the same."""

    name: str
    title: str
    version: int
    coordinates: Coordinates
    scorer: Scorer
    splits: SplitShares
    rules: Rules
    budget: Budget
    text: str = Field(repr=False)

    @property
    def digest(self) -> str:
        """Sixteen hex digits over the definition's meaning (not its comments or spacing)."""
        return hashlib.sha256(self.model_dump_json(exclude={"text", "title"}).encode()).hexdigest()[:16]


def read_benchmark(path: Path | None = None) -> Benchmark:
    """The benchmark defined in a TOML file; by default `facial_keypoints`.

    Raises:
        UsageError: the file is not TOML or not a benchmark; the first wrong key is named.
    """
    path = path or find("benchmarks", "facial_keypoints")
    return parse_benchmark(path.read_text(encoding="utf-8-sig"), str(path))


def parse_benchmark(text: str, where: str) -> Benchmark:
    """The benchmark defined in a text; `where` names it in an error.

    Raises:
        UsageError: as `read_benchmark`.
    """
    try:
        return Benchmark.model_validate(tomllib.loads(text) | {"text": text})
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: not TOML: {error}") from error
    except ValidationError as error:
        raise UsageError(f"{where}: {first_problem(error)}") from error


def with_rules(
    benchmark: Benchmark, *, max_parameters: int | None = None, max_megabytes: float | None = None
) -> Benchmark:
    """The benchmark with rules of one's own in place of the course's: another task, by its digest.

    Raises:
        UsageError: a rule that no network can keep.
    """
    if max_parameters is None and max_megabytes is None:
        return benchmark
    text = re.sub(r"(?m)^\[rules\].*$", "[rules]                  # of this study's own", benchmark.text)
    for key, value in (("max_parameters", max_parameters), ("max_model_megabytes", max_megabytes)):
        if value is not None:
            if not value > 0 or value == float("inf"):
                option = "--" + key.replace("model_", "").replace("_", "-")
                raise UsageError(f"{option} must be a positive number, got {value}")
            text = re.sub(rf"(?m)^{key}\s*=.*$", f"{key} = {value}", text)
    found = parse_benchmark(text, benchmark.name)
    wanted = {"max_parameters": max_parameters, "max_model_megabytes": max_megabytes}
    if any(value is not None and getattr(found.rules, name) != value for name, value in wanted.items()):
        raise UsageError(f"the rules of benchmark '{benchmark.name}' cannot be replaced; write one a line")
    return found


def first_problem(error: ValidationError) -> str:
    """The first problem of a validation on one line, with the dotted name of the key."""
    problem = error.errors()[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg'].lower()}"
