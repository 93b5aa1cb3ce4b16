"""Imports point down, heavy packages stay behind one door, and `kpbench --help` needs none of them."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "kpbench"

DOORS = {
    "ray": {"engine/cluster.py", "engine/nodes.py", "engine/ray_tune.py"},
    "optuna": {"sampling/", "engine/trials.py"},
    "timm": {"networks/timm_backbone.py", "training/recipe.py"},
    "plotly": {"plots/", "report/shell.py", "report/figures.py"},
    "torch": {
        "networks/", "training/", "models/", "task/scorer.py", "engine/evaluate.py", "engine/nodes.py",
        "studies/bench.py", "studies/course_loop.py", "studies/floor.py",
        "studies/measures.py", "studies/official.py", "studies/score.py", "notebook.py",
    },
    "cv2": {"faces/pictures/detector.py"},
    "imagehash": {"faces/checks/"},
    "numba": {"networks/kernels.py"},
    "requests": {"faces/library/"},
    "rich": {"cli/"},
    "typer": {"cli/"},
}  # fmt: skip

LAYERS = [
    {"errors", "once", "seeds", "cell", "version", "whole_file"},
    {"space", "faces", "task"},
    {"store", "statistics", "networks", "sampling"},
    {"analysis", "training"},
    {"plots", "engine", "models"},
    {"report", "studies"},
    {"cli", "notebook"},
]
"""Rooms of the house, bottom to top; rooms in one layer may use each other as long as no circle arises."""


def imports(path):
    """Every module that a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module or ""


FILES = sorted(PACKAGE.rglob("*.py"))


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def layer(name):
    return next((i for i, rooms in enumerate(LAYERS) if name in rooms), None)


@pytest.mark.parametrize("package", sorted(DOORS))
def test_a_heavy_package_stays_behind_its_door(package):
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in FILES
        if any(module.partition(".")[0] == package for module in imports(path))
    }
    assert users, f"nobody imports {package}: mend this test"
    assert {user for user in users if not any(user.startswith(door) for door in DOORS[package])} == set()


def test_every_room_has_a_layer():
    assert {room(path) for path in FILES} - {"__init__", "__main__"} == set().union(*LAYERS)


def test_imports_point_down():
    wrong = []
    for path in FILES:
        if room(path) in ("__init__", "__main__"):
            continue
        for module in imports(path):
            parts = module.split(".")
            if parts[0] == "kpbench" and len(parts) > 1 and layer(parts[1]) > layer(room(path)):
                wrong.append(f"{path.relative_to(PACKAGE)} -> {module}")
    assert wrong == []


def test_there_is_no_circle():
    graph = {}
    for path in FILES:
        name = ".".join(("kpbench", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        graph[name] = set(imports(path))
    done, trail = set(), []

    def visit(name):
        assert name not in trail, f"circle: {[*trail[trail.index(name) :], name]}"
        if name in done or name not in graph:
            return
        trail.append(name)
        for other in graph[name]:
            visit(other)
        trail.pop()
        done.add(name)

    for name in graph:
        visit(name)
    assert "kpbench.studies.search" in done


def test_package_inits_are_docstrings():
    for path in PACKAGE.rglob("__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(body) == 1 or path.parent == PACKAGE, path


def test_run_and_read_never_meet_below_the_command_line():
    for path in FILES:
        if room(path) in ("statistics", "analysis", "plots", "report"):
            assert not {m.partition(".")[0] for m in imports(path)} & {"torch", "timm", "optuna", "ray"}, path


HEAVY = ["torch", "ray", "optuna", "plotly", "pandas", "timm", "scipy", "numpy"]


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"], ["--version"], ["ls", "spaces"]])
def test_help_imports_nothing_heavy(arguments):
    program = f"""
import json, sys
sys.argv = ["kpbench", *{arguments!r}]
from kpbench.cli.main import main
try:
    main()
except SystemExit as left:
    assert left.code == 0, left.code
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_worker_imports_no_more_than_it_trains_with():
    """Two of them start while the command waits: what they import is the time to the first result."""
    program = "import sys, kpbench.engine.ray_tune; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert not {"scipy", "optuna", "plotly", "timm", "imagehash", "PIL", "typer"} & set(done.stdout.split())


def test_training_needs_neither_ray_nor_optuna_nor_plots():
    program = """
import sys
for name in ("ray", "optuna", "plotly", "pandas", "typer", "rich", "jinja2"):
    sys.modules[name] = None
import kpbench.engine.evaluate, kpbench.studies.bench
import kpbench.training.fit, kpbench.networks.families, kpbench.faces.datasets
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
