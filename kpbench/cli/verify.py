"""`kpbench verify`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kpbench.cli import resources as take
from kpbench.cli.lines import entries, paragraph, table
from kpbench.cli.options import images_asked, named_levels, own_prints_aside, request_of
from kpbench.cli.signals import end_by_sigterm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kpbench.analysis.verify import Verification


app = typer.Typer(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def cohort(
    space: Annotated[str, typer.Option(help="Search space: a name or a .toml file.")] = "cnn_small",
    data: Annotated[str, typer.Option(help="A data set by name, or a path.")] = "synthetic",
    seeds: Annotated[int, typer.Option(help="Seeds of each cell.")] = 4,
    epochs: Annotated[int, typer.Option(help="Epochs over 256 faces.")] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> int:
    """Do seeds trained together get the numbers of seeds trained alone? Each cell in both ways, compared.

    Differences are relative, of the MSE, the greatest over seeds and epochs; exit code 3 where one is above 0.03.
    """
    from dataclasses import asdict

    from kpbench.cli.progress import View
    from kpbench.studies.cohort import TOLERANCE, cohort_differences

    found = []
    with View(quiet=quiet) as view:
        for one in cohort_differences(space, data, seeds=seeds, epochs=epochs, device=device, say=view.say):
            found.append(one)
            if not as_json:
                ratio = one.alone / one.together if one.together else float("nan")
                line = f"train {one.train:.1e}  val {one.val:.1e}  {ratio:.2f}x the speed of seeds alone  {one.cell}"
                typer.echo(f"{'ok' if one.agrees else 'DIFFERS':8}{line}")
    if as_json:
        typer.echo(json.dumps({"tolerance": TOLERANCE, "cells": [asdict(one) for one in found]}))
    return 0 if all(one.agrees for one in found) else 3


@app.command()
def faces(
    data: Annotated[str, typer.Option(help="The real faces: a name, or the path of a folder, zip or csv.")],
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Seeds of each cell in each study; a study that is there with more is taken as it is.",
            show_default="8, or those of the studies that are there",
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of a run.", show_default="the benchmark's")] = None,
    images: Annotated[
        str | None, typer.Option(help="Instead of --epochs: images a run sees, 2.6M or 93k, of the real faces.")
    ] = None,
    factors: Annotated[str, typer.Option(help="Factors whose levels are crossed.")] = "norm,dropout,depth",
    levels: Annotated[list[str] | None, typer.Option(help="Levels of a factor: depth=2,4; repeatable.")] = None,
    space: Annotated[str, typer.Option(help="Search space: a name or a .toml file.")] = "cnn_small",
    workers: take.Workers = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print what is left to run and the estimated time.")] = False,
    yes: Annotated[bool, typer.Option(help="Run a design of more than 400 runs a study.")] = False,
) -> int:
    """Do the built-in faces rank architectures as real faces do? One ablation on both, then compared.

    The same command again continues; once both studies are finished it reads them only.
    """
    from kpbench.analysis.verify import as_json as plain
    from kpbench.analysis.verify import read_verification
    from kpbench.cli.progress import View
    from kpbench.engine.cluster import cluster
    from kpbench.report.verify.page import write_verification
    from kpbench.studies.ablation_request import AblationRequest
    from kpbench.studies.verify import SEEDS, prepare_verify
    from kpbench.studies.verify import dry_run as dry
    from kpbench.studies.verify import verify as run_verify

    resources = take.resources_of(locals())
    crossed = [word.strip() for word in factors.split(",") if word.strip()]
    request = request_of(
        AblationRequest,
        locals(),
        factors=tuple(crossed),
        levels=named_levels(levels or [], crossed),
        seeds=SEEDS if seeds is None else seeds,
        workers=resources.here,
        images=images_asked(images, epochs),
    )
    end_by_sigterm()
    with own_prints_aside(), cluster(resources) as ray, View(quiet=quiet) as view:
        prepared = prepare_verify(request, factors=request.factors, seeds_as_found=seeds is None)
        if dry_run:
            asked = dry(prepared, view.say)
        else:
            folder = run_verify(prepared, view.notify, view.say, ray)
            found = read_verification(folder)
            report = write_verification(folder, found)
    if dry_run:
        typer.echo(json.dumps(asked, indent=2) if as_json else "\n".join(dry_lines(asked)))
        return 0
    result = {"verification": str(folder), **plain(found), "report": str(report)}
    typer.echo(json.dumps(result) if as_json else "\n".join([*outcome(found), "", f"report   {report}"]))
    return 1 if result["missing"] else 0


def dry_lines(asked: "Mapping[str, object]") -> list[str]:
    """What a dry run found in lines for a person."""
    return entries(((name, str(value)) for name, value in asked.items()), indent=19)


def outcome(found: "Verification") -> list[str]:
    """The result in lines of at most 80 columns for a person."""
    from kpbench.plots.verify import contrast_name
    from kpbench.report.verify import words

    begun = [study for study in found.studies if study is not None]
    lines = []
    if begun:
        plan, design = begun[0].plan, begun[0].design
        seeds = " and ".join(dict.fromkeys(str(study.plan.seeds) for study in begun))
        size = f"{len(design.cells)} cells x {seeds} seeds x {plan.epochs} epochs in each study, {plan.device}"
        lines += [*paragraph(f"{' against '.join(found.names)}: {size}"), ""]
    if found.result is None:
        for name, runs, missing in zip(found.names, found.asked.runs, found.missing, strict=True):
            lines += paragraph(f"{name}: {missing} of the {runs} runs have no outcome") if missing else []
        return [*lines, "nothing is compared before both are complete; the same command runs the rest"]
    lines += [*paragraph(words.headline(found)), ""]
    rows = []
    for one in found.result.contrasts:
        ratios = zip(one.ratios, one.intervals, strict=True)
        shown = (f"{ratio:.2f} ({words.ends_text(ends)})" for ratio, ends in ratios)
        rows.append((contrast_name(design, one), *shown, "FLIPS" if one.word == "disagree" else one.word))
    lines += table(("MSE ratio (Holm interval)", "built-in", "real", "sign"), rows, right=(1, 2))
    texts = words.findings(found.result)
    if found.result.transfer is not None:
        texts.append(words.transfer_sentence(found.result.transfer.agreement, begun[0].split))
    return lines + [line for text in texts for line in ("", *paragraph(text))]
