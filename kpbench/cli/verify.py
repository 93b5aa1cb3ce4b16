"""`kpbench verify`."""

import json
import shlex
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class What(StrEnum):
    """What can be verified."""

    faces = "faces"


def verify(
    what: Annotated[What, typer.Argument(help="What to verify: the built-in faces.")],
    data: Annotated[str, typer.Option(help="The real faces: a name, or the path of a folder, zip or csv.")],
    seeds: Annotated[
        int, typer.Option(help="Seeds of each cell, on each side; a study that is there with more is taken as it is.")
    ] = 4,
    epochs: Annotated[int | None, typer.Option(help="Epochs of a run.  [default: the benchmark's]")] = None,
    levels: Annotated[
        list[str] | None, typer.Option(help="Levels of norm, dropout or depth: depth=2,4; repeatable.")
    ] = None,
    space: Annotated[str, typer.Option(help="Search space: a name or a .toml file.")] = "cnn_small",
    workers: Annotated[int, typer.Option(help="Ray workers; 0 runs in this process.")] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print what is left to run and the estimated time.")] = False,
    yes: Annotated[bool, typer.Option(help="Run a design of more than 400 runs a side.")] = False,
) -> int:
    """Do the built-in faces rank architectures as real faces do? One ablation on both, then compared.

    The same command again continues; once both studies are finished it reads them only.
    """
    from kpbench.cli.options import named_levels
    from kpbench.cli.pages import write_results
    from kpbench.cli.progress import View
    from kpbench.studies.verify import FACTORS, VerifyRequest, prepare_verify
    from kpbench.studies.verify import dry_run as dry
    from kpbench.studies.verify import verify as run_verify

    request = VerifyRequest(
        data=data,
        seeds=seeds,
        epochs=epochs,
        levels=named_levels(levels or [], list(FACTORS)),
        space=space,
        workers=workers,
        device=device,
        out=out,
        yes=yes,
        command=shlex.join(["kpbench", *sys.argv[1:]]),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped job ends as Ctrl-C does
    prepared = prepare_verify(request)
    with View(quiet=quiet) as view:
        if dry_run:
            asked = dry(prepared, view.say)
        else:
            folder = run_verify(prepared, view.notify, view.say)
            result = write_results(folder)
    if dry_run:
        typer.echo(json.dumps(asked, indent=2) if as_json else "\n".join(f"{k:18} {v}" for k, v in asked.items()))
        return 0
    typer.echo(json.dumps(result) if as_json else "\n".join(outcome(result)))
    return 1 if result["missing"] else 0


SIGNS = {"agree": "agree", "disagree": "FLIPS", "one side": "one side", "neither": "neither"}
"""What stands behind a contrast for each `Sign`."""


def outcome(result: dict[str, Any]) -> list[str]:
    """The result in lines of at most 80 columns for a person."""
    built_in, real = result["sides"]
    seeds = " and ".join(dict.fromkeys(str(n) for n in result["seeds"] if n))
    size = f"{result['cells']} cells x {seeds} seeds x {result['epochs']} epochs a side, {result['device']}"
    lines = [*_wide(f"{built_in['data']} against {real['data']}: {size}"), ""]
    if result["missing"]:
        for side in (built_in, real):
            if side["missing"]:
                lines += _wide(f"{side['data']}: {side['missing']} of the {side['runs']} runs have no outcome")
        return [*lines, "nothing is compared before both are complete; the same command runs the rest"]
    lines += [
        *_ranks(result["agreement"]),
        "",
        *_signs(result),
        "",
        *_cells(result),
    ]
    if result["transfer"] is not None:
        lines += ["", *_transfer(result["transfer"], built_in["data"], real["data"])]
    return [*lines, "", f"report   {result['report']}"]


def _ranks(found: dict[str, Any]) -> list[str]:
    if found["tau"] is None:
        return ["Kendall's tau: none, a side ties all its cells"]
    ceiling, (one, other) = found["ceiling"], found["reliability"]
    seldom = "under 0.1 %" if ceiling["p"] < 0.001 else f"{100 * ceiling['p']:.1f} %"
    lines = [f"{'Kendall tau of the cells':26}{found['tau']:6.2f}   95 % {_to(found['interval'])}"]
    if found["corrected"] is None:
        lines.append(f"{'without noise':26}     –   a side hardly agrees with itself")
    else:
        lines.append(f"{'without noise':26}{found['corrected']:6.2f}   95 % {_to(found['corrected_interval'])}")
    return [
        *lines,
        f"{'were the orders the same':26}{ceiling['tau']:6.2f}   {found['tau']:.2f} or less then in {seldom} of pairs",
        f"{'each side with itself':26}{one['tau']:6.2f}   built-in, {other['tau']:.2f} real",
    ]


def _signs(result: dict[str, Any]) -> list[str]:
    lines = [f"{'MSE ratio (Holm interval)':30}{'built-in':>19}  {'real':>19}  sign"]
    for found in result["contrasts"]:
        name = f"{found['factor'].rpartition('.')[2]} {found['level']}/{found['baseline']}"
        sides = [_ratio(*side) for side in zip(found["ratios"], found["intervals"], strict=True)]
        lines.append(f"{name[:29]:30}{sides[0]:>19}  {sides[1]:>19}  {SIGNS[found['word']]}")
    for what, counts in (("marginal", result["signs"]), ("simple", result["simple_signs"])):
        if counts["contrasts"]:
            lines += _wide(
                f"{what}: of {counts['contrasts']} contrasts {counts['agree']} agree, {counts['disagree']} flip, "
                f"{counts['one_side']} told on one side only, {counts['neither']} on neither; "
                f"{counts['same_direction']} point the same way"
            )
    return lines


def _cells(result: dict[str, Any]) -> list[str]:
    apart = sorted(
        (cell for cell in result["ranks"] if cell["apart"]), key=lambda cell: -abs(cell["ranks"][1] - cell["ranks"][0])
    )
    if not apart:
        return ["no cell is ranked apart by more than noise explains"]
    lines = [f"{'ranked apart by more than noise':42}{'built-in':>14}{'real':>14}"]
    for cell in apart:
        name = " / ".join(str(level) for level in cell["cell"].values())
        ranks = [f"{rank} ({low}-{high})" for rank, (low, high) in zip(cell["ranks"], cell["intervals"], strict=True)]
        lines.append(f"  {name[:40]:40}{ranks[0]:>14}{ranks[1]:>14}")
    return lines


def _transfer(found: dict[str, Any], built_in: str, real: str) -> list[str]:
    tau = found["agreement"]["tau"]
    return [
        f"{'score on val of ' + real:38}{'all cells':>19}  {'one cell':>19}"[:80],
        f"{'  trained on ' + built_in:38}{_score(found['cells']):>19}  {_score(found['best']):>19}",
        f"{'  trained on ' + real:38}{_score(found['real_cells']):>19}  {_score(found['real_best']):>19}"[:80],
        f"{'  mean face of ' + built_in:38}{found['mean_face']:>10.1f}",
        f"{'  mean face of ' + real:38}{found['real_mean_face']:>10.1f}",
        *_wide(
            "one cell: the best on the built-in validation faces. Kendall tau of this transfer with training on real "
            f"faces: {'none' if tau is None else f'{tau:.2f}'}"
        ),
    ]


def _score(found: dict[str, Any]) -> str:
    return f"{found['score']:.1f}" + ("" if found["low"] is None else f" ({found['low']:.1f}-{found['high']:.1f})")


def _ratio(ratio: float | None, interval: list[float] | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}" + (f" ({_to(interval)})" if interval else "")


def _to(interval: list[float]) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}"


def _wide(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, 80)
