"""`kpbench doctor`."""

import json
from pathlib import Path
from typing import Annotated

import typer


def doctor(
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    ray: Annotated[bool, typer.Option("--ray/--no-ray", help="Start Ray and time it.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> int:
    """Look at this machine: what is installed, what training may take, how fast it is, and what to mend.

    Each line is ok, a note or a problem, with what mends it. Leaves with code 1 if there is a problem. It writes
    nothing and takes some 20 seconds.
    """
    from dataclasses import asdict

    from kpbench.cli.lines import fitted
    from kpbench.studies.doctor import Asked, examine

    found = []
    for one in examine(Asked(out, ray)):
        found.append(one)
        if not as_json:
            remedy = f"  -> {one.remedy}" if one.remedy else ""
            for line in fitted(f"{one.state:8} {one.name:14} {one.text}{remedy}", 24):
                typer.echo(line)
    problems = sum(one.state == "problem" for one in found)
    if as_json:
        typer.echo(json.dumps({"problems": problems, "findings": [asdict(one) for one in found]}))
    return 1 if problems else 0
