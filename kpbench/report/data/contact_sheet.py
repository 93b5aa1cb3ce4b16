"""Many faces on one picture, their keypoints drawn in."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from kpbench.faces.faces import KEYPOINTS

LEVELS = 64
"""Grey levels kept: the eye sees no difference from 256, and the file is half as large."""

SIDES = {
    "left": (255, 176, 59),
    "right": (77, 196, 255),
    "middle": (255, 255, 255),
}
"""Colours of the subject's left, of the right and of nose and lips; blue and orange differ for everybody."""

BACKGROUND = (24, 26, 31)

_EDGE, _PAPER = LEVELS + len(SIDES), LEVELS + len(SIDES) + 1


def side_of(keypoint: str) -> str:
    """Whose side a keypoint is on: `left`, `right` or `middle`."""
    return next((side for side in ("left", "right") if side in keypoint.split("_")), "middle")


def contact_sheet(
    images: NDArray[np.uint8], keypoints: ArrayLike, *, columns: int | None = None, pixels: int = 120, gap: int = 4
) -> Image.Image:
    """Faces in rows, left to right, as a palette picture.

    Args:
        images: uint8 (N, H, W).
        keypoints: (N, 15, 2) in pixels of the images; NaN is not drawn, nor is what lies outside.
        columns: faces in a row; when None chosen for a wide sheet with few empty places.
        pixels: width and height of a face on the sheet.
        gap: pixels between faces.

    Raises:
        ValueError: there is no face.
    """
    places = np.asarray(keypoints, dtype=np.float64)
    if not len(images):
        raise ValueError("no face to draw")
    across = min(columns or _columns(len(images)), len(images))
    down = -(-len(images) // across)
    step = pixels + gap
    sheet = Image.new("P", (across * step + gap, down * step + gap), _PAPER)
    greys = [(round(level * 255 / (LEVELS - 1)),) * 3 for level in range(LEVELS)]
    sheet.putpalette([value for colour in (*greys, *SIDES.values(), (0, 0, 0), BACKGROUND) for value in colour])
    for at, (image, points) in enumerate(zip(images, places, strict=True)):
        corner = gap + at % across * step, gap + at // across * step
        sheet.paste(_face(image, points, pixels), corner)
    return sheet


def _columns(count: int) -> int:
    """Columns for `count` faces: a little wider than high, the last row as full as can be."""
    fair = range(max(1, round(count**0.5)), max(1, round((2 * count) ** 0.5)) + 1)
    return min(fair, key=lambda across: (-count % across, abs(across * across / count - 1.5)))


def _face(image: NDArray[np.uint8], points: NDArray[np.float64], pixels: int) -> Image.Image:
    """One face at its size on the sheet, as indices into the palette."""
    grey = Image.fromarray(image)
    if grey.size != (pixels, pixels):
        grey = grey.resize((pixels, pixels), Image.Resampling.BICUBIC)
    face = Image.frombytes("P", grey.size, (np.asarray(grey) // (256 // LEVELS)).tobytes())
    draw = ImageDraw.Draw(face)
    scale, size = pixels / image.shape[0], max(1, round(pixels / 120))
    for name, (x, y) in zip(KEYPOINTS, points, strict=True):
        if np.isfinite(x) and np.isfinite(y):
            # A whole-number coordinate is the middle of its pixel.
            x, y = round((x + 0.5) * scale - 0.5), round((y + 0.5) * scale - 0.5)
            for reach, colour in ((size + 1, _EDGE), (size, LEVELS + list(SIDES).index(side_of(name)))):
                draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)
    return face
