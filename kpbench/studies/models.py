"""Models by the words in which a person names them: a file, a study, a network of their own with weights."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from kpbench.analysis.cells import find_cell
from kpbench.cell import RunResult, Scalar
from kpbench.errors import UsageError, lookup
from kpbench.models.reading import Model, read_model, read_own_weights
from kpbench.networks.families import PREFIX, build, family_defaults
from kpbench.networks.own import WRITTEN, OwnFile, admit, read_own, resolve, takes_hparams
from kpbench.space.space import complete
from kpbench.store.files import MODELS, RESULT, ROWS, read_json, read_lines
from kpbench.store.finding import find_study, studies_named, unknown_study
from kpbench.studies.spaces import open_space

FILES = (".safetensors", ".json", ".ts", ".pt", ".pth", ".onnx", ".p", ".pkl", ".model")
"""What a word that names a file ends in; any other file is told by its content too."""


def open_model(
    word: str,
    *,
    weights: Path | None = None,
    parameters: Sequence[str] = (),
    trust_code: bool = False,
    out: Path = Path("reports"),
) -> Model:
    """The network that a word names, on the CPU in eval mode.

    Args:
        word: a file (`models.reading`), a study by path or name (its best model), or `FILE.py:NAME` with weights.
        parameters: `name=value` of `FILE.py:NAME`, where it is not at its default.
        trust_code: runs the person's own code that lies beside a model, if it is the file it was trained with.
        out: where studies are looked for.

    Raises:
        UsageError: there is none, or it cannot be used; the message names thing and remedy.
    """
    if WRITTEN.fullmatch(word):
        return _own(word, weights, parameters)
    if weights is not None or parameters:
        raise UsageError(f"--weights and --param are for a network of your own, FILE.py:NAME, not for '{word}'")
    path = Path(word)
    if not path.is_file() and (path.is_dir() or path.suffix not in FILES):
        path = _of_study(word, out)
    if trust_code:
        trust_beside(path)
    return read_model(path, trusted=trust_code)


def trust_beside(model: Path) -> None:
    """Allows this process to run the Python files that lie beside a model."""
    admit(OwnFile(file.name, file.read_bytes().decode(errors="replace")) for file in model.parent.glob("*.py"))


def stored_run(folder: Path, cell: str | None, seed: int | None) -> RunResult:
    """The row of a study whose model is kept: of its best cell, or of one named as `analysis.cells` takes it.

    Raises:
        UsageError: there is none; what there is, is named.
    """
    rows = read_lines(folder / ROWS, RunResult)
    kept = [row for row in rows if row.state == "complete" and _file(folder, row)]
    if not kept:
        raise UsageError(
            f"{folder} keeps no models: of a search they come with its final runs (--final-cells), of an ablation "
            f"`kpbench rerun {folder.name} best --to model.safetensors` makes one"
        )
    if cell is None:
        best = ((read_json(folder / RESULT) or {}).get("best") or {}).get("model")
        chosen = [row for row in kept if row.model == best]
        if not chosen:
            raise UsageError(
                f"{folder} names no best model, for its command did not end: give the command again, or name one of "
                f"the files in {folder / MODELS}"
            )
    else:
        found = find_cell(folder.name, rows, cell)
        chosen = [row for row in kept if row.cell == found]
        if not chosen:
            raise UsageError(f"{folder} keeps no model of cell {found}; those of: {', '.join(_cells(kept))}")
    if seed is not None:
        same_cell = [row for row in kept if row.cell == chosen[0].cell]
        chosen = [row for row in same_cell if row.seed == seed]
        if not chosen:
            raise UsageError(f"no model of seed {seed}; seeds: {', '.join(str(row.seed) for row in same_cell)}")
    return min(chosen, key=lambda row: math.inf if row.val_mse is None else row.val_mse)


def _of_study(word: str, out: Path) -> Path:
    if not studies_named(word, out):
        raise unknown_study(word, out, f"no model file or study '{word}'")
    folder = find_study(word, out)
    return folder / str(stored_run(folder, None, None).model)


def _file(folder: Path, row: RunResult) -> bool:
    return row.model is not None and (folder / row.model).is_file()


def _cells(rows: Sequence[RunResult]) -> list[str]:
    return list(dict.fromkeys(row.cell for row in rows))


def _own(word: str, weights: Path | None, words: Sequence[str]) -> Model:
    if weights is None:
        raise UsageError(f"{word} has no weights to score; give --weights")
    name, _ = read_own(word, Path())
    if takes_hparams(name):
        return read_own_weights(word, resolve(name), weights, hparams=dict(map(_hparam, words)))
    opened = open_space(word)
    (cell,) = opened.space.cells()
    params = complete({**cell, **_chosen(words, family_defaults(str(cell["family"])))}, opened.defaults)
    return read_own_weights(word, partial(build, params), weights)


def _hparam(word: str) -> tuple[str, object]:
    """`width=16` as a name and a value: a number, true, false, a list as JSON has them; else the text."""
    name, _, value = word.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _chosen(words: Sequence[str], defaults: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """`width=32` by dotted name, in the type of the parameter's default."""
    chosen: dict[str, Scalar] = {}
    for word in words:
        name, _, value = word.partition("=")
        default = lookup(defaults, PREFIX + name, "parameter")
        try:
            chosen[PREFIX + name] = (
                {"true": True, "false": False}[value] if default is True or default is False else (type(default)(value))
            )
        except (ValueError, KeyError):
            raise UsageError(f"--param {name} must be of the kind of its default, {default!r}, got '{value}'") from None
    return chosen
