"""`kpbench data`: add, get, list and remove data sets of one's own, and look into them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kpbench.cli import data_reports
from kpbench.cli.lines import listed

if TYPE_CHECKING:
    from kpbench.faces.library.library import About

app = typer.Typer(
    name="data",
    help="Data sets of your own: add, get, list, remove, and look into any.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(context: typer.Context) -> None:
    """Data sets of your own: add, get, list, remove, and look into any."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Replace = Annotated[bool, typer.Option("--replace", help="Exchange the added data set of that name.")]


def add(
    name: Annotated[str, typer.Argument(help="Its name from now on: lowercase letters, digits, _ and -.")],
    path: Annotated[Path, typer.Argument(help="A folder, .zip, .csv or .npz.")],
    mapping: Annotated[Path | None, typer.Option(help="For COCO's JSON: a TOML of nose_tip = 'nose' lines.")] = None,
    replace: Replace = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Read faces from a path and keep them under a name that --data takes."""
    from kpbench.cli.progress import View
    from kpbench.faces.library import adding

    with View(quiet=quiet) as view:
        about = adding.add(name, path, mapping=mapping, replace=replace, progress=view.say)
    return _show(about, as_json)


def get(
    name: Annotated[str, typer.Argument(help="course, youtube_faces or kaggle.")],
    to: Annotated[Path | None, typer.Option(help="Keep the downloaded file in this folder.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The SHA-256 that the file must have, 64 hex digits.")] = None,
    replace: Replace = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Download a published data set and keep it under its name; a broken transfer is continued."""
    from kpbench.cli.progress import View
    from kpbench.faces.library import adding

    with View(quiet=quiet) as view:
        about = adding.get(name, to=to, sha256=sha256, replace=replace, progress=view.say)
    return _show(about, as_json)


def ls(as_json: Json = False) -> int:
    """List the built-in data sets, those added, and those that can be got."""
    known = listing()
    if as_json:
        typer.echo(json.dumps(known))
        return 0
    for line in listed({name: f"{row['kind']:9}  {row['title']}" for name, row in known.items()}):
        typer.echo(line)
    return 0


def remove(
    name: Annotated[str, typer.Argument(help="An added data set.")],
    as_json: Json = False,
) -> int:
    """Take an added data set out of the library."""
    from kpbench.faces.library import library

    library.remove(name)
    typer.echo(json.dumps({"removed": name}) if as_json else f"removed  {name}")
    return 0


app.command("add")(add)
app.command("get")(get)
app.command("ls")(ls)
app.command("remove")(remove)
app.command("show")(data_reports.show)
app.command("check")(data_reports.check)


def listing() -> dict[str, dict[str, Any]]:
    """Every data set by name: its kind (built in, added, damaged, to get), a title, and what about.json says."""
    from kpbench.errors import UsageError
    from kpbench.faces.datasets import DATASETS
    from kpbench.faces.library import library
    from kpbench.faces.library.sources import SOURCES

    known: dict[str, dict[str, Any]] = {
        name: {"kind": "built in", "title": data.title} for name, data in DATASETS.items()
    }
    for name in library.names():
        try:
            about = library.read_about(name)
        except UsageError as error:
            known[name] = {"kind": "damaged", "title": str(error)}
        else:
            known[name] = {"kind": "added", "title": title(about), **about.model_dump(mode="json")}
    for name, source in SOURCES.items():
        known.setdefault(name, {"kind": "to get", "title": f"{source.title}: kpbench data get {name}"})
    return known


def title(about: "About") -> str:
    """An added data set in a line: `1,546 train, 298 val, 296 test faces from facial_keypoints.zip`."""
    sizes = ", ".join(f"{counts.faces:,} {part}" for part, counts in about.counts.items())
    return f"{sizes} faces from {about.source}"


def _show(about: "About", as_json: bool) -> int:
    if as_json:
        typer.echo(about.model_dump_json())
        return 0
    typer.echo(f"added    {about.name}, from {about.source} ({about.layout})")
    for part, counts in about.counts.items():
        people = "" if counts.people is None else f", {counts.people:,} people"
        typer.echo(f"{part:8} {counts.faces:,} faces, {counts.complete:,} with all 15 keypoints{people}")
    for note in about.notes:
        typer.echo(f"note     {note}")
    if about.download is not None:
        typer.echo(f"sha256   {about.download}")
    typer.echo(f"use      kpbench search --data {about.name}")
    return 0
