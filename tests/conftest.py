"""Every test reads and writes a cache and a library of its own, and none of a person's."""

import os
from pathlib import Path

import pytest

from tests.course_files import write_course

if not Path("/proc/driver/nvidia/version").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # Triton asks as it is imported, by whatever imports it first

REAL = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory):
    os.environ["KPBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["KPBENCH_DATA"] = str(tmp_path_factory.mktemp("data"))
    yield
    del os.environ["KPBENCH_CACHE"], os.environ["KPBENCH_DATA"]


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """A folder in the course's layout with a few drawn faces: 24 train, 8 val, 8 test."""
    folder = tmp_path_factory.mktemp("faces") / "course"
    write_course(folder, train=24, val=8, test=8, seed=0)
    return folder


@pytest.fixture(scope="session")
def real_course():
    """The real faces in the course's layout, where they are at hand."""
    path = REAL / "i2dl" / "facial_keypoints.zip"
    if not path.exists():
        pytest.skip("the real faces (../shared/data/i2dl) are not at hand")
    return path
