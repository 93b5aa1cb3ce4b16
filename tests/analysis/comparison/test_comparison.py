"""What compares, which cell an arm is, and that the numbers are scipy's."""

import math
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kpbench.analysis.comparison.arms import counted
from kpbench.analysis.comparison.comparison import compare, recipe, recipe_digest
from kpbench.analysis.comparison.named import find_study_and_cell, named_arm
from kpbench.analysis.comparison.study import StudyRows, read_study
from kpbench.cell import cell_id
from kpbench.errors import UsageError
from kpbench.seeds import block_seed
from kpbench.space.design import FIRST_BLOCK, Design
from kpbench.statistics.estimate import paired
from kpbench.statistics.intervals import score_interval
from kpbench.statistics.seeds_and_faces import seeds_by_faces
from kpbench.statistics.verdicts import needed_seeds
from kpbench.store.files import PERSONS
from tests.ablation_rows import CROSSED, FLOOR_SCORES, NORM, plan, study_folder, whole
from tests.study_rows import row

MEAN_FACE = 1 / (2 * FLOOR_SCORES["mean face"]["test"])


@pytest.fixture(scope="module")
def norm(tmp_path_factory):
    """Three norms, eight seeds, an A/A arm."""
    return read_study(study_folder(tmp_path_factory.mktemp("one") / "norm"))


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """The same ablation, noisier: the planted effects are the same, the numbers are not."""
    return read_study(study_folder(tmp_path_factory.mktemp("two") / "again", noise=0.1))


def with_rows(study, change):
    return replace(study, rows=tuple(change(row) for row in study.rows))


def with_plan(study, **fields):
    return replace(study, plan=study.plan.model_copy(update=fields))


def with_seeds(study, start):
    """The study with every seed of the ablation moved, rows and design alike."""
    move = {seed: start + at for at, seed in enumerate(study.plan.design.blocks)}
    design = study.plan.design.model_copy(update={"blocks": tuple(move.values())})
    rows = tuple(replace(found, seed=move[found.seed]) for found in study.rows if found.role == "ablation")
    return replace(with_plan(study, design=design), rows=rows)


def log_mse(study, norm_level, *, seeds=None):
    """log MSE by seed straight from the rows, a diverged seed with the mean face's."""
    found = {
        one.seed: math.log(one.test_mse or MEAN_FACE)
        for one in study.rows
        if one.role == "ablation" and one.params["network.norm"] == norm_level
    }
    return np.array([found[seed] for seed in sorted(found) if seeds is None or seed in seeds])


def search(name="found", *, best=(1, 2, 3), second=(), score=250.0, lr=1e-3):
    """A search of three trials whose best cells have final runs; the cells share the ablation's recipe."""
    cells = [whole({"network.norm": level}) | {"training.lr": lr} for level in ("batch", "none", "spatial_batch")]
    rows = [row(cell, trial=at, score=300.0 - 40 * at) for at, cell in enumerate(cells)]
    for cell, seeds, level in ((cells[0], best, score), (cells[1], second, 0.8 * score)):
        for seed in seeds:
            noise = math.exp(0.05 * math.sin(seed))
            rows.append(row(cell, seed=seed, trial=None, score=level, test=level * noise))
    shape = plan(no_design()).model_copy(update={"kind": "search", "design": None})
    return StudyRows(name=name, place=f"/{name}", plan=shape, rows=tuple(rows), mean_face={"test": MEAN_FACE})


def no_design():
    return Design(
        factors=NORM, asked=(), crossed=False, cells=(), blocks=(), control=(), sesoi=0.05, alpha=0.05, power=0.8,
        correction="holm",
    )  # fmt: skip


# --- the numbers


def test_paired_is_scipys_paired_t_on_log_mse(norm):
    result = compare(norm, norm, cells=("norm=batch", "norm=none"))
    (pair,) = result.pairs
    level, baseline = log_mse(norm, "batch"), log_mse(norm, "none")
    expected = stats.ttest_rel(level, baseline)
    interval = expected.confidence_interval(0.95)
    assert (pair.test, pair.shared) == ("paired t", 8)
    assert pair.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert pair.p_adjusted == pair.p
    assert pair.df == 7
    assert pair.ratio == pytest.approx(math.exp((level - baseline).mean()))
    assert pair.ci == pytest.approx((np.exp(interval.low), np.exp(interval.high)))
    assert pair.correlation == pytest.approx(stats.pearsonr(level, baseline).statistic)
    assert pair.superiority == np.mean(level < baseline)
    assert (pair.a.score, *pair.a.interval, 8) == astuple(score_interval(np.exp(level).tolist()))
    assert pair.b.rmse_px == pytest.approx(48 * np.exp(baseline.mean() / 2))


