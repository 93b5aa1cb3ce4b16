"""The colours of a head in its own frame: skin, eyes, brows, nose, mouth, beard and hair."""

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.face_factors import Factors
from kpbench.faces.face_shape import Floats
from kpbench.faces.soft_shapes import Grid, Pixels, bump, column, curve, inside, mix, ramp, segment_distance

STEPS = 33
"""Steps of a curve table."""

Window = tuple[slice, slice, slice]


class Canvas:
    """The places to paint on: head-frame x, y of every pixel, and the points (also in pixels) and factors of each face.

    A feature is painted in a window around its landmarks that is wide enough for its softest edge.
    """

    def __init__(self, x: Pixels, y: Pixels, points: Floats, pixels: Floats, factors: Factors) -> None:
        self.x, self.y = x, y
        self.points, self.pixels = points, pixels
        self.factors = factors

    def around(self, landmarks: list[int], margin: float) -> tuple["Canvas", Window]:
        """The part of the canvas within `margin` pixels of some landmarks of any face, and its place in the whole."""
        seen = self.pixels[:, landmarks]
        low = np.clip(np.floor(seen.min(axis=(0, 1)) - margin), 0, self.x.shape[-1] - 2).astype(int)
        high = np.clip(np.ceil(seen.max(axis=(0, 1)) + margin), low + 2, self.x.shape[-1]).astype(int)
        place = (slice(None), slice(low[1], high[1]), slice(low[0], high[0]))
        return Canvas(self.x[place], self.y[place], self.points, self.pixels, self.factors), place

    def factor(self, name: str) -> Pixels:
        """A factor as (B, 1, 1)."""
        return column(np.asarray(self.factors[name], dtype=np.float64))

    def point(self, index: int) -> tuple[Pixels, Pixels]:
        """A landmark's x and y as (B, 1, 1)."""
        return column(self.points[:, index, 0]), column(self.points[:, index, 1])

    def strip(self, first: int, last: int) -> tuple[Pixels, Pixels, NDArray[np.float64], Floats]:
        """Coordinates along (0..1) and across a chord between two landmarks.

        Returns the two pixel maps and the chord's length (B,) and frame (B, 2, 2), rows along and across.
        """
        start, chord = self.points[:, first], self.points[:, last] - self.points[:, first]
        length = np.sqrt((chord * chord).sum(axis=1))
        along = chord / length[:, None]
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        across *= np.sign(across[:, 1:])
        dx, dy = self.x - column(start[:, 0]), self.y - column(start[:, 1])
        s = (dx * column(along[:, 0]) + dy * column(along[:, 1])) / column(length)
        n = dx * column(across[:, 0]) + dy * column(across[:, 1])
        return s, n, length, np.stack([along, across], axis=1)

    def table(self, first: int, through: list[int], length: NDArray[np.float64], frame: Floats) -> NDArray[np.float32]:
        """Heights (B, STEPS) across a chord of a smooth curve through some landmarks, ends included."""
        local = self.points[:, through] - self.points[:, first][:, None]
        s = np.einsum("bnd,bd->bn", local, frame[:, 0]) / length[:, None]
        n = np.einsum("bnd,bd->bn", local, frame[:, 1])
        even = np.linspace(0, 1, STEPS)
        heights = np.stack([np.interp(even, a, b) for a, b in zip(np.maximum.accumulate(s, axis=1), n, strict=True)])
        padded = np.pad(heights, ((0, 0), (2, 2)), mode="reflect", reflect_type="odd")
        smooth = sum(w * padded[:, i : i + STEPS] for i, w in enumerate((0.1, 0.24, 0.32, 0.24, 0.1)))
        return np.asarray(smooth, dtype=np.float32)


