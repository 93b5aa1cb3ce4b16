"""`kpbench report` beside the page: tables, a figure, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest

from kpbench.networks import layer_shapes
from kpbench.plots import standalone
from kpbench.store.files import LAYERS
from kpbench.version import __version__

SHORT = Path("reports/norm-start").absolute()
SEARCH, ABLATION = Path("reports/keypoint").absolute(), Path("reports/heads").absolute()


def test_tables_on_stdout_or_in_a_file(kpbench, tmp_path):
    code, out, err = kpbench("report", ABLATION, "--tables", "md", "--table", "means")
    assert (code, err) == (0, "")
    assert out.startswith("### Scores by level and by cell\n\n| Level or cell | Score |")
    code, out, _ = kpbench("report", ABLATION, "--tables", "latex", "--to", "tables.tex")
    assert (code, out) == (0, "tables.tex\n")
    text = (tmp_path / "tables.tex").read_text()
    assert text.count("\\begin{table}") == text.count("\\end{table}") > 5
    assert "\\label{tab:contrasts}" in text


def test_a_wide_table_has_the_columns_that_the_page_shows_unless_all_are_asked_for(kpbench):
    asked = ["report", ABLATION, "--table", "contrasts", "--tables"]
    code, out, err = kpbench(*asked, "latex")
    assert (code, err) == (0, "contrasts: 16 more columns with --all-columns\n")
    assert "Contrast & Verdict & MSE ratio & Interval & at & p adjusted & Detectable \\\\\n" in out
    assert "\\begin{tabular}{llrrrrr}" in out and "head fc against softargmax & worse & 1.56 & 1.42 to 1.72 &" in out
    code, out, err = kpbench(*asked, "md", "--all-columns")
    assert (code, err) == (0, "")
    assert [line.count("|") for line in out.splitlines() if line.startswith("|")] == [24] * 6


def test_a_figure_in_a_file(kpbench, tmp_path, monkeypatch):
    monkeypatch.setattr(standalone, "picture", lambda figure, kind: f"<{kind} {len(figure.data)}>".encode())
    code, out, err = kpbench("report", SEARCH, "--figure", "learning_curves", "--to", "curves.svg", "--panel", 2)
    assert (code, out, err) == (0, "curves.svg\n", "panel 2 of 2; --panel takes another\n")
    assert (tmp_path / "curves.svg").read_text().startswith("<svg ")
    assert kpbench("report", ABLATION, "--figure", "forest", "--to", "forest.pdf") == (0, "forest.pdf\n", "")


def test_the_layers_of_the_network_are_kept_and_damaged_ones_made_again(kpbench, tmp_path, monkeypatch):
    shutil.copytree(SEARCH, tmp_path / "s")
    kept = tmp_path / "s" / LAYERS
    kept.unlink(missing_ok=True)

    def page():
        assert kpbench("report", "s", "--to", "page.html")[0] == 0
        return (tmp_path / "page.html").read_text()

    first = page()
    assert "Conv2d 3x3" in first
    with monkeypatch.context() as patch:
        patch.setattr(layer_shapes, "layer_shapes", lambda params: pytest.fail("they are kept"))
        assert page() == first
    for damaged in ("{", '{"of": 1}', kept.read_text().replace(__version__, "0.0.1"), "[]"):
        kept.write_text(damaged)
        assert page() == first
        assert json.loads(kept.read_text())["of"][1] == __version__


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--figure", "forest"], "--figure forest: --to FILE.svg, .pdf or .png says where to write it"),
        (["--figure", "forest", "--to", "x.gif"], "its suffix must be one of .svg, .pdf, .png"),
        (["--figure", "forst", "--to", "x.svg"], "unknown figure 'forst'; did you mean 'forest'"),
        (["--tables", "md", "--to", "x.tex"], "x.tex is no .md file; write x.md"),
        (["--tables", "md", "--table", "mean"], "unknown table 'mean'; known: contrasts, means"),
        (["--tables", "md", "--to", "nowhere/x.md"], "cannot write nowhere/x.md: No such file or directory"),
        (["--all-columns"], "--all-columns is of --tables"),
        (["--table", "means"], "add --tables latex or --tables md"),
        (["--tables", "md", "--figure", "forest"], "give one of them"),
        (["--watch", "--tables", "md"], "--watch is of the page of one study"),
        (["--to", "x.svg"], "x.svg is no page; write x.html, or ask for --tables or a --figure"),
    ],
)
def test_what_is_refused(refused, tmp_path, words, message):
    assert message in refused("report", ABLATION, *words)
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_a_study_that_runs_is_written_until_it_ends(kpbench, tmp_path, monkeypatch):
    from kpbench.cli import report
    from kpbench.report import beside

    folder = shutil.copytree(SHORT, tmp_path / "reports" / "s")
    states = [("Running: 1 of 32 runs.", True)] * 2 + [("", False)] * 2  # asked before each page, and for it
    monkeypatch.setattr(beside, "progress_of", lambda *_: states.pop(0))
    slept = []
    monkeypatch.setattr(report.time, "sleep", slept.append)
    assert kpbench("report", "s", "--watch")[0] == 0
    assert slept == [report.AGAIN]
    assert 'http-equiv="refresh"' not in (folder / "report.html").read_text(encoding="utf-8")
    states[:] = [("Running: 1 of 32 runs.", True)] * 2

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(report.time, "sleep", interrupted)
    code, _, err = kpbench("report", "s", "--watch")
    assert (code, err) == (0, "")
    assert f'http-equiv="refresh" content="{report.AGAIN:.0f}"' in (folder / "report.html").read_text(encoding="utf-8")