def test_without_common_seeds_it_is_scipys_welch(norm, again):
    other = with_seeds(again, 500)
    (pair,) = compare(norm, other, cells=("norm=batch", "norm=none")).pairs
    first, second = log_mse(norm, "batch"), log_mse(other, "none")
    expected = stats.ttest_ind(first, second, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert (pair.test, pair.shared) == ("Welch", 0)
    assert (pair.p, pair.df) == pytest.approx((expected.pvalue, expected.df))
    assert pair.ci == pytest.approx((np.exp(interval.low), np.exp(interval.high)))
    assert pair.ratio == pytest.approx(math.exp(first.mean() - second.mean()))
    assert pair.superiority == pytest.approx(np.mean(first[:, None] < second[None, :]))
    assert pair.correlation is None
    assert pair.verdict != "withheld"


@pytest.mark.parametrize(
    ("start", "test"), [(FIRST_BLOCK, "paired t"), (FIRST_BLOCK + 4, "overlapping samples"), (500, "Welch")]
)
def test_swapping_the_arms_inverts_the_ratio(norm, again, start, test):
    other = with_seeds(again, start)
    (ab,) = compare(norm, other, cells=("norm=spatial_batch", "norm=none")).pairs
    (ba,) = compare(other, norm, cells=("norm=none", "norm=spatial_batch")).pairs
    assert ab.test == ba.test == test
    assert ab.ratio == pytest.approx(1 / ba.ratio)
    assert ab.ci[0] == pytest.approx(1 / ba.ci[1])
    assert ab.p == pytest.approx(ba.p)
    assert ab.detectable == pytest.approx(ba.detectable)
    assert ab.superiority == pytest.approx(1 - ba.superiority)
    assert ab.superiority_interval[0] == pytest.approx(1 - ba.superiority_interval[1])
    assert (ab.verdict, ba.verdict) == ("better", "worse")


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 12), st.integers(1, 9), st.integers(1, 9),
    st.floats(-0.3, 0.3), st.floats(0.01, 0.3),
)  # fmt: skip
def test_whatever_the_seeds_the_ratio_is_that_of_what_enters(start, n, m, effect, spread):
    def study(name, seeds, shift):
        found = search(name, best=seeds)
        noise = np.random.default_rng([len(name), len(seeds)]).normal(shift, spread, 40)
        return with_rows(
            found,
            lambda one: one if one.role == "trial" else replace(one, test_mse=math.exp(-6 + noise[one.seed])),
        )  # fmt: skip

    first, second = (
        study("one", tuple(range(1, n + 1)), effect),
        study("other", tuple(range(1 + start, start + m + 1)), 0),
    )
    (pair,) = compare(first, second).pairs
    (back,) = compare(second, first).pairs
    assert pair.ratio == pytest.approx((pair.a.rmse_px / pair.b.rmse_px) ** 2)
    assert pair.ratio == pytest.approx(1 / back.ratio)
    assert (len(pair.a.seeds), len(pair.b.seeds)) == (n, m)
    if pair.test == "paired t":
        assert pair.a.seeds == pair.b.seeds
    assert (pair.verdict == "withheld") == (pair.n < 6)
    if pair.p is not None:
        assert pair.ci[0] < pair.ratio < pair.ci[1]


def test_several_cells_are_one_family_under_holm(norm, again):
    shuffled = replace(norm, rows=norm.rows[::-1])  # as an ablation trains: in random order
    pairs = compare(shuffled, again).pairs
    assert [pair.a.params["network.norm"] for pair in pairs] == ["none", "batch", "spatial_batch"]
    p = sorted(pair.p for pair in pairs)
    adjusted = sorted(pair.p_adjusted for pair in pairs)
    assert adjusted[0] == pytest.approx(min(1, 3 * p[0]))
    assert adjusted[1] == pytest.approx(min(1, max(3 * p[0], 2 * p[1])))
    assert min(pair.confidence for pair in pairs) >= 0.95
    assert {pair.a.chosen for pair in pairs} == {"common"}