def paint_skin(canvas: Canvas, grain: Pixels) -> Pixels:
    """Skin colour (B, H, W) with blotches, wrinkles, eye shadow, nostrils and beard; `grain` is noise about 0."""
    x, y = canvas.x, canvas.y
    skin = canvas.factor("skin") * (1 + canvas.factor("mottled") * grain)
    (_, tip), (_, wing), (_, top) = canvas.point(30), canvas.point(33), canvas.point(51)
    eye_x = (canvas.point(45)[0] + canvas.point(42)[0]) / 2
    eye_y = (canvas.point(45)[1] + canvas.point(36)[1]) / 2
    brow_y = canvas.point(24)[1]
    aside = np.abs(x)
    age = canvas.factor("age")
    around = bump(((aside - eye_x) / 0.28) ** 2 + ((y - eye_y + 0.06) / 0.17) ** 2)
    dark = 0.22 * around + 0.25 * canvas.factor("eye_shadow") * bump(
        ((aside - eye_x) / 0.26) ** 2 + ((y - eye_y + 0.1) / 0.1) ** 2
    )
    dark = dark + 0.18 * age * bump(((aside - eye_x) / 0.2) ** 2 + ((y - eye_y - 0.2) / 0.05) ** 2)
    # Two nostrils and the shade under the tip.
    width = canvas.factor("nose_width")
    nostril = bump(((aside - 0.105 * width) / 0.06) ** 2 + ((y - wing + 0.035) / 0.032) ** 2)
    dark = dark + 0.6 * nostril + 0.08 * bump((x / 0.2) ** 2 + ((y - wing - 0.02) / 0.05) ** 2)
    crease = segment_distance(aside, y, (0.245 * width, wing - 0.16), (0.25 * width, wing - 0.02))
    dark = dark + 0.3 * bump((crease / np.float32(0.025)) ** 2)
    # Forehead lines and frown.
    up = brow_y - y
    lines = sum(bump(((up - 0.25 - 0.17 * i + 0.06 * x * x) / 0.022) ** 2) for i in range(3))
    dark = dark + (0.2 * ramp(age * 2 - 0.7) * ramp(canvas.factor("brow_raise") + 0.6)) * lines * bump((x / 0.45) ** 2)
    dark = dark + 0.15 * age * bump(((aside - 0.1) / 0.025) ** 2 + ((y - brow_y - 0.08) / 0.1) ** 2)
    lip_side = canvas.point(54)[0] - canvas.point(48)[0]
    fold = segment_distance(aside, y, (0.3 * width, wing - 0.06), (lip_side / 2 + 0.14, canvas.point(54)[1] + 0.02))
    dark = dark + (0.06 + 0.18 * age + 0.12 * np.maximum(canvas.factor("smile"), 0)) * bump(
        (fold / np.float32(0.035)) ** 2
    )
    skin = skin * (1 - np.minimum(dark, np.float32(0.9)))
    # Beard: moustache, chin, cheeks, and the stubble that covers all three.
    below = canvas.point(57)[1]
    stache = bump((x / 0.3) ** 2 + ((y - (wing * 0.42 + top * 0.58)) / 0.085) ** 2)
    chin = ramp((y - below - 0.02) * 5) * bump((x / 0.36) ** 2)
    jaw = ramp((aside - lip_side / 2 - 0.1) * 5) * ramp((y - 0.35 - 0.55 * (1.4 - aside)) * 3) + ramp(
        (y - below - 0.12) * 4
    )
    beard = 1 - (1 - canvas.factor("moustache") * stache) * (1 - canvas.factor("chin_beard") * chin)
    beard = 1 - (1 - beard) * (1 - canvas.factor("cheek_beard") * np.minimum(jaw, 1))
    beard = 1 - (1 - beard) * (
        1 - canvas.factor("stubble") * np.minimum(np.maximum(jaw, np.maximum(chin, stache)), 1) * 0.7
    )
    strands = canvas.factor("hair") * (1 + 0.5 * grain)
    return mix(skin, strands, np.minimum(beard, np.float32(0.93)))


