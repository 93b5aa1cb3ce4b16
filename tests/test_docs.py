"""What the documents say is so: commands parse, paths exist, spaces and counts are right."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
import ray
import typer
import yaml

from kpbench.cli.main import app
from kpbench.engine.evaluate import known_parameters
from kpbench.space.catalog import find
from kpbench.space.reading import read_space

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", README, flags=re.S)


COMMANDS = [line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("kpbench ")])
def test_a_command_of_the_readme_is_one(line):
    _, *words = shlex.split(line)
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    command.make_context(name, words)  # refuses an unknown option or a value of another type


CLUSTER = ROOT / "examples" / "cluster"
ELSEWHERE = [
    line.partition("#")[0].strip()
    for page in ("cluster", "leaderboard", "exports")
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"), flags=re.S)
    for line in block.splitlines()
] + [yaml.safe_load((CLUSTER / "rayjob.yaml").read_text())["spec"]["entrypoint"]]


@pytest.mark.parametrize("line", [line for line in ELSEWHERE if line.startswith("kpbench ")])
def test_a_command_of_the_docs_is_one(line):
    test_a_command_of_the_readme_is_one(line)


def test_the_cluster_files_are_well_formed():
    """Ray's launcher by the schema that Ray ships; the Slurm script by bash; what runs them is not here."""
    launcher = yaml.safe_load((CLUSTER / "ray-cluster.yaml").read_text())
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    jsonschema.validate(launcher, json.loads(schema.read_text()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(launcher | {"head_ip": "10.0.0.1"}, json.loads(schema.read_text()))
    subprocess.run(["bash", "-n", CLUSTER / "slurm.sh"], check=True)
    script = (CLUSTER / "slurm.sh").read_text().splitlines()
    test_a_command_of_the_readme_is_one(next(line for line in script if line.startswith("kpbench ")))


def test_the_metrics_of_the_page_run_and_all_are_told():
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    rmse, nme, interval = done.stdout.split(maxsplit=2)
    assert float(rmse) == pytest.approx(1.5) and float(nme) > 0 and interval.startswith("Interval(low=2.1")
    for word in ("score", "RMSE", "NME", "AUC@0.08", "failure@0.08", "PCK@0.05", "p99", "bias", "left against right"):
        assert f"| {word}" in page or f", {word}" in page, word


def test_the_notebook_of_the_page_on_exports_runs():
    page = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "'heatmap_offset': 4" in done.stdout and done.stdout.endswith("True\n")


def test_the_readmes_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {line.split()[1] for line in COMMANDS if line.startswith("make ")}
    assert targets == {"search", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.M)


def test_the_readmes_space_is_one(tmp_path):
    (text,) = blocks("toml")
    (tmp_path / "my.toml").write_text(text)
    assert len(read_space(tmp_path / "my.toml", known_parameters()).factors) == 4


def test_the_readmes_table_of_spaces_is_right():
    found = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", README, flags=re.M))
    assert set(found) == {p.stem for p in (ROOT / "search_spaces").glob("*.toml")}
    for name, cells in found.items():
        size = read_space(find("search_spaces", name), known_parameters()).size
        assert cells == ("a continuum" if size is None else str(size))


def test_the_paths_in_contributing_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:kpbench|tests|search_spaces|reports)/[\w./]+)`", text))
    assert len(paths) > 10
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_the_examples_in_contributing_are_short():
    """What a newcomer is to write a file like is read in a minute."""
    examples = re.findall(r"like `([\w./]+)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(examples) >= 6
    long = [path for path in examples if len((ROOT / path).read_text(encoding="utf-8").splitlines()) >= 120]
    assert long == []


def test_constraints_name_every_direct_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    wanted = {re.split(r"[\[>=<]", name)[0] for name in project["dependencies"]}
    assert wanted - pinned == set()
    assert "torchvision" in pinned  # timm brings it, and it has to fit torch
