"""A verification of the built-in faces as plain values: `verify.json` and `kpbench verify --json`."""

from dataclasses import asdict
from typing import Any

import numpy as np

from kpbench.analysis.ablation.analysis import Analysis
from kpbench.analysis.verify.agreement import Transfer, Verification
from kpbench.statistics.agreement import Agreement
from kpbench.statistics.intervals import Interval
from kpbench.statistics.sign_agreement import SignAgreement, count_signs


def as_json(found: Verification) -> dict[str, Any]:
    """Every figure of a verification; those of the comparison only where no run is missing."""
    one, other = found.sides
    known = next((side for side in found.sides if side is not None), None)
    compared = found.comparison
    result: dict[str, Any] = {
        "sides": [
            {"data": name, "runs": runs, "missing": missing, **({} if side is None else _side(side))}
            for name, side, runs, missing in zip(found.names, found.sides, found.asked.runs, found.missing, strict=True)
        ],
        "cells": 0 if known is None else len(known.design.cells),
        "seeds": [None if side is None else side.plan.seeds for side in found.sides],
        "epochs": None if known is None else known.plan.epochs,
        "space": None if known is None else known.plan.space_name,
        "device": None if known is None else known.plan.device,
        "precision": None if known is None else known.plan.precision,
        "missing": sum(found.missing),
    }
    if compared is None or one is None or other is None:
        return result | {"agreement": None}
    scores = [np.exp(-side.mean(axis=1)) / 2 for side in compared.logs]
    return result | {
        "agreement": _agreement(compared.agreement),
        "signs": asdict(count_signs(compared.signs)),
        "contrasts": [_sign(sign) for sign in compared.signs],
        "simple_signs": asdict(count_signs(compared.simple)),
        "simple_contrasts": [_sign(sign) for sign in compared.simple],
        "ranks": [
            {
                "cell": one.design.cells[cell.cell],
                "scores": [float(side[cell.cell]) for side in scores],
                "ranks": list(cell.ranks),
                "intervals": [list(interval) for interval in cell.intervals],
                "p_adjusted": cell.p_adjusted,
                "apart": cell.apart,
            }
            for cell in compared.cells
        ],
        "apart": [one.design.cells[cell.cell] for cell in compared.cells if cell.apart],
        "transfer": None if compared.transfer is None else _transfer_json(compared.transfer, one),
    }


def _side(found: Analysis) -> dict[str, Any]:
    return {
        "digest": found.plan.data,
        "plan": found.plan.digest,
        "faces": found.plan.data_sizes,
        "diverged": sum(row.state == "failed" for row in found.rows),
        "devices": sorted({row.device for row in found.rows}),
        "floor": found.floor,
    }


def _agreement(found: Agreement) -> dict[str, Any]:
    return {
        "tau": found.tau,
        "interval": _ends(found.interval),
        "reliability": [asdict(side) for side in found.reliability],
        "corrected": found.corrected,
        "corrected_interval": _ends(found.corrected_interval),
        "ceiling": None if found.ceiling is None else asdict(found.ceiling),
    }


def _sign(found: SignAgreement) -> dict[str, Any]:
    one = found.sides[0]
    return {
        "factor": one.factor,
        "level": one.level,
        "baseline": one.baseline,
        "at": dict(one.planned.at),
        "word": found.word,
        "same_direction": found.same_direction,
        "ratios": [side.ratio for side in found.sides],
        "intervals": [_ends(side.ci) for side in found.sides],
        "p_adjusted": [side.p_adjusted for side in found.sides],
        "quotient": found.quotient,
        "quotient_interval": _ends(found.interval),
        "quotient_p_adjusted": found.p_adjusted,
    }


def _transfer_json(found: Transfer, side: Analysis) -> dict[str, Any]:
    return {
        "cells": asdict(found.cells),
        "best": asdict(found.best) | {"cell": side.design.cells[found.best_cell]},
        "real_cells": asdict(found.real_cells),
        "real_best": asdict(found.real_best),
        "mean_face": found.mean_face,
        "real_mean_face": found.real_mean_face,
        "agreement": _agreement(found.agreement),
    }


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]
