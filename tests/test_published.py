"""What is published stands on its rows: every number of the findings is computed from them again."""

import json
import re
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest

from kpbench.analysis.ablation.analysis import analyse
from kpbench.analysis.comparison.comparison import compare
from kpbench.analysis.comparison.study import read_study
from kpbench.analysis.verify import as_json, read_verification
from kpbench.cell import RunResult
from kpbench.report.verify.page import render_verify
from kpbench.statistics.words import detectable_text
from kpbench.store.files import READINGS, ROWS, read_lines
from kpbench.studies.ablation import MANY_EPOCHS, TYPICAL_NOISE
from kpbench.task.score import score_from_mse
from kpbench.training.pretrain import EPOCHS, FACES, VAL

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FINDINGS = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
VERIFICATION = ROOT / "reports" / "verify-facial_keypoints"
FACTORIAL, FAMILY = VERIFICATION / "facial_keypoints", ROOT / "reports" / "family-norm"
START = ROOT / "reports" / "norm-start"
PLANNED, LONG = ROOT / "reports" / "norm-dropout", ROOT / "reports" / "norm-dropout-60"
FAMILY_LONG = ROOT / "reports" / "family-norm-60"
SEARCH = ROOT / "reports" / "keypoint"
PARTS = [ROOT / "reports" / "dropout-norm", ROOT / "reports" / "norm-depth"]
HEADS, LEVERS = ROOT / "reports" / "heads", ROOT / "reports" / "levers"
HEADS_LONG, EXPOSURE = ROOT / "reports" / "heads-60", ROOT / "reports" / "exposure"
SPLITS = ("val", "test")
STUDIES = [HEADS, HEADS_LONG, LEVERS, EXPOSURE, LONG, FAMILY_LONG, START, PLANNED, FACTORIAL, FAMILY, *PARTS]


@pytest.fixture(scope="module", params=STUDIES, ids=lambda folder: folder.name)
def study(request):
    return analyse(request.param)


@pytest.fixture(scope="module")
def factorial():
    return analyse(FACTORIAL)


@pytest.fixture(scope="module")
def family():
    return analyse(FAMILY)


def said(*cells):
    """Whether the findings have a table row of these cells, bold or not."""
    return "| " + " | ".join(cells) + " |" in FINDINGS.replace("**", "")


def name_of(contrast):
    return f"{contrast.factor.rpartition('.')[2]} {contrast.level} against {contrast.baseline}"


def estimate(contrast):
    """Ratio and interval in two digits; in three where two would put 1 into an interval that excludes it."""
    low, high, apart = contrast.ci.low, contrast.ci.high, contrast.ci.excludes(1.0)
    ends = (f"{end:.3f}" if apart and f"{end:.2f}" == "1.00" else f"{end:.2f}" for end in (low, high))
    return f"{contrast.ratio:.2f}", " to ".join(ends)


def score(mse):
    return f"{score_from_mse(float(np.exp(np.log(mse).mean()))):.1f}"


def test_every_planned_run_has_an_outcome_and_none_diverged(study):
    assert study.missing == 0 and study.failures == ()
    assert all(row.state == "complete" for row in study.rows)
    assert f"{study.design.runs} runs" in FINDINGS.replace("\n", " ")
    assert len(study.design.blocks) == (8 if study.split == "val" else 6) and study.plan.epochs in (8, 20, 40, 60)
    assert f"{study.plan.epochs} epochs, {study.images:,} images" in FINDINGS.replace("\n", " ")


def test_the_contrasts_are_those_of_the_rows(study):
    for contrast, confirmed in zip_longest(study.contrasts, study.confirmed):
        cells = [name_of(contrast), *estimate(contrast), contrast.word]
        if confirmed is not None:
            ratio, interval = estimate(confirmed)
            cells.append(f"{ratio}, {interval}: {confirmed.word}")
        detectable = detectable_text(contrast.detectable, contrast.detectable_interval)
        assert said(*cells, detectable), (cells, detectable)


