"""The colours of a face in its own frame: skin and beard, brows, eyes, mouth, hair."""

import numpy as np

from kpbench.faces.drawn.canvas import Canvas
from kpbench.faces.drawn.soft_shapes import Grid, Pixels, bump, column, inside, mix, ramp, segment_distance


def paint_skin(canvas: Canvas, grain: Pixels) -> Pixels:
    """Skin colour (B, H, W) with blotches, wrinkles, eye shadow, nostrils and beard; `grain` is noise about 0."""
    skin = canvas.factor("skin") * (1 + canvas.factor("mottled") * grain)
    skin *= 1 - np.minimum(_dark_places(canvas), np.float32(0.9))
    part, place = canvas.around([*range(27, 36), 48, 54], 14)
    skin[place] *= 1 - np.minimum(_nose_and_folds(part), np.float32(0.9))
    strands = canvas.factor("hair") * (1 + 0.5 * grain)
    return mix(skin, strands, np.minimum(_beard(canvas), np.float32(0.93)))


def _dark_places(canvas: Canvas) -> Pixels:
    """What darkens the upper half: eye sockets, shadow on the lids, bags, forehead lines, a frown."""
    aside, y, age = np.abs(canvas.x), canvas.y, canvas.factor("age")
    (eye_x, eye_y), brow_y = canvas.middle([42, 45]), canvas.middle([19, 24])[1]
    out, down = aside - eye_x, y - eye_y
    dark = 0.36 * bump((out / 0.32) ** 2 + ((down + 0.04) / 0.18) ** 2)
    dark += 0.25 * canvas.factor("eye_shadow") * bump((out / 0.26) ** 2 + ((down + 0.1) / 0.1) ** 2)
    dark += 0.18 * age * bump((out / 0.2) ** 2 + ((down - 0.2) / 0.05) ** 2)
    up = brow_y - y + 0.06 * canvas.x * canvas.x
    lines = bump(((up - 0.25) / 0.022) ** 2) + bump(((up - 0.42) / 0.022) ** 2) + bump(((up - 0.59) / 0.022) ** 2)
    dark += 0.2 * ramp(age * 2 - 0.7) * ramp(canvas.factor("brow_raise") + 0.6) * lines * bump((aside / 0.45) ** 2)
    dark += 0.15 * age * bump(((aside - 0.1) / 0.025) ** 2 + ((y - brow_y - 0.08) / 0.1) ** 2)
    return dark


def _nose_and_folds(canvas: Canvas) -> Pixels:
    """What darkens the middle: nostrils, the edge of the wings, the folds from nose to mouth."""
    aside, y, width = np.abs(canvas.x), canvas.y, canvas.factor("nose_width")
    wing, (corner_x, corner_y) = canvas.middle([33])[1], canvas.middle([54])
    mouth = (corner_x - canvas.middle([48])[0]) / 2
    dark = 0.6 * bump(((aside - 0.105 * width) / 0.06) ** 2 + ((y - wing + 0.035) / 0.032) ** 2)
    dark += 0.08 * bump((aside / 0.2) ** 2 + ((y - wing - 0.02) / 0.05) ** 2)
    edge = segment_distance(aside, y, (0.245 * width, wing - 0.16), (0.25 * width, wing - 0.02))
    dark += 0.3 * bump((edge / np.float32(0.025)) ** 2)
    fold = segment_distance(aside, y, (0.3 * width, wing - 0.06), (mouth + 0.14, corner_y + 0.02))
    deep = 0.06 + 0.18 * canvas.factor("age") + 0.12 * np.maximum(canvas.factor("smile"), 0)
    return dark + deep * bump((fold / np.float32(0.035)) ** 2)


def _beard(canvas: Canvas) -> Pixels:
    """How much of each pixel is beard: moustache, chin, cheeks, and the stubble that covers all three."""
    aside, y = np.abs(canvas.x), canvas.y
    wing, top, below = canvas.middle([33])[1], canvas.middle([51])[1], canvas.middle([57])[1]
    mouth = (canvas.middle([54])[0] - canvas.middle([48])[0]) / 2
    lip = bump((aside / 0.3) ** 2 + ((y - (wing * 0.42 + top * 0.58)) / 0.085) ** 2)
    chin = ramp((y - below - 0.02) * 5) * bump((aside / 0.36) ** 2)
    cheek = ramp((aside - mouth - 0.1) * 5) * ramp((y - 0.35 - 0.55 * (1.4 - aside)) * 3)
    cheek = np.minimum(cheek + ramp((y - below - 0.12) * 4), 1)
    bare = (1 - canvas.factor("moustache") * lip) * (1 - canvas.factor("chin_beard") * chin)
    bare *= 1 - canvas.factor("cheek_beard") * cheek
    return np.asarray(1 - bare * (1 - 0.7 * canvas.factor("stubble") * np.maximum(cheek, np.maximum(chin, lip))))


