"""A figure outside its page: its legend in it, and a picture where kaleido and a browser are."""

import importlib.util
import os
import shutil

import plotly.graph_objects as go
import pytest

from kpbench.errors import UsageError
from kpbench.plots.drawing import Drawing, Key, Panel, calm
from kpbench.plots.standalone import SYMBOLS, picture, standalone


def drawing(*keys, title="A & B <i>"):
    figure = calm(go.Figure(go.Scatter(x=[1, 2], y=[3, 4], name="drawn")), height=200)
    return Drawing((Panel(title, figure, "alt", key=(Key("its own", "first", "dot"),)),), keys)


def test_the_legend_of_the_page_is_in_the_figure():
    keys = [Key(f"a <b> {mark}", "second", mark) for mark in (*SYMBOLS, "line")]
    page = drawing(*keys)
    found = standalone(page)
    listed = [trace.name for trace in found.data if trace.showlegend]
    assert listed == [*(key.label.replace("<", "&lt;").replace(">", "&gt;") for key in keys), "its own"]
    assert all(trace.x == (None,) for trace in found.data if trace.showlegend)
    assert found.layout.title.text == "A &amp; B &lt;i&gt;"
    assert found.layout.height > 200 and found.layout.paper_bgcolor == "#ffffff"
    assert len(page.panels[0].figure.data) == 1 and page.panels[0].figure.layout.height == 200  # it is a copy


def test_what_cannot_be_drawn_says_why():
    with pytest.raises(UsageError, match="there is nothing to draw: no run is complete"):
        standalone(Drawing(notes=("no run is complete",)))
    with pytest.raises(UsageError, match="has 1 panel"):
        standalone(drawing(), panel=2)


def test_kaleido_or_its_browser_may_be_missing(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(UsageError, match=r"need kaleido: pip install 'kpbench\[figures\]'"):
            picture(go.Figure(), "svg")

    class ChromeNotFoundError(Exception):
        pass

    def fail(error):
        def to_image(self, **options):
            raise error

        return to_image

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(go.Figure, "to_image", fail(ChromeNotFoundError("where is it?")))
    with pytest.raises(UsageError, match=r"finds no Chrome or Chromium that runs: install one .*BROWSER_PATH"):
        picture(go.Figure(), "svg")
    monkeypatch.setattr(go.Figure, "to_image", fail(ValueError("odd\nand more")))
    with pytest.raises(UsageError, match=r"cannot be drawn: ValueError: odd$"):
        picture(go.Figure(), "svg")


@pytest.mark.browser
@pytest.mark.parametrize(("kind", "begins"), [("svg", b"<svg"), ("pdf", b"%PDF"), ("png", b"\x89PNG")])
def test_a_picture_of_each_kind(kind, begins):
    needs = {"kaleido": importlib.util.find_spec("kaleido"), "chromium": shutil.which("chromium")}
    if missing := [name for name, found in needs.items() if not found]:
        message = f"{' and '.join(missing)} missing (pip install kaleido; Debian: apt install chromium)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    content = picture(standalone(drawing(Key("what it means", "second", "line"))), kind)
    assert content.startswith(begins) and len(content) > 1000
    if kind == "svg":
        assert b"what it means" in content and b"A &amp; B" in content
