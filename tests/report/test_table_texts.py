"""Tables as LaTeX and Markdown: every sign stays what it is."""

import pandas as pd
import pytest

from kpbench.report.table_texts import FORMATS, TEX, latex, markdown
from kpbench.report.tables import Cell, Table

HOSTILE = r"a_b & 5 % of #1 {x} ~ ^2 $y \cmd"

TABLE = Table(
    "Scores by 100 % & more",
    {"Name": "", "Score": "n strong", "Verdict": "tag"},
    [("norm spatial_batch", "327", "better"), (HOSTILE, Cell("1.2", detail="× 0.9", tag="baseline"), "−5 | `x` <b>")],
)


def test_a_latex_table_as_booktabs_wants_it():
    text = latex("simple_effects", TABLE)
    assert text.startswith("\\begin{table}\n\\centering\n\\caption{Scores by 100 \\% \\& more}\n")
    assert (
        "\\label{tab:simple-effects}\n\\begin{tabular}{lrl}\n\\toprule\nName & Score & Verdict \\\\\n\\midrule\n"
        in text
    )
    assert "norm spatial\\_batch & 327 & better \\\\\n" in text
    assert (
        "1.2 (baseline, $\\times$ 0.9) & $-$5 \\textbar{} `x` \\textless{}b\\textgreater{} \\\\\n\\bottomrule\n" in text
    )
    assert text.endswith("\\end{tabular}\n\\end{table}\n")
    assert text.count("{") - text.count("\\{") == text.count("}") - text.count("\\}")


@pytest.mark.parametrize("sign", [sign for sign in TEX if sign.isascii() and sign not in "<>|"])
def test_signs_are_escaped_as_pandas_does(sign):
    theirs = pd.DataFrame({"x": [f"a{sign}b"]}).style.format(escape="latex").hide(axis="index").to_latex()
    ours = latex("x", Table("", {"x": ""}, [(f"a{sign}b",)]))
    (line,) = (line for line in ours.splitlines() if line.startswith("a"))
    said = theirs.splitlines()[2].removesuffix("\\\\").strip()
    assert line.removesuffix("\\\\").strip().replace("{}", "") == said.replace("\\space ", "").replace(
        "{}", ""
    ).replace(" ", "")


def test_markdown_keeps_its_columns_whatever_a_cell_holds():
    lines = markdown("x", TABLE).splitlines()
    assert lines[:4] == ["### Scores by 100 % & more", "", "| Name | Score | Verdict |", "| --- | ---: | --- |"]
    assert lines[4] == "| norm spatial_batch | 327 | better |"
    assert lines[5] == r"| a_b & 5 % of #1 {x} ~ ^2 $y \\cmd | 1.2 (baseline, × 0.9) | −5 \| \`x\` \<b> |"


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS)
def test_a_cell_never_breaks_its_line(make):
    table = Table("one", {"x": ""}, [("a\nb",), (Cell("a", detail="b\r\nc"),)])
    assert len(make("x", table).splitlines()) == len(make("x", Table("one", {"x": ""}, [("a",), ("b",)])).splitlines())
