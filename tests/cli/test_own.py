"""A network of one's own from the command line: trained, scored, continued, and refused in one line."""

import json
from pathlib import Path

import pytest
import torch

from kpbench.cli.search import outcome
from kpbench.networks import own
from kpbench.networks.families import build
from kpbench.networks.own import OwnFile
from kpbench.store.files import MODELS, PLAN, ROWS, SESSIONS
from tests.own_files import GOOD, RETURNS

EXAMPLES = Path(__file__).parents[2] / "examples"

SHORT = ["--epochs", 1, "--final-seeds", 1, "--workers", 0, "-q"]


@pytest.fixture
def forgotten():
    """The command's process as a new one: nothing is admitted that another command named."""

    def forget():
        own._admitted.clear()
        own._modules.clear()

    forget()
    return forget


def test_the_example_is_trained_scored_and_read_without_its_file(kpbench, course, tmp_path, forgotten):
    (tmp_path / "own_network.py").write_bytes((EXAMPLES / "own_network.py").read_bytes())
    code, out, err = kpbench(
        "search", "--network", "own_network.py:KeypointModel", "--data", course, "--json", *SHORT
    )  # fmt: skip
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["trials"] == {"complete": 1, "pruned": 0, "failed": 0}
    family = result["best"]["cell"]["family"]
    assert family == f"own_network.py:KeypointModel#{OwnFile('', (EXAMPLES / 'own_network.py').read_text()).digest[:8]}"
    study = (tmp_path / result["report"]).parent
    assert (study / MODELS / "own_network.py").read_bytes() == (tmp_path / "own_network.py").read_bytes()
    assert str(tmp_path) not in "".join((study / name).read_text() for name in (PLAN, ROWS, "space.toml"))

    assert "\nown code score, export and predict run own_network.py with --trust-code\n" in "\n".join(outcome(result))

    model = tmp_path / result["best"]["model"]
    (tmp_path / "own_network.py").unlink()
    forgotten()
    code, out, _ = kpbench("score", model, "--data", course, "--split", "test", "-q", "--json", "--trust-code")
    assert (code, json.loads(out)["score"]) == (0, result["best"]["test_score"])
    forgotten()
    code, out, _ = kpbench("export", study.name, "--trust-code", "--format", "course")
    assert code == 0 and "source   keypoint_model.py is the network's traced graph, an operation a line, not the" in out
    forgotten()
    assert kpbench("report", study, "--no-faces")[0] == 0
    assert "own_network.py:KeypointModel" in (study / "report.html").read_text()
    assert not own._admitted
    told = "error: the network is your own code, own_network.py: add --trust-code to run it"
    assert kpbench("score", model, "--data", course, "-q")[2].startswith(told)
    assert kpbench("export", study.name)[2].startswith(told)
    with (study / MODELS / "own_network.py").open("a") as file:
        file.write("raise SystemExit('this ran')\n")
    changed = kpbench("score", model, "--data", course, "-q", "--trust-code")[2]
    assert changed.startswith("error: this own_network.py is not the file that own_network.py:KeypointModel#")


def test_the_examples_space_is_searched_from_another_folder(kpbench, course, forgotten):
    space = EXAMPLES / "own_space.toml"
    code, out, err = kpbench(
        "search", "--space", space, "--data", course, "--n-trials", 8, "--sampler", "grid", "--json", *SHORT
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert json.loads(out)["trials"] == {"complete": 8, "pruned": 0, "failed": 0}


def test_workers_get_the_file_from_any_folder(kpbench, course, tmp_path, forgotten):
    """Both engines give the same rows; an ablation names the layer as the space does, without the digest."""
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "layers.py").write_text(GOOD)
    (tmp_path / "nets" / "my.toml").write_text(
        'family = "cnn"\n[network]\nnorm = ["none", "spatial_batch", "layers.py:Scale"]\ndepth = 3\nwidth = 4\n'
        'head_width = 8\n[baseline]\n"network.norm" = "layers.py:Scale"\n'
    )
    found = []
    for workers in (2, 0):
        code, out, _ = kpbench(
            "ablate", "norm", "--space", "nets/my.toml", "--levels", "none,layers.py:Scale,spatial_batch",
            "--contrast", "norm=layers.py:Scale:none", "--data", course, "--epochs", 1, "--seeds", 2,
            "--workers", workers, "--out", f"with-{workers}", "--json", "-q",
        )  # fmt: skip
        assert code == 0
        result = json.loads(out)
        assert result["plan"]["factors"]["network.norm"][0].startswith("layers.py:Scale#")
        study = tmp_path / f"with-{workers}" / result["study"]
        rows = [json.loads(line) for line in (study / ROWS).read_text().splitlines()]
        found.append({(row["cell"], row["seed"]): row["val_mse"] for row in rows if row["role"] == "ablation"})
        assert "layers.py:Scale" in (study / "report.html").read_text()
    assert len(found[0]) == 6
    assert found[0] == found[1]
    code, out, _ = kpbench(
        "compare", f"{study}:norm=layers.py:Scale", f"{study}:norm=none", "--out", "with-0", "--json"
    )  # fmt: skip
    assert code in (0, 3) and "layers.py:Scale#" in out