def test_verdicts_are_the_ablations(tmp_path):
    norm = read_study(study_folder(tmp_path / "norm", seeds=12))
    same = replace(norm, place="/another")  # as if the baseline were another study's
    found = {
        (level, sesoi): compare(norm, same, cells=(f"norm={level}", "norm=none"), sesoi=sesoi).pairs[0]
        for level in ("batch", "spatial_batch")
        for sesoi in (0.05, 0.9)
    }
    assert (found["spatial_batch", 0.05].verdict, found["spatial_batch", 0.05].size) == ("better", "beyond")
    assert (found["spatial_batch", 0.9].verdict, found["spatial_batch", 0.9].size) == ("better", "below")
    weak = compare(norm, same, cells=("norm=batch", "norm=none"), alpha=0.001).pairs[0]
    assert (weak.verdict, weak.why) == ("undecided", "")
    assert 5 < weak.detectable_interval[0] < weak.detectable < weak.detectable_interval[1]
    alike = compare(norm, same, cells=("norm=batch", "norm=none"), alpha=0.001, sesoi=0.45).pairs[0]
    assert (alike.verdict, alike.why) == ("equivalent", "")
    everything = compare(norm, same, cells=("norm=batch", "norm=none"), alpha=0.001, sesoi=0.9).pairs[0]
    assert everything.why == "nothing learnt"  # the mean face lies within such a margin too


def test_two_cells_of_one_ablation_get_numbers_alone(norm):
    pair = compare(norm, norm, cells=("norm=spatial_batch", "norm=none")).pairs[0]
    apart = compare(norm, replace(norm, place="/another"), cells=("norm=spatial_batch", "norm=none")).pairs[0]
    assert (pair.verdict, pair.size, pair.why) == ("withheld", None, "picked")
    assert (apart.verdict, pair.ratio, pair.ci, pair.p) == ("better", apart.ratio, apart.ci, apart.p)


def test_a_verdict_needs_the_seeds_of_its_family(norm, again):
    few = search("few", best=(1, 2, 3, 4, 5))
    for more in (search("more", best=range(11, 17), score=900.0), search("more", best=(1, 2, 3, 4, 5), score=900.0)):
        result = compare(few, more)
        (pair,) = result.pairs
        assert (pair.verdict, pair.why, pair.n, result.needed) == ("withheld", "seeds", 5, 6)
        assert pair.p < 0.001
    six = compare(search("six", best=range(1, 7)), search("more", best=range(11, 17), score=900.0)).pairs[0]
    assert (six.verdict, six.why) == ("worse", "")
    result = compare(norm, again, alpha=0.01)
    assert result.needed == needed_seeds(3, 0.01) == 10
    assert {pair.why for pair in result.pairs} == {"seeds"}


def test_rare_failures_hide_behind_equal_means(tmp_path):
    """Eight seeds without a failure allow for one in three, so alike is not equivalent."""
    norm = read_study(study_folder(tmp_path / "norm", noise=0.005))
    wobbled = with_rows(norm, lambda one: replace(one, test_mse=one.test_mse * (1 + 0.003 * math.sin(one.seed))))
    twin = replace(wobbled, place="/twin")
    (pair,) = compare(norm, twin, cells=("norm=none", "norm=none")).pairs
    assert (pair.verdict, pair.why) == ("undecided", "collapse")
    unknown = [replace(study, mean_face={}) for study in (norm, twin)]
    assert compare(*unknown, cells=("norm=none", "norm=none")).pairs[0].verdict == "equivalent"


def test_a_single_seed_has_a_ratio_and_nothing_more():
    (pair,) = compare(search("one", best=(1,)), search("other", best=(7,))).pairs
    assert pair.p is None
    assert pair.ratio > 0
    assert pair.a.interval is None


@pytest.mark.parametrize(
    ("first", "second", "test", "n", "shared"),
    [
        ((1, 2, 3), (1, 2, 3), "paired t", 3, 3),
        ((1, 2, 3), range(8), "overlapping samples", 3, 3),
        (range(8), range(3, 12), "overlapping samples", 8, 5),
        (range(8), range(4, 12), "overlapping samples", 8, 4),
        (range(3), range(2, 5), "Welch", 3, 1),  # the correlation of one pair is not known
        (range(8), range(6, 14), "Welch", 8, 2),
    ],
)
def test_all_seeds_enter_and_the_shared_ones_make_the_test(first, second, test, n, shared):
    (pair,) = compare(search("a", best=tuple(first)), search("b", best=tuple(second), score=200)).pairs
    assert (pair.test, pair.n, pair.shared) == (test, n, shared)
    assert [pair.a.seeds, pair.b.seeds] == [tuple(first), tuple(second)]
    assert (pair.correlation is None) == (test == "Welch")


def test_one_computation_done_twice_is_said(norm):
    other = replace(norm, name="copy", place="/copy")
    pairs = compare(norm, other).pairs
    assert all(pair.identical and pair.ratio == 1 and pair.p == 1 for pair in pairs)
    assert not compare(norm, norm, cells=("norm=batch", "norm=none")).pairs[0].identical


