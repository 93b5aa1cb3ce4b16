"""`kpbench export`."""

import json
from pathlib import Path
from typing import Annotated

import typer


def export(
    study: Annotated[str, typer.Argument(help="A study: its folder, or its name.")],
    cell: Annotated[
        str | None, typer.Argument(help="A cell: id, beginning of one, rank, norm=batch.", show_default="best")
    ] = None,
    format: Annotated[
        str, typer.Option("--format", "-f", help="safetensors, torchscript, onnx, or course: the exercise's hand-in.")
    ] = "safetensors",
    to: Annotated[Path | None, typer.Option(help="A file, or a folder; the working directory otherwise.")] = None,
    seed: Annotated[int | None, typer.Option(help="The model of this seed; else the best on val.")] = None,
    out: Annotated[Path, typer.Option(help="Where studies lie.")] = Path("reports"),
    trust_code: Annotated[
        bool, typer.Option(help="Run the Python file kept with the study; only for code that you trust.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Replace files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print files and facts as one JSON object.")] = False,
) -> None:
    """Write a trained model in a form that other programs read; it says where it is from and what it scored."""
    from kpbench.cli.lines import fitted
    from kpbench.models.course import loading_lines
    from kpbench.studies.export import export_model

    files, about = export_model(
        study, cell, format=format, to=to, seed=seed, out=out, force=force, trust_code=trust_code
    )
    if as_json:
        typer.echo(json.dumps({"files": [str(file) for file in files], **about.model_dump(mode="json")}))
        return
    for file in files:
        size = file.stat().st_size
        typer.echo(f"wrote    {file} ({size / 1e6:.2f} MB)" if size > 1e5 else f"wrote    {file} ({size / 1e3:.1f} kB)")
    for line in about.lines():
        typer.echo("\n".join(fitted(line)))
    if format == "course":
        what = (
            f"source   {files[1].name} is the network's traced graph, an operation a line, not the code it was made by"
        )
        typer.echo("\n".join(fitted(what)))
        typer.echo("loads without kpbench, in the folder of both files:")
        for line in loading_lines(files[0]):
            typer.echo(f"    {line}")
