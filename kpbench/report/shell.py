"""What every page shares: the templates, the scripts and their policy, and figures as safe JSON."""

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from kpbench.plots.colours import COLOURS
from kpbench.plots.drawing import Drawing
from kpbench.plots.scores import show_score
from kpbench.report.tables import heading, show
from kpbench.statistics.words import plural

TEMPLATES = Environment(
    loader=PackageLoader("kpbench.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"show": show, "heading": heading, "score": show_score, "plural": plural}


def whole_page(template: str, drawings: Mapping[str, Drawing], **context: object) -> str:
    """A page as text, offline and self-contained, from a template that extends `base.html`.

    Every text is escaped. The page's own policy forbids any script but its two own and any request.

    Args:
        drawings: plot id -> drawing; the template places each.
        context: what else the template names.
    """
    library = _script(get_plotlyjs())
    program = _script(TEMPLATES.get_template("page.js").render())
    return TEMPLATES.get_template(template).render(
        drawings=drawings,
        colours=COLOURS,
        kpbench_version=_version(),
        library=library,
        program=program,
        policy=_policy(library, program),
        figures=safe_json(_figures(drawings)),
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
