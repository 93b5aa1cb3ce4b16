"""Where the real faces lie beside the checkout, for tests that are skipped without them."""

from pathlib import Path

import pytest

REAL = Path(__file__).parents[3] / "shared" / "data"
COURSE_ZIP = REAL / "i2dl" / "facial_keypoints.zip"
KAGGLE_ZIP = REAL / "kaggle" / "training.zip"

needs_real_faces = pytest.mark.skipif(
    not (COURSE_ZIP.is_file() and KAGGLE_ZIP.is_file()), reason=f"the real faces are not at {REAL}"
)
