"""A study folder: appended rows, torn lines, plans that differ, two drivers."""

import errno
import multiprocessing
import subprocess
import sys

import numpy as np
import pytest

from kpbench.cell import EpochRecord, RunResult
from kpbench.errors import UsageError
from kpbench.faces.parts import Parts
from kpbench.store.files import ASKED, MODELS, READINGS, ROWS, SESSIONS, read_lines
from kpbench.store.files import PLAN as PLAN_FILE
from kpbench.store.finding import every_study, find_studies, find_study, studies
from kpbench.store.plan import Plan, bare, read_plan
from kpbench.store.study import check_folder, check_open, open_study
from kpbench.store.values import Reading, Session
from kpbench.whole_file import naming
from tests.faces.test_split import made, numbered

PLAN = Plan(
    kind="search",
    space_name="s",
    space="aa",
    benchmark_name="b",
    benchmark="bb",
    scorer=1,
    data_name="d",
    data="dd",
    epochs=3,
    seeds=1,
    sampler="tpe",
    scheduler="asha",
    seed=0,
    device="cpu",
    precision="fp32",
    data_sizes={"train": 2},
    data_notes=(),
    space_text="x",
    benchmark_text="y",
)


def row(trial, **more):
    given = {
        "role": "trial",
        "trial": trial,
        "cell": "c",
        "params": {"family": "cnn", "network.depth": 2, "training.lr": 1e-3},
        "seed": 0,
        "state": "complete",
        "epochs": 1,
        "val_mse": 0.1,
        "val_score": 5.0,
        "seconds": 1.0,
        "device": "cpu",
        "data": "dd",
        "curve": [EpochRecord(epoch=1, train_mse=0.2, val_mse=0.1, val_score=5.0, seconds=1.0)],
        "finished": "now",
    }
    return RunResult(**{**given, **more})


def test_rows_come_back_as_they_were_written(tmp_path):
    odd = row(
        1, val_mse=float("inf"), val_score=float("inf"), params={"network.norm": "ü", "a": True, "b": 1, "c": 1.0}
    )
    with open_study(tmp_path / "s", PLAN) as study:
        study.append(ROWS, row(0))
        study.append(ROWS, odd)
        rows = study.rows()
    assert rows == [row(0), odd]
    assert [type(v) for v in rows[1].params.values()] == [str, bool, int, float]
    assert read_plan(tmp_path / "s") == PLAN


def test_own_files_are_part_of_a_plan_by_their_digests_and_kept_beside_the_models(tmp_path):
    text = "x = 'ü'\r\n"
    own = PLAN.model_copy(update={"own": {"my.py": "aa"}, "own_texts": {"my.py": text}})
    assert own.digest != PLAN.digest == PLAN.model_copy(update={"own_texts": {"my.py": text}}).digest
    assert "own" not in PLAN.identity()  # so that plans of studies without such files keep their digests
    with open_study(tmp_path / "s", own) as study:
        assert (study.folder / MODELS / "my.py").read_bytes() == text.encode()
    assert read_plan(tmp_path / "s") == own
    changed = PLAN.model_copy(update={"own": {"my.py": "bb"}})
    with (
        pytest.raises(UsageError, match=r"exists with another plan \(my.py aa -> bb\)"),
        open_study(tmp_path / "s", changed),
    ):
        pass


def test_a_torn_last_line_is_passed_over_and_cut_at_the_next_start(tmp_path):
    with open_study(tmp_path / "s", PLAN) as study:
        study.append(ROWS, row(0))
    file = tmp_path / "s" / ROWS
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: len(whole) // 2])
    assert read_lines(file, RunResult) == [row(0)]
    with open_study(tmp_path / "s", PLAN) as study:
        study.append(ROWS, row(1))
    assert read_lines(file, RunResult) == [row(0), row(1)]


def test_a_damaged_line_elsewhere_is_named(tmp_path):
    file = tmp_path / ROWS
    file.write_bytes(b"{}\n")
    with pytest.raises(UsageError, match="line 1 is damaged"):
        read_lines(file, RunResult)


def test_rows_of_a_cut_trial_can_be_dropped(tmp_path):
    with open_study(tmp_path / "s", PLAN) as study:
        for number in (0, 1, 1, 2):
            study.append(ROWS, row(number))
        study.drop_rows_of(1)
        assert [r.trial for r in study.rows()] == [0, 2]


def test_another_plan_is_refused_with_the_difference(tmp_path):
    with open_study(tmp_path / "s", PLAN):
        pass
    other = PLAN.model_copy(update={"epochs": 9, "sampler": "grid"})
    with pytest.raises(UsageError, match=r"epochs 3 -> 9; sampler tpe -> grid"), open_study(tmp_path / "s", other):
        pass
    renamed = PLAN.model_copy(update={"data_name": "elsewhere", "space_text": "# comment"})
    with open_study(tmp_path / "s", renamed):
        pass
    assert read_plan(tmp_path / "s") == PLAN


