"""People from file names: only where it is obvious."""

import numpy as np
import pytest

from kpbench.faces.faces import Faces
from kpbench.faces.parts import Parts
from kpbench.faces.readers.people import people, shared_people_notes
from tests.course_files import blob_faces


@pytest.mark.parametrize(
    "names",
    [
        ["Ann_Lee_01.jpg", "Bo_10.jpg", "Cy-3.jpg", "Ann_Lee_02.jpg"],
        ["x/Ann_Lee_01.jpg", "y/Bo_10.jpg", "y/Cy-3.jpg", "z/Ann_Lee_02.png"],
        ["Änne_1.jpg", "Bö_1.jpg", "Cé 1.jpg", "Änne_22.jpg"],
    ],
)
def test_a_name_and_a_number_say_who_it_is(names):
    numbers = people(names)
    assert numbers is not None
    assert numbers[0] == numbers[3]
    assert len(set(numbers.tolist())) == 3


@pytest.mark.parametrize(
    "names",
    [
        ["img_1.png", "img_2.png", "img_3.png", "img_4.png"],  # one name
        ["IMG_1.png", "face_2.png", "photo_3.png", "face_4.png"],  # names of pictures
        ["a_1.png", "b_1.png", "c_1.png", "d_1.png"],  # nobody twice
        ["a_1.png", "b_1.png", "c_1.png", "anna.png"],  # one without a number
        ["2001_1.png", "2002_1.png", "2003_1.png", "2003_2.png"],  # dates
        ["a_1.png", "a_2.png", "b_1.png", "b_2.png"],  # too few to be sure
        ["a_12345.png", "b_12345.png", "c_12345.png", "c_12346.png"],  # serial numbers
        [],
    ],
)
def test_otherwise_nobody_is_known(names):
    assert people(names) is None


def test_people_in_several_parts_are_counted():
    def with_people(numbers):
        faces = blob_faces(len(numbers))
        return Faces(faces.images, faces.keypoints, np.array(numbers))

    parts = Parts(with_people([0, 1, 2, 2]), with_people([3]), with_people([2, 0, 4]))
    assert shared_people_notes(parts) == ["2 people are in both train and test, as the data bring it"]
    assert shared_people_notes(Parts(blob_faces(2), blob_faces(2))) == []
