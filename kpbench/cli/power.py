"""`kpbench power`."""

import json
from pathlib import Path
from typing import Annotated

import typer


def power(
    study: Annotated[str, typer.Argument(help="An ablation: its folder, or its name in --out.")],
    effect: Annotated[
        str | None, typer.Option(help="Smallest effect to find, 5% or 0.05.  [default: the study's]")
    ] = None,
    wanted: Annotated[float, typer.Option("--power", help="Probability of finding it.")] = 0.8,
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> int:
    """Say how many seeds a smallest effect needs, from an ablation's own noise."""
    from kpbench.analysis.ablation.analysis import analyse
    from kpbench.analysis.ablation.json import seeds_for_effect
    from kpbench.cli.options import share
    from kpbench.store.study import find_study

    folder = find_study(study, out)
    found = seeds_for_effect(analyse(folder), sesoi=share(effect, option="--effect") if effect else None, power=wanted)
    if as_json:
        typer.echo(json.dumps({"study": folder.name, "contrasts": found}))
        return 0
    typer.echo(f"{'contrast':44}{'seeds run':>10}{'noise sd':>10}{'seeds needed':>14}{'cautious':>10}")
    for one in found:
        name = f"{one['factor']} {one['level']} against {one['baseline']}"
        typer.echo(f"{name:44}{one['n']:>10}{one['sd']:>10.3f}{one['seeds']:>14}{one['cautious']:>10}")
    return 0
