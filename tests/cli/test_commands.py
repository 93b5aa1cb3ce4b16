"""The command line: results on stdout, one line an error, exit codes, the same study continued."""

import json
import shutil

import pytest

from kpbench.store.files import ROWS
from tests.cli.spaces import SPACE


@pytest.fixture(scope="module")
def small(course):
    """The options of a search of two trials."""
    return [
        "--space", "tiny.toml", "--data", course, "--n-trials", 2, "--epochs", 1, "--workers", 0, "--final-seeds", 1,
    ]  # fmt: skip


@pytest.fixture
def options(tmp_path, small):
    (tmp_path / "tiny.toml").write_text(SPACE)
    return small


def test_search_score_report_and_ls(kpbench, options, course, tmp_path):
    code, out, err = kpbench("search", *options, "--json", "--quiet")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert set(result) >= {"study", "best", "floor", "report", "trials"}
    assert set(result["best"]) >= {"cell", "val_score", "test_score", "model"}
    assert result["trials"] == {"complete": 2, "pruned": 0, "failed": 0}
    assert (result["epochs"], result["images"]) == (1, 24)
    page = tmp_path / result["report"]
    assert page.stat().st_size > 1_000_000
    study = page.parent
    lines = (study / ROWS).read_bytes()

    code, out, err = kpbench("search", *options)  # again: nothing to train, a table for a person
    assert code == 0
    assert (study / ROWS).read_bytes() == lines
    varies = result["best"]["varies"]
    assert set(varies) == {"network.depth"}
    assert f"best     depth={varies['network.depth']}\n" in out  # what varies, not all parameters
    assert "ridge on pixels" in out
    assert str(result["report"]) in out
    told = [line for line in err.splitlines() if "repeat a picture of another split" not in line]  # of blobs much alike
    assert told == []  # nothing left to train, nothing to tell

    model = result["best"]["model"]
    code, out, _ = kpbench("score", model, "--data", course, "--split", "test", "--json", "-q")
    assert code == 0
    scored = json.loads(out)
    assert scored["score"] == result["best"]["test_score"]
    assert not scored["pass"]
    assert kpbench("score", model, "--data", course, "--require-pass", "-q")[0] == 3
    assert kpbench("score", model, "--data", course, "-q")[1].startswith("no pass")

    page.unlink()
    code, out, _ = kpbench("report", result["study"])
    assert code == 0
    assert page.exists()
    code, out, _ = kpbench("report", study, "--no-faces", "--to", tmp_path / "bare.html")
    assert code == 0
    assert (tmp_path / "bare.html").stat().st_size < page.stat().st_size
    assert result["study"] in kpbench("ls", "studies")[1]


def test_ls_lists_what_there_is(kpbench):
    assert set(json.loads(kpbench("ls", "spaces", "--json")[1])) >= {
        "cnn_small", "cnn_tune", "fc_vs_conv", "timm_small",
    }  # fmt: skip
    assert "synthetic" in kpbench("ls", "data")[1]
    assert {"grid", "random", "tpe"} <= set(json.loads(kpbench("ls", "samplers", "--json")[1]))
    assert kpbench("ls", "studies") == (0, "", "no studies found\n")


def test_version_and_help(kpbench):
    from kpbench import __version__

    assert kpbench("--version")[:2] == (0, f"kpbench {__version__}\n")
    assert "search" in kpbench("--help")[1]
    assert "search" in kpbench()[1]


def test_a_dry_run_trains_nothing(kpbench, options, tmp_path):
    code, out, _ = kpbench("search", *options, "--dry-run", "--json", "-q")
    assert code == 0
    assert json.loads(out)["trials"] == 2
    assert not (tmp_path / "reports").exists()


