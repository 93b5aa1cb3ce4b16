"""`kpbench score`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kpbench.cli.options import amount, command_line, own_prints_aside
from kpbench.task.score import score_from_mse


def score(
    model: Annotated[
        str,
        typer.Argument(
            help="A model file (safetensors, TorchScript, ONNX), a study (its best model), predictions (.npz, .csv), "
            "or FILE.py:NAME with --weights."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="Faces: a name, or the path of a folder, zip or csv.", show_default="the study's, or synthetic"
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="val or test; reading the sealed test is written down in the study.")
    ] = "val",
    weights: Annotated[
        Path | None, typer.Option(help="Weights of FILE.py:NAME: a state dict, a hand-in, or .safetensors.")
    ] = None,
    param: Annotated[list[str] | None, typer.Option(help="A parameter of FILE.py:NAME, width=32; repeatable.")] = None,
    trust_code: Annotated[
        bool, typer.Option(help="Run the Python file kept beside the model; only for code that you trust.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option(help="Also NME, AUC, PCK, error by keypoint, sides (docs/metrics.md).")
    ] = False,
    by_condition: Annotated[
        bool, typer.Option(help="Also the error by light, pose, glasses ... where the faces carry them.")
    ] = False,
    on: Annotated[str | None, typer.Option(help="Also on the val faces of other data.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Also write the points of each face to this .npz, for a metric of your own.")
    ] = None,
    max_parameters: Annotated[
        str | None, typer.Option(help="Rule instead of the course's 4,999,999, or of the model's study: 10M.")
    ] = None,
    max_megabytes: Annotated[float | None, typer.Option(help="Likewise for the file, instead of 20 MB.")] = None,
    to: Annotated[Path | None, typer.Option(help="Keep the result as a JSON file, for kpbench leaderboard.")] = None,
    name: Annotated[str | None, typer.Option(help="Its name in the result, instead of the file's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    require_pass: Annotated[
        bool, typer.Option(help="Leave with code 3 unless the score and the rules are met.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> int:
    """Score a model or predictions officially: one image at a time, 1 / (2 * mean MSE)."""
    from kpbench.cli.lines import fitted
    from kpbench.cli.metrics_text import metric_lines
    from kpbench.cli.progress import View
    from kpbench.studies.score import check_predictions_file, check_result_file, score, write_result
    from kpbench.studies.score_request import ScoreRequest, prepare_score

    request = ScoreRequest(
        model=model,
        data=data,
        split=split,
        command=command_line(),
        weights=weights,
        parameters=param or (),
        trust_code=trust_code,
        by_condition=by_condition,
        metrics=metrics,
        shifted=metrics or to is not None,
        elsewhere=on,
        predictions=predictions,
        max_parameters=None if max_parameters is None else amount(max_parameters, option="--max-parameters"),
        max_megabytes=max_megabytes,
        name=name,
    )
    if to is not None:
        check_result_file(to)
    if predictions is not None:
        check_predictions_file(predictions)
    with own_prints_aside(), View(quiet=quiet) as view:
        result, found = score(prepare_score(request, view.say), view.say)
    text = json.dumps(result, allow_nan=False)
    if to is not None:
        write_result(to, text + "\n")
    if as_json:
        typer.echo(text)
    else:
        for line in score_lines(result):
            typer.echo("\n".join(fitted(line)))
        if found is not None:
            typer.echo("\n".join(["", *metric_lines(found)]))
        for line in condition_lines(result.get("conditions", [])):
            typer.echo(line)
        for note in result["notes"]:
            typer.echo("\n".join(fitted(f"note     {note}")), err=True)
        for path in filter(None, (to, predictions)):
            typer.echo(f"kept     {path}", err=True)
    return 3 if require_pass and not result["pass"] else 0


def score_lines(result: dict[str, Any]) -> list[str]:
    """The result for a person: whether it passes and why not, the floor on the same faces, the rules."""
    reasons = result["why_not"]
    floor = ", ".join(f"{name} {score:.1f}" for name, score in result["floor"].items())
    lines = [f"no pass  {reason}" for reason in reasons] or [f"PASS     above the pass mark {result['pass_mark']:g}"]
    lines += [
        f"score    {result['score']:.2f} on {result['faces']} {result['split']} faces of {result['data']}",
        f"floor    {floor}",
        f"error    {result['rmse_px']:.2f} px RMSE of a coordinate",
    ]
    if result["parameters"] is None:
        lines.append("rules    not checked: predictions come without a model")
    else:
        lines.append(f"rules    {result['parameters']:,} parameters, {result['megabytes']:.2f} MB")
    lines += [f"{what:8} {score_from_mse(mse):.2f}" for what, mse in result.get("measures", {}).items()]
    return lines


def condition_lines(conditions: list[dict[str, Any]], *, shown: int = 12) -> list[str]:
    """The conditions that the error depends on most clearly, a line each, with px RMSE by third or value."""
    if not conditions:
        return []
    lines = ["", f"{'condition':16}{'p (adj.)':>9}  px RMSE by third or value (exploratory)"]
    for one in conditions[:shown]:
        parts = "  ".join(f"{label} {px:.2f}" for label, px in one["rmse_px"].items())
        lines.append(f"{one['condition']:16}{one['p_adjusted']:9.3f}  {parts}")
    more = len(conditions) - shown
    return [*lines, f"{more} more in --json"] if more > 0 else lines
