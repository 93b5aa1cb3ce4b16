"""`kpbench ls`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

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
    width = max((len(name) for name in found), default=0)
    for name, title in found.items():
        typer.echo(f"{name:{width}}  {title}")
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
            found[name] = str(tomllib.loads(path.read_text(encoding="utf-8")).get("title", ""))
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
    from kpbench.errors import UsageError
    from kpbench.store.plan import read_plan
    from kpbench.store.study import studies

    found = {}
    for folder in studies(out):
        try:
            plan = read_plan(folder)
            found[folder.name] = f"{plan.kind} of {plan.space_name} on {plan.data_name}: {_state(folder, plan.kind)}"
        except UsageError as error:
            found[folder.name] = f"damaged: {error}"
    return found


def _state(folder: Path, kind: str) -> str:
    from kpbench.analysis.ablation.analysis import count_missing
    from kpbench.store.files import RESULT, read_json

    if kind == "ablation":
        missing = count_missing(folder)
        return f"{missing} runs missing" if missing else "complete"
    best = (read_json(folder / RESULT) or {}).get("best") or {}
    return f"test {best['test_score']:.1f}" if best.get("test_score") is not None else "not finished"


LISTS = {Kind.spaces: _spaces, Kind.data: _data, Kind.studies: _studies, Kind.samplers: _samplers}
