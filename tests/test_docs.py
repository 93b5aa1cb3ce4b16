"""What the documents say is so: commands parse, paths exist, spaces and counts are right."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import jsonschema
import numpy as np
import pytest
import ray
import typer
import yaml
from ray.autoscaler._private import commands as ray_up

from kpbench.analysis.verify import read_verification
from kpbench.cell import Role
from kpbench.cli.main import app
from kpbench.cli.options import amount
from kpbench.engine.evaluate import known_parameters
from kpbench.networks.own import keyword_defaults
from kpbench.plots import verify
from kpbench.plots.ablation.plots import ABLATION_PLOTS
from kpbench.plots.search.plots import PLOTS
from kpbench.space.catalog import find
from kpbench.space.reading import read_space
from kpbench.studies.costs import Costing
from kpbench.studies.preflight import prepare_task
from kpbench.version import __version__

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
TEXTS = {"README": README, **PAGES}


def blocks(kind, text):
    return re.findall(rf"```{kind}\n(.*?)```", text, flags=re.S)


def commands(text):
    """The lines of its shell blocks, without their comments."""
    lines = (line.partition("#")[0].strip() for block in blocks("sh", text) for line in block.splitlines())
    return [line for line in lines if line]


def parse(line):
    """Reads a command line as the command does, which refuses an unknown option or a value of another type."""
    _, *words = shlex.split(line)
    command = typer.main.get_command(app)
    while hasattr(command, "commands") and not words[0].startswith("-"):
        name, *words = words
        command = command.commands[name]
    if hasattr(command, "commands"):  # an option of kpbench itself, which would be carried out
        assert set(words) <= {name for option in command.params for name in option.opts}
    else:
        command.make_context(command.name, words)


@pytest.mark.parametrize(
    ("page", "line"),
    [(page, line) for page, text in TEXTS.items() for line in commands(text) if line.startswith("kpbench ")],
)
def test_a_command_of_the_documents_is_one(page, line):
    parse(line)


def test_the_commands_page_has_them_all():
    named = {name for cell in re.findall(r"^\| (.*?) \|", PAGES["commands"], flags=re.M)
             for name in re.findall(r"`kpbench ([\w-]+)`", cell)}  # fmt: skip
    assert named == set(typer.main.get_command(app).commands)


@pytest.mark.parametrize("page", TEXTS)
def test_what_a_document_links_to_is_there(page):
    folder = ROOT if page == "README" else ROOT / "docs"
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXTS[page])
    inside = [target for target in targets if not target.startswith(("http:", "https:"))]
    assert [target for target in inside if not (folder / target).exists()] == []


def test_a_class_with_hparams_is_searched_as_its_page_says():
    held = {"KeypointModel": lambda hparams: hparams}
    exec(blocks("python", PAGES["network"])[0], held)
    assert keyword_defaults(held["make"], "make") == held["make"]() == {"depth": 3, "width": 16}


def test_every_page_is_linked_from_the_readme_and_stands_in_the_site():
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"(docs/{page}.md)" in README, page
        assert re.search(rf": {page}\.md$", site, flags=re.M), page


def test_the_readme_is_short():
    assert len(README.split()) < 1500
    assert (ROOT / "docs" / "report.png").stat().st_size < 200_000


def test_the_citation_is_that_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (cited["title"], cited["version"], cited["license"]) == (project["name"], __version__, project["license"])
    assert cited["authors"] == [{"name": "The kpbench authors"}] and cited["abstract"] == project["description"]
    assert not {"doi", "url", "repository-code"} & cited.keys()


def test_the_site_is_built_from_the_versions_that_are_pinned():
    """`make check`, which CI runs, builds it strictly: a dead link, an unlisted page or a bad docstring ends it."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"mkdocs build --strict$", makefile, flags=re.M)  # with --quiet it counts no warning
    assert re.search(r"^check: .*\bdocs\b", makefile, flags=re.M)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert {re.split(r"[\[>=<]", name)[0] for name in project["optional-dependencies"]["docs"]} <= pinned


CLUSTER = ROOT / "examples" / "cluster"


