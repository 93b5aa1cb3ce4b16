"""What a dry run found in lines for a person; `--json` has it in numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

from kpbench.cli.lines import entries
from kpbench.engine.limits import spoken_seconds
from kpbench.statistics.words import cell_text, contrast_text, plural, short_names
from kpbench.store.plan import MOST_LISTED

WIDTH = 12


def search_lines(said: Mapping[str, Any]) -> Iterator[str]:
    """The dry run of a search."""
    yield from _lines("study", said["study"])
    if len(said["objectives"]) > 1:
        yield from _lines("objectives", ", ".join(said["objectives"]))
    if said["constraints"]:
        yield from _lines("constraints", _constraints(said))
    yield from _lines("cells", "a continuum" if said["cells"] is None else f"{said['cells']:,}")
    who, warm = "every cell once" if said["every_cell"] else f"chosen by {said['sampler']}", said["warm_start"]
    if warm:
        cells = f"{plural(warm['cells'], 'cell')} of {warm['study']}"
        who += f", so that the {cells} change nothing" if said["every_cell"] else f", which knows {cells}"
    yield from _lines("trials", f"{said['trials']:,}, {who}")
    runs = said["runs"]
    yield from _lines("runs", f"{runs['trials']:,} of at most {_each(said)}, then {runs['finals']} with fresh seeds")
    yield from _common(said)
    yield from _lines("minutes", _minutes(said) + (", less what stops early" if said["scheduler"] != "none" else ""))
    yield from _lines("plan", said["plan"])


def ablation_lines(said: Mapping[str, Any]) -> Iterator[str]:
    """The dry run of an ablation, a cell a line."""
    yield from _lines("study", said["study"])
    yield from _lines("cells", *map(cell_text, said["cells"]))
    runs = said["runs"]
    yield from _lines(
        "runs",
        f"{runs['total']:,}: {runs['cells']:,} cells x {runs['seeds']:,} seeds, {runs['control']:,} A/A"
        + (f", {runs['matched']:,} size-matched" if runs["matched"] else "")
        + (f"; before them {runs['tuning']:,} to tune" if runs["tuning"] else ""),
    )
    for place, count in said["reuse"].items():
        yield from _lines("reuse", f"{count:,} of them taken over from {place}, so the study is post hoc: no verdict")
    yield from _lines("each", _each(said))
    averaged = "full factorial, effects averaged over the other factors"
    how = averaged if said["crossed"] else "one factor at a time, conditional on the baseline"
    yield from _lines("design", how)
    yield from _lines("contrasts", *_family(said))
    yield from _lines("fixed", cell_text(said["fixed"]))
    yield from _lines("detectable", _detectable(said["detectable"]))
    yield from _lines("verdicts", *said["verdicts"])
    yield from _common(said)
    yield from _lines("minutes", _minutes(said))
    yield from _lines("plan", said["plan"])


def _minutes(said: Mapping[str, Any]) -> str:
    """A tenth of a minute below 100, three digits above: it is a forecast."""
    found: float = said["minutes"]
    return f"{found:.1f}" if found < 100 else f"{float(f'{found:.3g}'):,.0f}"


def _common(said: Mapping[str, Any]) -> Iterator[str]:
    faces = said["faces"]
    sizes = ", ".join(f"{part} {faces[part]:,}" for part in ("train", "val", "test"))
    yield from _lines("faces", f"{faces['name']} {faces['digest']}: {sizes}")
    yield from _lines("notes", *said["notes"])
    yield from _lines("leak", *filter(None, [said["leak"]]))
    yield from _lines("faults", *filter(None, [said["faults"]]))
    device = said["device"]
    yield from _lines("device", f"{device['name']} ({device['kind']}, {device['precision']})")
    yield from _lines("workers", _workers(said))
    yield from _lines("limits", *_limits(said))
    yield from _lines("warning", *said["warnings"])


def _workers(said: Mapping[str, Any]) -> str:
    if not said["workers"]:
        return f"none: one run after the other in this process, {plural(said['cpus_per_trial'], 'CPU')}"
    where = f"on the cluster at {said['address']}" if said["address"] else f"this machine has {said['cpus']}"
    cards = "" if said["gpus_per_trial"] is None else f" and {said['gpus_per_trial']:g} card(s)"
    return f"{said['workers']:,} at once, {plural(said['cpus_per_trial'], 'CPU')}{cards} each; {where}"


def _limits(said: Mapping[str, Any]) -> Iterator[str]:
    if said["time_budget_s"] is not None:
        yield f"no trial is begun after {spoken_seconds(said['time_budget_s'])}"
    if said["trial_timeout_s"] is not None:
        yield f"a trial is ended after {spoken_seconds(said['trial_timeout_s'])}"
    if said["max_failures"] is not None:
        yield f"no trial is begun after {plural(said['max_failures'], 'failure')}"


def _constraints(said: Mapping[str, Any]) -> str:
    """The constraints of a search, and which cells they leave out."""
    from kpbench.task.objectives import OBJECTIVES

    options = " and ".join(f"{OBJECTIVES[name].constraint} {most:,.12g}" for name, most in said["constraints"].items())
    out = said["left_out"]
    if out is None:
        return f"{options}; each cell is looked at as it is proposed"
    if not out:
        return f"{options}: kept by every cell"
    more = f" and {len(out) - MOST_LISTED:,} more" if len(out) > MOST_LISTED else ""
    every = said["cells"] + len(out)
    cells = "; ".join(map(cell_text, out[:MOST_LISTED]))
    return f"{options}: {len(out):,} of {every:,} cells are never trained: {cells}{more}"


def _detectable(found: Mapping[str, Any]) -> str:
    changes = found["least_percent"], found["most_percent"], found["worst_percent"]
    little, much, most = (f"{change:.2g}" if change < 99.5 else f"{min(change, 1e4):,.0f}" for change in changes)
    low, high, worst = found["noise_sd"]
    return (
        f"changes of MSE by {little} to {much} %{' or more' * (changes[1] > 1e4)}, with {100 * found['power']:.0f} % "
        f"power, at the noise of most published contrasts with {found['noise_of']} (sd of paired log MSE {low} to "
        f"{high}); at the largest there, {worst}, {most} %; your own is known after the run: kpbench power STUDY"
    )


def _family(said: Mapping[str, Any]) -> Iterator[str]:
    """How many contrasts are planned, what judges them, then each; what a preregistration needs."""
    family, names = said["family"], short_names(said["cells"][0])
    contrasts, alpha = family["contrasts"], f"alpha {family['alpha']:g}"
    if len(contrasts) == 1:
        yield f"1 planned, {alpha}"
    elif family["correction"] == "none":
        yield f"{len(contrasts)} planned, not corrected, {alpha} each"
    else:
        yield f"{len(contrasts)} planned, {family['correction'].capitalize()} over them, {alpha}"
    if family["looks"]:
        yield f"looks at {', '.join(map(str, family['looks']))} seeds share this alpha"
    yield f"smallest effect of interest {100 * family['sesoi']:g} % of MSE"
    yield from (contrast_text(one, names) for one in contrasts)
    if family["interactions"]:
        yield f"and {plural(family['interactions'], 'interaction')}, a family of their own"


def _each(said: Mapping[str, Any]) -> str:
    return f"{plural(said['epochs'], 'epoch')}, {plural(said['images'], 'image')}"


def _lines(name: str, *texts: object) -> Iterator[str]:
    yield from entries(((name if not at else "", str(text)) for at, text in enumerate(texts)), indent=WIDTH)
