"""The built-in faces: the same for a seed everywhere, moving as Kaggle's do, people that stay themselves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kpbench.faces.datasets import load
from kpbench.faces.drawn import cast, synthetic
from kpbench.faces.drawn.labels import tracked
from kpbench.faces.drawn.relief import raise_relief
from kpbench.faces.drawn.shape import read_figures, reduce_to_15
from kpbench.faces.drawn.synthetic import generate
from kpbench.faces.faces import KEYPOINTS, SIZE, Faces
from kpbench.task.benchmark import read_benchmark

REPORTS = Path(__file__).parents[3] / "reports"

PEOPLE = ("skin", "hair", "hairline", "moustache", "brow_width", "nose_size", "length", "wears_glasses", "male", "age")
SCENES = ("light_angle", "contrast", "background", "glasses", "noise")
PICTURES = (
    "yaw",
    "pitch",
    "roll",
    "scale",
    "mouth_open",
    "smile",
    "eye_open",
    "gaze_x",
    "blur",
    "exposure",
    "occluder",
)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return generate(200, seed=0)


@pytest.fixture(scope="module")
def keypoints() -> np.ndarray:
    """The keypoints of the whole default data set; labels are quick without pictures."""
    _, factors, points = cast.cast(2140, 0)
    found = []
    for start in range(0, 2140, 107):
        part = slice(start, start + 107)
        batch = {name: values[part] for name, values in factors.items()}
        lifted = raise_relief(points[part], batch).lift(reduce_to_15(points[part]))
        found.append(tracked(batch, lifted, cast.label_noise(0, part))[0])
    return np.concatenate(found).astype(np.float32)


def test_arrays_are_what_faces_promise(faces: Faces) -> None:
    assert faces.images.shape == (200, 1, SIZE, SIZE)
    assert faces.images.dtype == np.uint8
    assert faces.keypoints.dtype == np.float32
    assert faces.subjects is not None
    assert np.isfinite(faces.keypoints).all()
    assert faces.images.min() == 0
    assert faces.images.max() == 255
    assert all(len(values) == 200 for values in faces.conditions.values())


def test_every_picture_shows_something(faces: Faces) -> None:
    assert faces.images.astype(float).std(axis=(1, 2, 3)).min() > 8


def test_a_seed_gives_the_same_faces_in_another_process_with_other_threads() -> None:
    code = "from kpbench.faces.drawn.synthetic import generate; print(generate(20, seed=3).digest())"
    settings = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3", "MKL_NUM_THREADS": "3"}
    told = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | settings, capture_output=True, text=True, check=True, timeout=120
    )
    assert told.stdout.strip() == generate(20, seed=3).digest()


def test_threads_do_not_change_a_face(monkeypatch: pytest.MonkeyPatch, faces: Faces) -> None:
    monkeypatch.setattr(synthetic, "THREADS", 1)
    monkeypatch.setattr(synthetic, "BATCH", 5)
    assert generate(17, seed=0).digest() == faces.take(np.arange(17)).digest()


def test_a_smaller_set_is_the_start_of_a_larger_one(faces: Faces) -> None:
    few = generate(21, seed=0)
    assert few.digest() == faces.take(np.arange(21)).digest()
    for name, values in faces.conditions.items():
        np.testing.assert_array_equal(few.conditions[name], values[:21])


def test_pixels_change_only_with_the_version(faces: Faces) -> None:
    """Caches are kept by version: whoever changes what is drawn counts VERSION up and writes the new means here."""
    few = faces.take(np.arange(40))
    means = few.images.astype(float).mean(), few.images.astype(float).std(), float(few.keypoints.astype(float).mean())
    assert synthetic.VERSION == 3
    assert means == pytest.approx((96.0, 42.0, 47.6), abs=0.1)


def test_version_2_is_what_it_was() -> None:
    """Published studies were run on it, and pretraining draws it."""
    assert generate(20, version=2).digest() == "0ac90eb7a0cd5401"


@pytest.mark.slow
def test_the_published_faces_are_still_there() -> None:
    plan = json.loads((REPORTS / "verify-facial_keypoints" / "synthetic" / "plan.json").read_text(encoding="utf-8"))
    splits = load("synthetic@2", **read_benchmark().splits.model_dump())
    assert splits.digest() == plan["data"]


def test_seeds_differ(faces: Faces) -> None:
    other = generate(4, seed=1)
    assert (other.images != faces.images[:4]).any(axis=(1, 2, 3)).all()
    assert np.abs(other.keypoints - faces.keypoints[:4]).max() > 1


@pytest.mark.parametrize("n", [1, 2])
def test_a_face_or_two_can_be_drawn(n: int) -> None:
    assert len(generate(n)) == n


@pytest.mark.parametrize(("n", "seed", "version"), [(0, 0, 3), (-3, 0, 3), (1, -1, 3), (1, 0, 1), (1, 0, 4)])
def test_numbers_that_mean_nothing_are_refused(n: int, seed: int, version: int) -> None:
    with pytest.raises(ValueError, match="must"):
        generate(n, seed=seed, version=version)


def test_labels_alone_are_the_labels_of_the_pictures(faces: Faces, keypoints: np.ndarray) -> None:
    np.testing.assert_array_equal(keypoints[:200], faces.keypoints)


def test_keypoints_move_as_kaggles_do(keypoints: np.ndarray) -> None:
    """Nearly: their means are those of the course's layout, with brows 2.5 px higher and heads that turn further."""
    figures = read_figures()
    miss = np.abs(keypoints.mean(axis=0) - figures["kaggle_mean"])
    spread = keypoints.std(axis=0) / figures["kaggle_sd"]
    assert miss.max() < 2.7
    assert np.sqrt((miss**2).mean()) < 1.3
    assert spread.min() > 0.75
    assert spread.max() < 2


