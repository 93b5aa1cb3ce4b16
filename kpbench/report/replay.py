"""The page of replayed searches: one offline file."""

from collections.abc import Sequence

from kpbench.analysis.replay import Replays
from kpbench.plots.replay import draw_regret
from kpbench.report.shell import whole_page


def replay_page(study: str, found: Sequence[Replays], lines: Sequence[str]) -> str:
    """The page as text: the curves of regret, and what the command prints.

    Args:
        study: its name.
        found: with a curve each.
    """
    return whole_page("replay.html", {"regret": draw_regret(found)}, study=study, printed="\n".join(lines))