def test_a_folder_that_is_no_study_is_left_alone(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="holds no study"), open_study(tmp_path / "s", PLAN):
        pass
    assert [p.name for p in (tmp_path / "s").iterdir()] == ["thesis.tex"]


def test_an_unwritable_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write to .*--out"), open_study(tmp_path / "file" / "s", PLAN):
        pass


def hold(folder, held, release):
    with open_study(folder, PLAN):
        held.set()
        release.wait(20)


def test_a_second_process_is_refused_while_the_first_works(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    held, release = spawn.Event(), spawn.Event()
    other = spawn.Process(target=hold, args=(tmp_path / "s", held, release))
    other.start()
    assert held.wait(20)
    with pytest.raises(UsageError, match="in use by another process"), open_study(tmp_path / "s", PLAN):
        pass
    release.set()
    other.join(20)
    with open_study(tmp_path / "s", PLAN):
        pass


def test_a_full_disk_leaves_whole_lines(tmp_path):
    """With 4 KB allowed per file the writer fails on some line; every line before it is whole."""
    program = f"""
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {str(sys.path[0])!r})
from tests.store.test_study import PLAN, row
from kpbench.store.study import ROWS, open_study
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open_study(Path({str(tmp_path / "s")!r}), PLAN) as study:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
    for number in range(100):
        study.append(ROWS, row(number))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "OSError" in done.stderr
    assert str(tmp_path / "s" / ROWS) in done.stderr
    rows = read_lines(tmp_path / "s" / ROWS, RunResult)
    assert 3 < len(rows) < 100
    with open_study(tmp_path / "s", PLAN) as study:
        study.append(ROWS, row(100))
        assert [r.trial for r in study.rows()] == [*range(len(rows)), 100]


def test_studies_are_found_by_name_and_path(tmp_path):
    with open_study(tmp_path / "one", PLAN):
        pass
    assert studies(tmp_path) == [tmp_path / "one"]
    assert find_study("one", tmp_path) == find_study(str(tmp_path / "one"), tmp_path / "no") == tmp_path / "one"
    with pytest.raises(UsageError, match="known: one"):
        find_study("two", tmp_path)


def test_studies_inside_a_verification_are_found(tmp_path):
    for name in ("verify/drawn", "verify/real", "other/real", "alone"):
        with open_study(tmp_path / name, PLAN):
            pass
    for name in ("verify", "other"):
        (tmp_path / name / ASKED).write_text("{}")
    assert studies(tmp_path) == [tmp_path / "alone"]
    names = [folder.relative_to(tmp_path).as_posix() for folder in every_study(tmp_path)]
    assert names == ["alone", "other/real", "verify/drawn", "verify/real"]
    assert find_study("drawn", tmp_path) == find_study("verify/drawn", tmp_path) == tmp_path / "verify" / "drawn"
    assert find_studies("verify", tmp_path) == [tmp_path / "verify" / "drawn", tmp_path / "verify" / "real"]
    with pytest.raises(UsageError, match=r"is 2 studies; name one: .*other/real, .*verify/real"):
        find_study("real", tmp_path)
    with pytest.raises(UsageError, match="is 2 studies; name one"):
        find_study("verify", tmp_path)
    with pytest.raises(UsageError, match="did you mean 'verify/drawn'"):
        find_study("verify/drwn", tmp_path)
    with pytest.raises(UsageError, match=r"known: drawn, real \(in .*verify\)$"):
        find_study(str(tmp_path / "verify" / "none"), tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ASKED).write_text("{}")
    with pytest.raises(UsageError, match="no study 'empty'"):
        find_studies("empty", tmp_path)


def test_a_folder_that_lost_its_plan_is_told_from_none(tmp_path):
    with open_study(tmp_path / "cut", PLAN) as study:
        (study.folder / ROWS).write_text("")
    (tmp_path / "cut" / "plan.json").unlink()
    with pytest.raises(UsageError, match=r"cut has lost its plan\.json"):
        find_study("cut", tmp_path)


def test_a_nested_study_is_suggested_by_the_last_part_of_its_name(tmp_path):
    with open_study(tmp_path / "verify-x" / "synthetic", PLAN), open_study(tmp_path / "norm", PLAN):
        pass
    with pytest.raises(UsageError, match="did you mean 'verify-x/synthetic'"):
        find_study("syntheti", tmp_path)
    with pytest.raises(UsageError, match="did you mean 'norm'"):
        find_study("nrm", tmp_path)


def test_a_reading_of_the_test_split_is_a_line(tmp_path):
    with open_study(tmp_path / "s", PLAN) as study:
        study.test_reading("kpbench score", "models/m.safetensors")()
        (reading,) = read_lines(study.folder / READINGS, Reading)
    assert (reading.command, reading.model) == ("kpbench score", "models/m.safetensors")


def test_runs_of_another_version_of_training_are_not_added_to(tmp_path):
    def session(**versions):
        return Session(when="now", command="kpbench search", device="cpu", workers=0, versions=versions)

    with open_study(tmp_path / "s", PLAN) as study:
        study.begin(session(kpbench="0.0.9"))  # before recipes were written down: 1
        study.begin(session(recipe="2"))  # nothing was trained yet
        assert len(read_lines(study.folder / SESSIONS, Session)) == 2
    with open_study(tmp_path / "t", PLAN) as study:
        study.begin(session(kpbench="0.0.9"))
        study.append(ROWS, row(0))
        study.begin(session(recipe="1"))
        with pytest.raises(UsageError, match=r"trained by recipe 1 .* trains by recipe 2.*another --name"):
            study.begin(session(recipe="2"))
        assert len(read_lines(study.folder / SESSIONS, Session)) == 2


@pytest.mark.parametrize("file", [PLAN_FILE, ROWS, SESSIONS])
def test_a_study_of_a_later_version_says_which(tmp_path, file):
    session = Session(when="now", command="kpbench search", device="cpu", workers=0, versions={"kpbench": "9.8"})
    with open_study(tmp_path / "s", PLAN) as study:
        study.append(SESSIONS, session)
        study.append(ROWS, row(0))
    path = tmp_path / "s" / file
    path.write_text(path.read_text().replace("{", '{"later": 1, ', 1))
    with pytest.raises(
        UsageError, match=rf"{file}.* is by a later kpbench 9\.8: this one, .*, does not know its 'later'"
    ):
        read_plan(tmp_path / "s")
        read_lines(tmp_path / "s" / ROWS, RunResult)
        read_lines(tmp_path / "s" / SESSIONS, Session)


def test_a_value_that_a_later_version_may_have_is_not_called_damaged(tmp_path):
    session = Session(when="now", command="kpbench search", device="cpu", workers=0, versions={"kpbench": "99.10"})
    with open_study(tmp_path / "s", PLAN) as study:
        study.append(SESSIONS, session)
        study.append(ROWS, row(0))
    path = tmp_path / "s" / ROWS
    path.write_text(path.read_text().replace('"state":"complete"', '"state":"paused"'))
    with pytest.raises(UsageError, match=r"line 1 is by a later kpbench 99\.10: .* does not know its 'state'"):
        read_lines(path, RunResult)
    path.write_text("{torn\n")
    with pytest.raises(UsageError, match="line 1 is damaged"):
        read_lines(path, RunResult)


def test_what_cannot_be_opened_is_known_without_writing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file; choose another --out"):
        check_open(tmp_path / "file" / "s", PLAN, "1")
    check_open(tmp_path / "not" / "yet", PLAN, "1")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    session = Session(when="now", command="x", device="cpu", workers=0, versions={"recipe": "1"})
    with open_study(tmp_path / "s", PLAN) as study:
        study.begin(session)
        study.append(ROWS, row(0))
        with pytest.raises(UsageError, match="in use by another process"):
            check_open(tmp_path / "s", PLAN, "1")
    before = {path: path.read_bytes() for path in (tmp_path / "s").iterdir()}
    check_open(tmp_path / "s", PLAN, "1")
    with pytest.raises(UsageError, match="was trained by recipe 1"):
        check_open(tmp_path / "s", PLAN, "2")
    assert {path: path.read_bytes() for path in (tmp_path / "s").iterdir()} == before


def test_a_split_of_an_earlier_version_that_parted_near_copies_is_told_as_that(tmp_path):
    with open_study(tmp_path / "s", PLAN):
        pass
    parted = made(Parts(numbered(list(range(20)))), copies=np.arange(20) // 2).notes
    changed = PLAN.model_copy(update={"data": "ee", "data_notes": parted})
    with pytest.raises(UsageError, match="began on a split of d that put near-copies into two splits"):
        check_folder(tmp_path / "s", changed)


def test_changed_faces_are_told_as_that(tmp_path):
    with open_study(tmp_path / "s", PLAN):
        pass
    changed = PLAN.model_copy(update={"data": "ee", "held_out": "ff"})
    with pytest.raises(UsageError, match=r"the faces of d have changed since .* began \(data dd -> ee\)"):
        check_folder(tmp_path / "s", changed)
    with pytest.raises(UsageError, match="exists with another plan"):
        check_folder(tmp_path / "s", changed.model_copy(update={"data_name": "other"}))
    with pytest.raises(UsageError, match="exists with another plan"):
        check_folder(tmp_path / "s", changed.model_copy(update={"epochs": 9}))


def test_a_study_of_an_earlier_version_of_the_faces_says_their_name(tmp_path):
    old = PLAN.model_copy(update={"data_name": "synthetic"})
    with open_study(tmp_path / "s", old):
        pass
    with pytest.raises(UsageError, match=r"earlier version of synthetic .*--data synthetic@2"):
        open_study(tmp_path / "s", old.model_copy(update={"data": "ee"})).__enter__()
    assert bare("synthetic@2") == bare("synthetic") == "synthetic"  # and so the study's folder is found


def test_an_error_of_the_disk_names_the_file(tmp_path):
    with open_study(tmp_path / "s", PLAN) as study, pytest.raises(OSError) as caught, naming(study.folder / ROWS):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "s" / ROWS)