def test_faces_too_where_the_rows_carry_them(norm):
    draw = np.random.default_rng(0)

    def faces(one):
        if one.test_mse is None:
            return one
        spread = draw.lognormal(0, 0.7, 40)
        return replace(one, face_mse=(one.test_mse * spread / spread.mean()).tolist())

    study = with_rows(norm, faces)
    (pair,) = compare(study, study, cells=("norm=spatial_batch", "norm=none")).pairs
    faces = np.array([[arm.faces[seed] for seed in arm.seeds] for arm in pair.arms])
    expected = seeds_by_faces(faces, [1.0, -1.0]).seeds_and_faces
    interval = expected.ratio_interval(0.95)
    assert pair.seeds_and_faces.ratio == expected.ratio == pytest.approx(pair.ratio)
    assert pair.seeds_and_faces.ci == (interval.low, interval.high)
    assert (pair.seeds_and_faces.unit, pair.seeds_and_faces.units) == ("face", 40)
    assert pair.seeds_and_faces.ci[1] > pair.ci[1]
    people = replace(study, persons=tuple(range(10)) * 4)
    (by_person,) = compare(people, people, cells=("norm=spatial_batch", "norm=none")).pairs
    assert (by_person.seeds_and_faces.unit, by_person.seeds_and_faces.units) == ("person", 10)
    assert (
        compare(people, replace(study, place="/o"), cells=("norm=batch", "norm=none")).pairs[0].seeds_and_faces.unit
        == "face"
    )
    with pytest.raises(UsageError, match=r"persons\.json of norm has 3 faces and the rows have 40"):
        compare(*[replace(study, persons=(1, 2, 3))] * 2, cells=("norm=batch", "norm=none"))
    one = replace(study, persons=(1,) * 40)
    assert compare(one, one, cells=("norm=batch", "norm=none")).pairs[0].seeds_and_faces is None
    bare = with_rows(study, lambda one: replace(one, face_mse=None))
    assert compare(bare, bare, cells=("norm=batch", "norm=none")).pairs[0].seeds_and_faces is None
    half = with_rows(study, lambda one: one if one.seed > FIRST_BLOCK else replace(one, face_mse=None))
    assert compare(half, half, cells=("norm=batch", "norm=none")).pairs[0].seeds_and_faces is None
    short = with_rows(study, lambda one: one if one.seed > FIRST_BLOCK else replace(one, face_mse=one.face_mse[:9]))
    assert compare(short, short, cells=("norm=batch", "norm=none")).pairs[0].seeds_and_faces is None


# --- what counts


def test_the_control_arm_never_counts(norm):
    without = replace(norm, rows=tuple(one for one in norm.rows if one.role != "control"))
    assert any(one.role == "control" for one in norm.rows)
    assert named_arm(norm, "norm=none").mse == named_arm(without, "norm=none").mse


def test_trials_never_count():
    found = search("found", best=(1, 2, 3))
    assert list(counted(found)) == [found.rows[0].cell]
    with pytest.raises(UsageError, match="no official test score: no final run of it is done"):
        named_arm(found, found.rows[2].cell)


def test_diverged_seeds_count_with_the_mean_face(tmp_path):
    study = read_study(study_folder(tmp_path / "s", diverged=[(1, 2), (1, 5)]))
    (pair,) = compare(study, study, cells=("norm=batch", "norm=none")).pairs
    level, baseline = log_mse(study, "batch"), log_mse(study, "none")
    assert pair.a.diverged == (FIRST_BLOCK + 2, FIRST_BLOCK + 5)
    assert pair.a.mse[FIRST_BLOCK + 2] == pytest.approx(MEAN_FACE)
    assert pair.p == pytest.approx(stats.ttest_rel(level, baseline).pvalue)
    kept = [0, 1, 3, 4, 6, 7]
    assert pair.survivors.n == (6, 6)
    assert pair.survivors.ratio == pytest.approx(math.exp((level - baseline)[kept].mean()))


def test_runs_worse_than_the_mean_face_count_with_it(norm):
    def worse(one):
        bad = one.params["network.norm"] == "batch" and one.seed < FIRST_BLOCK + 2
        return replace(one, test_mse=3 * MEAN_FACE) if bad else one

    found = with_rows(norm, worse)
    (pair,) = compare(found, found, cells=("norm=batch", "norm=none")).pairs
    assert (pair.a.diverged, pair.a.collapsed) == ((), (FIRST_BLOCK, FIRST_BLOCK + 1))
    assert [pair.a.mse[seed] for seed in pair.a.collapsed] == [MEAN_FACE] * 2
    assert pair.survivors.n == (6, 6)
    assert pair.seeds_and_faces is None
    lost = with_rows(found, lambda one: replace(one, test_mse=None, state="failed", reason="nan")
                     if one.test_mse == 3 * MEAN_FACE else one)  # fmt: skip
    (nan,) = compare(lost, lost, cells=("norm=batch", "norm=none")).pairs
    assert (nan.ratio, nan.ci, nan.verdict) == (pair.ratio, pair.ci, pair.verdict)


