"""`FILE.py:NAME`: what is resolved, how it is called in a cell, and what is refused with its place."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from kpbench.cell import cell_id, spoken
from kpbench.errors import UsageError
from kpbench.networks import own
from kpbench.networks.families import (
    FAMILIES,
    build,
    check_rules,
    family_defaults,
    flops,
    is_foreign,
    offered,
    size_of,
    step_megabytes,
)  # fmt: skip
from kpbench.networks.own import OwnFile, admit, is_own, keyword_defaults, knows_layout, read_own, resolve
from kpbench.task.benchmark import read_benchmark
from tests.own_files import GOOD, RETURNS, install_package

RULES = read_benchmark().rules


@pytest.fixture
def unwatched(monkeypatch):
    """Saves the process in which a file is imported first; tests of that process do without this."""
    monkeypatch.setattr(own, "_watch", lambda file, name: None)


@pytest.fixture
def named(tmp_path, unwatched):
    """Writes a file, reads a name from it and answers the name in a cell."""

    def name(text, attribute="make", *, file="my_nets.py"):
        (tmp_path / file).write_text(text)
        return read_own(f"{file}:{attribute}", tmp_path)[0]

    return name


def test_a_cell_names_file_callable_and_digest_and_no_folder(named, tmp_path):
    name = named(GOOD)
    file = OwnFile("my_nets.py", GOOD)
    assert name == f"my_nets.py:make#{file.digest[:8]}"
    assert (spoken(name), spoken("batch"), spoken(3)) == ("my_nets.py:make", "batch", "3")
    assert is_own(name) and not is_own("my_nets.py:make") and not is_own(3)
    (tmp_path / "deeper").mkdir()
    assert read_own("../my_nets.py:make", tmp_path / "deeper") == (name, file)
    assert read_own(f"{tmp_path}/my_nets.py:make", tmp_path / "deeper")[0] == name
    other = named(GOOD + "\n")
    assert other != name
    assert cell_id({"family": other}) != cell_id({"family": name})
    assert resolve(name) is not resolve(other)  # both are at hand, each under its own digest
    copy = named(GOOD, file="copy.py")
    assert copy == name.replace("my_nets", "copy")
    assert resolve(copy) is not resolve(name)


@pytest.mark.parametrize("attribute", ["make", "Net"])
def test_a_factory_and_a_class_are_families(named, attribute):
    name = named(GOOD, attribute)
    assert family_defaults(name)["network.width"] == 4
    cell = {"family": name, "network.width": 6}
    assert build(cell)(torch.rand(2, 1, 96, 96)).shape == (2, 30)
    parameters = 9 * 6 + 6 + 6 * 144 * 30 + 30
    assert check_rules(cell, RULES) == size_of(cell) == (parameters, parameters * 4 / 1e6)
    assert flops(cell) > 2 * 6 * 144 * 30
    assert step_megabytes(cell) > 4 * size_of(cell)[1]


def test_the_layers_of_the_page_are_called_as_it_says(named):
    """In a convolutional and in a fully connected network; the shapes that they get are those of what they get."""
    page = (Path(__file__).parents[2] / "docs" / "network.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```python\n(.*?)```", page.partition("## Your own layer")[2], flags=re.S)
    layers = {f"network.{part}": named(text, name) for part, name in (
        ("norm", "MyNorm"), ("dropout", "my_dropout"), ("activation", "my_activation"))}  # fmt: skip
    small = {"cnn": {"network.depth": 2, "network.width": 4}, "mlp": {"network.depth": 1}, "keypoint_net": {}}
    for family, params in small.items():
        network = build({"family": family, **params, **layers, "network.dropout_rate": 0.25}).eval()
        assert network(torch.rand(1, 1, 96, 96)).shape == (1, 30)
        kinds = {type(module).__name__ for module in network.modules()}
        assert {"MyNorm", "Softplus"} <= kinds and kinds & {"Dropout", "Dropout2d"}, family
        rates = {module.p for module in network.modules() if isinstance(module, (nn.Dropout, nn.Dropout2d))}
        assert rates == {0.25}


def test_a_class_without_an_initialiser_has_no_parameters(named):
    assert family_defaults(named("from torch import nn\nclass Net(nn.Module):\n    pass\n", "Net")) == {}


@pytest.mark.parametrize("family", ["cnn", "keypoint_net", "mlp"])
def test_own_layers_stand_where_the_tables_entries_do(named, family):
    layers = {"norm": "Scale", "dropout": "Leave", "activation": "Swish"}
    cell = {"family": family, **{f"network.{kind}": named(GOOD, one) for kind, one in layers.items()}}
    cell |= {"network.width": 8, "network.depth": 2} | ({"network.head_width": 8} if family == "cnn" else {})
    assert is_foreign(cell) and not is_foreign({"family": "cnn"})
    check_rules(cell, RULES)
    kinds = [type(module).__name__ for module in build(cell).modules()]
    assert {"Scale", "Leave", "Swish"} <= set(kinds)


DERIVED = """
import torch
from torch import nn

