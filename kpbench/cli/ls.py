"""`kpbench ls`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kpbench.cli.lines import listed

if TYPE_CHECKING:
    from kpbench.analysis.status import Status

Kind = StrEnum("Kind", ["spaces", "data", "studies", "samplers"])


def ls(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, name to description.")] = False,
) -> int:
    """List search spaces, data sets, studies or samplers."""
    found = LISTS[kind](out)
    if as_json:
        typer.echo(json.dumps(found))
        return 0
    for line in listed(found):
        typer.echo(line)
    if not found:
        typer.echo(f"no {kind} found", err=True)
    return 0


def _spaces(out: Path) -> dict[str, str]:
    import tomllib

    from kpbench.errors import UsageError
    from kpbench.space.catalog import names

    found = {}
    for name, path in names("search_spaces").items():
        try:
            found[name] = str(tomllib.loads(path.read_text(encoding="utf-8-sig")).get("title", ""))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: cannot be read as TOML: {error}") from error
    return found


def _data(out: Path) -> dict[str, str]:
    from kpbench.cli.data import listing

    return {name: row["title"] for name, row in listing().items() if row["kind"] != "to get"}


def _samplers(out: Path) -> dict[str, str]:
    from kpbench.sampling.samplers import SAMPLERS

    return {name: sampler.title for name, sampler in SAMPLERS.items()}


def _studies(out: Path) -> dict[str, str]:
    from kpbench.cli.status import looks
    from kpbench.errors import UsageError
    from kpbench.store.finding import every_study

    found = {}
    for folder in every_study(out):
        name = folder.relative_to(out).as_posix()
        try:
            one = next(looks([folder]))[folder]
            found[name] = f"{one.kind} of {one.space} on {one.data}: {_state(one)}"
        except UsageError as error:
            found[name] = f"damaged: {error}"
    return found


def _state(one: "Status") -> str:
    """Who works on a study or how it was left, what is left to do, and its best score over seeds."""
    from kpbench.statistics.words import plural

    words = [one.standing if one.standing != "elsewhere" else f"running on {one.driver.host if one.driver else '?'}"]
    words += [f"{plural(part.left, part.name.removesuffix('s'))} to do" for part in one.parts if part.left]
    if one.best is not None:
        faces = "test" if one.best.on == "test" else "validation"
        fresh = "fresh seed" if one.kind == "search" and one.best.fresh else "seed"
        words.append(f"best {faces} {one.best.score:.1f} ({plural(one.best.seeds, fresh)})")
    return ", ".join(words)


LISTS = {Kind.spaces: _spaces, Kind.data: _data, Kind.studies: _studies, Kind.samplers: _samplers}