def test_the_cluster_files_are_well_formed():
    """Ray's launcher by the schema that Ray ships; the Slurm script by bash; what runs them is not here."""
    launcher = yaml.safe_load((CLUSTER / "ray-cluster.yaml").read_text())
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    jsonschema.validate(launcher, json.loads(schema.read_text()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(launcher | {"head_ip": "10.0.0.1"}, json.loads(schema.read_text()))
    subprocess.run(["bash", "-n", CLUSTER / "slurm.sh"], check=True)
    script = (CLUSTER / "slurm.sh").read_text().splitlines()
    parse(next(line for line in script if line.startswith("kpbench ")))
    parse(yaml.safe_load((CLUSTER / "rayjob.yaml").read_text())["spec"]["entrypoint"])


def test_the_launcher_starts_every_node_with_one_token(monkeypatch):
    launcher = yaml.safe_load((CLUSTER / "ray-cluster.yaml").read_text())
    warned = []
    monkeypatch.setattr(ray_up.cli_logger, "warning", lambda *said: warned.append(said))
    ray_up.warn_about_bad_start_command(launcher["head_start_ray_commands"])
    assert warned == []  # Ray's own check: a head without the launcher's file starts no worker
    assert launcher["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}
    starts = [line for role in ("head", "worker") for line in launcher[f"{role}_start_ray_commands"] if "start" in line]
    assert [line.startswith("RAY_AUTH_MODE=token ") for line in starts] == [True, True]


def record(*required, **fields):
    """A JSON schema of an object that has these fields and no others."""
    return {"type": "object", "additionalProperties": False, "required": [*required], "properties": fields}


def some(schema):
    """A JSON schema of a list with at least one such item."""
    return {"type": "array", "minItems": 1, "items": schema}


TEXT, WHOLE = {"type": "string"}, {"type": "integer", "minimum": 0}
TEXTS_BY_NAME = {"type": "object", "additionalProperties": TEXT}
CONTAINER = record(
    "name", "image", name=TEXT, image=TEXT, resources=record(limits=TEXTS_BY_NAME),
    volumeMounts=some(record("name", "mountPath", name=TEXT, mountPath=TEXT)),
)  # fmt: skip
VOLUME = record("name", name=TEXT, persistentVolumeClaim=record("claimName", claimName=TEXT))
POD = record("spec", spec=record("containers", containers=some(CONTAINER), volumes=some(VOLUME)))
GROUP = {"rayStartParams": TEXTS_BY_NAME, "template": POD}
SIZES = {"groupName": TEXT, "replicas": WHOLE, "minReplicas": WHOLE, "maxReplicas": WHOLE}
WORKERS = record("groupName", "minReplicas", "maxReplicas", *GROUP, **SIZES, **GROUP)
RAYJOB = record(
    "apiVersion", "kind", "metadata", "spec",
    apiVersion={"const": "ray.io/v1"}, kind={"const": "RayJob"}, metadata=record("name", name=TEXT),
    spec=record(
        entrypoint=TEXT, shutdownAfterJobFinishes={"type": "boolean"}, ttlSecondsAfterFinished=WHOLE,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode"]},
        rayClusterSpec=record(
            "headGroupSpec", "authOptions", rayVersion=TEXT, headGroupSpec=record(*GROUP, **GROUP),
            workerGroupSpecs=some(WORKERS), authOptions=record("mode", mode={"const": "token"}),
        ),
    ),
)  # fmt: skip
"""The fields that the example uses, as KubeRay's types have them (ray-project/kuberay, `ray-operator/apis/ray/v1`,
`RayJobSpec`, `RayClusterSpec`, `AuthOptions`, `HeadGroupSpec`, `WorkerGroupSpec`), and of a pod those of Kubernetes'
core v1. Without a token whoever reaches the cluster runs code there, so the example has to have one."""


def test_the_kubernetes_job_has_the_fields_of_kuberays_types():
    job = yaml.safe_load((CLUSTER / "rayjob.yaml").read_text())
    jsonschema.validate(job, RAYJOB)
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == ray.__version__
    for broken in (
        job | {"apiVersion": "ray.io/v2"},
        job | {"spec": job["spec"] | {"submissionMode": "K8s"}},
        job | {"spec": job["spec"] | {"entryPoint": "kpbench"}},
        job
        | {"spec": {"rayClusterSpec": cluster | {"headGroupSpec": {"template": cluster["headGroupSpec"]["template"]}}}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, RAYJOB)


def test_each_example_is_used_by_a_test_and_told_in_a_document():
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    names = [path.name for path in (ROOT / "examples").rglob("*.*") if path.is_file() and path.suffix != ".pyc"]
    assert len(names) >= 6
    assert [name for name in names if name not in tests or name not in "".join(TEXTS.values())] == []


def test_the_metrics_of_the_page_run_and_all_are_told(tmp_path):
    page = PAGES["metrics"]
    program, own = blocks("python", page)
    points = np.random.default_rng(0).uniform(0, 96, (2, 4, 15, 2)).astype(np.float32)
    np.savez(tmp_path / "points.npz", keypoints=points[0], labels=points[1])
    words = [sys.executable, "-c", own]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path)
    assert float(done.stdout) == pytest.approx(np.median(np.hypot(*(points[0] - points[1])[:, 10].T)), rel=1e-5)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    rmse, nme, interval = done.stdout.split(maxsplit=2)
    assert float(rmse) == pytest.approx(1.5) and float(nme) > 0 and interval.startswith("Interval(low=2.1")
    for word in ("score", "RMSE", "NME", "AUC@0.08", "failure@0.08", "PCK@0.05", "p99", "bias", "left against right"):
        assert f"| {word}" in page or f", {word}" in page, word


def test_the_notebook_of_the_page_on_exports_runs():
    (program,) = blocks("python", PAGES["exports"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "'softargmax': 412.4}" in done.stdout and done.stdout.endswith("True\n")  # 411.3 with the A/A controls


def test_the_page_on_exports_has_the_figures_of_each_kind_of_study():
    listed = {kind: re.findall(r"`(\w+)`", names) for kind, names in re.findall(
        r"^\| (search|ablation|verification) \| (.+) \|$", PAGES["exports"], flags=re.M)}  # fmt: skip
    pair = read_verification(ROOT / "reports" / "verify-heads")
    drawn = {"search": PLOTS, "ablation": ABLATION_PLOTS, "verification": verify.draw(pair)}
    assert listed == {kind: list(made) for kind, made in drawn.items()}
    for role in get_args(Role):
        assert f"`{role}`" in PAGES["exports"], role


def test_the_limits_of_the_page_on_search_leave_cells_to_choose_from():
    (line,) = (line for line in commands(PAGES["search"]) if "--max-params" in line)
    words = shlex.split(line)
    most = amount(words[words.index("--max-params") + 1], option="--max-params")
    task = prepare_task(words[words.index("--space") + 1], "cpu", 1)
    size = Costing(task, ("params",), {"params": most}).size()
    assert size is not None and 1 < size < task.space.size


def test_the_readmes_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {line.split()[1] for line in commands(README) if line.startswith("make ")}
    assert targets == {"search", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.M)


def test_the_space_of_the_page_is_one(tmp_path):
    (text,) = blocks("toml", PAGES["search"])
    (tmp_path / "my.toml").write_text(text)
    assert len(read_space(tmp_path / "my.toml", known_parameters()).factors) == 4


def test_the_table_of_spaces_is_right():
    found = dict(re.findall(r"^\| `(\w+)` \|.*\| (\d+|a continuum) \|$", PAGES["search"], flags=re.M))
    assert set(found) == {p.stem for p in (ROOT / "search_spaces").glob("*.toml")}
    for name, cells in found.items():
        size = read_space(find("search_spaces", name), known_parameters()).size
        assert cells == ("a continuum" if size is None else str(size))


def test_the_paths_in_contributing_exist():
    paths = set(re.findall(r"`((?:kpbench|tests|search_spaces|reports|docs)/[\w./]+)`", CONTRIBUTING))
    assert len(paths) > 10
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_the_examples_in_contributing_are_short():
    """What a newcomer is to write a file like is read in a minute."""
    examples = re.findall(r"like `([\w./]+)`", CONTRIBUTING)
    assert len(examples) >= 6
    long = [path for path in examples if len((ROOT / path).read_text(encoding="utf-8").splitlines()) >= 120]
    assert long == []


def test_constraints_name_every_direct_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    wanted = {re.split(r"[\[>=<]", name)[0] for name in project["dependencies"]}
    assert wanted - pinned == set()
    assert "torchvision" in pinned  # timm brings it, and it has to fit torch