class Always(nn.BatchNorm2d):
    def __init__(self, shape):
        super().__init__(shape[0])

    def forward(self, x):
        return torch.full_like(x, 7.0) + 0 * super().forward(x)

def plain(shape):
    return nn.BatchNorm2d(shape[0], affine=False)

def whole(shape):
    return nn.BatchNorm2d(shape[0], momentum=None)
"""


@pytest.mark.parametrize("norm", ["Always", "plain", "whole"])
def test_a_norm_that_derives_from_torchs_computes_what_it_says_in_training_too(named, norm):
    """The compiled pass is for torch's batch norm as the table has it, and for nothing that only looks like it."""
    network = build({"family": "cnn", "network.norm": named(DERIVED, norm), "network.width": 4}).train()
    block, x = network[0], torch.rand(4, 1, 96, 96)
    out = block(x)
    conv, own, *rest = block
    torch.testing.assert_close(out, torch.nn.Sequential(*rest)(own(conv(x))))
    if norm == "whole":
        assert own.running_mean.abs().sum() > 0


def test_an_own_layer_goes_into_several_members(named):
    cell = {"family": "keypoint_net", "network.norm": named(GOOD, "Scale"), "network.members": 2, "network.width": 8}
    check_rules(cell, RULES)
    check_rules({**cell, "network.mirror_average": True}, RULES)


def test_what_a_moving_average_cannot_copy_is_told_before_training(named):
    text = (
        "from torch import nn\nfrom torch.nn.utils import weight_norm\n\ndef make():\n    return nn.Sequential("
        "nn.Flatten(), weight_norm(nn.Linear(9216, 30)))\n"
    )
    with pytest.raises(UsageError, match="deepcopy"):
        check_rules({"family": named(text)}, RULES)


def test_a_builtin_is_no_family(named):
    with pytest.raises(UsageError, match=r"my_nets.py:relu#.*no signature found"):
        family_defaults(named("from torch import relu\n", "relu"))


def test_own_code_is_not_asked_for_another_memory_order(named):
    assert not knows_layout(build({"family": named(GOOD)}))
    assert not knows_layout(build({"family": "cnn", "network.norm": named(GOOD, "Scale")}))
    assert all(knows_layout(build({"family": family})) for family in FAMILIES)