def test_a_failed_seed_is_left_out_of_both_arms_for_orientation(norm, again):
    lost = with_rows(norm, lambda one: replace(one, test_mse=3 * MEAN_FACE)
                     if one.seed == FIRST_BLOCK + 5 else one)  # fmt: skip
    (pair,) = compare(lost, with_seeds(again, FIRST_BLOCK + 4), cells=("norm=batch", "norm=none")).pairs
    assert (pair.test, pair.survivors.n) == ("overlapping samples", (7, 7))


def test_an_arm_whose_every_seed_diverged_still_compares(tmp_path):
    every = [(1, block) for block in range(8)]
    study = read_study(study_folder(tmp_path / "s", diverged=every))
    (pair,) = compare(study, replace(study, place="/another"), cells=("norm=none", "norm=batch")).pairs
    assert pair.verdict == "better"
    assert pair.survivors is None
    other = replace(with_seeds(study, 100), place="/other")
    welch = compare(other, study, cells=("norm=batch", "norm=batch")).pairs[0]
    assert (welch.ratio, welch.verdict, welch.p) == (1.0, "undecided", 1.0)  # all count alike, whatever they were
    assert not welch.identical


def test_a_diverged_seed_without_a_floor_is_refused(tmp_path):
    study = read_study(study_folder(tmp_path / "s", diverged=[(1, 2)], floor=False))
    with pytest.raises(UsageError, match=r"seed 1002 of s diverged and the mean face"):
        compare(study, study, cells=("norm=batch", "norm=none"))
    assert compare(study, study, cells=("norm=spatial_batch", "norm=none")).pairs[0].n == 8


def test_a_partial_study_is_incomplete(tmp_path, norm):
    part = read_study(study_folder(tmp_path / "part", runs=14, noise=0.1))
    pairs = compare(part, norm).pairs
    assert [pair.n for pair in pairs] == [5, 5, 4]
    assert {pair.verdict for pair in pairs} == {"incomplete"}
    assert all(pair.p_adjusted is None for pair in pairs)
    assert [pair.missing for pair in pairs] == [3, 3, 4]


def test_an_incomplete_cell_cannot_help_the_others(tmp_path, norm):
    part = read_study(study_folder(tmp_path / "part", missing=[(1, 7)], noise=0.1))

    def scaled(one):  # the incomplete cell has by far the smallest p
        share = {"batch": 0.5, "spatial_batch": 0.9}.get(one.params["network.norm"], 1.0)
        return replace(one, test_mse=share * one.test_mse)

    first, second, third = compare(with_rows(part, scaled), norm).pairs
    assert second.verdict == "incomplete"
    assert second.p < min(first.p, third.p)
    p = sorted([first.p, third.p])
    assert 3 * p[0] < 1
    assert min(first.p_adjusted, third.p_adjusted) == pytest.approx(3 * p[0])


def test_a_study_without_any_scored_run_is_refused(norm):
    with pytest.raises(UsageError, match="nothing has no run with an official test score yet"):
        compare(search("nothing", best=()), norm)
    with pytest.raises(UsageError, match="no run with an official test score yet"):
        compare(norm, replace(norm, name="empty", place="/e", rows=()))


# --- which cell


def test_a_search_stands_for_its_best_cell_and_an_ablation_for_its_baseline(norm):
    found = search("found", best=(1, 2, 3), second=(1, 2, 3))
    (pair,) = compare(found, norm).pairs
    assert pair.a.chosen == "best"
    assert pair.a.params["network.norm"] == "batch"
    assert pair.b.chosen == "baseline"
    assert pair.b.params["network.norm"] == "none"
    (pair,) = compare(norm, norm, cells=("norm=batch", None)).pairs
    assert pair.b.chosen == "baseline"