def test_a_study_is_not_continued_with_a_changed_file(kpbench, refused, course, tmp_path, unwatched):
    file = tmp_path / "my_nets.py"
    file.write_text(GOOD)
    words = ["search", "--network", "my_nets.py:make", "--data", course, "--name", "mine", *SHORT]
    assert kpbench(*words)[0] == 0
    rows = (tmp_path / "reports" / "mine" / ROWS).read_bytes()
    assert kpbench(*words)[0] == 0
    assert (tmp_path / "reports" / "mine" / ROWS).read_bytes() == rows
    file.write_text(GOOD + "# another\n")
    old, new = (OwnFile("", text).digest for text in (GOOD, GOOD + "# another\n"))
    assert f"study reports/mine exists with another plan (my_nets.py {old} -> {new})" in refused(*words)


def test_what_a_file_prints_leaves_stdout_to_the_result(kpbench, course, tmp_path, unwatched):
    text = "print('imported')\n" + GOOD.replace("maps = self", "print('forward')\n        maps = self")
    (tmp_path / "my_nets.py").write_text(text)
    code, out, err = kpbench("search", "--network", "my_nets.py:Net", "--data", course, "--json", *SHORT)
    assert code == 0
    assert json.loads(out)["best"]
    assert err.startswith("imported\nforward\n")


def test_weights_of_ones_own_are_scored(kpbench, refused, course, tmp_path, unwatched):
    (tmp_path / "my_nets.py").write_text(GOOD)
    name, _ = own.read_own("my_nets.py:make", tmp_path)
    torch.save(build({"family": name, "network.width": 6}).state_dict(), tmp_path / "w.pt")
    words = ["score", "my_nets.py:make", "--data", course, "-q"]
    code, out, _ = kpbench(*words, "--weights", "w.pt", "--param", "width=6", "--json", "--split", "test")
    assert code == 0
    result = json.loads(out)
    assert (result["parameters"], result["faces"], result["model"]) == (
        6 * 10 + 30 * (6 * 144 + 1),
        8,
        "my_nets.py:make",
    )
    assert "written down nowhere" in result["notes"][-1]
    code, out, _ = kpbench(*words, "--weights", "w.pt", "--param", "width=6", "--require-pass")
    assert (code, out.startswith("no pass")) == (3, True)
    state = torch.load(tmp_path / "w.pt")
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "parallel.pt")
    code, again, _ = kpbench(*words, "--weights", "parallel.pt", "--param", "width=6")
    assert (code, again) == (0, out)
    torch.save(
        {"more": torch.ones(1), "out.weight": state["out.weight"], "out.bias": state["out.bias"]}, tmp_path / "less.pt"
    )
    (tmp_path / "bad.pt").write_text("no weights")
    torch.save(torch.nn.ReLU(), tmp_path / "code.pt")
    for given, says in (
        ([], "my_nets.py:make has no weights to score; give --weights"),
        (
            ["--weights", "w.pt"],
            "w.pt: not a state dict of my_nets.py:make: 'conv.weight' is [6, 1, 3, 3] in the file, "
            "[4, 1, 3, 3] in the network (3 tensors in all); .*as in --param width=16",
        ),
        (
            ["--weights", "less.pt", "--param", "width=6"],
            "less.pt: not a state dict of my_nets.py:make: the file lacks "
            "'conv.weight' and 1 more, it holds 'more', which the network has not",
        ),
        (["--weights", "w.pt", "--param", "widht=6"], "unknown parameter 'network.widht'; did you mean"),
        (["--weights", "w.pt", "--param", "width=six"], "--param width must be of the kind of its default, 4"),
        (["--weights", "bad.pt"], "bad.pt is no model file"),
        (["--weights", "code.pt"], "code.pt: holds no weights alone"),
        (["--weights", "none.pt"], "none.pt: No such file or directory"),
        (["--weights", "none.safetensors"], "none.safetensors: No such file"),
        (["--weights", "w.pt", "--split", "train"], "unknown split 'train'"),
    ):
        line = refused(*words, *given)
        assert all(part in line for part in says.split(".*")), line
    assert "are for a network of your own, FILE.py:NAME, not for 'cnn'" in refused("score", "cnn", "--weights", "w.pt")
    assert "--network must be FILE.py:NAME, got 'cnn'" in refused("search", "--network", "cnn")
    both = refused("search", "--network", "my_nets.py:make", "--space", "cnn_small")
    assert "--network is searched instead of a space: leave out --space" in both


