"""The page of a study: one HTML file that needs nothing but a browser."""

from kpbench.analysis.ranking import trial_counts
from kpbench.plots.factors import trials_of
from kpbench.plots.search.plots import PLOTS
from kpbench.plots.search.standings import standings
from kpbench.report.beside import Beside
from kpbench.report.face_pictures import face_groups
from kpbench.report.search import tables
from kpbench.report.search.apart import apart_faces, network_names
from kpbench.report.search.early import agreement_lines, chance_lines
from kpbench.report.search.headline import cards, headline, winners_curse
from kpbench.report.search.importance import importance
from kpbench.report.search.quote import paragraph
from kpbench.report.search.study_input import ReportInput
from kpbench.report.shell import whole_page
from kpbench.report.tables import columns, failure_lines, fixed_parameters
from kpbench.store.files import no_collection


@no_collection()
def render(study: ReportInput, beside: Beside | None = None) -> str:
    """The whole page as text, offline and self-contained."""
    marks = study.marks
    drawings = {name: draw(study.rows, marks) for name, draw in PLOTS.items()}
    lines = tables.leader_lines(study.rows, marks)
    return whole_page(
        "study.html",
        drawings,
        study=study,
        headline=headline(study),
        cards=cards(study),
        paragraph=paragraph(study),
        importance=importance(study.rows),
        **vars(beside or Beside()),
        curse=winners_curse(study),
        tally=trial_counts(study.rows),
        finals=sum(row.role == "final" for row in study.rows),
        lines=lines,
        unlisted=tables.unlisted(study.rows, lines),
        front=tables.front_table(study),
        front_note=tables.front_note(max((len(cell.tuning) for cell in standings(study.rows)), default=1)),
        metrics=tables.metrics_table(study),
        inference=tables.inference_table(study),
        measured=tables.latency_sentence(study),
        names=tables.parameter_names(study.rows),
        faces=face_groups(study.examples) if study.examples is not None else (),
        apart=apart_faces(study.apart) if study.apart is not None else (),
        networks=network_names(study.apart, study.rows) if study.apart is not None else (),
        failures=failure_lines(study.rows),
        agreement=agreement_lines(study.rows),
        chance=chance_lines(study.rows),
        pruned=tables.pruned_sentence(study.rows),
        fixed=fixed_parameters(trials_of(study.rows)),
        session_columns=columns(study.sessions),
        reading_columns=columns(study.readings),
    )