def test_only_what_was_planned_has_a_verdict():
    """The factorial has too few seeds for five contrasts, its parts are older than their plans."""
    why = {folder.name: {one.verdict.why for one in analyse(folder).contrasts} for folder in STUDIES}
    assert why == {
        "norm-dropout-60": {"", "collapse"}, "norm-dropout": {""}, "facial_keypoints": {"seeds"}, "family-norm": {""},
        "family-norm-60": {""}, "norm-start": {""}, "heads": {"", "collapse"}, "heads-60": {""},
        "levers": {"", "collapse"}, "exposure": {""}, "dropout-norm": {"post hoc"}, "norm-depth": {"post hoc"},
    }  # fmt: skip
    assert {analyse(folder).terms.inherited for folder in PARTS} == {5}
    for folder, contrasts in ((PLANNED, 6), (LONG, 6), (FAMILY_LONG, 1), (START, 2), (HEADS, 4), (LEVERS, 5),
                              (EXPOSURE, 2)):  # fmt: skip
        planned = analyse(folder)
        assert planned.split == "val" and len(planned.confirmed) == len(planned.contrasts) == contrasts
        readings = (folder / "test_readings.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(readings) == planned.design.runs + 2  # once for each model, and for the floor's two


def test_what_a_share_of_the_images_brings_is_that_of_the_rows():
    study, text = analyse(EXPOSURE), " ".join(FINDINGS.split())
    one, half, quarter = (score(mse) for mse in study.table.mse)
    assert study.table.cells == ((1.0,), (0.5,), (0.25,)) and f"{one}, {half} and {quarter}: twice the images" in text
    assert {row.images for row in study.rows} == {study.images, study.images // 2, study.images // 4}
    gains = {name_of(found): found.ratio for found in analyse(LEVERS).contrasts}
    best = min(gains["members 2 against 1"], gains["pretrain synthetic against none"])
    assert 1 / study.contrasts[0].ratio < best  # worth more than either


def test_what_more_images_bring_is_compared_from_the_rows():
    long, short = read_study(HEADS_LONG), read_study(HEADS)
    assert not (HEADS_LONG / READINGS).exists()
    for head in ("softargmax", "fc"):
        arms = (f"head={head}", f"head={head}")
        (one,) = compare(long, short, cells=arms, across=("recipe",)).pairs
        ratio = f"{one.ratio:.2f}, {one.ci[0]:.2f} to {one.ci[1]:.2f}"
        scores = [score(list(arm.mse.values())) for arm in (one.b, one.a)]
        assert (one.n, one.test) == (8, "paired t")
        assert said(head, *scores, ratio), (head, scores, ratio)


def test_no_other_contrast_is_claimed():
    claimed = re.findall(r"^\| (\w+ [\w.]+ against [\w.]+) \|", FINDINGS, flags=re.M)
    assert len(claimed) == sum(len(analyse(folder).contrasts) for folder in STUDIES)


def test_the_readmes_findings_are_those_of_the_rows():
    """Each line of its table against the study that it links to; each score in its text against the ladder's test."""
    table = re.findall(
        r"^\| (.+ against .+) \| (.+) \| (.+) \| \[(\d+) epochs\]\(reports/(.+)/report", README, flags=re.M
    )
    assert len(table) == len(re.findall(r"^\| \w+ [\w.]+ against", README, flags=re.M)) >= 10
    for name, found, confirmed, epochs, folder in table:
        study = analyse(ROOT / "reports" / folder)
        contrast, again = next(
            pair for pair in zip(study.contrasts, study.confirmed, strict=True) if name_of(pair[0]) == name
        )
        for one, text in ((contrast, found), (again, confirmed)):
            assert "{}, {}: {}".format(*estimate(one), one.word) == text, (folder, name)
        assert study.plan.epochs == int(epochs) and len(study.design.blocks) == 8
    text = " ".join(README.replace("**", "").split())
    ladder = dict(re.findall(r"^\| (.+?) \| .+ \| .+ \| (.+?) \|$", FINDINGS.replace("**", ""), flags=re.M))
    floor = f"mean face reaches {ladder['mean face']}, ridge regression on pixels {ladder['ridge on pixels']}"
    (best,) = (score for what, score in ladder.items() if what.startswith("`cnn_small`"))
    (top,) = (score for what, score in ladder.items() if what.startswith("`kpbench search --space keypoint`"))
    assert f"{floor}, the best plain network {best} and `kpbench search --space keypoint` {top} over 3" in text
    dropouts = [one for one in analyse(LONG).contrasts if one.factor.endswith("dropout")]
    assert max(round(100 * abs(one.ratio - 1), 1) for one in dropouts) == 2.0
    assert "dropout changes the MSE by 2 % or less" in text


def test_the_levels_of_the_intervals_are_said():
    """Holm's step gives each contrast a level of its own: both tables say from where to where."""
    readme = {folder for folder in STUDIES if f"](reports/{folder.name}/report.html)" in README}
    for folders, text in ((readme, README), (STUDIES, FINDINGS)):
        found = [analyse(folder) for folder in folders]
        levels = [one.ci.confidence for study in found for one in (*study.contrasts, *study.confirmed)]
        said = f"at {100 * min(levels):.3g} to {100 * max(levels):.3g} %"
        assert said in " ".join(text.split()), said


def test_a_contrast_that_another_page_shows_is_that_of_the_findings():
    lines = set(FINDINGS.splitlines())
    others = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md") if page.stem != "findings"]
    shown = [line for text in others for line in re.findall(r"^\| \w+ [\w.]+ against .*$", text, flags=re.M)]
    assert len(shown) >= 3
    assert [line for line in shown if line not in lines] == []


def test_the_parts_are_runs_of_the_factorial(factorial):
    there = {(row.role, row.cell, row.seed): row.test_mse for row in factorial.rows}
    for folder in PARTS:
        rows = analyse(folder).rows
        assert {row.taken_from for row in rows} == {factorial.plan.digest}
        assert all(there[row.role, row.cell, row.seed] == row.test_mse for row in rows)


def test_the_interactions_are_those_of_the_rows():
    text = " ".join(FINDINGS.split())
    for one in (one for folder in (PLANNED, LONG, FAMILY_LONG) for one in analyse(folder).interactions):
        assert f"{one.ratio:.2f}, {one.ci.low:.2f} to {one.ci.high:.2f}, {one.word}" in text, one.planned
    largest = max(analyse(PARTS[1]).interactions, key=lambda one: one.ratio)
    assert f"{largest.ratio:.2f} for spatial batch norm, {largest.ci.low:.2f} to {largest.ci.high:.2f}" in text
    assert largest.level == "spatial_batch"


@pytest.mark.parametrize("folder", [PLANNED, LONG], ids=lambda folder: folder.name)
def test_the_cells_of_the_planned_studies_are_those_of_their_rows(folder):
    study = analyse(folder)
    assert study.table.factors == ("network.norm", "network.dropout")
    found = {cell: score(mse) for cell, mse in zip(study.table.cells, study.table.mse, strict=True)}
    for norm in ("none", "batch", "spatial_batch"):
        assert said(norm, *(found[norm, drop] for drop in ("none", "standard", "spatial")))
    failed = int(study.table.failed.sum())
    assert f"{failed} of the 72 runs" in FINDINGS.replace("\n", " ")
    floor = {name: f"{split['val']:.1f}" for name, split in study.floor.items()}
    assert f"mean face {floor['mean face']}, ridge {floor['ridge on pixels']} on validation" in FINDINGS.replace(
        "\n", " "
    )


def test_the_heads_are_those_of_the_rows():
    study, text = analyse(HEADS), " ".join(FINDINGS.split())
    for (head,), mse in zip(study.table.cells, study.table.mse, strict=True):
        assert f"`{head}` {score(mse)}" in text
    sizes = {row.params["network.head"]: row.parameters for row in study.rows}
    outputs = 2 * 15
    assert (
        round(sizes["global_pool"] - (64 + 1) * outputs, -4) == 120_000
        and "120,000 parameters without its head" in text
    )


def test_the_levers_are_those_of_the_rows():
    study, text = analyse(LEVERS), " ".join(FINDINGS.split())
    base, *others = (score(mse) for mse in study.table.mse)
    members, ema, optimizer, loss, pretrain = others
    assert f"From {base} on validation: two members {members}, pretraining {pretrain}, no weight average {ema}" in text
    assert f"an MSE loss {loss}, AdamW {optimizer}" in text
    assert study.table.factors == tuple(
        f"{where}.{name}"
        for where, name in zip(
            ("network", *["training"] * 4), ("members", "ema", "optimizer", "loss", "pretrain"), strict=True
        )
    )
    assert round((FACES - VAL) * EPOCHS, -3) == 38_000 and "38,000 images of drawn people" in text


def test_the_families_after_long_training_are_those_of_the_rows():
    study, text = analyse(FAMILY_LONG), " ".join(FINDINGS.split())
    found = {cell: score(mse) for cell, mse in zip(study.table.cells, study.table.mse, strict=True)}
    for family in ("mlp", "cnn"):
        assert said(family, *(found[family, norm] for norm in ("none", "batch")))
    runs = [row for row in study.rows if row.role == "ablation"]
    trained = {}
    for row in runs:
        key = row.params["family"], row.params["network.norm"]
        trained.setdefault(key, []).append(score_from_mse(row.curve[-1].train_mse))
    train = {key: float(np.mean(values)) for key, values in trained.items()}
    assert f"{train['mlp', 'batch']:.0f} to {train['mlp', 'none']:.0f} with augmentation" in text
    gap = train["cnn", "none"] - float(found["cnn", "none"])
    assert f"without a norm has {train['cnn', 'none']:.0f} there, {gap:.0f} above its validation" in text
    assert max(float(found["mlp", norm]) for norm in ("none", "batch")) < study.floor["ridge on pixels"]["val"]
    low, high = (f(row.parameters for row in runs) / 1e6 for f in (min, max))
    assert f"{low:.1f} to {high:.1f} million parameters each" in text


def test_what_long_training_changes_is_that_of_the_rows():
    text = " ".join(FINDINGS.split())
    short, long = ({name_of(one): one for one in analyse(folder).contrasts} for folder in (PLANNED, LONG))
    batch, spatial = "norm batch against none", "norm spatial_batch against none"
    assert f"{short[batch].ratio:.2f} of the MSE of no norm at 8 epochs, {long[batch].ratio:.2f} at 60" in text
    assert f"{short[spatial].ratio:.2f} at 8 epochs, {long[spatial].ratio:.2f} at 60" in text
    runs = [row for row in analyse(LONG).rows if row.role == "ablation"]
    best = np.mean([min(row.curve, key=lambda epoch: epoch.val_mse).epoch for row in runs])
    assert f"best validation epoch is the {best:.0f}th of 60" in text


def test_the_cells_are_those_of_the_rows(factorial):
    found = {cell: score(mse) for cell, mse in zip(factorial.table.cells, factorial.table.mse, strict=True)}
    assert factorial.table.factors == ("network.norm", "network.dropout", "network.depth")
    for norm in ("none", "batch", "spatial_batch"):
        for depth in (2, 4):
            assert said(f"{norm}, {depth}", *(found[norm, drop, depth] for drop in ("none", "standard", "spatial")))
    ridge = factorial.floor["ridge on pixels"]["test"]
    assert f"ridge's {ridge:.1f}" in FINDINGS.replace("\n", " ")
    over = [score_from_mse(float(np.exp(np.log(mse).mean()))) - ridge for mse in factorial.table.mse]
    above = sum(one > 0 for one in over)
    close = [cell for cell, one in zip(factorial.table.cells, over, strict=True) if 0 < one < 0.1]
    assert close == [("batch", "none", 4)]
    assert f"{above} of the 18 cells" in FINDINGS.replace("\n", " ")
    assert f"{int(factorial.table.failed.sum())} of its 108 runs" in FINDINGS.replace("\n", " ")


def test_the_control_is_that_of_the_rows(factorial):
    ratio, interval = factorial.control.ratio, factorial.control.ratio_interval(0.95)
    assert f"(A/A): {ratio:.2f}, {interval.low:.2f} to {interval.high:.2f}" in FINDINGS


def test_the_families_under_shifts_are_those_of_the_rows(family):
    levels = {level.level: level for level in family.levels if level.factor == "family"}
    for name, level in levels.items():
        measures = {one.name: one for one in level.measures}
        assert said(name, *(f"{measures[f'shift {px}'].interval.score:.1f}" for px in (0, 2, 4, 6, 8)))
    for mse in family.table.mse:
        assert score(mse) in FINDINGS


def test_the_verification_is_that_of_the_rows():
    found = as_json(read_verification(VERIFICATION))
    written = json.loads((VERIFICATION / "verify.json").read_text(encoding="utf-8"))
    agreement = found["agreement"]
    assert written["agreement"]["tau"] == pytest.approx(agreement["tau"])
    assert list(written) == list(found)
    assert list(written) == list(found)
    low, high = agreement["interval"]
    assert f"{agreement['tau']:.2f}, 95 % interval {low:.2f} to {high:.2f}" in FINDINGS
    low, high = agreement["corrected_interval"]
    assert said("without the noise of both sides", f"{agreement['corrected']:.2f}, {low:.2f} to {high:.2f}")
    assert said("what two sides of one order would reach with this noise", f"{agreement['ceiling']['tau']:.2f}")
    assert found["signs"] is None and said("signs of the five contrasts", "withheld: they want 8 seeds in each study")
    assert said("cells ranked apart by more than noise explains", str(sum(cell["apart"] for cell in found["ranks"])))
    transfer = found["transfer"]
    assert f"best cell, all cells | {transfer['best']['score']:.1f}, {transfer['cells']['score']:.1f} |" in FINDINGS
    assert f"there | {transfer['mean_face']:.1f}, {transfer['real_mean_face']:.1f} |" in FINDINGS


def test_the_floors_are_those_of_the_studies():
    built_in, real = (json.loads((VERIFICATION / name / "floor.json").read_text(encoding="utf-8"))
                      for name in ("synthetic", "facial_keypoints"))  # fmt: skip
    text = " ".join(FINDINGS.split())
    scores = {name: f"{split['test']:.1f}" for name, split in built_in.items()}
    assert f"ridge reaches {scores['ridge on pixels']} and the mean face {scores['mean face']}" in text
    assert f"{real['ridge on pixels']['test']:.1f}" in FINDINGS


def test_the_ladder_is_that_of_the_rows():
    text, result = " ".join(FINDINGS.split()), json.loads((SEARCH / "result.json").read_text(encoding="utf-8"))
    rows, best = read_lines(SEARCH / ROWS, RunResult), result["best"]
    finals = [row for row in rows if row.role == "final"]
    assert len(finals) == best["seeds"] == 3 and {row.epochs for row in finals} == {60}
    for split in ("val", "test"):
        mean = score_from_mse(float(np.exp(np.mean([np.log(row.mse_on(split)) for row in finals]))))
        assert mean == pytest.approx(best[f"{split}_mean"])
    low, high = best["test_interval"]
    interval = f"{best['test_mean']:.1f}, {low:.0f} to {high:.0f}"
    million = f"{finals[0].parameters / 1e6:.1f} M"
    what = "`kpbench search --space keypoint`, best cell, 3 fresh seeds"
    assert said(what, million, f"{best['val_mean']:.1f}", interval)
    assert f"{finals[0].megabytes:.1f} MB" in text
    for name in ("mean face", "ridge on pixels"):
        assert said(name, "–", *(f"{analyse(LONG).floor[name][split]:.1f}" for split in ("val", "test")))
    trials = [row for row in rows if row.role == "trial"]
    complete = sorted(row.val_score for row in trials if row.state == "complete")
    assert "The five trials have {:.0f}, {:.0f}, {:.0f}, {:.0f} and {:.0f} on validation".format(*complete) in text
    assert len(trials) == len(complete) == 5
    assert f"strong augmentation: {trials[1].val_score:.1f} on validation" in text and trials[1].trial == 0
    assert f"that learning rate, {complete[-1]:.1f}" in text
    others = [row.params["network.head"] for row in trials if row.trial != 0 and row.cell != best["cell_id"]]
    assert sorted(others) == ["heatmap_offset", "simcc", "softargmax"]


def test_the_best_cell_of_the_long_ablation_stands_in_the_ladder():
    runs = [row for row in analyse(LONG).rows if row.role == "ablation"]
    cells = {row.cell: [one for one in runs if one.cell == row.cell] for row in runs}
    each = {
        cell: [score_from_mse(float(np.exp(np.mean([np.log(row.mse_on(split)) for row in mine])))) for split in SPLITS]
        for cell, mine in cells.items()
    }
    best = max(each, key=lambda cell: each[cell][0])
    million = f"{cells[best][0].parameters / 1e6:.1f} M"
    scores = (f"{score:.1f}" for score in each[best])
    assert said("`cnn_small`, best cell of the 60-epoch ablation below, 8 seeds", million, *scores)


def test_the_noise_that_a_dry_run_assumes_is_that_of_the_published_contrasts():
    folders = [*STUDIES, VERIFICATION / "synthetic"]
    found = {"short": [], "long": []}
    for study in map(analyse, folders):
        found["long" if study.plan.epochs >= MANY_EPOCHS else "short"] += [one.estimate.sd for one in study.contrasts]
    assert {name: len(sds) for name, sds in found.items()} == {"short": 23, "long": 19}
    for name, sds in found.items():
        low, high, most = TYPICAL_NOISE[name]
        assert [*np.quantile(sds, [0.1, 0.9]).round(2), round(max(sds), 2)] == [low, high, most]


def test_published_pages_are_there_and_show_no_face():
    for folder in (VERIFICATION, SEARCH, *STUDIES):
        text = (folder / "report.html").read_text(encoding="utf-8")
        body = re.sub(r"<script.*?</script>", "", text, flags=re.S)
        assert "data:image" not in body and "<img" not in body
        assert "default-src &#39;none&#39;" in text


def test_published_rows_name_no_place_of_a_machine():
    for file in (file for folder in (VERIFICATION, SEARCH, *STUDIES) for file in folder.glob("**/*.json*")):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r'"(/|[A-Z]:\\)', text), file


HEADS_VERIFIED = ROOT / "reports" / "verify-heads"


def test_the_verification_of_the_heads_is_that_of_the_rows():
    found = as_json(read_verification(HEADS_VERIFIED))
    agreement = found["agreement"]
    low, high = agreement["interval"]
    assert f"{agreement['tau']:.2f}, 95 % interval {low:.2f} to {high:.2f}" in FINDINGS
    assert said("heads: what two sides of one order would reach with this noise", f"{agreement['ceiling']['tau']:.2f}")
    assert said("heads: cells ranked apart by more than noise explains", str(sum(c["apart"] for c in found["ranks"])))
    assert "kendall" in render_verify(read_verification(HEADS_VERIFIED)).lower()  # a design of two factors is drawn too
    transfer = found["transfer"]
    assert (
        f"heads: best cell, all cells | {transfer['best']['score']:.1f}, {transfer['cells']['score']:.1f} |" in FINDINGS
    )


def test_what_200_epochs_on_a_card_say_is_that_of_the_rows():
    study, text = analyse(ROOT / "reports" / "norm-dropout-200"), " ".join(FINDINGS.split())
    norms, dropouts = ("none", "batch", "spatial_batch"), ("none", "standard", "spatial")
    assert (len(study.rows), study.missing, study.images, study.confirmed) == (144, 16, 309_200, ())
    cells = zip(study.table.cells, study.table.mse, strict=True)
    means = {cell: score(mse) if np.isfinite(mse).all() else "not run" for cell, mse in cells}
    assert all(said(norm, *(means[norm, one] for one in dropouts)) for norm in norms)
    # The median training score of augmented faces in the last epoch, and where each run's best epoch was.
    last, best = dict[tuple[str, str], list[float]](), []
    for row in study.rows:
        cell = str(row.params["network.norm"]), str(row.params["network.dropout"])
        last.setdefault(cell, []).append(row.curve[-1].train_mse)
        best.append(1 + int(np.argmin([epoch.val_mse for epoch in row.curve])))
    trained = {cell: f"{score_from_mse(float(np.median(mse))):,.0f}" for cell, mse in last.items()}
    plain, dropped = ([trained[norm, one] for norm in ("none", "spatial_batch")] for one in ("none", "standard"))
    assert (
        f"is {plain[0]} (no norm) and {plain[1]} (spatial batch norm), with dropout per unit {' and '.join(dropped)}"
        in text
    )
    assert f"is the {np.mean(best):.0f}th of 200 on average" in text
    found = {}
    for one in [contrast for simple in study.simple for contrast in simple.effects if contrast.ci is not None]:
        levels = one.planned.level, one.planned.baseline, *one.planned.at.values()
        found[levels] = f"{one.ratio:.3f}, {one.ci.low:.3f} to {one.ci.high:.3f}, {one.verdict.word}"
    for levels, before in {
        ("standard", "none", "none"): "without a norm", ("standard", "none", "spatial_batch"): "spatial batch norm",
        ("spatial", "none", "spatial_batch"): "per map", ("spatial_batch", "none", "none"): "over no norm",
    }.items():  # fmt: skip
        assert f"{before} {found[levels]}" in text, found[levels]
    planned = {name_of(one): one for one in study.contrasts}
    assert planned["dropout standard against none"].word == "undecided"
    over = planned["norm spatial_batch against batch"]
    assert f"planned, {', '.join(estimate(over))}, {over.word}" in text
    unsafe = sorted(row.val_score for row in study.rows if row.params["network.norm"] == "batch")
    assert f"one at {unsafe[1]:.1f}" in text and unsafe[0] < 75 and unsafe[2] > 300
