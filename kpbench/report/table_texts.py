"""Tables as texts that other documents take: Markdown and LaTeX."""

from collections.abc import Callable, Mapping

from kpbench.report.tables import Cell, Table

TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "−": "$-$",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "²": r"\textsuperscript{2}",
    "·": r"$\cdot$",
    "–": "--",
}
"""Signs that LaTeX does not print as themselves, or that only some of its engines know."""

MARKDOWN = {sign: f"\\{sign}" for sign in "\\|*`<"}


def latex(name: str, table: Table) -> str:
    """A `table` environment with booktabs' rules, its caption and the label `tab:NAME`; numbers stand right."""
    columns = "".join("r" if kind.startswith("n") else "l" for kind in table.columns.values())
    lines = [[_escaped(_text(cell), TEX) for cell in row] for row in (list(table.columns), *table.rows)]
    head, *rows = (" & ".join(line) + r" \\" for line in lines)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{_escaped(table.label, TEX)}}}",
            f"\\label{{tab:{name.replace('_', '-')}}}",
            f"\\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def markdown(name: str, table: Table) -> str:
    """A table of GitHub's Markdown under a heading; numbers stand right."""
    rule = ["---:" if kind.startswith("n") else "---" for kind in table.columns.values()]
    lines = [[_escaped(_text(cell), MARKDOWN) for cell in row] for row in (list(table.columns), *table.rows)]
    return "\n".join(
        [f"### {table.label}", "", *("| " + " | ".join(line) + " |" for line in (lines[0], rule, *lines[1:])), ""]
    )


FORMATS: Mapping[str, Callable[[str, Table], str]] = {"latex": latex, "md": markdown}
"""Name -> the function from a table and its name to a text."""


def _text(cell: str | Cell) -> str:
    """A cell on one line: its second line in brackets."""
    if isinstance(cell, str):
        text = cell
    else:
        more = ", ".join(part for part in (cell.tag, cell.flag, cell.detail) if part)
        text = f"{cell.text} ({more})" if more else cell.text
    return " ".join(text.split())


def _escaped(text: str, signs: Mapping[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in text)