def test_what_cannot_be_built_without_memory_is_built_with_it(named):
    text = GOOD.replace(
        "super().__init__()\n        self.conv", "super().__init__()\n        torch.ones(1).item()\n        self.conv"
    )
    cell = {"family": named(text)}
    with pytest.raises(UsageError, match=r"my_nets\.py:8: RuntimeError"), torch.device("meta"):
        build(cell)
    state = torch.random.get_rng_state()
    assert size_of(cell)[0] == check_rules(cell, RULES)[0] > 0
    assert flops(cell) > 0
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import torch\n\nraise ValueError('no\\nmore')", r"^my_nets.py:3: ValueError: no$"),
        ("import torch\ndef make(:\n", r"^my_nets.py:2: SyntaxError"),
        ("import nothing_of_this_name", r"^my_nets.py:1: ModuleNotFoundError"),
        ("import sys\nsys.exit(3)", r"^my_nets.py:2: SystemExit: 3$"),
        ("import asyncio\nraise asyncio.CancelledError('no')", r"^my_nets.py:2: CancelledError: no$"),
        ("input('go? ')", r"^my_nets.py:1: EOFError"),
        ("def mak():\n    pass", "my_nets.py has no 'make' to call; did you mean 'mak'"),
        ("make = 3", "has no 'make' to call"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_place(named, text, says):
    with pytest.raises(UsageError, match=says):
        named(text)


@pytest.mark.parametrize("parameters", ["width", "width=None", "*, width=(1, 2)", "*widths", "**widths", "width=4, /"])
def test_parameters_without_a_plain_default_are_refused_by_name(named, parameters):
    name = named(f"def make({parameters}):\n    pass\n")
    with pytest.raises(UsageError, match=r"my_nets.py:make#.*'\**width.*is not a keyword with a plain default"):
        family_defaults(name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def make():\n    return 3", "made int, not a torch.nn.Module"),
        ("def make():\n    x = 0\n    return 1 / x", "my_nets.py:3: ZeroDivisionError: division by zero"),
        ("from torch import nn\ndef make():\n    return nn.LazyLinear(30)", "uninitialized"),
        ("from torch import nn\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(9216, 651))",
         "6,000,267 parameters, the rules allow 4,999,999"),
        (RETURNS.format(expression="y[:, :10]") + "make = Net", r"returned \(2, 10\) for 2 face\(s\), not \(2, 30"),
        (RETURNS.format(expression="y.T") + "make = Net", r"returned \(30, 2\)"),
        (RETURNS.format(expression="y.squeeze()") + "make = Net", r"returned \(30,\) for 1 face\(s\), not \(1, 30\)"),
        (RETURNS.format(expression="[y]") + "make = Net", "returned list"),
        (RETURNS.format(expression="y.detach()") + "make = Net", "nothing to train"),
        (RETURNS.format(expression="y * 1j") + "make = Net", "the network returned complex numbers"),
        (RETURNS.format(expression="setattr(self, 'late', nn.Linear(3, 3)) or y") + "make = Net",
         r"makes or drops weights while it runs \('late.bias'\)"),
        (RETURNS.format(expression="y + self.missing") + "make = Net", "my_nets.py:12: AttributeError"),
        (RETURNS.format(expression="y @ torch.rand(4, 4)") + "make = Net", "my_nets.py:12: RuntimeError: mat1"),
    ],
)  # fmt: skip
def test_a_network_against_the_rules_is_refused_before_training(named, text, says):
    with pytest.raises(UsageError, match=says):
        check_rules({"family": named(text)}, RULES)


@pytest.mark.parametrize("expression", ["y", "y.view(-1, 15, 2)", "y.view(len(y), 2, 15)"])
def test_thirty_numbers_a_face_in_any_shape_are_taken(named, expression):
    check_rules({"family": named(RETURNS.format(expression=expression), "Net")}, RULES)


def test_an_own_norm_of_another_shape_is_refused(named):
    text = "from torch import nn\ndef norm(shape):\n    return nn.AvgPool2d(2)\ndef three(shape):\n    return 3\n"
    with pytest.raises(UsageError, match=r"^cnn norm=my_nets.py:norm#\w+: RuntimeError: Given input size"):
        check_rules({"family": "cnn", "network.norm": named(text, "norm")}, RULES)
    with pytest.raises(UsageError, match="TypeError: int is not a Module"):
        check_rules({"family": "cnn", "network.norm": named(text, "three")}, RULES)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path, unwatched):
    with pytest.raises(UsageError, match=r"no\.py:make: cannot read .*: No such file"):
        read_own("no.py:make", tmp_path)
    with pytest.raises(UsageError, match=r"does not name code of a file; write FILE\.py:NAME"):
        read_own("make", tmp_path)
    (tmp_path / "bad.py").write_bytes(b"x = '\xff'")
    with pytest.raises(UsageError, match="is not UTF-8"):
        read_own("bad.py:make", tmp_path)


