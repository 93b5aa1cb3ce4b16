"""The places a batch of faces is painted on: each pixel in the head's frame, the landmarks, the camera, the factors."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.drawn.factors import Factors
from kpbench.faces.drawn.shape import Floats, View
from kpbench.faces.drawn.soft_shapes import Pixels, column, curve

STEPS = 33
"""Steps of a landmark curve's table."""

Window = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Canvas:
    """What is needed to paint a batch of B faces.

    Attributes:
        x, y: (B, H, W) where each pixel's ray meets the head, in the head's frame.
        points: (B, 68, 2) the landmarks in the head's frame, facing the camera.
        pixels: (B, 68, 2) the landmarks in the picture.
        factors: name -> (B,).
        view: the camera.
        seen: camera-frame x and y of each pixel, (B, H, W) each.
    """

    x: Pixels
    y: Pixels
    points: Floats
    pixels: Floats
    factors: Factors
    view: View
    seen: tuple[Pixels, Pixels]

    def factor(self, name: str) -> Pixels:
        """A factor as (B, 1, 1)."""
        return column(np.asarray(self.factors[name], dtype=np.float64))

    def middle(self, landmarks: list[int]) -> tuple[Pixels, Pixels]:
        """The mean of some landmarks, x and y as (B, 1, 1)."""
        mean = self.points[:, landmarks].mean(axis=1)
        return column(mean[:, 0]), column(mean[:, 1])

    def around(self, landmarks: list[int], margin: float) -> tuple["Canvas", Window]:
        """The part of the canvas within `margin` pixels of some landmarks of any face, and its place in the whole.

        Painting only there is faster; the margin must cover the softest edge, so that it changes no pixel.
        """
        marks = self.pixels[:, landmarks]
        low = np.clip(np.floor(marks.min(axis=(0, 1)) - margin), 0, self.x.shape[-1] - 2).astype(int)
        high = np.clip(np.ceil(marks.max(axis=(0, 1)) + margin), low + 2, self.x.shape[-1]).astype(int)
        place = (slice(None), slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0])))
        return replace(self, x=self.x[place], y=self.y[place], seen=(self.seen[0][place], self.seen[1][place])), place

    def only(self, index: NDArray[np.intp]) -> "Canvas":
        """The canvas of some of the faces."""
        return Canvas(
            self.x[index],
            self.y[index],
            self.points[index],
            self.pixels[index],
            {name: values[index] for name, values in self.factors.items()},
            self.view.only(index),
            (self.seen[0][index], self.seen[1][index]),
        )

    def plane(self, height: float) -> tuple[Pixels, Pixels]:
        """Head-frame x and y where each pixel's ray meets the plane z = height: a 2 x 2 system a face."""
        turn = self.view.rotation.astype(np.float32)[:, :, :, None, None]
        px, py = self.seen[0] - turn[:, 0, 2] * height, self.seen[1] - turn[:, 1, 2] * height
        det = turn[:, 0, 0] * turn[:, 1, 1] - turn[:, 0, 1] * turn[:, 1, 0]
        return (turn[:, 1, 1] * px - turn[:, 0, 1] * py) / det, (turn[:, 0, 0] * py - turn[:, 1, 0] * px) / det

    def chord(self, first: int, last: int) -> "Chord":
        """The line from one landmark to another, as a frame to paint along."""
        start, line = self.points[:, first], self.points[:, last] - self.points[:, first]
        length = np.sqrt((line * line).sum(axis=1))
        along = line / length[:, None]
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        across *= np.sign(across[:, 1:])
        dx, dy = self.x - column(start[:, 0]), self.y - column(start[:, 1])
        s = (dx * column(along[:, 0]) + dy * column(along[:, 1])) / column(length)
        n = dx * column(across[:, 0]) + dy * column(across[:, 1])
        return Chord(s, n, self.points - start[:, None], along / length[:, None], across)


@dataclass(frozen=True, eq=False)
class Chord:
    """The line between two landmarks.

    Attributes:
        s: (B, H, W) each pixel's share of the way from the first landmark (0) to the last (1).
        n: (B, H, W) each pixel's distance from the line, downwards, in units.
    """

    s: Pixels
    n: Pixels
    local: Floats
    along: Floats
    across: Floats

    def through(self, landmarks: list[int]) -> Pixels:
        """How far below the line a smooth curve through some landmarks runs at each pixel's `s`, (B, H, W)."""
        marks = self.local[:, landmarks]
        s = np.maximum.accumulate((marks * self.along[:, None]).sum(axis=2), axis=1)
        n = (marks * self.across[:, None]).sum(axis=2)
        even = np.linspace(0, 1, STEPS)
        heights = np.stack([np.interp(even, a, b) for a, b in zip(s, n, strict=True)])
        padded = np.pad(heights, ((0, 0), (2, 2)), mode="reflect", reflect_type="odd")
        smooth = np.zeros_like(heights)
        for i, weight in enumerate((0.1, 0.24, 0.32, 0.24, 0.1)):
            smooth += weight * padded[:, i : i + STEPS]
        return curve(smooth.astype(np.float32), self.s)
