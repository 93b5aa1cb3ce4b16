"""`kpbench search`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from kpbench.cli import resources as take
from kpbench.cli.dry_runs import search_lines
from kpbench.cli.options import amount, images_asked, own_prints_aside, request_of
from kpbench.cli.signals import end_by_sigterm


def search(
    space: Annotated[
        str | None,
        typer.Option(help="Search space: a name (`kpbench ls spaces`) or a .toml file.", show_default="cnn_small"),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Instead of --space, one network of your own: FILE.py:NAME.")
    ] = None,
    data: Annotated[
        str, typer.Option(help="Faces: a name (`kpbench ls data`), or the path of a folder, zip or csv.")
    ] = "synthetic",
    labels: Annotated[
        str, typer.Option(help="complete, or partial: train on faces that lack keypoints too (masked loss).")
    ] = "complete",
    max_parameters: take.MaxParameters = None,
    max_megabytes: take.MaxMegabytes = None,
    n_trials: Annotated[
        int | None, typer.Option(help="Trials in the study, in total.", show_default="the space's budget, else 7")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of a run.", show_default="the space's budget, else 8")
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="Instead of --epochs: images a run sees, 2.6M or 93k; in whole epochs.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of each trial.")] = 1,
    sampler: Annotated[str, typer.Option(help="Who chooses cells (`kpbench ls samplers`).")] = "additive",
    scheduler: Annotated[
        str, typer.Option(help="Early stopping: none, asha_late, asha_half or asha (a third).")
    ] = "none",
    warm_start: Annotated[
        str | None, typer.Option(help="Study whose cells the sampler is shown; none of them counts as a trial.")
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
    seed: Annotated[int, typer.Option(help="Seed of the study; run seeds and the sampler's follow from it.")] = 0,
    name: Annotated[
        str | None, typer.Option(help="Study folder's name.", show_default="from space, data and plan")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    final_cells: Annotated[
        int, typer.Option(help="Best cells that are trained again and scored on the sealed test.")
    ] = 1,
    final_seeds: Annotated[int, typer.Option(help="Fresh seeds for each of them.")] = 3,
    track: Annotated[
        str | None, typer.Option(help="Also log each run to a tracker: tensorboard, mlflow or wandb.")
    ] = None,
    objective: Annotated[
        str, typer.Option(help="score, or several: score,params,flops,latency,images_per_second.")
    ] = "score",
    max_params: Annotated[
        str | None,
        typer.Option(
            help="Leave cells with more parameters than this out: 500k. The rule, --max-parameters, is for every cell."
        ),
    ] = None,
    max_flops: Annotated[str | None, typer.Option(help="Nor with more FLOPs for a face: 120M.")] = None,
    max_latency_ms: Annotated[
        float | None, typer.Option(help="Nor slower on one face, on this device, batch of one, one thread.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Check everything, say what would run and how long; train for the estimate only.")
    ] = False,
) -> int:
    """Search a space of networks, train the best again with fresh seeds, write a report.

    The same command again continues the study: trials are totals, nothing finished is trained twice.
    """
    from kpbench.cli.progress import View
    from kpbench.engine.cluster import cluster
    from kpbench.store.files import REPORT, RESULT, read_json
    from kpbench.studies.search_request import SearchRequest, prepare_search

    resources = take.resources_of(locals())
    limits = take.limits_of(time_budget, max_failures)
    options = dict(
        locals(),
        images=images_asked(images, epochs),
        max_parameters=None if max_parameters is None else amount(max_parameters, option="--max-parameters"),
        threads=cpus_per_trial,
        objective=tuple(objective.split(",")),
        max_params=None if max_params is None else amount(max_params, option="--max-params"),
        max_flops=None if max_flops is None else amount(max_flops, option="--max-flops"),
    )
    end_by_sigterm()
    with own_prints_aside(), cluster(resources) as ray, View(quiet=quiet) as view:
        prepared = prepare_search(request_of(SearchRequest, options | take.joined(ray, resources, device)))
        take.check_cards(resources, prepared.task.device)
        if ray is not None and not dry_run:
            ray.start()  # while the rest is imported and the faces are read
        from kpbench.studies.search import dry_run as dry
        from kpbench.studies.search import search as run_search

        if dry_run:
            asked = dry(prepared, view.say) | take.asked(resources)
        else:
            folder = run_search(prepared, view.notify, view.say, ray)
            from kpbench.cli.pages import write_report

            write_report(folder, folder / REPORT, faces=True)
    if dry_run:
        typer.echo(json.dumps(asked, indent=2) if as_json else "\n".join(search_lines(asked)))
        return 0
    result = {**(read_json(folder / RESULT) or {}), "report": str(folder / REPORT)}
    if result["best"] and result["best"]["model"]:
        result["best"]["model"] = str(folder / result["best"]["model"])  # a path that `kpbench score` takes
    typer.echo(json.dumps(result) if as_json else "\n".join(outcome(result)))
    failed = result["trials"]["failed"] + result["finals_failed"]
    return 1 if failed or result["best"] is None else 0


def outcome(result: dict[str, Any]) -> list[str]:
    """The result of a search in lines for a person: passed or not, with the floor beside it, then what it was."""
    from kpbench.cli.lines import entries

    return [*entries(_result(result)), *front_lines(result), *entries(_around(result))]


def _result(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    from kpbench.cell import OWN
    from kpbench.plots.scores import show_score
    from kpbench.statistics.words import cell_text, ends_text, plural, show_number

    trials, best, passed = result["trials"], result["best"], result.get("passed")
    beside = [f"pass mark {result['pass_mark']:g}"] if "pass_mark" in result else []
    where = " on validation" if result.get("floor_split") == "val" else ""
    beside += [", ".join(f"{name} {score:.1f}" for name, score in result["floor"].items()) + where]
    word = "open" if passed is None else "PASS" if passed else "no pass"
    if best is None:
        yield "none", "; ".join(["no trial was completed", ", ".join(beside)])
    elif best["test_score"] is None:
        score = f"validation score {best['val_score']:.1f}; the sealed test was not opened for it"
        yield word, "; ".join([score, ", ".join(beside)])
    else:
        yield word, "; ".join([f"{best['test_mean']:.1f} on the sealed test", ", ".join(beside)])
    yield from warnings(result)
    yield "trials", f"{trials['complete']} complete, {trials['pruned']} pruned, {trials['failed']} failed"
    if best is not None:
        yield "best", cell_text(best["varies"])
    if best and best["test_score"] is not None:
        interval = best["test_interval"]
        seeds = plural(best["seeds"], "fresh seed")
        of = f"the geometric mean of {seeds}" if best["seeds"] > 1 else seeds
        span = f", 95 % interval {ends_text(interval, show_score)}" if interval else ""
        yield "test", f"{best['test_mean']:.1f}, {of}{span}"
        yield "model", f"{best['model']}: validation {best['val_score']:.1f}, test {best['test_score']:.1f}"
        own = [match[1] for value in best["cell"].values() if (match := OWN.fullmatch(str(value)))]
        if own:
            yield "own code", f"score, export and predict run {' and '.join(dict.fromkeys(own))} with --trust-code"
    for one in result.get("inference", [])[:1]:
        yield "speed", f"{show_number(one['median'])} ms a face, one thread, on {one['device']}; more in the report"


def warnings(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What makes a score worth little, and what to do about it."""
    below, best = result.get("not_above", []), result["best"]
    if below:
        what = " and ".join(below)
        mean = "nothing was learnt yet" if "mean face" in below else "a network has not earned its place"
        yield (
            "warning",
            (
                f"not above {what}: {mean}; try more --epochs (these runs had {result['epochs']}), or another --space "
                "(kpbench ls spaces)"
            ),
        )
    ends = (best or {}).get("test_interval")
    if ends and "pass_mark" in result and ends[0] < result["pass_mark"] < ends[1]:
        yield "warning", "the interval includes the pass mark: more --final-seeds say on which side of it the cell is"


def _around(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if result.get("stopped"):
        yield "stopped", f"{result['stopped']}; the same command continues"
    yield "report", result["report"]


def front_lines(result: dict[str, Any], *, most: int = 6) -> list[str]:
    """The Pareto set of a search with several objectives, a line a cell; evenly chosen ones where it is long."""
    from kpbench.cli.lines import entries
    from kpbench.plots.scores import thinned
    from kpbench.report.search.tables import front_note
    from kpbench.statistics.words import cell_text, plural
    from kpbench.task.objectives import OBJECTIVES

    front, names = result.get("pareto", []), result.get("objectives", [])
    if not front:
        return []
    lines = [("front", f"{plural(len(front), 'cell')} that no other beats over {', '.join(names)}:")]
    for one in thinned(front, most):
        values = ", ".join(f"{name} {OBJECTIVES[name].show(one[name])}" for name in names)
        lines.append(("", f"{values}: {cell_text(one['varies'])}"))
    if len(front) > most:
        lines.append(("", f"and {len(front) - most} between them, in the report"))
    lines.append(("", front_note(max(one["seeds"] for one in front))))
    return entries(lines)
