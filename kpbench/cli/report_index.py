"""The page over several studies, and the pages that it links to."""

import os
from collections.abc import Sequence
from pathlib import Path

import typer


def write_index(names: Sequence[str], folder: Path | None, out: Path, to: Path | None, *, faces: bool) -> Path:
    """The page over the named studies, or over all in a folder; before it the page of each study that has none.

    Raises:
        UsageError: there is no such folder or study, or a page cannot be written.
    """
    from kpbench.errors import UsageError
    from kpbench.store.files import ASKED
    from kpbench.store.finding import every_study, find_studies

    if folder is not None:
        if not folder.is_dir():
            raise UsageError(f"--index {folder}: there is no such folder")
        found = sorted({asked.parent for asked in folder.glob(f"*/{ASKED}")} | set(every_study(folder)))
        if not found:
            raise UsageError(f"--index {folder}: there is no study in it")
        title = f"Studies in {folder.resolve().name}"
        return _write(found, folder, to or folder / "index.html", title, faces=faces)
    found = []
    for name in names:
        verification = next((place for place in (Path(name), out / name) if (place / ASKED).is_file()), None)
        found += [verification] if verification else find_studies(name, out)
    file = "+".join(one.name for one in found)[:100]
    return _write(found, out, to or out / f"{file}.html", " and ".join(names), faces=faces)


def _write(folders: Sequence[Path], out: Path, to: Path, title: str, *, faces: bool) -> Path:
    from kpbench.cli.pages import refuse_place, write_file, write_report
    from kpbench.errors import UsageError
    from kpbench.report.index import entry_of, index_page
    from kpbench.store.files import ASKED, REPORT

    refuse_place(to)
    entries = []
    for folder in folders:
        page = folder / REPORT
        name = folder.relative_to(out).as_posix() if folder.is_relative_to(out) else folder.name
        if not page.exists() and not (folder / ASKED).is_file():
            try:
                write_report(folder, page, faces=faces)
            except UsageError as error:
                typer.echo(f"no page of {folder}: {error}", err=True)
        link = Path(os.path.relpath(page, to.parent)).as_posix() if page.exists() else ""
        entries.append(entry_of(folder, name, link))
    write_file(to, index_page(entries, title))
    return to