def paint_brows(canvas: Canvas, colour: Pixels, grain: Pixels) -> None:
    """Brows along the landmarks 17-21 and 22-26, thick inside and thin outside."""
    for points in ([21, 20, 19, 18, 17], [22, 23, 24, 25, 26]):
        part, place = canvas.around(points, 9)
        s, n, length, frame = part.strip(points[0], points[-1])
        middle = curve(part.table(points[0], points, length, frame), s)
        thick = (
            canvas.factor("brow_width")
            * (np.float32(1.15) - np.float32(0.7) * np.clip(s, 0, 1))
            * (1 + 0.2 * grain[place])
        )
        cover = inside(np.abs(n - middle - thick * 0.25) - thick, 0.08)
        cover = cover * ramp((s + 0.05) * 14) * ramp((1.04 - s) * 12)
        dark = canvas.factor("brow_dark") * cover * (1 - 0.3 * np.clip(s, 0, 1))
        shade = np.minimum(canvas.factor("hair") * 0.8 + 0.01, canvas.factor("skin") * 0.5)
        colour[place] = mix(colour[place], shade, dark)


def paint_eyes(whole: Canvas, picture: Pixels, bright: Pixels) -> None:
    """Eyes between the lids on a lit picture: white, iris, pupil, highlight; lashes and the fold of the lid."""
    for upper, lower in (([36, 37, 38, 39], [36, 41, 40, 39]), ([42, 43, 44, 45], [42, 47, 46, 45])):
        canvas, place = whole.around([*upper, *lower], 8)
        lit, shade = picture[place], bright[place]
        s, n, length, frame = canvas.strip(upper[0], upper[-1])
        top = curve(canvas.table(upper[0], upper, length, frame), s)
        bottom = curve(canvas.table(upper[0], lower, length, frame), s)
        ends = ramp((s + 0.02) * 16) * ramp((1.02 - s) * 16)
        opening = inside(top - n, 0.045) * inside(n - bottom, 0.045) * ends
        points = canvas.points[:, [*upper, *lower[1:3]]].mean(axis=1)
        level = canvas.points[:, [upper[0], upper[-1]], 1].mean(axis=1) - 0.015
        cx = column(points[:, 0] + np.asarray(canvas.factors["gaze_x"], float))
        cy = column(level + np.asarray(canvas.factors["gaze_y"], float))
        far = np.sqrt((canvas.x - cx) ** 2 + (canvas.y - cy) ** 2)
        white = (0.2 + 0.55 * canvas.factor("skin")) * shade * (1 - 0.45 * ramp(1 - (n - top) * 14))
        iris = mix(white, canvas.factor("iris") * (0.5 + 0.5 * shade), inside(far - 0.118, 0.05))
        iris = mix(iris, 0.008, inside(far - 0.05, 0.04))
        spark = bump(
            ((canvas.x - cx - column(np.sin(np.radians(canvas.factors["light_angle"].astype(float))) * 0.045)) / 0.022)
            ** 2
            + ((canvas.y - cy + 0.04) / 0.022) ** 2
        )
        iris = mix(iris, canvas.factor("skin") * 1.6, np.minimum(spark * canvas.factor("key"), 1) * 0.8)
        lit = mix(lit, iris, opening)
        long_ends = ramp((s + 0.06) * 12) * ramp((1.08 - s) * 12)
        lash = canvas.factor("lash")
        lit = lit * (1 - long_ends * lash * 0.92 * inside(np.abs(n - top + 0.008) - 0.018 - 0.014 * lash, 0.05))
        lit = lit * (1 - long_ends * (0.2 + 0.25 * lash) * inside(np.abs(n - bottom) - 0.01, 0.05))
        fold = top - 0.085 - 0.02 * canvas.factor("brow_raise")
        lit = lit * (1 - 0.32 * ramp((s + 0.02) * 5) * ramp((1.12 - s) * 6) * inside(np.abs(n - fold) - 0.012, 0.06))
        picture[place] = lit