def paint_brows(whole: Canvas, colour: Pixels, grain: Pixels) -> None:
    """Brows along the landmarks 17-21 and 22-26 onto `colour`, thick inside and thin outside."""
    for marks in ([21, 20, 19, 18, 17], [22, 23, 24, 25, 26]):
        canvas, place = whole.around(marks, 10)
        chord = canvas.chord(marks[0], marks[-1])
        taper = 1.15 - 0.7 * np.clip(chord.s, 0, 1)
        thick = canvas.factor("brow_width") * taper * (1 + 0.2 * np.clip(grain[place], -2, 2))
        cover = inside(np.abs(chord.n - chord.through(marks) - thick * 0.25) - thick, 0.08)
        cover *= ramp((chord.s + 0.05) * 14) * ramp((1.04 - chord.s) * 12)
        hair = np.minimum(canvas.factor("hair") * 0.8 + 0.01, canvas.factor("skin") * 0.5)
        colour[place] = mix(colour[place], hair, canvas.factor("brow_dark") * cover * (1.05 - 0.35 * taper))


def paint_eyes(whole: Canvas, lit: Pixels, bright: Pixels) -> None:
    """Eyes between the lids onto the lit picture: white, iris, pupil, highlight, lashes and the fold of the lid."""
    for upper, lower in (([36, 37, 38, 39], [36, 41, 40, 39]), ([42, 43, 44, 45], [42, 47, 46, 45])):
        canvas, place = whole.around([*upper, *lower], 9)
        chord = canvas.chord(upper[0], upper[-1])
        s, n, top, bottom = chord.s, chord.n, chord.through(upper), chord.through(lower)
        opening = inside(top - n, 0.045) * inside(n - bottom, 0.045) * ramp((s + 0.02) * 16) * ramp((1.02 - s) * 16)
        eye = _eyeball(canvas, [*upper, *lower[1:3]], bright[place] * (1 - 0.45 * ramp(1 - (n - top) * 14)))
        picture = mix(lit[place], eye, opening)
        lash, ends = canvas.factor("lash"), ramp((s + 0.06) * 12) * ramp((1.08 - s) * 12)
        picture *= 1 - ends * lash * 0.92 * inside(np.abs(n - top + 0.008) - 0.018 - 0.014 * lash, 0.05)
        picture *= 1 - ends * (0.2 + 0.25 * lash) * inside(np.abs(n - bottom) - 0.01, 0.05)
        fold = inside(np.abs(n - top + 0.085 + 0.02 * canvas.factor("brow_raise")) - 0.012, 0.06)
        picture *= 1 - 0.32 * ramp((s + 0.02) * 5) * ramp((1.12 - s) * 6) * fold
        lit[place] = picture


def _eyeball(canvas: Canvas, marks: list[int], bright: Pixels) -> Pixels:
    """White, iris, pupil and highlight of one eye, as if it had no lids."""
    cx = canvas.middle(marks)[0] + canvas.factor("gaze_x")
    cy = canvas.middle([marks[0], marks[3]])[1] - 0.015 + canvas.factor("gaze_y")
    dx, dy = canvas.x - cx, canvas.y - cy
    far = np.sqrt(dx * dx + dy * dy)
    eye = mix(
        (0.17 + 0.5 * canvas.factor("skin")) * bright,
        canvas.factor("iris") * (0.5 + 0.5 * bright),
        inside(far - 0.118, 0.05),
    )
    eye = mix(eye, 0.008, inside(far - 0.05, 0.04))
    towards_light = column(0.045 * np.sin(np.radians(canvas.factors["light_angle"].astype(np.float64))))
    spark = bump(((dx - towards_light) / 0.022) ** 2 + ((dy + 0.04) / 0.022) ** 2)
    return mix(eye, canvas.factor("skin") * 1.6, 0.8 * np.minimum(spark * canvas.factor("key"), 1))


