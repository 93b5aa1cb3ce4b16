"""`kpbench compare`."""

import json
from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="STUDY or STUDY:CELL; CELL an id or norm=batch,depth=4.")],
    second: Annotated[str, typer.Argument(metavar="B", help="What A is compared with, named likewise.")],
    across: Annotated[
        list[str] | None, typer.Option(help="Let it differ: recipe. Then network plus recipe is compared.")
    ] = None,
    sesoi: Annotated[str, typer.Option(help="Smallest effect of interest, a share of MSE: 5% or 0.05.")] = "5%",
    alpha: Annotated[float, typer.Option(help="Error rate; of the family where several cells are compared.")] = 0.05,
    out: Annotated[Path, typer.Option(help="Folder in which studies are kept.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> int:
    """Compare two studies, or two cells, by their official scores over seeds; refuse what does not compare.

    The scores are those on the faces that both were judged on; where those differ, on the sealed test if both have been
    scored on it, else on validation faces. Without CELL a search stands for its best cell and an ablation for its
    baseline; two ablations are compared over every cell that they share. Data, split, benchmark, scorer and training
    recipe must be the same.
    """
    from kpbench.analysis.comparison.comparison import compare as compare_studies
    from kpbench.analysis.comparison.named import find_study_and_cell
    from kpbench.analysis.comparison.study import read_study
    from kpbench.cli.compare_text import plain, text
    from kpbench.cli.options import share

    (folder, cell), (other_folder, other_cell) = (find_study_and_cell(word, out) for word in (first, second))
    study = read_study(folder)
    result = compare_studies(
        study,
        study if other_folder.resolve() == folder.resolve() else read_study(other_folder),
        cells=(cell, other_cell),
        sesoi=share(sesoi),
        alpha=alpha,
        across=across or (),
    )
    typer.echo(json.dumps(plain(result), allow_nan=False) if as_json else "\n".join(text(result)))
    return 0
