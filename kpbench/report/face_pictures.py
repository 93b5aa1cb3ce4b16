"""Faces as pictures for a page: a PNG in a data URI under the keypoints as SVG."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kpbench.report.search.study_input import Examples

EACH = 3
"""Faces of a label that a page shows; a picture takes 8 kB."""


Place = tuple[float, float]
"""In pixels from a picture's top left corner."""


@dataclass(frozen=True)
class Point:
    """One keypoint in the picture: true and predicted place; None where unknown."""

    truth: Place | None
    predicted: Place | None


@dataclass(frozen=True)
class FacePicture:
    """One face ready to be drawn.

    Attributes:
        image: data URI of a grey PNG.
        rmse_px: root mean squared coordinate error in pixels, as given.
        radial_px: mean radial error of its keypoints in pixels; NaN where none is known.
    """

    label: str
    image: str
    points: tuple[Point, ...]
    rmse_px: float
    radial_px: float


def png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a small PNG file."""
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def data_uri(grey: NDArray[np.uint8]) -> str:
    """A grey picture (H, W) uint8 as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(png(Image.fromarray(grey))).decode()}"


def face_pictures(examples: Examples) -> tuple[FacePicture, ...]:
    """Each example as a picture; a keypoint's whole-number coordinate is the middle of its pixel."""
    return tuple(
        FacePicture(
            label=examples.label[at],
            image=data_uri(examples.images[at, 0]),
            points=tuple(
                Point(place(truth), place(predicted))
                for truth, predicted in zip(examples.truth[at], examples.predicted[at], strict=True)
            ),
            rmse_px=float(examples.error[at]),
            radial_px=_radial(examples.truth[at], examples.predicted[at]),
        )
        for at in range(len(examples.images))
    )


def face_groups(examples: Examples) -> tuple[tuple[str, tuple[FacePicture, ...]], ...]:
    """The first `EACH` pictures of each label in order of first appearance: (label, pictures).

    Where no label comes twice they stay together under an empty one, so that three faces stand side by side.
    """
    pictures = face_pictures(examples)
    labels = tuple(dict.fromkeys(picture.label for picture in pictures))
    if len(labels) == len(pictures):
        return (("", pictures),)
    return tuple((label, tuple(picture for picture in pictures if picture.label == label)[:EACH]) for label in labels)


def place(point: Sequence[float] | NDArray[np.floating]) -> Place | None:
    """A keypoint in pixels, whose whole number is the middle of its pixel, in the picture; None where it is unknown."""
    x, y = float(point[0]), float(point[1])
    return (round(x + 0.5, 2), round(y + 0.5, 2)) if math.isfinite(x) and math.isfinite(y) else None


def _radial(truth: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    distance = np.hypot(*(np.asarray(predicted, dtype=np.float64) - truth).T)
    known = distance[np.isfinite(distance)]
    return float(known.mean()) if len(known) else math.nan
