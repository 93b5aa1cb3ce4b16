"""One page over several studies: what each found, and a link to its own page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kpbench.analysis.ablation.analysis import analyse
from kpbench.analysis.status import status_of
from kpbench.analysis.verify import read_verification
from kpbench.errors import UsageError
from kpbench.plots.scores import show_score
from kpbench.report.ablation import verdicts, words
from kpbench.report.beside import progress_of
from kpbench.report.search.headline import cards, headline
from kpbench.report.search.reader import read_report_input
from kpbench.report.shell import whole_page
from kpbench.report.tables import Card
from kpbench.report.verify.words import headline as verification_headline
from kpbench.store.files import ASKED
from kpbench.store.plan import read_plan


@dataclass(frozen=True)
class Entry:
    """A study or a verification on the page.

    Attributes:
        page: where its own page lies, relative to this one; empty where it has none.
        kind, on: `search` or the like; space and data.
        more: sentences below the answer.
        score, faces: the best cell's, as text, and which faces they are.
        progress: what is left to do; empty where nothing is.
        last: day of the last row; empty for none.
    """

    name: str
    page: str
    kind: str
    on: str
    answer: str
    more: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    score: str = ""
    faces: str = ""
    progress: str = ""
    running: bool = False
    last: str = ""


def entry_of(folder: Path, name: str, page: str) -> Entry:
    """The entry of a folder; a damaged study's answer says so."""
    try:
        if (folder / ASKED).is_file():
            found = read_verification(folder)
            on = f"{found.asked.built_in} and {found.asked.real}"
            return Entry(name, page, "verification", on, verification_headline(found))
        return _study(folder, name, page)
    except UsageError as error:
        return Entry(name, "", "damaged", "", str(error))


def _study(folder: Path, name: str, page: str) -> Entry:
    status, (progress, running) = status_of(folder), progress_of(folder)
    if read_plan(folder).design is None:
        study = read_report_input(folder, faces=False)
        answer, shown = headline(study), cards(study)
        text, more = answer.text, answer.more
    else:
        found = analyse(folder)
        text, shown = words.answer(found), words.cards(found)
        more = tuple(f"{line.name}: {line.word}. {line.text}" for line in verdicts.verdict_lines(found))
    best = status.best
    return Entry(
        name, page, status.kind, f"{status.space} on {status.data}", text, more, shown,
        show_score(best.score) if best else "–",
        ("sealed test" if best.on == "test" else "validation") if best else "",
        progress, running, (status.last or "")[:10],
    )  # fmt: skip


def index_page(entries: Sequence[Entry], title: str) -> str:
    """The page as text; it opens itself anew while a study of it runs."""
    return whole_page("index.html", {}, entries=entries, title=title, running=any(one.running for one in entries))