def test_a_cell_is_named_by_id_prefix_or_levels(norm):
    cell = next(one.cell for one in norm.rows if one.params["network.norm"] == "batch")
    for word in (cell, cell[:6], cell[:6].upper(), "norm=batch", "network.norm=batch", "norm=batch,lr=1e-3,depth=4"):
        assert named_arm(norm, word).cell == cell


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("nrm=batch", "did you mean 'norm'"),
        ("norm=btch", "did you mean 'batch'"),
        ("depth=5", "network.depth of norm is never '5'"),
        ("depth=four", "never 'four'"),
        ("norm", "has no cell 'norm'"),
        ("norm=", "is no NAME=LEVEL"),
        ("norm=batch,norm=none", "no cell of norm is norm=batch,norm=none"),
        ("depth=4", "picks 3 cells of norm; say also one of network.norm=batch|none|spatial_batch"),
        ("ffffffffffff", "has no cell 'ffffffffffff'"),
    ],
)
def test_a_word_that_picks_no_cell_or_several(norm, word, names):
    with pytest.raises(UsageError) as caught:
        named_arm(norm, word)
    assert names in str(caught.value)


def test_an_ambiguous_prefix_is_refused(tmp_path):
    study = read_study(study_folder(tmp_path / "s", factors=CROSSED, crossed=True, seeds=2))
    cells = sorted(counted(study))
    first = [cell[0] for cell in cells]
    twice = next(letter for letter in first if first.count(letter) > 1)
    with pytest.raises(UsageError, match=f"'{twice}' is short for {twice}.* and {twice}.*give more digits"):
        named_arm(study, twice)


def test_a_short_name_of_two_parameters_is_refused(norm):
    def both(one):
        params = one.params | {"training.norm": "x"}
        return replace(one, params=params, cell=cell_id(params))

    with pytest.raises(UsageError, match=r"short for network\.norm and training\.norm"):
        named_arm(with_rows(norm, both), "norm=batch")


def test_the_same_cell_with_itself_is_refused(norm):
    with pytest.raises(UsageError, match="both sides are cell"):
        compare(norm, norm, cells=("norm=batch", "norm=batch"))
    with pytest.raises(UsageError, match="both sides are cell"):
        compare(norm, norm, cells=("norm=none", None))
    with pytest.raises(UsageError, match="both sides are norm; name a cell of each"):
        compare(norm, norm)
    found = search()
    with pytest.raises(UsageError, match="both sides are cell"):
        compare(found, found)


def test_ablations_without_a_common_cell_say_why(norm, again):
    def deeper(one):
        params = one.params | {"network.depth": 5}
        return replace(one, params=params, cell=cell_id(params))

    with pytest.raises(UsageError, match=r"no scored cell in common \(network.depth is 4 against 5\)"):
        compare(norm, with_rows(again, deeper))


def test_cells_that_only_one_has_are_counted(norm, tmp_path):
    fewer = read_study(study_folder(tmp_path / "f", factors={"network.norm": ("none", "batch")}, noise=0.1))
    result = compare(norm, fewer)
    assert (len(result.pairs), result.alone) == (2, (1, 0))


def test_cells_by_name_and_colon(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = study_folder(tmp_path / "reports" / "a:b")
    out = tmp_path / "reports"
    assert find_study_and_cell("a:b", out) == (folder, None)
    assert find_study_and_cell("a:b:norm=batch", out) == (folder, "norm=batch")
    assert find_study_and_cell(f"{folder}:model=hf:x", out) == (folder, "model=hf:x")
    with pytest.raises(UsageError, match="names no cell behind its colon"):
        find_study_and_cell("a:b:", out)
    with pytest.raises(UsageError, match="no study 'c' here"):
        find_study_and_cell("c:norm=batch", out)


# --- what does not compare


@pytest.mark.parametrize(
    ("field", "value", "before"),
    [("data", "fedcba9876543210", "0123456789abcdef"), ("benchmark", "aa", "9a0be2f0c1d44e11"), ("scorer", 2, "1")],
)
@pytest.mark.parametrize("across", [(), ("recipe",)])
def test_another_task_is_refused_with_both_hashes(norm, again, field, value, before, across):
    other = with_plan(again, **{field: value})
    with pytest.raises(UsageError) as caught:
        compare(norm, other, across=across)
    assert f"{field} {before} against {value}" in str(caught.value)
    with pytest.raises(UsageError, match="do not compare"):
        compare(norm, other, cells=("norm=batch", "norm=none"), across=across)


def test_several_differences_are_all_named(norm, again):
    with pytest.raises(UsageError) as caught:
        compare(norm, with_plan(again, data="ff", benchmark="bb"))
    assert "(data 0123456789abcdef against ff) and the benchmark (benchmark" in str(caught.value)


def test_a_row_on_other_faces_than_its_plan_is_refused(norm, again):
    tampered = with_rows(again, lambda one: replace(one, data="fedcba9876543210"))
    with pytest.raises(UsageError, match="data fedcba9876543210 against 0123456789abcdef"):
        compare(norm, tampered)


def test_a_row_whose_parameters_were_changed_is_refused(norm):
    tampered = with_rows(norm, lambda one: replace(one, params=one.params | {"network.depth": 9}))
    with pytest.raises(UsageError, match="a row of norm is damaged: it says cell"):
        compare(tampered, norm, cells=("norm=batch", None))


@pytest.mark.parametrize("mse", [0.0, -1.0])
def test_an_mse_that_is_not_positive_is_refused(norm, mse):
    damaged = with_rows(norm, lambda one: replace(one, test_mse=mse) if one.seed == 1003 else one)
    with pytest.raises(UsageError, match="the MSE of seed 1003 is"):
        compare(damaged, norm, cells=("norm=batch", None))


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"epochs": 20}, "epochs 12 against 20"),
        ({"precision": "bf16"}, "precision float32 against bf16"),
        ({"device": "cuda"}, "device cpu against cuda"),
    ],
)
def test_another_recipe_is_refused_with_both_hashes(norm, again, fields, names):
    other = with_plan(again, **fields)
    digests = [recipe_digest(named_arm(study, "norm=none")) for study in (norm, other)]
    with pytest.raises(UsageError) as caught:
        compare(norm, other)
    assert f"({digests[0]} against {digests[1]})" in str(caught.value)
    assert names in str(caught.value)
    result = compare(norm, other, across=["recipe"])
    assert result.recipes == tuple(digests)
    assert list(result.unlike) == list(fields)
    assert len(result.pairs) == 3