def paint_mouth(whole: Canvas, picture: Pixels, bright: Pixels) -> None:
    """Lips within the landmarks 48-59 of a lit picture, and what opens between 60-67: teeth, dark, tongue."""
    canvas, place = whole.around(list(range(48, 60)), 8)
    lit, shade = picture[place], bright[place]
    s, n, length, frame = canvas.strip(48, 54)

    def line(through: list[int]) -> Pixels:
        return curve(canvas.table(48, through, length, frame), s)

    outer_top, outer_bottom = line([48, 49, 50, 51, 52, 53, 54]), line([48, 59, 58, 57, 56, 55, 54])
    inner_top, inner_bottom = line([48, 60, 61, 62, 63, 64, 54]), line([48, 60, 67, 66, 65, 64, 54])
    ends = ramp((s + 0.03) * 18) * ramp((1.03 - s) * 18)
    lips = inside(outer_top - n, 0.05) * inside(n - outer_bottom, 0.05) * ends
    upper = inside(n - inner_top, 0.06)
    tint = canvas.factor("lip") * (1.06 - 0.24 * upper)
    lit = lit * mix(np.ones_like(lit), tint, lips)
    gloss = bump(((s - 0.5) / 0.17) ** 2 + ((n - outer_bottom * 0.55 - inner_bottom * 0.45) / 0.04) ** 2)
    lit = lit * (1 + 0.2 * gloss * canvas.factor("lip"))
    gap = inside(inner_top - n, 0.04) * inside(n - inner_bottom, 0.04) * ramp((s - 0.02) * 12) * ramp((0.98 - s) * 12)
    deep = n - inner_top
    teeth = inside(deep - 0.09 - 0.05 * canvas.factor("smile"), 0.04) * ramp(1.5 - np.abs(s - 0.5) * 3)
    teeth = teeth * ramp(canvas.factor("smile") * 1.2 + 0.6)
    tongue = ramp((deep - 0.2) * 6) * 0.1
    inside_mouth = mix(np.float32(0.015) + tongue * shade * canvas.factor("lip"), 0.5 * shade, teeth)
    lit = mix(lit, inside_mouth, gap)
    corner = (
        np.float32(0.5) * inside(np.abs(n - inner_top) - 0.014, 0.05) * ramp((s + 0.05) * 12) * ramp((1.05 - s) * 12)
    )
    picture[place] = lit * (1 - corner * (0.8 + 0.3 * ramp(np.abs(s - 0.5) * 6 - 1.5)))


def comb(x: Pixels, y: Pixels, noise: Pixels, factors: Factors) -> Pixels:
    """Strands (B, H, W) about 0: noise (B, k, k) drawn out along lines that fan down and out from the parting."""
    parting = column(np.asarray(factors["parting"], float))
    across = (x - parting * 0.5) / (np.float32(1.1) + np.float32(0.35) * np.maximum(y + np.float32(2.2), 0))
    cells = noise.shape[-1]

    def wrapped(value: Pixels) -> Pixels:
        folded = np.abs(
            value - np.float32(2 * cells - 2) * np.floor(value / np.float32(2 * cells - 2) + np.float32(0.5))
        )
        return np.minimum(folded, np.float32(cells - 1))

    grid = Grid(0.0, 0.0, 1.0, cells, cells)
    return grid.sample([noise], wrapped(across * 17 + y * 1.5), wrapped(y * 2.2 + across * 4 + 5))[0]


def hair_cover(canvas: Canvas, half_width: Pixels, jagged: Pixels) -> Pixels:
    """How much of each pixel on the head is hair: above the hairline, beside the temples, beyond the face's outline."""
    x, y = canvas.x, canvas.y
    aside = np.abs(x)
    # Receding at the temples, lower at the sides; a fringe falls from the parting.
    curl = aside * np.float32(0.72)
    curl = curl * curl
    line = (
        canvas.factor("hairline")
        - 0.22 * canvas.factor("temples") * bump(((aside - 0.65) / 0.3) ** 2)
        + curl * curl * 0.8
    )
    fall = canvas.factor("fringe") * (0.55 - 0.35 * bump(((x - canvas.factor("parting")) / 0.35) ** 2))
    line = line + fall + (0.03 + 0.03 * canvas.factor("fringe")) * jagged
    cover = inside(y - line, 0.2)
    burn = canvas.factor("sideburn")
    side = ramp((aside - half_width + 0.14) * 9) * inside(y - burn, 0.2)
    beyond = ramp((aside - np.maximum(half_width, 0.86 + 0.06 * jagged)) * 12) * inside(
        y - canvas.factor("hair_length"), 0.3
    )
    return np.maximum(np.maximum(cover, side), beyond)
