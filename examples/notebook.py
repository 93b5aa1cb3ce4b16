"""What a notebook does with kpbench: faces, cells, training, the official score, rows of a study.

python examples/notebook.py [DATA] [EPOCHS]
"""

import sys
from pathlib import Path

import kpbench

STUDY = Path(__file__).parents[1] / "reports" / "norm-dropout-60"


def main(data: str = "synthetic", epochs: str = "2") -> None:
    """Trains one cell and shows what a published study found for all of them."""
    splits = kpbench.load_faces(data)
    print(f"{splits.name}: {len(splits.train)} faces to train on, {len(splits.val)} to choose by; the test is sealed")

    cells = list(kpbench.read_space("cnn_small").cells())
    cell = next(cell for cell in cells if cell["network.depth"] == 4 and cell["network.norm"] == "spatial_batch")
    network = kpbench.build(cell, seed=0)
    recipe = {name.removeprefix("training."): value for name, value in cell.items() if name.startswith("training.")}
    for epoch in kpbench.fit(network, splits.train, splits.val, epochs=int(epochs), device="cpu", **recipe):
        print(f"epoch {epoch.epoch}: validation score {epoch.val_score:.1f}, {epoch.seconds:.1f} s")
    print(f"official score on validation: {kpbench.evaluate_model(network, splits.val):.1f}")

    rows = kpbench.read_rows(STUDY).query("role == 'ablation'")  # one row a run
    print(rows.pivot_table("val_score", "network.norm", "network.dropout", aggfunc="median").round(1))


if __name__ == "__main__":
    main(*sys.argv[1:])
