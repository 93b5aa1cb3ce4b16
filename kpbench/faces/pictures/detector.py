"""Where faces are on a picture, by the frontal-face cascade that OpenCV brings: Viola and Jones, 2001; Lienhart, 2002.

Importing this raises ImportError where OpenCV is missing or is of version 5, whose main modules have no cascades.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from cv2.data import haarcascades
from numpy.typing import NDArray

from kpbench.faces.readers.crop import Box

if not hasattr(cv2, "CascadeClassifier"):
    raise ImportError(f"OpenCV {cv2.__version__} has no cascades")

CASCADE = "haarcascade_frontalface_alt2.xml"

MARGIN = 0.04
"""How much larger than the cascade's box a face is cut out, as a share of the box on each side."""

LONGEST = 1600
"""Pixels along a picture's longer side: a larger one is searched at half its size, a third, and so on."""

SMALLEST = 32
"""Pixels along the side of the smallest face that is looked for, in the picture as it is searched."""


def find_faces(grey: NDArray[np.uint8]) -> list[Box]:
    """The squares that the cascade finds on a picture (H, W), the largest first."""
    step = -(-max(grey.shape) // LONGEST)
    height, width = grey.shape
    searched = (
        grey if step == 1 else cv2.resize(grey, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    )
    found = _cascade().detectMultiScale(searched, scaleFactor=1.1, minNeighbors=3, minSize=(SMALLEST, SMALLEST))
    boxes = [tuple(float(number) * step for number in box) for box in found]
    return sorted(((x, y, w, h) for x, y, w, h in boxes), key=lambda box: (-box[2], box[0], box[1]))


@cache
def _cascade() -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(haarcascades) / CASCADE))
