"""Sentences and numbers of single checks."""

import numpy as np

from kpbench.faces.checks.amounts import missing, unlike_train
from kpbench.faces.checks.copies import near_copy, same_picture, shared_people
from kpbench.faces.checks.hashes import flat
from kpbench.faces.checks.pictures import blank
from kpbench.faces.checks.places import at_one_place, cut_off, far_outside, outside, placeholder, scaled
from kpbench.faces.faces import Faces
from kpbench.faces.parts import Parts
from tests.faces.checks.drawn import changed, drawn_faces, given_parts, pool


def first(n: int) -> Faces:
    return drawn_faces().take(np.arange(n))


def spoilt(change, n: int = 20):
    return pool(Parts(changed(first(n), change)))


def test_a_copy_names_how_far_its_labels_differ():
    def copy(images, labels):
        images[4] = images[1]
        labels[4] = labels[1]
        labels[4, 10] += (3, 4)

    (found,) = same_picture(spoilt(copy))
    assert found.text.startswith("train row 1 and train row 4 are the same picture")
    assert found.text.endswith("the labels differ by up to 5.0 px (nose_tip)")
    assert found.numbers["labels_apart_px"] == np.float32(5)


def test_black_pictures_are_blank_and_no_copies():
    found = spoilt(lambda images, labels: images.__setitem__(slice(3), 0))
    assert list(same_picture(found)) == []
    assert [finding.severity for finding in blank(found)] == ["error"] * 3


def test_people_in_two_splits_are_named():
    clean = given_parts()
    subjects = clean.test.subjects.copy()
    subjects[:7] = clean.train.subjects[0]
    test = Faces(clean.test.images, clean.test.keypoints, subjects)
    (found,) = shared_people(pool(Parts(clean.train, clean.val, test)))
    assert found.text.startswith(f"1 person ({clean.train.subjects[0]}) in both train and test: 7 test faces")


def test_near_copies_within_a_split_are_counted():
    def copy(images, labels):
        images[2] = images[1] // 2 + 50
        images[3] = images[1] // 4 + 90

    clean = given_parts()
    before = sum(finding.numbers["pairs"] for finding in near_copy(pool(clean)))
    (found,) = near_copy(pool(Parts(changed(clean.train, copy), clean.val, clean.test)))
    assert found.severity == "note"
    assert found.numbers["pairs"] - before in (2, 3)


def test_a_face_cut_by_the_border_is_a_note_and_one_far_outside_an_error():
    def move(images, labels):
        labels[0, 14, 1] = 97.5
        labels[1, 10, 0] = -40

    (near,), (far,) = outside(spoilt(move)), far_outside(spoilt(move))
    assert (near.severity, far.severity) == ("note", "error")
    assert near.text.endswith("97.5), 2.0 px outside the picture")
    assert far.numbers["px"] == 39.5


def test_placeholders_and_points_on_each_other():
    def change(images, labels):
        labels[0, [2, 5]] = 0
        labels[1] = 48
        labels[2, 4] = labels[2, 5] + 0.1

    zero, heap = placeholder(spoilt(change))
    assert "left_eye_inner_corner and right_eye_outer_corner at (0, 0)" in zero.text
    assert "15 keypoints at (48, 48)" in heap.text
    assert [finding.rows[0].row for finding in at_one_place(spoilt(change))] == [0, 1, 2]


def test_labels_as_shares_of_the_picture():
    (found,) = scaled(spoilt(lambda images, labels: labels.__itruediv__(np.float32(96))))
    assert "must be pixels from 0 to 95" in found.text
    assert found.text.endswith("write 96 x label")
    (found,) = scaled(spoilt(lambda images, labels: np.copyto(labels, (labels - 48) / 48)))
    assert found.text.endswith("if they are (pixel - 48) / 48, write 48 x label + 48")


def test_faces_cut_too_tightly_are_one_warning():
    def move(images, labels):
        labels[:3, 14, 1] = 97

    (found,) = cut_off(spoilt(move))
    assert found.severity == "warning"
    assert found.text.startswith("3 of 20 train faces have a keypoint outside the picture: they are cut too tightly")
    assert list(cut_off(spoilt(lambda images, labels: labels[:2, 14].fill(97)))) == []


def test_blank_and_nearly_blank_pictures_are_found_as_by_their_whole_standard_deviation():
    rng = np.random.default_rng(0)
    images = np.stack([rng.normal(128, sd, (96, 96)).clip(0, 255) for sd in np.linspace(0, 12, 200)]).astype(np.uint8)
    images[100:110, 8:] = 128  # all of the contrast in the rows that are looked at first
    images[110:120] = 128
    images[110:120, 1::8] += 40  # and in those that are not
    assert flat(images).tolist() == (images.reshape(200, -1).std(axis=1) < 6).tolist()


def test_missing_labels_by_pattern():
    def change(images, labels):
        labels[:6, 3:] = np.nan
        labels[8, 10] = np.nan
        labels[9] = np.nan

    texts = [finding.text for finding in missing(spoilt(change))]
    assert texts == [
        "6 of 20 train rows lack 12 keypoints (all but left_eye_center, right_eye_center, left_eye_inner_corner) "
        "and are left out",
        "1 of 20 train rows lack nose_tip and are left out",
        "1 of 20 train rows lack every label and are left out",
    ]


def test_a_split_that_is_elsewhere():
    clean = given_parts()
    assert list(unlike_train(pool(clean))) == []
    lower = changed(clean.val, lambda images, labels: labels[:, 10].__iadd__((0, 9)))
    (found,) = unlike_train(pool(Parts(clean.train, lower, clean.test)))
    assert "nose_tip y is +" in found.text
    assert found.numbers["coordinates"] == 1