def test_a_training_parameter_is_part_of_the_recipe(norm):
    other = search("found", best=tuple(range(8)), lr=3e-3)
    with pytest.raises(UsageError, match=r"training\.lr 0\.003 against 0\.001"):
        compare(other, norm)
    result = compare(other, norm, across=["recipe", "recipe"])
    assert result.unlike == {"training.lr": (0.003, 0.001)}
    assert result.across == ("recipe",)


def test_the_network_is_no_part_of_the_recipe(norm):
    arms = [named_arm(norm, f"norm={level}") for level in ("none", "batch")]
    assert recipe_digest(arms[0]) == recipe_digest(arms[1])
    assert set(recipe(arms[0])) == {"training.lr", "training.batch", "labels", "epochs", "precision", "device", "code"}
    assert "unlike" not in recipe(arms[0])


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"sesoi": 0.0}, "--sesoi must lie between 0 and 1"),
        ({"sesoi": math.nan}, "--sesoi"),
        ({"alpha": 0.9}, "--alpha must lie between 0 and 0.5"),
        ({"alpha": 1e-5}, "too small"),
        ({"across": ["data"]}, "unknown --across 'data'. Known: recipe"),
    ],
)
def test_numbers_and_words_out_of_range(norm, options, names):
    with pytest.raises(UsageError) as caught:
        compare(norm, norm, cells=("norm=batch", "norm=none"), **options)
    assert names in str(caught.value)


def test_the_least_alpha_works_with_two_seeds():
    (pair,) = compare(search("a", best=(1, 2)), search("b", best=(1, 2), score=150), alpha=1e-4).pairs
    assert pair.detectable == 0  # the paired differences do not vary
    (pair,) = compare(search("a", best=(1, 2)), search("b", best=(4, 8), score=150), alpha=1e-4).pairs
    assert pair.detectable > 0


def test_the_seeds_of_a_search_and_of_an_ablation_can_be_shared(norm):
    found = search("found", best=tuple(block_seed(0, FIRST_BLOCK + block) for block in range(8)))
    (pair,) = compare(found, norm).pairs
    assert pair.test == "paired t"
    logs = [np.log([arm.mse[seed] for seed in pair.a.seeds]) for arm in pair.arms]
    assert pair.p == pytest.approx(paired(logs[0] - logs[1]).p)


def test_partial_labels_are_another_recipe_where_the_same_faces_are_scored(norm, again):
    partial = with_rows(with_plan(again, labels="partial", data="other", held_out="same"),
                        lambda found: replace(found, data="other"))  # fmt: skip
    with pytest.raises(UsageError, match=r"labels complete against partial.*--across recipe"):
        compare(with_plan(norm, held_out="same"), partial)
    found = compare(with_plan(norm, held_out="same"), partial, across=["recipe"])
    assert len(found.pairs) == 3
    with pytest.raises(UsageError, match="faces or their split"):
        compare(with_plan(norm, held_out="apart"), partial, across=["recipe"])
    with pytest.raises(UsageError, match="faces or their split"):
        compare(norm, with_plan(partial, held_out=None), across=["recipe"])


# --- on which faces