def test_the_mean_face_scores_as_on_real_faces(keypoints: np.ndarray) -> None:
    mse = float((((keypoints - keypoints.mean(axis=0)) / 48) ** 2).mean())
    assert 65 < 1 / (2 * mse) < 85


def test_keypoints_lie_in_the_picture(keypoints: np.ndarray) -> None:
    inside = (keypoints >= 0) & (keypoints <= SIZE - 1)
    assert inside.mean() > 0.998


def test_left_is_the_subjects_left(faces: Faces) -> None:
    x = {name: faces.keypoints[:, i, 0] for i, name in enumerate(KEYPOINTS)}
    assert (x["left_eye_center"] > x["right_eye_center"]).all()
    assert (x["mouth_left_corner"] > x["mouth_right_corner"]).all()
    assert (x["left_eye_outer_corner"] > x["left_eye_inner_corner"]).all()
    assert (x["right_eyebrow_outer_end"] < x["right_eyebrow_inner_end"]).all()


def test_people_stay_themselves_and_scenes_stay_theirs(faces: Faces) -> None:
    assert faces.subjects is not None
    assert (np.diff(faces.subjects) >= 0).all()
    for groups, names in ((faces.subjects, PEOPLE), (faces.conditions["scene"], SCENES)):
        for name in names:
            values = faces.conditions[name]
            assert all(len(set(values[groups == g])) == 1 for g in np.unique(groups)), name
            assert len(set(values)) > 1, name
    people_of_a_scene = {(s, p) for s, p in zip(faces.conditions["scene"], faces.subjects, strict=True)}
    assert len(people_of_a_scene) == len(np.unique(faces.conditions["scene"]))


def test_people_have_about_thirteen_pictures() -> None:
    subjects = cast.cast(1500, 0)[0]
    sizes = np.bincount(subjects)[:-1]
    assert 10 < sizes.mean() < 16
    assert sizes.min() >= 4
    assert sizes.std() > 3


def test_what_varies_from_picture_to_picture_is_recorded(faces: Faces) -> None:
    assert faces.subjects is not None
    for name in PICTURES:
        assert len(set(faces.conditions[name][faces.subjects == 0])) > 1 or name == "occluder", name
    assert {"none", "clear"} <= set(faces.conditions["glasses"])
    assert {"none", "hand"} <= set(faces.conditions["occluder"])


def test_two_pictures_of_a_person_are_more_alike_than_two_people(faces: Faces) -> None:
    assert faces.subjects is not None
    centred = faces.keypoints - faces.keypoints.mean(axis=1, keepdims=True)
    shape = (centred - centred.mean(axis=0)).reshape(len(faces), -1)
    own = np.stack([shape[faces.subjects == s].mean(axis=0) for s in faces.subjects])
    # Were people no more alike than chance, about one part in thirteen of the variance would lie between them.
    assert (own**2).sum() / (shape**2).sum() > 0.15


def _patch(faces: Faces, point: int, dy: float) -> np.ndarray:
    """Mean grey of the 3 x 3 pixels about a keypoint moved down by dy, for each face."""
    at = np.rint(faces.keypoints[:, point] + [0, dy]).astype(int).clip(1, SIZE - 2)
    rows, columns = np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij")
    grey = faces.images[
        np.arange(len(faces))[:, None, None], 0, at[:, 1, None, None] + rows, at[:, 0, None, None] + columns
    ]
    return grey.mean(axis=(1, 2))


def test_the_picture_shows_the_keypoints(faces: Faces) -> None:
    clear = (faces.conditions["glasses"] == "none") & (faces.conditions["occluder"] == "none")
    plain = faces.take(np.flatnonzero(clear))
    for eye in ("left_eye_center", "right_eye_center"):
        point = KEYPOINTS.index(eye)
        assert np.mean(_patch(plain, point, 0) < _patch(plain, point, 11)) > 0.85, (
            "an eye is darker than the cheek below"
        )
    # Near the row of pixels where an eye is darkest is the row its keypoint names; labels lie below what they name.
    point = KEYPOINTS.index("left_eye_center")
    darkness = np.mean([_patch(plain, point, dy) for dy in range(-4, 13)], axis=1)
    assert int(np.argmin(darkness)) - 4 in (-3, -2, -1, 0)


def test_nuisances_do_what_their_names_say(faces: Faces) -> None:
    grey = faces.images[:, 0].astype(float)
    sharp = np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2)) / grey.std(axis=(1, 2))
    assert np.corrcoef(sharp, faces.conditions["blur"])[0, 1] < -0.2
    assert np.corrcoef(grey.std(axis=(1, 2)), faces.conditions["contrast"])[0, 1] > 0.3
    assert np.corrcoef(grey.mean(axis=(1, 2)), faces.conditions["exposure"])[0, 1] > 0.4
    gap = faces.keypoints[:, 14, 1] - faces.keypoints[:, 13, 1]
    assert np.corrcoef(gap, faces.conditions["mouth_open"])[0, 1] > 0.6
    nose = faces.keypoints[:, 10, 0] - faces.keypoints[:, :2, 0].mean(axis=1)
    assert np.corrcoef(nose, faces.conditions["yaw"])[0, 1] > 0.8