def test_images_say_epochs_once_the_faces_are_read(kpbench, options, tmp_path):
    by_epochs, *by_images = (
        json.loads(kpbench("search", *options[:6], *words, "--dry-run", "--json", "-q")[1])
        for words in (("--epochs", 3), ("--images", "0.073k"), ("--images", "0.049k"))
    )
    said = [(one["epochs"], one["images"]) for one in (by_epochs, *by_images)]
    assert said == [(3, 72), (4, 96), (3, 72)]
    assert by_images[1]["plan"] == by_epochs["plan"]


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_cards_are_refused_where_training_is_on_none(refused, options, more, tmp_path):
    assert "--gpus-per-trial 1: training is on" in refused("search", *options, "--gpus-per-trial", 1, *more)
    assert not (tmp_path / "reports").exists()


BAD = [
    (["serch"], "search"),
    (["search", "--n-trials", "many"], "--n-trials"),
    (["search", "--n-trials", "0"], "--n-trials must be at least 1"),
    (["search", "--n-trials", "-3"], "--n-trials must be at least 1"),
    (["search", "--epochs", "0"], "--epochs"),
    (["search", "--epochs", "3", "--images", "93k"], "--images and --epochs"),
    (["ablate", "dropout", "--images", "-93k"], "--images must be a positive number"),
    (["search", "--workers", "-1"], "--workers"),
    (["search", "--space", "cnn_smal"], "did you mean 'cnn_small'"),
    (["search", "--space", "gone.toml"], "gone.toml"),
    (["search", "--sampler", "tpee"], "did you mean 'tpe'"),
    (["search", "--scheduler", "hyperband"], "scheduler"),
    (["search", "--device", "tpu"], "unknown device 'tpu'"),
    (["search", "--data", "synthetc"], "did you mean 'synthetic'"),
    (["search", "--data", "./none.zip"], "none.zip"),
    (["search", "--spcae", "x"], "--spcae"),
    (["search", "--out", "file/x"], "file"),
    (["score", "gone.safetensors"], "gone.safetensors"),
    (["report", "nothing"], "no study 'nothing'"),
    (["ls", "nothing"], "'kind': 'nothing' is not one of"),
    (["ls", "things"], "things"),
]


@pytest.mark.parametrize(("words", "names"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_a_mistake_is_one_line_that_names_it(refused, words, names, course, tmp_path):
    (tmp_path / "file").write_text("")
    if "--out" in words:
        words = [*words, "--data", course, "-q"]
    assert names in refused(*words)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_another_plan_under_the_same_name_is_refused_with_the_difference(kpbench, refused, options):
    assert kpbench("search", *options, "--name", "mine", "-q")[0] == 0
    assert "seed 0 -> 4" in refused("search", *options, "--name", "mine", "--seed", 4, "-q")


def test_ctrl_c_is_130_with_the_way_back(kpbench, options, monkeypatch):
    from kpbench.engine.trials import Trials

    def pressed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trials, "report", pressed)
        code, out, err = kpbench("search", *options)
    assert code == 130
    assert out == ""
    assert "continue with: kpbench search --space tiny.toml" in err
    assert kpbench("search", *options, "-q")[0] == 0


def test_failed_runs_are_exit_code_1(kpbench, options, tmp_path):
    (tmp_path / "tiny.toml").write_text(SPACE + "lr = 1e15\n")
    code, out, _ = kpbench("search", *options[:-4], "--epochs", 3, "--workers", 0, "-q")
    assert code == 1
    assert "no trial was completed" in out


def test_a_full_disk_is_one_line_and_keeps_what_was_finished(kpbench, options, monkeypatch):
    from kpbench.store.study import Study

    def full(self, file, value):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Study, "append", full)
        code, out, err = kpbench("search", *options, "-q")
    assert (code, out) == (1, "")
    assert err == "error: No space left on device; what was finished is kept\n"


@pytest.fixture(scope="module")
def finished(left_by, small):
    return left_by(SPACE, "search", *small, "--name", "s", "-q") / "reports"


@pytest.fixture
def study(finished, options, tmp_path):
    return shutil.copytree(finished, tmp_path / "reports") / "s"


