"""What every page shares: the templates, the scripts and their policy, and figures as safe JSON."""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from kpbench.plots.colours import COLOURS
from kpbench.plots.drawing import Drawing
from kpbench.plots.scores import show_score
from kpbench.report.packing import packed
from kpbench.report.tables import heading, show
from kpbench.statistics.words import plural
from kpbench.version import __version__

TEMPLATES = Environment(
    loader=PackageLoader("kpbench.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals |= {"colours": COLOURS, "kpbench_version": __version__}
TEMPLATES.filters |= {"show": show, "heading": heading, "score": show_score, "plural": plural}


def whole_page(template: str, drawings: Mapping[str, Drawing], **context: object) -> str:
    """A page as text, offline and self-contained, from a template that extends `base.html`.

    Every text is escaped. The page's own policy forbids any request and any script but three: the page's own two, and
    the plotting library, which the second unpacks and inserts. Without drawings the page carries no library.

    Args:
        drawings: plot id -> drawing; the template places each.
        context: what else the template names.
    """
    library, library_bytes, library_hash = _library()
    program, tables = (Markup(TEMPLATES.get_template(name).render()) for name in ("page.js", "tables.js"))
    figures, figures_bytes = packed(safe_json(_figures(drawings)))
    return TEMPLATES.get_template(template).render(
        drawings=drawings,
        library=library,
        library_bytes=library_bytes,
        program=program,
        tables_program=tables,
        policy=f"default-src 'none'; script-src {library_hash} {_hash(program)} {_hash(tables)}; "
        "style-src 'unsafe-inline'; img-src data: blob:",
        figures=Markup(figures),
        figures_bytes=figures_bytes,
        shades=safe_json({colour.light: colour.dark for colour in COLOURS.values()}),
        **context,
    )


def safe_json(value: object) -> Markup:
    """JSON that can stand in a script element: no `<`, `>` or `&` and no line separator is left as itself.

    Raises:
        ValueError: a number is NaN or infinite, which JSON does not know.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _figures(drawings: Mapping[str, Drawing]) -> dict[str, Any]:
    """Plot id -> plotly's data and layout, without the default template."""
    figures = {}
    for name, drawing in drawings.items():
        for at, panel in enumerate(drawing.panels):
            found = panel.figure.to_plotly_json()
            found["layout"].pop("template", None)
            figures[f"plot-{name}-{at}"] = {"data": found["data"], "layout": found["layout"]}
    return figures


@cache
def _library() -> tuple[Markup, int, str]:
    """The plotting library packed, the bytes of its stream, and the hash of its text."""
    text = get_plotlyjs()
    library, size = packed(text)
    return Markup(library), size, _hash(text)


def _hash(script: str) -> str:
    """A script's hash as a policy names it."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
