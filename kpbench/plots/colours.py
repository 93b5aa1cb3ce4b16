"""The colours of every plot and page: a role, its colour on white and its colour on black."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """One role as hex colours; figures are built with `light`, the page exchanges them for `dark` where asked."""

    light: str
    dark: str


COLOURS = {
    "paper": Colour("#ffffff", "#14181e"),
    "panel": Colour("#f6f7f9", "#1b2129"),
    "ink": Colour("#1c2430", "#e6e9ee"),
    "muted": Colour("#566171", "#a7b1be"),
    "rule": Colour("#d5dbe2", "#36404d"),
    "grid": Colour("#e6eaee", "#2a323d"),
    "link": Colour("#1d5a9e", "#86b8ef"),
    "first": Colour("#c2410c", "#fb923c"),
    "second": Colour("#2563a8", "#7ab2ee"),
    "third": Colour("#0f766e", "#4fd1c0"),
    "fourth": Colour("#7e3fb2", "#c79bf2"),
    "fifth": Colour("#57534e", "#d6d3d1"),
    "run": Colour("#4a78ab", "#6f9fd3"),
    "other": Colour("#aab6c4", "#566273"),
    "pruned": Colour("#8b7355", "#b09a7d"),
    "failed": Colour("#b91c1c", "#f87171"),
    "pass": Colour("#15803d", "#4ade80"),
    "floor": Colour("#6b7280", "#9aa3af"),
    "step1": Colour("#cbd9ea", "#2c405a"),
    "step2": Colour("#a6c1df", "#375a82"),
    "step3": Colour("#7ea6d3", "#4474a8"),
    "step4": Colour("#5486c1", "#5c92cc"),
    "step5": Colour("#2d67a9", "#84b3e7"),
    "step6": Colour("#124684", "#b7d6f9"),
    "lower3": Colour("#0b5aa6", "#5fb0ff"),
    "lower2": Colour("#4f93d2", "#3f86cf"),
    "lower1": Colour("#a3c8ea", "#2f5784"),
    "same": Colour("#dcdfe3", "#59626e"),
    "higher1": Colour("#f0c391", "#7d5326"),
    "higher2": Colour("#dd8a35", "#c47a2c"),
    "higher3": Colour("#a8500a", "#ffb15c"),
}
"""Role -> colour. Every light colour is there once, so that it can be exchanged by its text."""

RANKED = ("first", "second", "third", "fourth", "fifth")
"""The roles of the leading cells, best first."""

DIVERGING = ("lower3", "lower2", "lower1", "same", "higher1", "higher2", "higher3")
"""The roles of a ratio from far below 1 to far above it, told apart by the colour-blind too."""

STEPS = ("step1", "step2", "step3", "step4", "step5", "step6")
"""The roles of a score from low to high."""


def light(role: str) -> str:
    """The hex colour of a role as a figure carries it; KeyError for an unknown role."""
    return COLOURS[role].light