@pytest.mark.parametrize(
    ("file", "content", "commands"),
    [
        ("floor.json", b"{bad", ["report", "search"]),
        ("floor.json", b"[]", ["report", "search"]),
        ("examples.npz", b"PK", ["report"]),
        ("examples.npz", b"", ["report"]),
        ("examples.npz", b"no archive", ["report"]),
        ("rows.jsonl", b"{}\n", ["report", "search"]),
        ("plan.json", b"{", ["report", "search"]),
        ("sessions.jsonl", b"no\n", ["report", "search"]),
        ("journal.jsonl", b"no\nno\n", ["search"]),
        ("journal.jsonl", b"", ["search"]),
    ],
)
def test_a_damaged_study_is_one_line_that_names_the_file(kpbench, refused, options, study, file, content, commands):
    (study / file).write_bytes(content)
    for command in commands:
        words = ["report", "s"] if command == "report" else ["search", *options, "--name", "s", "-q"]
        err = refused(*words)
        assert file in err and "allow_pickle" not in err
    assert kpbench("ls", "studies")[0] == 0


def test_a_study_does_without_the_files_that_can_be_made_again(kpbench, options, study):
    for file in ("result.json", "report.html", "examples.npz", "benchmark.toml", "space.toml"):
        (study / file).unlink()
    assert kpbench("report", "s")[0] == 0
    assert "best" in kpbench("search", *options, "--name", "s")[1]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "be a plain folder name") for name in ("..", "a/b", "a\nb", " s")),
        ("x" * 300, "have 200 bytes or fewer"),
    ],
)
def test_a_name_that_is_no_folder_name_is_refused(refused, options, name, why, tmp_path):
    assert f"--name must {why}" in refused("search", *options, "--name", name, "-q")
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("-rf", "would be read as an option"),
        ("a:b", "cannot be used: none of :"),
        ("what?", "cannot be used"),
        ("s.", "no '.' at the end"),
        ("NUL", "is reserved"),
        ("com1.old", "is reserved; choose another, such as com1-1"),
        ("models", "is reserved"),
    ],
)
def test_a_name_that_commands_or_other_systems_read_otherwise_is_refused(refused, options, name, says, tmp_path):
    assert says in refused("search", *options, f"--name={name}", "-q")
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("file", ["x.csv", "x", "page.pdf"])
def test_a_page_goes_to_an_html_file_alone(refused, study, file, tmp_path):
    assert f"--to {file} is no page; write " in refused("report", "s", "--to", file)
    assert not (tmp_path / file).exists()


def test_a_file_in_the_way_is_exit_2_also_for_a_dry_run(refused, options, tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "s").write_text("")
    for more in ([], ["--dry-run"]):
        assert "is a file" in refused("search", *options, "--name", "s", "-q", *more)


def test_a_final_run_that_failed_once_is_forgiven_when_it_is_done(kpbench, options, monkeypatch):
    from kpbench.engine import evaluate

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "save_model", full)
        code, out, _ = kpbench("search", *options, "--json", "-q")
    assert code == 1
    assert json.loads(out)["best"]["test_score"] is None
    code, out, _ = kpbench("search", *options, "--json", "-q")
    assert code == 0
    assert json.loads(out)["finals_failed"] == 0


@pytest.mark.parametrize("path", [".", "/", "reports", "x.txt"])
def test_score_of_what_is_no_model(refused, path):
    assert "model" in refused("score", path)


@pytest.mark.parametrize(
    "change",
    ['"network.width": "x"', '"network.width": 2.5', '"network.wdth": 4', '"network.width": 99999999999999999999'],
)
def test_score_of_a_model_whose_description_is_wrong(refused, study, change, course):
    (card,) = (study / "models").glob("*.json")
    card.write_text(card.read_text().replace('"network.width": 4', change))
    err = refused("score", card, "--data", course)
    assert card.name in err or card.stem in err


@pytest.mark.parametrize("line", ["lr = -1.0", "batch_size = 1", "shift = -5.0", "rotate = 1e9"])
def test_training_out_of_range_is_refused_before_anything_is_trained(refused, options, tmp_path, line):
    text = SPACE.replace("batch_size = 8\n", "") if "batch_size" in line else SPACE
    (tmp_path / "tiny.toml").write_text(text + line + "\n")
    err = refused("search", *options, "-q")
    assert f"search space 'tiny': training.{line.split()[0]} must be" in err
    assert not (tmp_path / "reports").exists()
