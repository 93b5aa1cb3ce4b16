"""The paragraph of a search that a paper can quote: how the cell was found, and what it reached."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kpbench.analysis.ranking import trial_counts
from kpbench.report.search.headline import headline
from kpbench.report.search.study_input import ReportInput
from kpbench.report.setting import faces_words, training_words
from kpbench.space.space import Parameter, SearchSpace
from kpbench.statistics.words import plural
from kpbench.store.plan import Plan


def paragraph(study: ReportInput) -> str:
    """The setting of the search, how the cell was found, and the headline; empty before a final run is scored."""
    if study.best is None or study.best.test_mean is None or math.isnan(study.best.test_mean):
        return ""
    found, ended = headline(study), trial_counts(study.rows)
    trials = f"{plural(sum(ended.values()), 'trial')} ({ended['pruned']:,} stopped early, {ended['failed']:,} failed)"
    what = f"A search of {trials} chose the cell by its validation score; it was trained again with "
    what += f"{plural(study.best.seeds, 'fresh seed')}, whose models alone were scored on the sealed test."
    return " ".join(filter(None, (what, study.setting, found.text, *found.more)))


def setting(plan: Plan, parameters: Mapping[str, Parameter], sessions: Sequence[Mapping[str, Any]], trials: int) -> str:
    """Space, who chose, how long and on what, and where it ran; a constrained finite space leaves out who chose.

    Args:
        parameters: of the plan's space.
        trials: how many have ended.
    """
    size = SearchSpace(plan.space_name, "", parameters, {}, {}, {}, "").size
    chosen = f"cells chosen by {plan.sampler}"
    if size is not None and plan.constraints:
        chosen = ""  # what keeps the constraints may have been enumerated
    elif size is not None and size <= trials:
        chosen = "every cell once"
    cells = "a continuum" if size is None else plural(size, "cell")
    early = "no early stopping" if plan.scheduler == "none" else f"early stopping by {plan.scheduler}"
    seeds = f"{plural(plan.seeds, 'seed')} a trial" if plan.seeds > 1 else ""
    machines = " and ".join(dict.fromkeys(str(one["device"]) for one in sessions))
    parts = (
        f"The space is {plan.space_name} ({cells})",
        *filter(None, (chosen, early, seeds)),
        f"a run has at most {training_words(plan.epochs, plan.data_sizes['train'])}",
    )
    where = f" It ran on {machines}, in {plan.precision}." if machines else ""
    return f"{', '.join(parts)}, on {faces_words(plan.data_name, plan.data_sizes)}.{where}"
