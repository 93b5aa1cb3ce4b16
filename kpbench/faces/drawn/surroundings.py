"""What is around and before a head: background, clothes, glasses, hats, hands, microphones and captions."""

import numpy as np

from kpbench.faces.drawn.canvas import Canvas
from kpbench.faces.drawn.factors import Factors
from kpbench.faces.drawn.soft_shapes import Pixels, bump, column, enlarge, inside, mix, ramp, segment_distance
from kpbench.faces.faces import SIZE


def paint_background(factors: Factors, coarse: Pixels, fine: Pixels, boxes: Pixels) -> Pixels:
    """A room behind the head (B, 96, 96): slow changes of light, patches, posts and bright spots.

    Args:
        coarse, fine: noise (B, k, k) with unit sd.
        boxes: numbers (B, 4, 5) in 0..1: centre, half widths and grey of each box.
    """
    grey, clutter = (column(factors[name].astype(np.float64)) for name in ("background", "clutter"))
    picture = grey * (1 + 0.35 * enlarge(coarse, SIZE) + 0.35 * clutter * enlarge(fine, SIZE))
    place = np.linspace(0, 1, SIZE, dtype=np.float32)
    x, y = place[None, None, :], place[None, :, None]
    for i in range(boxes.shape[1]):
        cx, cy, wide, high, light = (boxes[:, i, j][:, None, None] for j in range(5))
        away = np.maximum(np.abs(x - cx) - 0.02 - wide * wide * 0.3, np.abs(y - cy) - 0.05 - high * 0.6)
        picture = mix(picture, light * light * 0.8, inside(away, 0.04) * ramp(clutter * 4 - i * 0.7))
    return np.maximum(picture, np.float32(0.004))


def paint_clothes(canvas: Canvas, picture: Pixels, fine: Pixels) -> Pixels:
    """Shoulders and collar on a plane behind the chin; `fine` is noise (B, k, k)."""
    x, y = canvas.plane(-0.9)
    aside = np.abs(x)
    cloth = canvas.factor("cloth") * (1 + 0.25 * enlarge(fine, SIZE))
    picture = mix(picture, np.maximum(cloth, np.float32(0.004)), inside(1.38 + 0.2 * aside - y, 0.1))
    collar = inside(np.abs(aside - 0.62 - 0.55 * (2.05 - y)) - 0.2, 0.06) * inside(1.25 - y, 0.06)
    return mix(picture, 0.62, collar * canvas.factor("collar"))


def _wear_glasses(canvas: Canvas, lit: Pixels, texture: Pixels) -> Pixels:
    """Glasses on a plane before the eyes: rims, bridge, temples, tinted or reflecting lenses."""
    dark = column((canvas.factors["glasses"] == "dark").astype(np.float64))
    x, y = canvas.plane(0.3)
    (right, _), (left, eye_y) = canvas.middle([36, 39]), canvas.middle([42, 45])
    eye_x, eye_y = (left - right) / 2, eye_y + 0.06
    wide = canvas.factor("glasses_width") * (1 + 0.18 * dark)
    high = canvas.factor("glasses_height") * (1 + 0.3 * dark)
    rim, corner = canvas.factor("glasses_rim"), np.minimum(wide, high) * canvas.factor("glasses_round")
    out, down = np.abs(x) - eye_x, y - eye_y
    qx, qy = np.abs(out) - wide + corner, np.abs(down) - high + corner
    away = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2) + np.minimum(np.maximum(qx, qy), 0) - corner
    lens = inside(away, 0.05)
    lit = lit * (1 - lens * (0.06 + 0.84 * dark))
    band = bump(((out + 0.12 * np.sign(x) + 0.8 * down) / 0.05) ** 2) * bump(((down + 0.06) / 0.08) ** 2)
    lit = mix(lit, 0.85, lens * band * canvas.factor("glare") * (0.65 - 0.2 * dark))
    frame = inside(np.abs(away) - rim * 0.5, 0.04)
    bridge = inside(np.abs(down + 0.06 - 0.3 * x * x) - rim * 0.6, 0.04) * inside(np.abs(x) - (eye_x - wide), 0.03)
    frame = np.maximum(frame, bridge)
    for side in (-1.0, 1.0):
        frame = np.maximum(frame, _temple(canvas, (eye_x + wide) * side, eye_y - 0.05, side))
    return mix(lit, canvas.factor("glasses_grey") * (1 - 0.7 * dark), frame * 0.95)