def on_val(study, *, name="val", place="/val"):
    """The study as one that is judged on val: no score on the sealed test, and a floor without one."""
    design = study.plan.design.model_copy(update={"split": "val"})
    closed = with_rows(study, lambda one: replace(one, test_mse=None, test_score=None))
    return replace(with_plan(closed, design=design), name=name, place=place, split="val", mean_face={"val": VAL_FACE})


VAL_FACE = 1 / (2 * FLOOR_SCORES["mean face"]["val"])


def test_two_studies_judged_on_val_are_compared_there(norm, again):
    result = compare(on_val(norm), on_val(again, place="/other"), cells=("norm=batch", "norm=none"))
    (pair,) = result.pairs
    assert result.split == "val"
    val = {one.seed: one.val_mse for one in norm.rows if one.role == "ablation" and one.cell == pair.a.cell}
    assert pair.a.mse == val
    assert pair.a.faces
    assert pair.seeds_and_faces is not None


def test_a_study_judged_on_val_and_one_on_the_test_are_compared_on_val(norm, again):
    result = compare(on_val(norm), again, cells=("norm=batch", "norm=none"))
    assert (result.split, result.pairs[0].seeds_and_faces) == ("val", None)
    assert result.pairs[0].b.mse == {one.seed: one.val_mse for one in again.rows if one.cell == result.pairs[0].b.cell
                                     and one.role == "ablation"}  # fmt: skip
    assert compare(norm, again, cells=("norm=batch", "norm=none")).split == "test"


def test_confirmed_studies_are_compared_on_the_test_without_its_faces(norm):
    """A confirmed row has a score on the test, and the single errors of the val faces it was judged on."""
    design = norm.plan.design.model_copy(update={"split": "val"})
    confirmed = replace(with_plan(norm, design=design), split="val", place="/c")
    result = compare(confirmed, norm, cells=("norm=batch", "norm=none"))
    assert (result.split, result.pairs[0].seeds_and_faces) == ("test", None)
    half = with_rows(confirmed, lambda one: replace(one, test_mse=None) if one.seed % 2 else one)
    assert compare(half, norm, cells=("norm=batch", "norm=none")).split == "val"


def test_failed_seeds_count_with_the_mean_face_of_the_split(tmp_path):
    study = on_val(read_study(study_folder(tmp_path / "s", diverged=[(1, 2)])))
    (pair,) = compare(study, study, cells=("norm=batch", "norm=none")).pairs
    assert pair.a.mse[FIRST_BLOCK + 2] == VAL_FACE


def test_no_split_in_common_is_refused(norm, again):
    other = with_rows(again, lambda one: replace(one, val_mse=None))
    with pytest.raises(UsageError, match="val and norm were scored on no split in common: val and test"):
        compare(on_val(norm), replace(other, name="norm"))


def test_faces_drawn_anew_in_each_block_do_not_compare_with_others(norm, again):
    anew = on_val(norm)
    anew = with_plan(anew, design=anew.plan.design.model_copy(update={"resplit": True}))
    with pytest.raises(UsageError, match="drawn anew in each block"):
        compare(anew, on_val(again))
    (pair,) = compare(anew, anew, cells=("norm=batch", "norm=none")).pairs
    assert (pair.n, pair.seeds_and_faces) == (8, None)


def test_persons_are_read_for_the_split_that_a_study_was_judged_on(tmp_path):
    folder = study_folder(tmp_path / "s")
    (folder / PERSONS).write_text('{"val": [1, 1, 2]}')
    assert read_study(folder).persons is None
    (folder / PERSONS).write_text('{"test": [1, 1, 2]}')
    assert read_study(folder).persons == (1, 1, 2)
    for damaged in ('{"test": "who"}', '{"test": [1.5]}', "["):
        (folder / PERSONS).write_text(damaged)
        with pytest.raises(UsageError, match=r"persons\.json is damaged"):
            read_study(folder)


def test_seeds_that_all_failed_are_not_equivalent():
    worse = 0.5 / (2 * MEAN_FACE)
    seeds = tuple(range(1, 9))
    (pair,) = compare(search("a", best=seeds, score=worse), search("b", best=seeds, score=0.9 * worse)).pairs
    assert (pair.ratio, pair.a.collapsed, pair.verdict, pair.why) == (1.0, seeds, "undecided", "nothing learnt")


@pytest.mark.parametrize("why", ["post hoc", "tuned once"])
def test_a_cell_of_a_study_without_verdicts_gets_none_here_either(norm, why):
    (pair,) = compare(replace(norm, withhold=why), norm, cells=("norm=batch", "norm=none")).pairs
    assert (pair.verdict, pair.why) == ("withheld", why)
    assert pair.ratio is not None and pair.ci is not None
