"""Writes the pages and files that several commands write."""

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kpbench.cell import Params
    from kpbench.report.tables import Table


def write_report(folder: Path, path: Path, *, faces: bool) -> Path:
    """The page of a study, whatever its kind.

    Raises:
        UsageError: a file of the study is damaged, or the page cannot be written.
    """
    from kpbench.errors import UsageError
    from kpbench.report.beside import Beside, progress_of
    from kpbench.report.search.page import render
    from kpbench.report.search.reader import read_report_input, read_sessions_and_readings
    from kpbench.store.files import no_collection
    from kpbench.store.plan import read_plan
    from kpbench.whole_file import write_whole

    with no_collection():
        if (design := read_plan(folder).design) is None:
            study = read_report_input(folder, faces=faces)
            network = _layers(folder, study.best.params if study.best else None)
            page = render(study, Beside(*progress_of(folder, study.rows), network))
        else:
            from kpbench.analysis.ablation.analysis import analyse
            from kpbench.report.ablation.page import render_ablation

            found = analyse(folder)
            of_baseline = (row.params for row in found.rows if design.baseline.items() <= row.params.items())
            network = _layers(folder, next(of_baseline, None))
            page = render_ablation(found, *read_sessions_and_readings(folder), Beside(*progress_of(folder), network))
    try:
        write_whole(path, page)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}; choose another --to") from error
    return path


def _layers(folder: Path, params: "Params | None") -> "Table":
    """The layers of a cell's network; none where this installation cannot build it, which costs a page no more.

    They are kept in the study, so that a page written again needs no torch.
    """
    from kpbench.cell import network_id
    from kpbench.errors import UsageError
    from kpbench.report.beside import layer_table
    from kpbench.store.files import LAYERS, read_json
    from kpbench.version import __version__
    from kpbench.whole_file import write_whole

    if params is None:
        return layer_table([])
    of, found = [network_id(params), __version__], []
    with suppress(UsageError, KeyError):  # damaged ones are made again
        kept = read_json(folder / LAYERS)
        if kept is not None and kept["of"] == of:
            return layer_table(kept["layers"])
    from kpbench.networks.layer_shapes import layer_shapes

    with suppress(Exception):
        found = layer_shapes(params)
        write_whole(folder / LAYERS, json.dumps({"of": of, "layers": found}).encode())
    return layer_table(found)


def refuse_place(path: Path | None) -> None:
    """UsageError where a file could not be written, before the work is done."""
    from kpbench.errors import UsageError

    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise UsageError(
            f"cannot write {path}: {'it is a folder' if path.is_dir() else 'there is no such folder'}; name a file"
        )


def write_file(path: Path, content: str | bytes) -> None:
    """Puts a file in its place whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    from kpbench.errors import UsageError
    from kpbench.whole_file import write_whole

    try:
        write_whole(path, content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}; choose another place") from error
