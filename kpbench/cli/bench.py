"""`kpbench bench`."""

import json
from typing import Annotated

import typer


def bench(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    rounds: Annotated[int, typer.Option(help="Rounds of each ratio; both sides run in turn in each.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """How fast does training run here? Ratios between things run in turn, on one thread, in under 3 minutes."""
    from dataclasses import asdict

    from kpbench.statistics.words import ends_text
    from kpbench.studies.bench import bench as ratios
    from kpbench.training.device import find_device

    where = find_device(device)
    if not as_json:
        typer.echo(f"{where.title} ({where.kind}, {where.precision}), {rounds} rounds; images/s, one thread")
    found = []
    for one in ratios(device, rounds=rounds):
        found.append(one)
        if not as_json:
            spread = f"{one.median:5.2f}x  ({ends_text((one.low, one.high), '{:.2f}'.format)})"
            typer.echo(f"{spread}  {one.what} ({one.images:,.0f}) against {one.against} ({one.against_images:,.0f})")
    if as_json:
        machine = {"device": where.title, "kind": where.kind, "precision": where.precision}
        typer.echo(json.dumps({**machine, "rounds": rounds, "ratios": [asdict(one) for one in found]}))
