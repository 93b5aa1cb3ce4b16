"""`kpbench ablate`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kpbench.cli import resources as take
from kpbench.cli.dry_runs import ablation_lines
from kpbench.cli.options import (
    amount,
    images_asked,
    named_levels,
    own_prints_aside,
    request_of,
    share,
    whole_numbers,
)
from kpbench.cli.signals import end_by_sigterm

MOST_FAILURES = 10
"""Failed runs that are named one by one."""


def ablate(
    factors: Annotated[list[str], typer.Argument(help="Factors of the space, by name or last part (dropout); or all.")],
    cross: Annotated[str, typer.Option(help="Factors crossed in, comma-separated: a full factorial.")] = "",
    levels: Annotated[
        list[str] | None, typer.Option(help="Levels: none,spatial for one factor, or norm=none,batch; repeatable.")
    ] = None,
    baseline: Annotated[list[str] | None, typer.Option(help="Baseline level, norm=none; repeatable.")] = None,
    space: Annotated[str, typer.Option(help="Search space: a name or a .toml file.")] = "cnn_small",
    data: Annotated[str, typer.Option(help="Faces: a name, or the path of a folder, zip or csv.")] = "synthetic",
    labels: Annotated[
        str, typer.Option(help="complete, or partial: train on faces that lack keypoints too (masked loss).")
    ] = "complete",
    max_parameters: take.MaxParameters = None,
    max_megabytes: take.MaxMegabytes = None,
    seeds: Annotated[int, typer.Option(help="Seeds of each cell: 3 smoke (no verdict), 8, 16, 32.")] = 8,
    looks: Annotated[
        str | None, typer.Option(help="Instead of --seeds: look at 8,16,32 seeds and end once all is decided.")
    ] = None,
    contrast: Annotated[
        list[str] | None,
        typer.Option(help="Also plan this contrast: 'norm=spatial_batch:batch @ depth=4'; repeatable."),
    ] = None,
    split: Annotated[str, typer.Option(help="Faces that judge: val, or test (opened once by each run).")] = "val",
    resplit: Annotated[bool, typer.Option(help="Draw train and val anew, by person, in each block.")] = False,
    confirm: Annotated[
        bool, typer.Option(help="At the end open the sealed test once, for the planned contrasts.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of a run.", show_default="the space's budget, else 8")
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="Instead of --epochs: images a run sees, 2.6M or 93k; in whole epochs.")
    ] = None,
    sesoi: Annotated[str, typer.Option(help="Smallest effect of interest, a share of MSE: 5% or 0.05.")] = "5%",
    alpha: Annotated[float, typer.Option(help="Error rate of the family of contrasts.")] = 0.05,
    correction: Annotated[str, typer.Option(help="For several contrasts: holm or none.")] = "holm",
    control: Annotated[bool, typer.Option(help="Train the baseline under a second cohort too (A/A).")] = True,
    shifts: Annotated[
        str | None, typer.Option(help="Also score on faces shifted by these pixels: 0,4,8.", show_default="for family")
    ] = None,
    also: Annotated[
        str | None, typer.Option(help="Also score every network on the validation faces of this other data set.")
    ] = None,
    tune: Annotated[
        str, typer.Option(help="Recipe: none (fixed), per-cell (anew in each block), or locked to the baseline's best.")
    ] = "none",
    tune_trials: Annotated[int, typer.Option(help="Recipes tried for each cell that is tuned.")] = 8,
    match: Annotated[
        str, typer.Option(help="params: also compare with the baseline made as large as the level.")
    ] = "none",
    reuse: Annotated[
        list[str] | None, typer.Option(help="A study of the same task whose runs are taken over; repeatable.")
    ] = None,
    workers: take.Workers = "auto",
    cpus_per_trial: take.Cpus = 1,
    gpus_per_trial: take.Gpus = "auto",
    address: take.Address = None,
    any_version: take.AnyVersion = False,
    trial_timeout: take.TrialTimeout = None,
    time_budget: take.TimeBudget = None,
    max_failures: take.MaxFailures = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the study; run seeds follow from it.")] = 0,
    name: Annotated[
        str | None, typer.Option(help="Study folder's name.", show_default="from factors, data and plan")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    track: Annotated[
        str | None, typer.Option(help="Also log each run to a tracker: tensorboard, mlflow or wandb.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Print cells, runs and estimated time; train for the estimate only.")
    ] = False,
    yes: Annotated[bool, typer.Option(help="Run a design of more than 400 runs.")] = False,
) -> int:
    """Compare the levels of factors with a baseline: paired seeds, nothing stopped early, verdicts in words.

    The same command again continues the study. Too few seeds give no verdict: 6 for one contrast, 8 for up to six.
    """
    from kpbench.cli.pages import write_report
    from kpbench.cli.progress import View
    from kpbench.engine.cluster import cluster
    from kpbench.studies.ablation import ablate as run_ablation
    from kpbench.studies.ablation import dry_run as dry
    from kpbench.studies.ablation_request import AblationRequest, prepare_ablation

    resources = take.resources_of(locals())
    limits = take.limits_of(time_budget, max_failures)
    options = dict(
        locals(),
        factors=tuple(factors),
        cross=tuple(word for word in cross.split(",") if word),
        levels=named_levels(levels or [], factors),
        baseline={factor: words[0] for factor, words in named_levels(baseline or [], factors).items()},
        images=images_asked(images, epochs),
        max_parameters=None if max_parameters is None else amount(max_parameters, option="--max-parameters"),
        sesoi=share(sesoi),
        shifts=None if shifts is None else whole_numbers(shifts, option="--shifts"),
        reuse=tuple(reuse or ()),
        looks=whole_numbers(looks, option="--looks") if looks else (),
        contrast=tuple(contrast or ()),
        threads=cpus_per_trial,
    )
    end_by_sigterm()
    with own_prints_aside(), cluster(resources) as ray, View(quiet=quiet) as view:
        prepared = prepare_ablation(request_of(AblationRequest, options | take.joined(ray, resources, device)))
        take.check_cards(resources, prepared.task.device)
        if dry_run:
            asked = dry(prepared, view.say) | take.asked(resources)
        else:
            folder = run_ablation(prepared, view.notify, view.say, ray)
            report = write_report(folder, folder / "report.html", faces=False)
    if dry_run:
        typer.echo(json.dumps(asked, indent=2) if as_json else "\n".join(ablation_lines(asked)))
        return 0
    from kpbench.analysis.ablation.analysis import analyse
    from kpbench.analysis.ablation.json import as_json as plain
    from kpbench.report.ablation.verdicts import conclusion

    found = analyse(folder)
    result = {"study": folder.name, **plain(found), "conclusion": conclusion(found), "report": str(report)}
    typer.echo(json.dumps(result) if as_json else "\n".join(outcome(result)))
    return 1 if result["missing"] or any(cell["failed"] for cell in result["tuning"]) else 0


def outcome(result: dict[str, Any]) -> list[str]:
    """The result of an ablation in lines for a person."""
    from kpbench.cli.lines import paragraph, table
    from kpbench.statistics.words import contrast_text, ends_text, number, p_text, short_names

    names = short_names(result["plan"]["factors"])
    rows = []
    for contrast in result["contrasts"]:
        interval = ends_text(contrast["ci"]) if contrast["ci"] else ""
        p = "" if contrast["p_adjusted"] is None else p_text(contrast["p_adjusted"], alpha=result["plan"]["alpha"])
        ratio = "" if contrast["ratio"] is None else number(contrast["ratio"])
        rows.append((contrast_text(contrast, names), ratio, interval, p, f"{contrast['verdict']}{_why(contrast)}"))
    lines = table(("contrast", "MSE ratio", "interval", "p (adj.)", "verdict"), rows, right=(1, 3))
    lines += paragraph(interval_levels(result))
    lines += [line for one in result["size_matched"] for line in _at_one_size(one, names)]
    lines += ["", *paragraph(result["conclusion"])]
    if broken := sum(cell["failed"] for cell in result["tuning"]):
        lines += ["", f"{broken} of the recipes tried could not be trained; see Tuning in the report"]
    if result["plan"].get("matched") == []:
        lines += ["", "no level changes the number of parameters by more than 2 %: no size-matched control needed"]
    if result["failures"]:
        lines += ["", *_failed(result["failures"])]
    return [*lines, "", f"report   {result['report']}"]


def interval_levels(result: dict[str, Any]) -> str:
    """At which levels the intervals of the contrasts are: `intervals at 95 to 99.2 %, ...`; empty without any."""
    from kpbench.statistics.words import ends_text

    found = [one["confidence"] for one in result["contrasts"] if one["confidence"] is not None]
    if not found:
        return ""
    ends = dict.fromkeys((min(found), max(found)))
    text = f"intervals at {ends_text(ends, lambda level: f'{100 * level:.3g}')} %"
    plan = result["plan"]
    if not max(found) > 1 - plan["alpha"]:
        return text
    wide = "its look and step of Holm ask" if plan["looks"] else "its step of Holm asks"
    return f"{text}, each as wide as {wide}"


def _why(one: dict[str, Any]) -> str:
    """Why a verdict is withheld, or how a mixed one divides."""
    if one["verdict"] == "mixed":
        simple = one["simple_effects"]
        return f": better in {simple['better']}, worse in {simple['worse']} of {len(simple['effects'])}"
    return f": {one['why']}" if one["verdict"] == "withheld" and one["why"] else ""


def _at_one_size(one: dict[str, Any], names: dict[str, str]) -> list[str]:
    """A level against the baseline of its size, in lines."""
    from kpbench.statistics.words import cell_text, ends_text, number, value_text

    head = f"at the same size ({cell_text(one['change'])}): {names[one['factor']]} {value_text(one['level'])}"
    if one["ratio"] is None:
        return ["", f"{head}: no complete block yet"]
    interval = f" ({ends_text(one['ci'])})" if one["ci"] else ""
    return ["", f"{head} {number(one['ratio'])}{interval}, {one['verdict']}"]


def _failed(failures: list[dict[str, Any]]) -> list[str]:
    """The runs that failed without an outcome, the first few by name."""
    from kpbench.statistics.words import cell_text

    s = "s" * (len(failures) != 1)
    lines = [f"{len(failures)} run{s} failed without an outcome; the same command runs {'them' if s else 'it'} again:"]
    for one in failures[:MOST_FAILURES]:
        levels = cell_text(one["levels"])
        lines.append(
            f"  {levels}, seed {one['seed']}: {one['reason']}" + (f", {one['detail']}" if one["detail"] else "")
        )
    return lines + [f"  and {len(failures) - MOST_FAILURES} more"] * (len(failures) > MOST_FAILURES)
