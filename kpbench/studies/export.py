"""`kpbench export`: a model of a study in a form that other programs read, with what it is written in it."""

from pathlib import Path

from kpbench.cell import RunResult
from kpbench.errors import UsageError, lookup
from kpbench.models.about import About
from kpbench.models.exports import EXPORTS
from kpbench.networks.families import count_parameters, describe
from kpbench.space.reading import parameters_in
from kpbench.space.space import with_part
from kpbench.store.files import FLOOR, read_json
from kpbench.store.finding import find_study
from kpbench.store.plan import read_plan
from kpbench.studies.models import stored_run, trust_beside
from kpbench.task.benchmark import parse_benchmark
from kpbench.training.model_files import load_model
from kpbench.version import __version__


def export_model(
    study: str,
    cell: str | None,
    *,
    format: str,
    to: Path | None,
    seed: int | None,
    out: Path,
    force: bool = False,
    trust_code: bool = False,
) -> tuple[list[Path], About]:
    """Writes a model of a study; returns the files, the model first, and what it says of itself.

    Args:
        cell: its id, the beginning of one, a rank, or `norm=batch`; the study's best where not given.
        format: a name of `EXPORTS`.
        to: a path with the format's suffix, or a folder; the working directory where not given.
        force: replaces files that are there.
        trust_code: runs the person's own code that is kept with the study, if it is the file it was trained with.

    Raises:
        UsageError: no such study, cell or format, a network that cannot be exported so, or a file in the way.
    """
    suffix, write, files = lookup(EXPORTS, format, "format")
    folder = find_study(study, out)
    row = stored_run(folder, cell, seed)
    path = _target(to, f"{folder.name}-{row.cell}-seed{row.seed}", suffix)
    there = [file for file in files(path) if file.exists()]
    if there and not force:
        raise UsageError(f"{there[0]} is there already; choose another --to, or give --force")
    if trust_code:
        trust_beside(folder / str(row.model))
    network, _ = load_model(folder / str(row.model))
    about = _about(folder, row, count_parameters(network), (folder / str(row.model)).stat().st_size / 1e6)
    path.parent.mkdir(parents=True, exist_ok=True)
    for file in there:  # so that a half of what was and a half of what comes never stand together
        file.unlink()
    return write(network, about, path), about


def _target(to: Path | None, name: str, suffix: str) -> Path:
    if to is None or to.is_dir() or not to.suffix:
        return (to or Path()) / (name + suffix)
    if to.suffix != suffix:
        raise UsageError(f"--to must end in {suffix} for this format, or name a folder; got {to}")
    return to


def _about(folder: Path, row: RunResult, parameters: int, megabytes: float) -> About:
    plan = read_plan(folder)
    benchmark = parse_benchmark(plan.benchmark_text, str(folder))
    rules = benchmark.rules
    scores = {"val": row.val_score, "test": row.test_score}
    return About(
        study=folder.name,
        what=describe(with_part(row.params, parameters_in(plan.space_text))),
        params=row.params,
        seed=row.seed,
        epochs=row.epochs,
        device=row.device,
        score={split: score for split, score in scores.items() if score is not None},
        floor=read_json(folder / FLOOR) or {},
        data=plan.data_name,
        data_digest=row.data,
        benchmark=benchmark.digest,
        parameters=parameters,
        megabytes=round(megabytes, 3),
        max_parameters=rules.max_parameters,
        max_megabytes=rules.max_model_megabytes,
        rules_kept=parameters <= rules.max_parameters and megabytes <= rules.max_model_megabytes,
        kpbench=__version__,
    )
