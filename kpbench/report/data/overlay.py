"""A picture with the boxes and keypoints of its faces drawn in, in its own pixels."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from kpbench.faces.faces import KEYPOINTS
from kpbench.faces.readers.crop import Box
from kpbench.report.data.contact_sheet import SIDES, side_of

FRAME = (255, 255, 0)
EDGE = (0, 0, 0)


def overlay(picture: Image.Image, boxes: Sequence[Box], points: NDArray[np.float64]) -> bytes:
    """The picture as a PNG with the boxes (left, top, width, height) and points (N, 15, 2) of N faces.

    Colours tell the subject's left, the right and the middle, as on a contact sheet. Several faces are numbered.
    """
    drawn = picture.convert("RGB")
    draw = ImageDraw.Draw(drawn)
    for number, (box, own) in enumerate(zip(boxes, points, strict=True), start=1):
        x, y, w, h = box
        side = max(w, h)
        width = max(1, round(side / 150))
        # An edge at e lies between the pixels e - 1 and e; the frame's pixels are the box's outermost own.
        draw.rectangle((round(x), round(y), round(x + w) - 1, round(y + h) - 1), outline=FRAME, width=width)
        if len(boxes) > 1:
            size = max(12, round(side / 10))
            corner = max(0, round(x)) + 2 * width, max(0, round(y)) + width
            draw.text(corner, str(number), fill=FRAME, font_size=size, stroke_width=width, stroke_fill=EDGE)
        size = max(1, round(side / 75))
        for name, (px, py) in zip(KEYPOINTS, own.round(), strict=True):
            for reach, colour in ((size + width, EDGE), (size, SIDES[side_of(name)])):
                draw.ellipse((px - reach, py - reach, px + reach, py + reach), fill=colour)
    stream = io.BytesIO()
    drawn.save(stream, "PNG")
    return stream.getvalue()
