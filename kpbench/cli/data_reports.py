"""`kpbench data check` and `kpbench data show`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kpbench.cli.pages import refuse_place, write_file
from kpbench.errors import UsageError

if TYPE_CHECKING:
    from kpbench.faces.checks.pool import Pool
    from kpbench.faces.parts import Progress

GATE_FAILED = 3
"""The exit code of `check` where it finds an error."""

Name = Annotated[str, typer.Argument(help="Faces: a name, or the path of a folder, zip or csv.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


def check(
    name: Name,
    to: Annotated[
        Path | None, typer.Option(help="Write an offline page with the faces that are named, train and val only.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Look for faults in a data set: leaks between splits, wrong labels, empty pictures.

    Reads every part, the sealed test too, without any model. Leaves with code 0, or with 3 when there is an error
    among the findings (warnings and notes are none).
    """
    from kpbench.cli.progress import View
    from kpbench.faces.checks.checks import has_errors, run_checks
    from kpbench.report.data.words import CHECKED, check_lines, count_by_severity, split_counts

    refuse_place(to)
    with View(quiet=quiet) as view:
        shown, pool, notes = _read(name, view.say)
        findings = run_checks(pool, view.say)
    if to is not None:
        from kpbench.report.data.page import check_page

        write_file(to, check_page(shown, findings, pool, notes).encode())
    if as_json:
        found = {
            "data": shown,
            "faces": split_counts(pool),
            "verdict": count_by_severity(findings),
            "errors": has_errors(findings),
            "findings": [finding.as_json() for finding in findings],
            "notes": [*notes, CHECKED],
            "page": None if to is None else str(to),
        }
        typer.echo(json.dumps(found, allow_nan=False))
    else:
        for line in check_lines(shown, findings, pool, notes):
            typer.echo(line)
        if to is not None:
            typer.echo(f"page: {to}")
    return GATE_FAILED if has_errors(findings) else 0


def show(
    name: Name,
    faces: Annotated[int, typer.Option(min=1, max=1000, help="Faces on the sheet and the page, from train.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Which faces are drawn.")] = 0,
    sheet: Annotated[Path | None, typer.Option(help="Write a picture (.png) of faces with their keypoints.")] = None,
    to: Annotated[Path | None, typer.Option(help="Write an offline page with faces and tables.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Show what is in a data set: counts, keypoints, grey values, and faces of train.

    Of the sealed test it tells counts and missing labels only.
    """
    from kpbench.cli.progress import View
    from kpbench.faces.checks.overview import overview, sample
    from kpbench.report.data.words import SHOWN, show_lines

    if sheet is not None and sheet.suffix.lower() != ".png":
        raise UsageError(f"--sheet {sheet} is no picture that is written; write {sheet.with_suffix('.png')}")
    refuse_place(sheet)
    refuse_place(to)
    with View(quiet=quiet) as view:
        shown, pool, notes = _read(name, view.say)
    found = overview(shown, pool, notes)
    rows = sample(pool, faces, seed=seed)
    if sheet is not None:
        from kpbench.report.data.contact_sheet import contact_sheet
        from kpbench.report.face_pictures import png

        write_file(sheet, png(contact_sheet(pool.images[rows], pool.keypoints[rows])))
    if to is not None:
        from kpbench.report.data.page import show_page

        write_file(to, show_page(found, pool, rows, seed=seed).encode())
    written = {"sheet": sheet, "page": to}
    if as_json:
        files = {what: None if path is None else str(path) for what, path in written.items()}
        typer.echo(json.dumps({**found.as_json(), "sealed_test": SHOWN, "drawn": len(rows), **files}, allow_nan=False))
    else:
        for line in show_lines(found):
            typer.echo(line)
        for what, path in written.items():
            if path is not None:
                typer.echo(f"{what}: {path} ({len(rows)} faces of train, seed {seed})")
    return 0


def _read(source: str, say: "Progress") -> "tuple[str, Pool, tuple[str, ...]]":
    from kpbench.faces.checks.pool import pool_of
    from kpbench.faces.datasets import read_parts
    from kpbench.space.catalog import find
    from kpbench.task.benchmark import read_benchmark

    name, where, parts = read_parts(source, say)
    shares = read_benchmark(find("benchmarks", "facial_keypoints")).splits
    pool = pool_of(where, parts, val_share=shares.val_share, test_share=shares.test_share, seed=shares.seed)
    notes = parts.notes
    if pool.made and not pool.problem:
        how = "by hash of the picture (people unknown)" if pool.subjects is None else "by people"
        made = " and ".join(part for part in ("val", "test") if part in pool.made)
        notes = (*notes, f"no {made} in the data: split off train {how}, as a search does")
    return name, pool, notes
