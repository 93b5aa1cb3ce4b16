"""Planted tables of runs and study folders around them, for replayed searches."""

from kpbench.cell import EpochRecord, RunResult, cell_id
from kpbench.engine.evaluate import known_parameters
from kpbench.sampling.table import Table
from kpbench.space.reading import read_table, space_of
from kpbench.space.space import Choice, SearchSpace, complete
from kpbench.store.files import ROWS
from kpbench.store.study import open_study
from kpbench.task.score import score_from_mse
from tests.store.test_study import PLAN, row

EPOCHS = 8


def space(*sizes):
    """A space of lists of whole numbers: `space(3, 4)` has 12 cells."""
    names = [f"network.{letter}" for letter in "abcdef"]
    parameters = {name: Choice(tuple(range(size)), {}) for name, size in zip(names, sizes, strict=False)}
    return SearchSpace("planted", "planted", parameters, {}, {}, {}, "")


def planted(sizes, score, *, seeds=(0,), epochs=EPOCHS, at=lambda end, epoch: end * epoch / EPOCHS):
    """A table where the cell of these values ends with `score(values, seed)`; its curve is `at(end, epoch)`."""
    found = space(*sizes)
    return Table(
        found,
        {
            (cell_id(cell), seed): tuple(at(score(tuple(cell.values()), seed), epoch) for epoch in range(1, epochs + 1))
            for cell in found.cells()
            for seed in seeds
        },
        epochs,
        images=10,
        diverged=50.0,
    )


def cell_of(table, *values):
    """The identity of the cell with these values."""
    return cell_id(dict(zip(table.space.parameters, values, strict=True)))


def search_folder(folder, text, mse, *, seeds=(0,), epochs=3, **plan):
    """A search over the space in `text` with a row for each cell and seed; `mse(cell, seed)` is the last MSE.

    None leaves the row out, and an answer may be a mapping of fields of the row instead.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    (path := folder.with_suffix(".toml")).write_text(text)
    defaults = known_parameters()
    cells = space_of(*read_table(path), path, defaults).cells()
    given = {"space_name": "mine", "space_text": text, "seeds": len(seeds), "epochs": epochs, **plan}
    with open_study(folder, PLAN.model_copy(update=given)) as study:
        for trial, cell in enumerate(cells):
            for seed in seeds:
                if (found := mse(cell, seed)) is not None:
                    study.append(ROWS, _row(trial, complete(cell, defaults), seed, found, epochs))
    return folder


def _row(trial, params, seed, found, epochs) -> RunResult:
    more = found if isinstance(found, dict) else {"val_mse": found}
    ends = more.get("epochs", epochs)
    last = more.get("val_mse", 0.01)
    curve = [
        EpochRecord(epoch=e, train_mse=1, val_mse=(m := last * epochs / e), val_score=score_from_mse(m), seconds=1)
        for e in range(1, ends + 1)
    ]
    return row(trial, params=params, cell=cell_id(params), seed=seed, curve=curve, **{"epochs": ends, **more})
