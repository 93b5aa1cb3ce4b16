"""`kpbench score`."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def score(
    model: Annotated[Path, typer.Argument(help="A model file (.safetensors, its .json beside it).")],
    data: Annotated[str, typer.Option(help="Faces: a name, or the path of a folder, zip or csv.")] = "synthetic",
    split: Annotated[
        str, typer.Option(help="val or test; reading the sealed test is written down in the study.")
    ] = "val",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    require_pass: Annotated[
        bool, typer.Option(help="Leave with code 3 unless the score and the rules are met.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> int:
    """Score a model officially: one image at a time, 1 / (2 * mean MSE)."""
    from kpbench.cli.progress import View
    from kpbench.official import score_model

    with View(quiet=quiet) as view:
        command = shlex.join(["kpbench", *sys.argv[1:]])
        result = score_model(model, data, split, command=command, say=view.say)
    if as_json:
        typer.echo(json.dumps(result))
    else:
        for note in result["notes"]:
            typer.echo(f"note     {note}", err=True)
        verdict = "passes" if result["pass"] else "does not pass"
        typer.echo(
            f"score    {result['score']:.2f} on {result['faces']} {split} faces ({result['rmse_px']:.2f} px RMSE)"
        )
        typer.echo(f"rules    {result['parameters']:,} parameters, {result['megabytes']:.2f} MB file")
        typer.echo(f"verdict  {verdict} (pass mark {result['pass_mark']:g})")
    return 3 if require_pass and not result["pass"] else 0
