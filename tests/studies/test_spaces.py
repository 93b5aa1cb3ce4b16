"""Opening a space: the code that it names, where it lies, and what of it the study keeps."""

import pytest

from kpbench.errors import UsageError
from kpbench.networks import own
from kpbench.networks.own import OwnFile
from kpbench.space.space import complete
from kpbench.studies.preflight import prepare_task
from kpbench.studies.spaces import open_space
from tests.own_files import GOOD, install_package


@pytest.fixture(autouse=True)
def _unwatched(monkeypatch):
    """Saves the process in which a file is imported first; it has tests of its own."""
    monkeypatch.setattr(own, "_watch", lambda file, name: None)


def test_every_value_that_names_code_is_called_as_in_a_cell(tmp_path):
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "my.py").write_text(GOOD)
    (tmp_path / "my.toml").write_text(
        'title = "nets/no.py:make"\nfamily = ["nets/my.py:make", "cnn"]\n[network]\nwidth = [4, 8]\n'
        'norm = { choices = ["none", "nets/my.py:Scale"], when = { family = ["cnn"] } }\n'
        'head_width = { value = 8, when = { "network.norm" = ["nets/my.py:Scale"] } }\n'
        '[baseline]\nfamily = "nets/my.py:make"\n[prior]\n"network.norm" = "nets/my.py:Scale"\n'
    )
    opened = open_space(str(tmp_path / "my.toml"))
    space, file = opened.space, OwnFile("my.py", GOOD)
    make, scale = (f"my.py:{name}#{file.digest[:8]}" for name in ("make", "Scale"))
    assert (opened.own, opened.packages, space.title) == ((file,), (), "nets/no.py:make")
    assert space.baseline["family"] == make
    assert space.prior["network.norm"] == scale
    cells = [complete(cell, opened.defaults) for cell in space.cells()]
    assert [cell["family"] for cell in cells] == [make] * 2 + ["cnn"] * 4
    assert {name for name in cells[0] if name.startswith("network.")} == {"network.width"}
    assert [cell["network.head_width"] for cell in cells[2:]] == [128, 8] * 2


def test_one_network_is_the_same_space_wherever_its_file_lies(tmp_path):
    found = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        (folder / "my.nets.py").write_text(GOOD)
        found.append(open_space(f"{folder}/my.nets.py:make"))
    assert found[0] == found[1]
    assert (found[0].space.name, found[0].space.size) == ("my-nets-make", 1)
    assert str(tmp_path) not in found[0].space.text


def test_a_package_is_named_in_the_sessions_of_its_studies(tmp_path, monkeypatch):
    install_package(tmp_path, monkeypatch)
    (tmp_path / "my.toml").write_text('family = ["extra", "cnn"]\n[network]\nwidth = 6\n')
    task = prepare_task(str(tmp_path / "my.toml"), "cpu", None)
    assert [cell["family"] for cell in task.space.cells()] == ["extra", "cnn"]
    assert task.session("kpbench search", 0).versions["extra-nets"] == "1.2"
    (tmp_path / "my.toml").write_text('family = "broken"\n')
    with pytest.raises(UsageError, match="family 'broken' of extra_nets:missing: AttributeError"):
        prepare_task(str(tmp_path / "my.toml"), "cpu", None)


def test_a_prior_that_breaks_the_rules_is_refused_though_each_of_its_values_keeps_them(tmp_path):
    text = """family = "cnn"
[network]
depth = [4, 5]
norm = ["none", "batch"]
width = { low = 16, high = 64 }
head_width = { low = 64, high = 256 }
dropout_rate = { low = 0.0, high = 0.5 }
[prior]
"network.depth" = 4
"network.norm" = "batch"
"network.width" = 64
"network.head_width" = 256
"""
    (tmp_path / "ill.toml").write_text(text)
    with pytest.raises(UsageError, match=r"search space 'ill': cnn depth=4 width=64 .*parameters, the rules allow"):
        prepare_task(str(tmp_path / "ill.toml"), "cpu", None)
    well = text.replace('"network.head_width" = 256', '"network.head_width" = 64').replace('"batch"\n', '"none"\n')
    (tmp_path / "well.toml").write_text(well)
    prepare_task(str(tmp_path / "well.toml"), "cpu", None)