def test_a_class_that_takes_hparams_is_told_the_way_to_be_searched(tmp_path):
    text = "def make(hparams):\n    pass\n"
    (tmp_path / "mine.py").write_text(text)
    name, _ = read_own("mine.py:make", tmp_path)
    with pytest.raises(UsageError, match=r'def make\(\*, depth=3\): return make\(hparams=\{"depth": depth\}\)'):
        keyword_defaults(resolve(name), name)


def test_code_that_nobody_named_does_not_run():
    file = OwnFile("theirs.py", "raise SystemExit('ran')\n")
    name = f"theirs.py:make#{file.digest[:8]}"
    with pytest.raises(UsageError, match=r"your own code, theirs\.py: add --trust-code to run it, if you trust it"):
        build({"family": name})
    admit([OwnFile("theirs.py", file.text + "# changed\n")])  # admits what it is, nothing else of the same name
    with pytest.raises(UsageError, match=r"this theirs\.py is not the file that theirs\.py:make#"):
        build({"family": name})


def test_an_import_that_hangs_ends_after_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(own, "IMPORT_SECONDS", 0.5)
    (tmp_path / "slow.py").write_text(
        "while True:\n    try:\n        input()\n    except BaseException:\n        pass\n"
    )
    with pytest.raises(UsageError, match=r"^slow.py: its import, or make\(\), took more than 0.5 s$"):
        read_own("slow.py:make", tmp_path)
    assert "slow" not in str(own._admitted)


def test_an_import_that_ends_its_process_does_not_end_the_command(tmp_path):
    (tmp_path / "end.py").write_text("import os\nos._exit(0)\n")
    with pytest.raises(UsageError, match=r"^end.py: its import, or make\(\), ended the process \(exit code 0\)$"):
        read_own("end.py:make", tmp_path)


@pytest.mark.parametrize(
    ("line", "says"),
    [("os._exit(0)", r"ended the process \(exit code 0\)"), ("time.sleep(60)", "took more than 0.5 s")],
)
def test_a_constructor_that_hangs_or_ends_its_process_does_not_take_the_command(tmp_path, monkeypatch, line, says):
    monkeypatch.setattr(own, "IMPORT_SECONDS", 0.5)
    (tmp_path / "made.py").write_text(f"import os, time\ndef make(width=4):\n    {line}\n")
    with pytest.raises(UsageError, match=rf"^made.py: its import, or make\(\), {says}$"):
        read_own("made.py:make", tmp_path)


def test_a_good_import_passes_the_watch(tmp_path):
    (tmp_path / "fine.py").write_text("print('hello')\ndef make():\n    pass\n")
    assert read_own("fine.py:make", tmp_path)[0].startswith("fine.py:make#")


@pytest.fixture
def package(tmp_path, monkeypatch):
    install_package(tmp_path, monkeypatch)


def test_a_package_offers_families_and_shadows_none(package):
    assert set(offered()) == {"extra", "broken"}
    assert family_defaults("extra") == {"network.width": 4}
    assert check_rules({"family": "extra", "network.width": 5}, RULES)[0] == 9 * 5 + 5 + 5 * 144 * 30 + 30
    assert type(build({"family": "cnn"})) is nn.Sequential
    with pytest.raises(UsageError, match="family 'broken' of extra_nets:missing: AttributeError"):
        build({"family": "broken"})


def test_own_text_is_what_runs_in_another_process(named):
    """A worker has the text alone: it admits and resolves, wherever it runs."""
    name = named(GOOD)
    program = f"""
from kpbench.networks.families import build
from kpbench.networks.own import OwnFile, admit
admit([OwnFile("my_nets.py", {GOOD!r})])
print(sum(p.numel() for p in build({{"family": {name!r}}}).parameters()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) == 9 * 4 + 4 + 4 * 144 * 30 + 30 and math.isfinite(size_of({"family": name})[1])
