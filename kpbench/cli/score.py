"""`kpbench score`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kpbench.cli.options import command_line, own_prints_aside


def score(
    model: Annotated[
        str, typer.Argument(help="A model file (.safetensors, its .json beside it), or FILE.py:NAME with --weights.")
    ],
    data: Annotated[str, typer.Option(help="Faces: a name, or the path of a folder, zip or csv.")] = "synthetic",
    split: Annotated[
        str, typer.Option(help="val or test; reading the sealed test is written down in the study.")
    ] = "val",
    weights: Annotated[
        Path | None, typer.Option(help="Weights of FILE.py:NAME: a state dict by torch.save, or a .safetensors file.")
    ] = None,
    param: Annotated[list[str] | None, typer.Option(help="A parameter of FILE.py:NAME, width=32; repeatable.")] = None,
    trust_code: Annotated[
        bool, typer.Option(help="Run the Python file kept beside the model; only for code that you trust.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    by_condition: Annotated[
        bool, typer.Option(help="Also the error by light, pose, glasses ... where the faces carry them.")
    ] = False,
    require_pass: Annotated[
        bool, typer.Option(help="Leave with code 3 unless the score and the rules are met.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> int:
    """Score a model officially: one image at a time, 1 / (2 * mean MSE)."""
    from kpbench.cli.progress import View
    from kpbench.networks.own import WRITTEN
    from kpbench.studies.score import score_model, score_own

    with own_prints_aside(), View(quiet=quiet) as view:
        if weights is None and not param and not WRITTEN.fullmatch(model):
            result = score_model(
                Path(model),
                data,
                split,
                command=command_line(),
                say=view.say,
                by_condition=by_condition,
                trust_code=trust_code,
            )
        else:
            result = score_own(model, weights, param or (), data, split, say=view.say, by_condition=by_condition)
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
        for line in condition_lines(result.get("conditions", [])):
            typer.echo(line)
    return 3 if require_pass and not result["pass"] else 0


def condition_lines(conditions: list[dict[str, Any]], *, shown: int = 12) -> list[str]:
    """The conditions that the error depends on most clearly, a line each, with px RMSE by third or value."""
    if not conditions:
        return []
    lines = ["", f"{'condition':16}{'p (adj.)':>9}  px RMSE by third or value (exploratory)"]
    for one in conditions[:shown]:
        parts = "  ".join(f"{label} {px:.2f}" for label, px in one["rmse_px"].items())
        lines.append(f"{one['condition']:16}{one['p_adjusted']:9.3f}  {parts}")
    more = len(conditions) - shown
    return [*lines, f"{more} more in --json"] if more > 0 else lines
