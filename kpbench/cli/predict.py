"""`kpbench predict`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kpbench.cli.options import own_prints_aside

if TYPE_CHECKING:
    from kpbench.faces.readers.crop import Box
    from kpbench.faces.readers.pictures import Grey
    from kpbench.studies.predict import Find, PictureFaces

SOME_FAILED = 1
"""The exit code where some of several pictures could not be used."""


def predict(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model file (safetensors, TorchScript, ONNX), a study (its best model), "
            "or FILE.py:NAME with --weights.",
        ),
    ],
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE", help="Pictures, or folders of them.")],
    box: Annotated[str | None, typer.Option(help="Where the face is on the one picture: x,y,w,h in pixels.")] = None,
    boxes: Annotated[Path | None, typer.Option(help="A CSV with columns picture,x,y,w,h, a row a face.")] = None,
    detect: Annotated[bool, typer.Option("--detect", help="Find the faces, by OpenCV (the extra `detect`).")] = False,
    margin: Annotated[
        float | None, typer.Option(min=-0.4, max=2.0, help="Widen boxes on each side by this share of them.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Write the points to this CSV, not to stdout.")] = None,
    overlay: Annotated[Path | None, typer.Option(help="Write each picture, its points drawn in, here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of FILE.py:NAME: a state dict, a hand-in, or .safetensors.")
    ] = None,
    param: Annotated[list[str] | None, typer.Option(help="A parameter of FILE.py:NAME, width=32; repeatable.")] = None,
    trust_code: Annotated[
        bool,
        typer.Option(help="Run the Python file kept beside the model; only for code that you trust."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the faces as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> int:
    """Find the keypoints on your own pictures; without a box a whole picture is one face."""
    from kpbench.cli.progress import View
    from kpbench.errors import UsageError, plural
    from kpbench.faces.pictures.listing import list_pictures, overlay_files
    from kpbench.studies.models import open_model
    from kpbench.studies.predict import PictureFaces, network_of, notes_on, predict_pictures, table
    from kpbench.whole_file import write_whole

    listed = list_pictures(pictures)
    drawn = dict(zip(listed, overlay_files(listed, overlay), strict=True)) if overlay else {}
    _refuse_unwritable(to, overlay)
    _refuse_overwriting([*([to] if to else []), *drawn.values()], listed, force)
    find, notes = _finder(listed, box, boxes, detect, margin)
    found: list[PictureFaces] = []
    skipped: list[str] = []
    with own_prints_aside(), View(quiet=quiet) as view:
        opened = open_model(model, weights=weights, parameters=param or (), trust_code=trust_code)
        for one in predict_pictures(network_of(opened), listed, find, view.say):
            try:
                if not isinstance(one, PictureFaces):
                    raise UsageError(one.why)
                if drawn:
                    _draw(one, drawn[one.picture])
                found.append(one)
            except UsageError as error:
                if len(listed) == 1:
                    raise
                skipped.append(str(error))
    notes += [*opened.notes, *notes_on(found, whole=box is None and boxes is None and not detect)]
    for line in [*(f"skipped  {why}" for why in skipped), *(f"note     {note}" for note in notes)]:
        typer.echo(line, err=True)
    if not found:
        raise UsageError(f"none of the {len(listed)} pictures can be used")
    faces = sum(len(one.boxes) for one in found)
    if to is not None:
        write_whole(to, table(found))
    if as_json:
        listing = {"model": model, "faces": [face for one in found for face in one.as_json()]}
        typer.echo(json.dumps({**listing, "skipped": skipped, "notes": notes}, allow_nan=False))
    elif to is None:
        typer.echo(table(found), nl=False)
    for path, what in ((to, plural(faces, "face")), (overlay, plural(len(found), "picture"))):
        if path is not None:
            typer.echo(f"{path}: {what}", err=as_json or to is None)
    return SOME_FAILED if skipped else 0


def _finder(
    listed: list[Path], box: str | None, boxes: Path | None, detect: bool, margin: float | None
) -> "tuple[Find, list[str]]":
    """What says where the faces of a picture are, and notes on it."""
    from kpbench.errors import UsageError, plural
    from kpbench.faces.pictures.boxes import parse_box, read_boxes, widened
    from kpbench.studies.predict import whole_picture

    if sum((box is not None, boxes is not None, detect)) > 1:
        raise UsageError("--box, --boxes and --detect say the same in different ways; give one of them")
    if detect:
        find_faces, usual = _detector()
        wider = usual if margin is None else margin
        return lambda path, grey: [widened(one, wider) for one in find_faces(grey)], []
    wider = margin or 0.0
    if boxes is not None:
        given, others = read_boxes(boxes, listed)
        wide = {path: [widened(one, wider) for one in own] for path, own in given.items()}
        naming = plural(len(others), "row names", "rows name")
        note = f"{boxes}: {naming} none of the pictures, the first {others[0]}" if others else ""
        return lambda path, grey: wide.get(path, []), [note] if note else []
    if box is not None:
        if len(listed) > 1:
            raise UsageError(f"--box is for one picture and {len(listed)} are given; give --boxes FILE.csv or --detect")
        only = widened(parse_box(box), wider)
        return lambda path, grey: [only], []
    return lambda path, grey: [widened(one, wider) for one in whole_picture(path, grey)], []


def _detector() -> "tuple[Callable[[Grey], list[Box]], float]":
    from kpbench.errors import UsageError

    try:
        from kpbench.faces.pictures.detector import MARGIN, find_faces
    except ImportError as error:
        raise UsageError(
            f'--detect needs OpenCV, below 5 ({error}): pip install "kpbench[detect]", or give --box or --boxes'
        ) from None
    return find_faces, MARGIN


def _refuse_unwritable(to: Path | None, overlay: Path | None) -> None:
    from kpbench.errors import UsageError

    if to is not None and (to.is_dir() or not to.parent.is_dir()):
        raise UsageError(f"cannot write {to}: {'it is a folder' if to.is_dir() else 'there is no such folder'}")
    if overlay is not None and overlay.exists() and not overlay.is_dir():
        raise UsageError(f"cannot write to {overlay}: it is no folder; name one for --overlay")


def _refuse_overwriting(files: Sequence[Path], pictures: Sequence[Path], force: bool) -> None:
    from kpbench.errors import UsageError

    sources = {picture.resolve() for picture in pictures}
    for file in files:
        if file.resolve() in sources:
            raise UsageError(f"{file} is one of the pictures themselves; name another place for what is written")
    there = [file for file in files if file.exists()]
    if there and not force:
        which = f"{there[0]} and {len(there) - 1} more are" if len(there) > 1 else f"{there[0]} is"
        raise UsageError(f"{which} there already; give --force to overwrite, or name another place")


def _draw(one: "PictureFaces", file: Path) -> None:
    from kpbench.faces.readers.files import shown
    from kpbench.faces.readers.pictures import read_upright
    from kpbench.report.data.overlay import overlay
    from kpbench.studies.predict import picture_bytes
    from kpbench.whole_file import write_whole

    _, colours = read_upright(picture_bytes(one.picture), shown(one.picture))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, overlay(colours, one.boxes, one.points), lasting=False)