SPACE = 'family = "my_nets.py:make"\n[network]\nwidth = {width}\n'


@pytest.mark.parametrize(
    ("text", "space", "says"),
    [
        ("raise ValueError('no')", SPACE.format(width=4), "my.toml: my_nets.py:1: ValueError: no"),
        ("def make(width=4):\n    return width.no", SPACE.format(width=4), "my_nets.py:2: AttributeError: 'int'"),
        (GOOD, SPACE.format(width=4).replace("width", "widht"), "network.widht: no such parameter of my_nets.py:make#"),
        (GOOD, SPACE.format(width='"a"'), "network.width: must be a whole number, got 'a'"),
        (GOOD, SPACE.format(width="[4, 1200]"), "width=1200: 5,196,030 parameters, the rules allow 4,999,999"),
        (GOOD, SPACE.format(width=4) + 'head = "heatmap_offset"\n', "network.head: no such parameter of my_nets.py"),
        (GOOD, 'family = "mlp"\n[network]\nhead = "softargmax"\n', "network.head: no such parameter of mlp"),
        (RETURNS.format(expression="y[:, :8]") + "make = Net", 'family = "my_nets.py:make"', "returned (2, 8) for 2"),
        (GOOD, 'family = "other/my_nets.py:make"', "my.toml: other/my_nets.py:make: cannot read other/my_nets.py"),
        (GOOD, 'family = ["my_nets.py:make", "copy/my_nets.py:make"]', "two different files are called my_nets.py"),
        (GOOD, 'family = "cnn"\n[network]\nnorm = "my_nets.py:Scael"', "no 'Scael' to call; did you mean 'Scale'"),
        (GOOD, 'family = "keypoint_net"\n[network]\nhead = "my_nets.py:Scale"', "unknown network.head 'my_nets.py:S"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_before_training(refused, tmp_path, unwatched, text, space, says):
    (tmp_path / "my_nets.py").write_text(text)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "my_nets.py").write_text(text + "# changed\n")
    (tmp_path / "my.toml").write_text(space)
    assert says in refused("search", "--space", "my.toml", "-q", "--json")
    assert not (tmp_path / "reports").exists()


def test_a_file_that_hangs_is_one_line(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(own, "IMPORT_SECONDS", 0.5)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    assert refused("search", "--network", "slow.py:make").endswith(
        "slow.py: its import, or make(), took more than 0.5 s\n"
    )


def test_a_network_that_fails_in_training_is_a_failed_run_with_its_place(kpbench, refused, course, tmp_path, unwatched):
    text = GOOD.replace("        maps =", "        assert len(x) < 3, 'too many'\n        maps =")
    (tmp_path / "my_nets.py").write_text(text)
    words = ["search", "--network", "my_nets.py:make", "--data", course, "--name", "mine", *SHORT]
    code, out, err = kpbench(*words)
    assert (code, err) == (1, "failed: my_nets.py:12: AssertionError: too many\n")  # also with -q
    assert out.startswith("none     no trial was completed; pass mark 100, mean face ")
    row = json.loads((tmp_path / "reports" / "mine" / ROWS).read_text().splitlines()[0])
    assert (row["state"], row["detail"]) == ("failed", "my_nets.py:12: AssertionError: too many")
    (tmp_path / "my_nets.py").write_text(GOOD)
    assert "no run in it is complete: delete that folder to begin anew, or give another --name" in refused(*words)
    assert "kpbench" in json.loads((tmp_path / "reports" / "mine" / SESSIONS).read_text())["versions"]


def test_a_network_that_ends_its_process_in_training_is_a_failed_run(kpbench, course, tmp_path, unwatched):
    text = GOOD.replace("        maps =", "        if len(x) > 2:\n            raise SystemExit(0)\n        maps =")
    (tmp_path / "my_nets.py").write_text(text)
    code, _, err = kpbench("search", "--network", "my_nets.py:make", "--data", course, *SHORT)
    assert (code, err) == (1, "failed: my_nets.py:13: SystemExit: 0\n")
