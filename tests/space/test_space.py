"""Search spaces: what a file may say, and what comes of it."""

import json
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from kpbench.cell import cell_id
from kpbench.engine.evaluate import known_parameters
from kpbench.errors import UsageError
from kpbench.networks.families import check_rules
from kpbench.space.catalog import find, names
from kpbench.space.reading import parameters_in, read_space
from kpbench.space.space import LATER, Choice, Range, complete, varied, with_part
from kpbench.task.benchmark import read_benchmark
from kpbench.training.fit import training_defaults

DEFAULTS = known_parameters()


def space(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return read_space(path, DEFAULTS)


CNN = 'family = "cnn"\n[network]\n'


def test_the_three_forms_of_a_parameter(tmp_path):
    found = space(
        tmp_path,
        CNN + 'width = 8\ndepth = { low = 2, high = 4 }\nnorm = ["none", "batch"]\n'
        "[training]\nlr = { low = 1e-4, high = 1e-2, log = true }\nweight_decay = 0\n",
    )
    assert found.parameters["network.width"] == Choice((8,), {})
    assert found.parameters["network.depth"] == Range(2, 4, False, {})
    assert found.parameters["training.lr"] == Range(1e-4, 1e-2, True, {})
    assert found.parameters["training.weight_decay"] == Choice((0.0,), {})  # a whole number stands for a decimal one
    assert list(found.factors) == ["network.depth", "network.norm", "training.lr"]
    assert found.size is None


def test_a_range_whose_ends_are_one_value_is_that_value(tmp_path):
    found = space(
        tmp_path, CNN + "depth = { low = 3, high = 3 }\n[training]\nlr = { low = 1e-3, high = 1e-3, log = true }\n"
    )
    assert found.parameters["network.depth"] == Choice((3,), {})
    assert found.parameters["training.lr"] == Choice((1e-3,), {})
    assert found.factors == {} and found.size == 1


def test_a_byte_order_mark_is_no_part_of_a_space(tmp_path):
    plain = space(tmp_path, CNN + "depth = [2, 3]\n")
    (tmp_path / "bom.toml").write_text(CNN + "depth = [2, 3]\n", encoding="utf-8-sig")
    assert read_space(tmp_path / "bom.toml", DEFAULTS).digest == plain.digest


def test_a_space_is_read_from_a_text_alone(tmp_path):
    text = find("search_spaces", "cnn_tune").read_text()
    assert parameters_in(text).keys() == read_space(find("search_spaces", "cnn_tune"), DEFAULTS).parameters.keys()
    assert parameters_in(CNN + "depth = [2, 3]\nnorm = { value = 'none' }") == {
        "family": Choice(("cnn",), {}), "network.depth": Choice((2, 3), {}), "network.norm": Choice(("none",), {}),
    }  # fmt: skip
    for text in ("", "x = [", "family = 3\nnetwork = 4", CNN + "depth = []"):
        assert parameters_in(text) == {}


def test_what_has_no_part_in_a_cell_is_not_shown_and_its_identity_stays():
    """A chain of conditions: `kernel` hangs on a dropout rate that hangs on dropout, whose defaults would meet both."""
    parameters = {
        "network.dropout": Choice(("none", "spatial"), {}),
        "network.dropout_rate": Choice((0.1, 0.3), {"network.dropout": ("spatial",)}),
        "network.kernel": Choice((3, 5), {"network.dropout_rate": (0.1,)}),
    }
    cell = complete({"family": "cnn", "network.dropout": "none"}, DEFAULTS)
    assert cell["network.dropout_rate"] == 0.1
    assert varied(cell, parameters, parameters) == {"network.dropout": "none"}
    other = {**cell, "network.dropout": "spatial"}
    assert varied(other, parameters, parameters) == {
        "network.dropout": "spatial", "network.dropout_rate": 0.1, "network.kernel": 3,
    }  # fmt: skip
    assert with_part(other, {}) == other
    assert "network.dropout_rate" not in with_part(cell, {})  # without a word of the space


def test_a_condition_on_code_of_ones_own_is_met_by_its_name_in_a_cell():
    parameters = {"network.width": Choice((4, 8), {"network.norm": ("nets/my.py:Norm",)})}
    cell = {"family": "cnn", "network.norm": "my.py:Norm#3f9a12c0", "network.width": 4}
    assert with_part(cell, parameters) == cell
    assert "network.width" not in with_part({**cell, "network.norm": "my.py:Other#3f9a12c0"}, parameters)


def test_a_space_is_suggested_with_the_right_distributions(tmp_path):
    found = space(
        tmp_path,
        CNN + 'depth = { low = 2, high = 4 }\nnorm = ["none", "batch"]\ndropout_rate = { low = 0.1, high = 0.5 }',
    )
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    cell = found.suggest(trial)
    assert trial.distributions == {
        "network.depth": IntDistribution(2, 4),
        "network.norm": CategoricalDistribution(("none", "batch")),
        "network.dropout_rate": FloatDistribution(0.1, 0.5),
    }
    assert cell["family"] == "cnn"
    assert set(trial.params) < set(cell)


def test_conditions_decide_what_a_cell_has(tmp_path):
    found = space(
        tmp_path,
        CNN + 'dropout_rate = { choices = [0.1, 0.2], when = { "network.dropout" = ["standard"] } }\n'
        'dropout = ["none", "standard"]\n',
    )
    cells = list(found.cells())
    assert [(c["network.dropout"], c.get("network.dropout_rate")) for c in cells] == [
        ("none", None),
        ("standard", 0.1),
        ("standard", 0.2),
    ]
    assert found.size == 3
    assert {c.get("network.dropout_rate") for c in found.probes()} == {None, 0.1, 0.2}


def test_a_parameter_of_one_family_is_given_to_it_alone(tmp_path):
    found = space(tmp_path, 'family = ["mlp", "cnn"]\n[network]\nkernel = [3, 5]\ndepth = 2\n')
    assert [(c["family"], c.get("network.kernel")) for c in found.cells()] == [("mlp", None), ("cnn", 3), ("cnn", 5)]


def test_a_cell_is_completed_with_every_default():
    cell = complete({"family": "cnn", "network.depth": 2}, DEFAULTS)
    assert cell["network.depth"] == 2
    assert cell["network.kernel"] == 3
    assert cell["training.batch_size"] == 32
    assert cell_id(cell) == cell_id(dict(reversed(cell.items())))


PUBLISHED = ["norm-dropout", "norm-dropout-60", "family-norm", "family-norm-60"]


def first_rows(name):
    lines = (Path(__file__).parents[2] / "reports" / name / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["cell"]: row for row in map(json.loads, lines)}.values()


def test_cell_small_is_the_36_cells_of_the_course():
    found = read_space(find("search_spaces", "cnn_small"), DEFAULTS)
    cells = list(found.cells())
    assert found.size == len(cells) == len({cell_id(c) for c in cells}) == 36
    assert set(found.factors) == {"network.depth", "network.norm", "network.dropout"}


@pytest.mark.parametrize("name", sorted(names("search_spaces")))
def test_every_cell_of_every_packaged_space_keeps_the_rules(name):
    rules = read_benchmark().rules
    found = read_space(find("search_spaces", name), DEFAULTS)
    cells = list(found.cells() if found.size else found.probes())
    assert all(check_rules(complete(cell, DEFAULTS), rules)[0] < 5_000_000 for cell in cells)
    assert found.baseline


def test_a_space_may_bring_a_prior_and_a_budget(tmp_path):
    text = CNN + 'depth = [2, 3]\n[prior]\n"network.depth" = 3\n[budget]\nepochs = 20\nn_trials = 5'
    found = space(tmp_path, text)
    assert found.prior == {"network.depth": 3}
    assert found.budget == {"epochs": 20, "n_trials": 5}
    assert space(tmp_path, CNN + "depth = [2, 3]").budget == {}


def test_values_of_a_prior_have_the_type_of_their_parameter(tmp_path):
    """The journal and the rows name a cell by its values: 1 and 1.0 would be two cells."""
    varied = (
        "width = { low = 4, high = 32 }\n[training]\nlr = { low = 1e-4, high = 2.0 }\nspare_norms = [true, false]\n"
    )
    found = space(tmp_path, CNN + varied + '[prior]\n"training.lr" = 1\n"network.width" = 8.0')
    assert [(v, type(v)) for v in found.prior.values()] == [(1.0, float), (8, int)]
    for wrong in ('"network.width" = 8.5', '"training.spare_norms" = 1', '"training.lr" = "high"'):
        with pytest.raises(UsageError, match="is outside the space"):
            space(tmp_path, CNN + varied + "[prior]\n" + wrong)


@pytest.mark.parametrize("row", [row for name in PUBLISHED for row in first_rows(name)], ids=lambda row: row["cell"])
def test_cells_of_published_studies_keep_their_identity(row):
    """A parameter that came later is no part of a cell that does not name it."""
    named = {key: value for key, value in row["params"].items() if key == "family" or "depth" in key or "norm" in key}
    assert set(complete(named, DEFAULTS)) == set(row["params"])
    assert cell_id(complete(row["params"], DEFAULTS)) == row["cell"]
    assert not LATER & set(row["params"])


def test_a_later_parameter_is_part_of_a_cell_that_names_it():
    plain, named = (complete({"family": "cnn", **more}, DEFAULTS) for more in ({}, {"training.ema": 0.0}))
    assert "training.ema" not in plain
    assert named == {**plain, "training.ema": 0.0}
    assert set(training_defaults()) >= LATER


def test_the_digest_follows_the_meaning_not_the_comments(tmp_path):
    one = space(tmp_path, CNN + "depth = [2, 3]\n")
    assert space(tmp_path, "# hello\n" + CNN + "depth   = [2,3]\n").digest == one.digest
    assert space(tmp_path, CNN + "depth = [2, 4]\n").digest != one.digest


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("family = ", "TOML"),
        ('famly = "cnn"', "famly: unknown key; did you mean 'family'"),
        ("title = 'x'", "family: missing"),
        ('family = "cn"', "unknown family 'cn'; did you mean 'cnn'"),
        ("family = []", "family: the list is empty"),
        ("family = { low = 1, high = 2 }", "family: must be a name"),
        (CNN + "dept = 3", "network.dept: no such parameter of cnn; did you mean 'network.depth'"),
        (CNN + "[training]\nlearning_rate = 1e-3", "training.learning_rate: no such parameter"),
        (CNN + "depth = []", "network.depth: the list is empty"),
        (CNN + "depth = [2, 2]", "network.depth: a value stands twice"),
        (CNN + "depth = { low = 4, high = 2 }", "network.depth: low 4 is greater than high 2"),
        (CNN + "depth = { low = 4 }", "network.depth: low and high"),
        (CNN + "depth = { low = 2, hihg = 4 }", "network.depth: unknown key 'hihg'; did you mean 'high'"),
        (CNN + "depth = { low = 2, high = 4, choices = [1] }", "network.depth: give exactly one"),
        (CNN + "depth = { choices = 3 }", "network.depth: choices must be a list"),
        (CNN + 'depth = "three"', "network.depth: must be a whole number, got 'three'"),
        (CNN + "depth = 2.5", "network.depth: must be a whole number, got 2.5"),
        (CNN + "depth = true", "network.depth: must be a whole number, got True"),
        (CNN + "norm = 3", "network.norm: must be text, got 3"),
        (CNN + "norm = { low = 1, high = 2 }", "network.norm: must be text"),
        (CNN + "depth = [[2]]", r"network.depth: \[2\] is no number"),
        (CNN + "dropout_rate = nan", "network.dropout_rate: nan is no number"),
        (CNN + "[training]\nlr = { low = 0, high = 1, log = true }", "training.lr: a log range must start above 0"),
        (CNN + "[training]\nlr = { low = 0.1, high = inf }", "training.lr: low and high must both be numbers"),
        (CNN + "[training]\nlr = { low = 0.1, high = 1, log = 'yes' }", "training.lr: log must be true or false"),
        (CNN + "depth = { value = 3, when = 5 }", "network.depth: 'when' must be a table"),
        (
            CNN + 'depth = { value = 3, when = { "network.nrm" = 1 } }',
            "depth.when: 'network.nrm' is no other parameter",
        ),
        (CNN + 'norm = ["none"]\ndepth = { value = 3, when = { "network.norm" = "batch" } }', "is never 'batch'"),
        (
            CNN + 'depth = { value = 3, when = { "network.width" = 8 } }\n'
            'width = { value = 8, when = { "network.depth" = 3 } }',
            "circle",
        ),
        (CNN + 'depth = [2, 3]\n[baseline]\n"network.depth" = 5', "baseline.network.depth: 5 is outside the space"),
        (CNN + 'depth = [2, 3]\n[baseline]\n"network.dpth" = 2', "did you mean 'network.depth'"),
        (CNN + "depth = { low = 1, high = " + "9" * 30 + " }", "network.depth: low and high must both be numbers"),
        (CNN + "[training]\nlr = " + "9" * 400, "training.lr: 9+ is no number"),
        (CNN + "width = " + "9" * 5000, "cannot be read as TOML"),
        (CNN + "depth = " + "[" * 3000, "cannot be read as TOML"),
        ('family = "cnn"\ndescription = 1979-05-27', "description: must be text"),
        ('family = { choices = ["cnn"], when = { "network.depth" = [3] } }', "family: must be a name"),
        (CNN + "[training]\nlr = [1, 1.0]", "training.lr: a value stands twice"),
        (CNN + 'depth = {low = 2, high = 3}\nwidth = {value = 8, when = {"network.depth" = [9]}}', "never 9"),
        (
            CNN + 'width = { value = 8, when = { "training.lr" = [0.1] } }\n[training]\nlr = { low = 0.1, high = 1.0 }',
            "training.lr is never 0.1, or not one of a few values",
        ),
        (
            'family = ["mlp", "cnn"]\n[network]\nkernel = { value = 3, when = { family = "mlp" } }',
            "network.kernel.when: only cnn has this parameter",
        ),
        ('family = "cnn"\nnetwork = 3', "network: must be a table"),
        ('family = "cnn"\nbaseline = 3', "baseline: must be a table"),
        ('family = "cnn"\nprior = 3', "prior: must be a table"),
        (CNN + 'depth = [2, 3]\n[prior]\n"network.depth" = 5', "prior.network.depth: 5 is outside the space"),
        ('family = "cnn"\nbudget = 3', "budget: must be a table"),
        (CNN + "depth = 2\n[budget]\nepoch = 3", "budget.epoch: unknown key; did you mean 'epochs'"),
        (CNN + "depth = 2\n[budget]\nepochs = 0", "budget.epochs: must be a whole number of at least 1, got 0"),
        (CNN + "depth = 2\n[budget]\nn_trials = 2.5", "budget.n_trials: must be a whole number"),
    ],
)
def test_a_bad_file_is_refused_with_file_key_and_remedy(tmp_path, text, says):
    with pytest.raises(UsageError, match=says) as refusal:
        space(tmp_path, text)
    assert "mine.toml" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_or_unknown_definition_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="did you mean 'cnn_small'"):
        find("search_spaces", "cnn_smal")
    with pytest.raises(UsageError, match=r"no search space file at .*gone.toml"):
        find("search_spaces", str(tmp_path / "gone.toml"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "search_spaces").mkdir()
    own = tmp_path / "search_spaces" / "cnn_small.toml"
    own.write_text('family = "mlp"')
    assert find("search_spaces", "cnn_small") == own  # the working directory's own wins
    assert find("search_spaces", "cnn_tune") != own.with_name("cnn_tune.toml")


def test_a_condition_on_the_family_is_cut_down_to_those_that_know_the_parameter(tmp_path):
    found = space(
        tmp_path,
        'family = ["mlp", "cnn"]\n[network]\nkernel = { choices = [3, 5], when = { family = ["mlp", "cnn"] } }\n',
    )
    cells = [complete(cell, DEFAULTS) for cell in found.cells()]
    assert len({cell_id(cell) for cell in cells}) == len(cells) == 3


def test_a_wide_range_is_sampled_not_counted(tmp_path):
    assert space(tmp_path, CNN + "depth = { low = 1, high = 10000000000 }").size is None
    assert space(tmp_path, CNN + "depth = { low = 1, high = 200 }\nwidth = { low = 1, high = 200 }").size is None


def test_a_file_that_is_no_utf_8_text_is_told_as_that_and_a_byte_order_mark_is_none_of_it(tmp_path):
    text = CNN + "depth = [2, 3]"
    (tmp_path / "mine.toml").write_bytes(text.encode("utf-16"))
    with pytest.raises(UsageError, match=r"mine\.toml: not UTF-8 text .*; save it as UTF-8"):
        read_space(tmp_path / "mine.toml", DEFAULTS)
    (tmp_path / "mine.toml").write_bytes(text.encode("utf-8-sig"))
    assert read_space(tmp_path / "mine.toml", DEFAULTS).size == 2
