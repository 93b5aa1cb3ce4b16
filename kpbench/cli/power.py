"""`kpbench power`."""

import json
from pathlib import Path
from typing import Annotated

import typer


def power(
    study: Annotated[str, typer.Argument(help="An ablation: its folder, or its name in --out.")],
    effect: Annotated[
        str | None, typer.Option(help="Smallest effect to find, 5% or 0.05.", show_default="the study's")
    ] = None,
    wanted: Annotated[float, typer.Option("--power", help="Probability of finding it, or of equivalence.")] = 0.8,
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> int:
    """Say how many seeds a smallest effect needs, from an ablation's own noise."""
    from kpbench.analysis.ablation.analysis import analyse
    from kpbench.analysis.ablation.needed import seeds_for_effect
    from kpbench.cli.lines import paragraph, table
    from kpbench.cli.options import share
    from kpbench.statistics.verdicts import needed_seeds
    from kpbench.statistics.words import plural, short_name, value_text
    from kpbench.store.finding import find_study

    folder = find_study(study, out)
    analysis = analyse(folder)
    found = seeds_for_effect(analysis, sesoi=share(effect, option="--effect") if effect else None, power=wanted)
    if as_json:
        typer.echo(json.dumps({"study": folder.name, "contrasts": found}))
        return 0
    effect_text = f"{100 * found[0]['effect']:g} %"
    words = (
        f"Seeds to find a change of MSE by {effect_text} with {100 * wanted:.12g} % power; cautious: at the upper 80 % "
        f"limit of the noise; equivalent: to call cells that do not differ equivalent within {effect_text} with that "
        "power. sd: of the paired differences of log MSE in the seeds run."
    )
    typer.echo("\n".join([*paragraph(words), ""]))
    head = ("contrast", "run", "sd", "seeds needed", "cautious", "equivalent")
    rows, collapse = [], list[str]()
    for one in found:
        name = f"{short_name(one['factor'])} {value_text(one['level'])} against {value_text(one['baseline'])}"
        name += "".join(f", {short_name(factor)} {value_text(level)}" for factor, level in one["at"].items())
        seeds = (f"{one[column]:,}" for column in ("seeds", "cautious", "equivalent"))
        rows.append((name, str(one["n"]), f"{one['sd']:.3f}", *seeds))
        collapse += [name] * (one["equivalent_set_by"] == "collapse")
    lines = table(head, rows, right=range(1, 6))
    if collapse:
        which = "each contrast" if len(collapse) == len(found) else "; ".join(collapse)
        note = (
            f"equivalent is set by rare collapse, not by the sd, for {which}: a run that collapses counts with the "
            "mean face's MSE, and so many seeds without one show that collapses could not hide more than "
        )
        lines += ["", *paragraph(f"{note}{effect_text}.")]
    if not all(one["learnt"] for one in found):
        note = f"Networks here are within {effect_text} of the mean face: their noise is not that of trained ones. "
        lines += ["", *paragraph(f"{note}Go by a study with more --epochs.")]
    few = needed_seeds(len(found), analysis.design.alpha)  # no contrast gets a verdict with fewer
    if (fewest := min(one["n"] for one in found)) < few:
        note = f"{plural(fewest, 'seed')} say little of the sd itself: go by the larger numbers, or run {few} first."
        lines += ["", *paragraph(note)]
    typer.echo("\n".join(lines))
    return 0
