"""The page of a study: one HTML file that needs nothing but a browser."""

import base64
import hashlib
import json
import os
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from kpbench.plots.colours import COLOURS
from kpbench.plots.drawing import Drawing, Marks
from kpbench.plots.plots import PLOTS
from kpbench.plots.scores import show_score
from kpbench.report import tables
from kpbench.report.face_pictures import face_groups
from kpbench.report.report_input import ReportInput
from kpbench.report.verdict import plural, tally, verdict, winners_curse

PAGE = Environment(
    loader=PackageLoader("kpbench.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGE.filters |= {"show": tables.show, "heading": tables.heading, "score": show_score, "plural": plural}


def render(study: ReportInput) -> str:
    """The whole page as text, offline and self-contained.

    Every text of the study is escaped. The page's own policy forbids any script but its two own and any request.
    """
    marks = Marks(study.pass_mark, study.floor, chosen=study.best.cell if study.best else None)
    drawings = {name: plot.draw(study.rows, marks) for name, plot in PLOTS.items()}
    library = _script(get_plotlyjs())
    program = _script(PAGE.get_template("page.js").render())
    lines = tables.leader_lines(study.rows, marks)
    return PAGE.get_template("study.html").render(
        study=study,
        verdict=verdict(study),
        curse=winners_curse(study),
        tally=tally(study),
        finals=sum(row.role == "final" for row in study.rows),
        plots=PLOTS,
        drawings=drawings,
        lines=lines,
        unlisted=tables.unlisted(study.rows, lines),
        names=tables.parameter_names(study.rows),
        faces=face_groups(study.examples) if study.examples is not None else (),
        failures=tables.failure_lines(study.rows),
        pruned=tables.pruned_sentence(study.rows),
        fixed=tables.fixed_parameters(study.rows),
        session_columns=tables.columns(study.sessions),
        reading_columns=tables.columns(study.readings),
        colours=COLOURS,
        kpbench_version=_version(),
        library=library,
        program=program,
        policy=_policy(library, program),
        figures=safe_json(_figures(drawings)),
        shades=safe_json({colour.light: colour.dark for colour in COLOURS.values()}),
    )


def write(path: Path, html: str) -> None:
    """Put the page at `path` in one step: a reader sees the old page or the new one, never half of one.

    Raises:
        OSError: the folder is missing or cannot be written; nothing is left behind.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(html)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def safe_json(value: object) -> Markup:
    """JSON that can stand in a script element: no `<`, `>` or `&` and no line separator is left as itself.

    Raises:
        ValueError: a number is NaN or infinite, which JSON does not know.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _figures(drawings: dict[str, Drawing]) -> dict[str, Any]:
    """Plot id -> plotly's data and layout, without the default template."""
    figures = {}
    for name, drawing in drawings.items():
        for at, panel in enumerate(drawing.panels):
            found = panel.figure.to_plotly_json()
            found["layout"].pop("template", None)
            figures[f"plot-{name}-{at}"] = {"data": found["data"], "layout": found["layout"]}
    return figures


def _script(text: str) -> Markup:
    """A script of ours as the body of its element; ValueError where it would close the element early."""
    if "</script" in text.lower() or "<!--" in text:
        text = text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return Markup(text)


def _policy(*scripts: Markup) -> str:
    """What the browser may do with the page: run these scripts, use its own styles and pictures, request nothing."""
    hashes = " ".join(map(_hash, scripts))
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"


def _hash(script: Markup) -> str:
    digest = hashlib.sha256(str(script).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _version() -> str:
    try:
        return version("kpbench")
    except PackageNotFoundError:
        return "unknown"
