"""`kpbench rerun`."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kpbench.cli.options import own_prints_aside

if TYPE_CHECKING:
    from kpbench.studies.rerun import Compared
    from kpbench.studies.rerun_request import Rerun

EQUAL = "equal, bit for bit"


def rerun(
    study: Annotated[str, typer.Argument(help="A study: its folder, or its name in --out.")],
    cell: Annotated[str, typer.Argument(help="best, a rank (2), an id or its first digits, or norm=batch,depth=4.")],
    seed: Annotated[
        int | None, typer.Option(help="Seed of the run.", show_default="the cell's first; every seed of a trial")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Where its faces are now.", show_default="as the study names them")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.", show_default="the study's")] = None,
    to: Annotated[Path | None, typer.Option(help="Keep the new model in this .safetensors file.")] = None,
    require_equal: Annotated[
        bool, typer.Option(help="Leave with code 3 unless every number is equal, bit for bit.")
    ] = False,
    trust_code: Annotated[
        bool, typer.Option(help="Run the Python files kept in the study; only for code that you trust.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> int:
    """Train a stored run again by its study's own plan, and say what differs.

    Data, split, epochs, recipe, threads and order of batches are the study's. On a CPU of the same kind with the same
    torch every number is equal. The sealed test stays closed, and nothing is written into the study.
    """
    from kpbench.cli.progress import View
    from kpbench.studies.rerun import rerun as train_again
    from kpbench.studies.rerun_request import prepare_rerun

    with own_prints_aside(), View(quiet=quiet) as view:
        prepared = prepare_rerun(study, cell, seed=seed, out=out, device=device, trust_code=trust_code)
        found = train_again(prepared, data, to, view.notify, view.say)
    equal = all(one.equal for one in found)
    typer.echo(json.dumps(plain(prepared, found)) if as_json else "\n".join(lines(prepared, found)))
    if require_equal and not equal:
        return 3
    return 1 if any(one.failure for one in found) else 0


def plain(prepared: "Rerun", found: Sequence["Compared"]) -> dict[str, Any]:
    """The result as `--json` prints it."""
    first = found[0].stored
    return {
        "study": prepared.folder.name,
        "cell": first.cell,
        "role": first.role,
        "params": first.params,
        "equal": all(one.equal for one in found),
        "differs": {name: {"stored": there, "again": here} for name, (there, here) in prepared.differs.items()},
        "runs": [
            {
                "seed": one.stored.seed,
                "equal": one.equal,
                "failure": one.failure,
                "epochs": one.stored.epochs,
                "val_mse": {"stored": one.stored.val_mse, "again": one.again},
                "val_score": {"stored": one.stored.val_score, "again": one.score},
                "first_epoch_that_differs": one.first and one.first.epoch,
            }
            for one in found
        ],
    }


def lines(prepared: "Rerun", found: Sequence["Compared"]) -> Iterator[str]:
    """The result for a person: a block a run, then what is not as it was."""
    from kpbench.statistics.words import cell_text, plural

    plan, first = prepared.plan, found[0].stored
    trial = "" if first.trial is None else f" {first.trial}"
    yield f"run        {first.role}{trial} of {prepared.folder.name}, cell {first.cell}: {cell_text(prepared.varies)}"
    device = f"{prepared.device.kind} {prepared.device.precision}"
    yield f"plan       {plural(plan.epochs, 'epoch')} on {plan.data_name}, {device}"
    for one in found:
        stored = "" if one.failure is None else " stored"
        yield f"seed       {one.stored.seed}, {plural(one.stored.epochs, 'epoch')}{stored}"
        yield from _numbers(one)
    for name, (there, here) in prepared.differs.items():
        yield f"differs    {name}: {there} stored, {here} here"
    if all(one.equal for one in found):
        yield f"result     {EQUAL}"
    elif not any(one.failure for one in found):
        yield f"result     not equal{_why(prepared)}"


def _numbers(one: "Compared") -> Iterator[str]:
    """Stored, new and difference of a run's scores, and the first epoch that differs."""
    from kpbench.statistics.words import plural

    if one.failure is not None:
        yield f"result     the new run failed ({one.failure}), the stored one did not"
        return
    for name, stored, again in (
        ("val_mse", one.stored.val_mse, one.again),
        ("val_score", one.stored.val_score, one.score),
    ):
        if stored is not None and again is not None:
            difference = "equal" if stored == again else f"{again - stored:+.3g} ({100 * (again / stored - 1):+.2g} %)"
            yield f"{name:10} {stored:.9g} stored, {again:.9g} again: {difference}"
    if one.first is None:
        yield f"curve      {plural(len(one.stored.curve), 'epoch')}: {EQUAL}"
        return
    a, b = one.first.stored, one.first.again
    sizes = [
        f"{name} {getattr(a, name):.6g} stored, {getattr(b, name):.6g} again"
        for name in ("train_mse", "val_mse")
        if getattr(a, name) != getattr(b, name)
    ]
    yield f"curve      differs from epoch {one.first.epoch} on: {'; '.join(sizes)}"


def _why(prepared: "Rerun") -> str:
    if prepared.differs:
        return f": {', '.join(prepared.differs)} differ"
    if prepared.device.kind != "cpu":
        return ": on a card the order of additions may vary from run to run"
    return ", though device and versions are the same"
