"""COCO's keypoints: the mapping names them, visibility 0 is no label, boxes cut, and what is wrong is one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpbench.errors import UsageError
from kpbench.faces.checks.near_copies import copies_in
from kpbench.faces.datasets import load
from kpbench.faces.faces import KEYPOINTS
from kpbench.faces.parts import Parts, silent
from kpbench.faces.readers.layouts import find_path
from tests.course_files import blob_faces
from tests.faces.checks.drawn import drawn_faces
from tests.faces.picture_sets import MAPPING, names, save, write_coco


def read(path: Path, mapping: Path | None = None) -> Parts:
    found = find_path(path, mapping=mapping)
    assert found.layout == "coco_json"
    return found.read(silent)


def refusal(path: Path, mapping: Path | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        read(path, mapping)
    assert str(caught.value).isprintable()
    return str(caught.value)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "faces.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_faces_and_keypoints_are_those_of_the_json(tmp_path):
    faces = blob_faces(5)
    write_coco(tmp_path, faces)
    parts = read(tmp_path)
    assert np.array_equal(parts.train.images, faces.images)
    assert np.array_equal(parts.train.keypoints, faces.keypoints)
    assert parts.notes == ()


def test_a_mapping_given_goes_before_the_one_beside_and_changes_the_digest(tmp_path):
    faces = blob_faces(3)
    write_coco(tmp_path / "x", faces)
    (tmp_path / "mine.toml").write_text('nose_tip = "k10"\nleft_eye_center = ["k2", "k3"]\n')
    parts = read(tmp_path / "x", tmp_path / "mine.toml")
    known = np.isfinite(parts.train.keypoints).all(axis=2)
    assert [KEYPOINTS[k] for k in np.flatnonzero(known[0])] == ["left_eye_center", "nose_tip"]
    assert parts.train.keypoints[:, 0] == pytest.approx(faces.keypoints[:, [2, 3]].mean(axis=1), abs=1e-4)
    assert any("the mapping has no right_eye_center, " in note for note in parts.notes)
    assert find_path(tmp_path / "x").digest != find_path(tmp_path / "x", mapping=tmp_path / "mine.toml").digest


def test_visibility_0_is_no_label_and_1_is_one(tmp_path):
    write_coco(tmp_path, blob_faces(2))

    def hide(content):
        content["annotations"][0]["keypoints"][3 * 4 : 3 * 5] = [0, 0, 0]
        content["annotations"][1]["keypoints"][3 * 4 + 2] = 1

    rewrite(tmp_path, hide)
    assert np.argwhere(np.isnan(read(tmp_path).train.keypoints)).tolist() == [[0, 4, 0], [0, 4, 1]]


def test_crowds_and_bare_annotations_are_passed_over_and_counted(tmp_path):
    write_coco(tmp_path, blob_faces(5))

    def change(content):
        content["annotations"][0]["iscrowd"] = 1
        content["annotations"][1]["keypoints"] = [0] * 45
        content["annotations"][2]["category_id"] = 7

    rewrite(tmp_path, change)
    parts = read(tmp_path)
    assert len(parts.train) == 2
    assert "1 annotations of crowds passed over" in parts.notes
    assert "2 annotations without one of the mapped keypoints passed over" in parts.notes


def test_several_faces_in_a_large_picture_are_cut_by_their_boxes(tmp_path):
    faces = blob_faces(2)
    wide = np.hstack([faces.images[0, 0], faces.images[1, 0]])
    content = write_coco(tmp_path, faces)
    save(tmp_path / "pictures" / "both.png", wide)
    content["images"] = [{"id": 9, "file_name": "both.png"}]
    for i, annotation in enumerate(content["annotations"]):
        annotation["image_id"] = 9
        annotation["bbox"] = [96.0 * i, 0.0, 96.0, 96.0]
        annotation["keypoints"][::3] = [x + 96 * i for x in annotation["keypoints"][::3]]
    (tmp_path / "faces.json").write_text(json.dumps(content))
    parts = read(tmp_path)
    assert np.abs(parts.train.images.astype(int) - faces.images)[..., 4:-4].max() <= 1
    assert parts.train.keypoints == pytest.approx(faces.keypoints, abs=1e-4)
    assert "2 of 2 faces cut out by their box and resized to 96x96" in parts.notes


def test_the_name_of_the_json_is_the_part(tmp_path):
    write_coco(tmp_path, blob_faces(3))
    (tmp_path / "faces.json").rename(tmp_path / "person_train2017.json")
    write_coco(tmp_path, blob_faces(2))
    (tmp_path / "faces.json").rename(tmp_path / "person_val2017.json")
    parts = read(tmp_path)
    assert [(name, len(faces)) for name, faces in parts.items()] == [("train", 3), ("val", 2)]


def test_without_a_mapping_the_way_on_is_said(tmp_path):
    write_coco(tmp_path, blob_faces(1), mapping=None)
    assert "--mapping" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("", "maps no keypoint"),
        ("nose_tip = ", "cannot be read as TOML"),
        ("\xff", "cannot be read as TOML"),
        ('nose_tpi = "k1"', "unknown keypoint 'nose_tpi'; did you mean 'nose_tip'"),
        ('nose_tip = "k99"', "the category has no keypoint 'k99'"),
        ("nose_tip = 3", "must be a COCO name"),
        ("nose_tip = []", "must be a COCO name"),
        ('nose_tip = [""]', "must be a COCO name"),
    ],
)
def test_a_wrong_mapping_is_refused_by_name(tmp_path, mapping, said):
    write_coco(tmp_path / "x", blob_faces(1), mapping=None)
    (tmp_path / "m.toml").write_text(mapping, encoding="latin-1")
    message = refusal(tmp_path / "x", tmp_path / "m.toml")
    assert said in message
    assert "m.toml" in message


def test_a_mapping_that_is_not_there_or_not_needed_is_refused(tmp_path):
    write_coco(tmp_path / "x", blob_faces(1))
    assert "no file at" in refusal(tmp_path / "x", tmp_path / "gone.toml")
    np.savez(tmp_path / "x.npz", images=blob_faces(1).images, keypoints=blob_faces(1).keypoints)
    (tmp_path / "m.toml").write_text(MAPPING)
    with pytest.raises(UsageError, match="needs no mapping"):
        find_path(tmp_path / "x.npz", mapping=tmp_path / "m.toml")


def first(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["annotations"][0].update({name: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (first("keypoints", [1, 2, 2]), "annotation 0: 3 numbers in keypoints, expected 45"),
        (first("keypoints", [1e999] * 45), "finite"),
        (first("keypoints", [5000, 3, 2] * 15), "outside the picture"),
        (first("keypoints", ["a"] * 45), "annotations.0.keypoints.0"),
        (first("image_id", 77), "no image has the id 77"),
        (first("bbox", [0, 0, -5, 5]), "bbox"),
        (first("bbox", [0, 0, 1e300, 5]), "bbox"),
        (first("bbox", [0, 0]), "annotations.0.bbox"),
        (lambda c: c["images"][0].update(file_name="gone.png"), "no picture 'gone.png'"),
        (lambda c: c["categories"][0].update(keypoints=[]), "no category has keypoints"),
        (lambda c: [a.update(keypoints=[0] * 45) for a in c["annotations"]], "no annotation has one"),
        (lambda c: c.update(images=3), "images: "),
    ],
)
def test_a_wrong_json_is_refused_with_its_place(tmp_path, change, said):
    write_coco(tmp_path, blob_faces(2))
    rewrite(tmp_path, change)
    message = refusal(tmp_path)
    assert said in message
    assert "faces.json" in message


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_torn_json_is_refused_or_another_layout(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("x")
    write_coco(folder, blob_faces(1))
    file = folder / "faces.json"
    content = file.read_bytes()
    file.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(UsageError) as caught:
        find_path(folder).read(silent)
    assert str(caught.value).isprintable()


def test_faces_of_one_picture_stay_in_one_split(tmp_path):
    faces = blob_faces(6)
    write_coco(tmp_path, faces)

    def share(content):
        content["annotations"][3]["image_id"] = content["annotations"][2]["image_id"]

    rewrite(tmp_path, share)
    parts = read(tmp_path)
    assert parts.train.subjects is None, "a picture is no person"
    copies = copies_in(parts)
    assert copies[2] == copies[3] and copies[3] != copies[4]
    assert "1 picture has several faces; those of a picture are kept in one split" in parts.notes


def test_boxes_tight_around_the_keypoints_are_warned_of(tmp_path):
    faces = drawn_faces().take(np.arange(0, 300, 10))
    write_coco(tmp_path, faces)
    for name, image in zip(names(30), faces.images, strict=True):
        save(tmp_path / "pictures" / name, np.pad(image[0], 2))

    def tighten(content):
        for annotation, points in zip(content["annotations"], faces.keypoints, strict=True):
            low, high = points.min(axis=0), points.max(axis=0)
            annotation["bbox"] = [float(v) for v in (*(low + 3), *(high - low - 6))]

    rewrite(tmp_path, tighten)
    splits = load(str(tmp_path), val_share=0.2, test_share=0.2, seed=0)
    assert splits.faults == (
        "30 of 30 train faces have a keypoint outside the picture: they are cut too tightly; give wider pictures or "
        "boxes, or leave COCO's boxes out; `kpbench data check` names them"
    )