def paint_mouth(whole: Canvas, lit: Pixels, bright: Pixels) -> None:
    """Lips within the landmarks 48-59 onto the lit picture, and what opens between 60-67: teeth, dark, tongue."""
    canvas, place = whole.around(list(range(48, 60)), 9)
    picture, shade = lit[place], bright[place]
    chord = canvas.chord(48, 54)
    s, n = chord.s, chord.n
    outer = chord.through([48, 49, 50, 51, 52, 53, 54]), chord.through([48, 59, 58, 57, 56, 55, 54])
    inner = chord.through([48, 60, 61, 62, 63, 64, 54]), chord.through([48, 60, 67, 66, 65, 64, 54])
    lip, smile = canvas.factor("lip"), canvas.factor("smile")
    lips = inside(outer[0] - n, 0.05) * inside(n - outer[1], 0.05) * ramp((s + 0.03) * 18) * ramp((1.03 - s) * 18)
    picture = picture * (1 - lips * (1 - lip * (1.06 - 0.22 * inside(n - inner[0], 0.06))))
    gloss = bump(((s - 0.5) / 0.17) ** 2 + ((n - outer[1] * 0.55 - inner[1] * 0.45) / 0.04) ** 2)
    picture *= 1 + 0.2 * gloss * lip
    gap = inside(inner[0] - n, 0.04) * inside(n - inner[1], 0.04) * ramp((s - 0.02) * 12) * ramp((0.98 - s) * 12)
    deep = n - inner[0]
    teeth = inside(deep - 0.09 - 0.05 * smile, 0.04) * ramp(1.5 - np.abs(s - 0.5) * 3) * ramp(smile * 1.2 + 0.6)
    tongue = 0.015 + 0.1 * lip * shade * ramp((deep - 0.2) * 6)
    picture = mix(picture, mix(tongue, 0.5 * shade, teeth), gap)
    between = inside(np.abs(deep) - 0.014, 0.05) * ramp((s + 0.05) * 12) * ramp((1.05 - s) * 12)
    lit[place] = picture * (1 - between * (0.6 + 0.15 * ramp(np.abs(s - 0.5) * 6 - 1.5)))


def comb(canvas: Canvas, noise: Pixels) -> Pixels:
    """Strands (B, H, W) about 0: noise (B, k, k) drawn out along lines that fan down and out from the parting."""
    cells = noise.shape[-1]
    turn = np.float32(2 * cells - 2)
    fan = 1.1 + 0.35 * np.maximum(canvas.y + np.float32(2.2), 0)
    across = (canvas.x - canvas.factor("parting") * 0.5) / fan

    def back_and_forth(value: Pixels) -> Pixels:
        """Folded into 0..cells - 1, as a light between two mirrors."""
        return np.minimum(np.abs(value - turn * np.floor(value / turn + np.float32(0.5))), np.float32(cells - 1))

    x, y = across * 17 + canvas.y * 1.5, canvas.y * 2.2 + across * 4 + 5
    return Grid(0.0, 0.0, 1.0, cells, cells).sample([noise], back_and_forth(x), back_and_forth(y))[0]


def hair_cover(canvas: Canvas, half_width: Pixels, strands: Pixels) -> Pixels:
    """How much of each pixel on the head is hair: above the hairline, at the temples, beyond the face's outline.

    Args:
        half_width: (B, H, W) half the width of the face at each pixel's height.
    """
    aside, y = np.abs(canvas.x), canvas.y
    curl = aside * np.float32(0.72)
    curl *= curl
    receding = 0.22 * canvas.factor("temples") * bump(((aside - 0.65) / 0.3) ** 2)
    parted = bump(((canvas.x - canvas.factor("parting")) / 0.35) ** 2)
    fringe = canvas.factor("fringe") * (0.55 - 0.35 * parted + 0.03 * strands)
    line = canvas.factor("hairline") - receding + 0.8 * curl * curl + fringe + 0.03 * strands
    cover = inside(y - line, 0.2)
    side = ramp((aside - half_width + 0.14) * 9) * inside(y - canvas.factor("sideburn"), 0.2)
    outline = np.maximum(half_width, 0.86 + 0.06 * strands)
    beyond = ramp((aside - outline) * 12) * inside(y - canvas.factor("hair_length"), 0.3)
    return np.asarray(np.maximum(np.maximum(cover, side), beyond))
