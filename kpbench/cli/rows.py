"""`kpbench rows`."""

import io
import json
import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

Format = StrEnum("Format", ["csv", "json", "parquet"])


def rows(
    study: Annotated[str, typer.Argument(help="A study: its folder, or its name in --out.")],
    format: Annotated[
        Format | None, typer.Option(help="csv, json or parquet.", show_default="by the suffix of --to, else csv")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="File to write.", show_default="stdout")] = None,
    curves: Annotated[bool, typer.Option("--curves", help="One line an epoch of each run instead.")] = False,
    faces: Annotated[bool, typer.Option("--faces", help="One line a face that judges each run instead.")] = False,
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
) -> int:
    """A study's runs as a table for other programs: one line a run, a column for each parameter and number."""
    from kpbench.analysis.rows import flat_rows
    from kpbench.cli.options import file_to_write, kind_of_file
    from kpbench.errors import UsageError

    if curves and faces:
        raise UsageError("--curves has a line an epoch and --faces a line a face: give one of them")
    kind = kind_of_file(to, format and format.value, {one.value: f".{one.value}" for one in Format}, default="csv")
    if to is None and kind == "parquet":
        raise UsageError("parquet is no text: --to FILE.parquet says where to write it")
    content = written(flat_rows(study, "epoch" if curves else "face" if faces else "run", out=out), kind)
    if to is None:
        typer.echo(content, nl=False)
    else:
        typer.echo(file_to_write(to, content))
    return 0


def written(frame: "pd.DataFrame", kind: str) -> bytes:
    """A frame as a file of its kind; what is missing is empty in CSV, null in JSON, as numbers that are not finite."""
    if kind == "csv":
        return frame.to_csv(index=False).encode()
    if kind == "parquet":
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue()
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    finite = [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in r.items()} for r in records]
    return (json.dumps(finite, allow_nan=False) + "\n").encode()