def _temple(canvas: Canvas, x: Pixels, y: Pixels, side: float) -> Pixels:
    """The arm of the glasses from its hinge back to the ear, seen only on the side that turns to the camera."""
    turn, ends = canvas.view.rotation[:, :, :, None, None], []
    for reach, depth in ((x, 0.3), (np.full_like(x, 1.5 * side), -1.2)):
        ends.append(
            [(turn[:, i, 0] * reach + turn[:, i, 1] * y + turn[:, i, 2] * depth).astype(np.float32) for i in (0, 1)]
        )
    arm = segment_distance(*canvas.seen, (ends[0][0], ends[0][1]), (ends[1][0], ends[1][1]))
    return inside(arm - canvas.factor("glasses_rim") * 0.7, 0.04) * ramp((ends[1][0] - ends[0][0]) * (side * 8))


def _put_hat(canvas: Canvas, lit: Pixels, texture: Pixels) -> Pixels:
    """A hat down to just above the brows: crown, brim and the brim's shadow."""
    x, y = canvas.plane(0.1)
    grey, bend = canvas.factor("occluder_grey"), 0.1 * x * x
    below = y - canvas.middle([19, 24])[1] + 0.22 + 0.3 * canvas.factor("occluder_y")
    crown = inside(below + 0.12 - bend, 0.05) * inside(np.abs(x) - 1.75, 0.1)
    reach = 1.6 + 1.2 * ramp(canvas.factor("occluder_tilt"))
    brim = inside(np.abs(below + bend) - 0.09, 0.05) * inside(np.abs(x) - reach, 0.1)
    lit = lit * (1 - 0.5 * ramp(1 - below * 1.6) * inside(-below, 0.05))
    return mix(mix(lit, grey * texture, crown), grey * 0.7 * texture, brim)


def _put_hand(canvas: Canvas, lit: Pixels, texture: Pixels) -> Pixels:
    """Four fingers and a palm before a cheek or the chin."""
    x, y = canvas.plane(0.4)
    skin, tilt, side = canvas.factor("skin"), canvas.factor("occluder_tilt"), canvas.factor("occluder_x")
    x, y = x * np.where(side < 0, np.float32(-1), np.float32(1)) - 0.95, y - 1.35 + 0.5 * canvas.factor("occluder_y")
    zero = np.zeros_like(tilt)
    for i in range(4):
        knuckle, tip = (zero + 0.3, zero + 0.3 + 0.14 * i), (zero - 0.35 - 0.1 * (i % 3), 0.3 * tilt - 0.15 + 0.2 * i)
        finger = segment_distance(x, y, knuckle, tip)
        lit = mix(lit, skin * (0.75 - 0.5 * ramp(finger * 9 - 0.1)) * texture, inside(finger - 0.1, 0.05))
    palm = inside(np.sqrt((x - 0.6) ** 2 + (y - 0.6) ** 2) - 0.45, 0.08)
    return mix(lit, skin * 0.55 * texture, palm)


def _put_microphone(canvas: Canvas, lit: Pixels, texture: Pixels) -> Pixels:
    """A microphone's ball and stick before the chin."""
    x, y = canvas.plane(0.5)
    grey, cx = canvas.factor("occluder_grey"), canvas.factor("occluder_x") * 0.9
    cy = 1.35 + 0.5 * canvas.factor("occluder_y")
    stick = segment_distance(x, y, (cx, cy), (cx + 1.5 * canvas.factor("occluder_tilt"), cy + 2.0))
    lit = mix(lit, grey * 0.3, inside(stick - 0.09, 0.04))
    dx, dy = x - cx, y - cy
    mesh = grey * (0.4 + 0.8 * bump(20 * (dx + 0.1) ** 2 + 20 * (dy + 0.1) ** 2)) * texture
    return mix(lit, mesh, inside(np.sqrt(dx * dx + dy * dy) - 0.3, 0.05))


def _put_caption(canvas: Canvas, lit: Pixels, texture: Pixels) -> Pixels:
    """A line of lettering along the lower edge of the picture."""
    row = np.linspace(0, 1, SIZE, dtype=np.float32)[None, :, None]
    band = inside(np.abs(row - 0.9 - 0.08 * canvas.factor("occluder_y")) - 0.045, 0.02)
    return mix(lit, 0.05 + 0.75 * ramp((texture - 1) * 30), band)


BEFORE = {
    "glasses": {"clear": _wear_glasses, "dark": _wear_glasses},
    "occluder": {"hat": _put_hat, "hand": _put_hand, "microphone": _put_microphone, "caption": _put_caption},
}
"""What may be before a face: factor -> its value -> how it is drawn; a value that is not here draws nothing."""


def put_before(canvas: Canvas, lit: Pixels, fine: Pixels) -> None:
    """Draw each face's glasses and occluder into `lit`; `fine` is noise (B, k, k)."""
    texture = 1 + 0.2 * enlarge(fine, SIZE)
    for factor, ways in BEFORE.items():
        for value, draw in ways.items():
            index = np.flatnonzero(canvas.factors[factor] == value)
            if len(index):
                lit[index] = draw(canvas.only(index), lit[index], texture[index])
