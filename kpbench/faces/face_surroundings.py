"""What is around and before a head: background, clothes, glasses, hats, hands, microphones and captions."""

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.face_factors import Factors
from kpbench.faces.face_shape import Floats, View
from kpbench.faces.faces import SIZE
from kpbench.faces.soft_shapes import Pixels, bump, column, enlarge, inside, mix, ramp, segment_distance


def plane(view: View, seen_x: Pixels, seen_y: Pixels, height: float | Pixels) -> tuple[Pixels, Pixels]:
    """Head-frame x, y of each pixel on the plane z = height: a 2 x 2 system a face."""
    turn = view.rotation.astype(np.float32)[:, :, :, None, None]
    px, py = seen_x - turn[:, 0, 2] * height, seen_y - turn[:, 1, 2] * height
    det = turn[:, 0, 0] * turn[:, 1, 1] - turn[:, 0, 1] * turn[:, 1, 0]
    return (turn[:, 1, 1] * px - turn[:, 0, 1] * py) / det, (turn[:, 0, 0] * py - turn[:, 1, 0] * px) / det


def paint_background(factors: Factors, coarse: Pixels, fine: Pixels, boxes: Pixels) -> Pixels:
    """A blurred room behind the head: slow changes of light, patches, posts and bright spots.

    Args:
        coarse, fine: noise (B, 5, 5) and (B, 13, 13) with unit sd.
        boxes: uniform numbers (B, 4, 5): centre, half widths and grey of each box.
    """
    grey, clutter = (column(np.asarray(factors[n], float)) for n in ("background", "clutter"))
    picture = grey * (1 + 0.35 * enlarge(coarse, SIZE) + 0.35 * clutter * enlarge(fine, SIZE))
    place = np.linspace(0, 1, SIZE, dtype=np.float32)
    x, y = place[None, None, :], place[None, :, None]
    for i in range(boxes.shape[1]):
        cx, cy, wide, high, light = (boxes[:, i, j][:, None, None] for j in range(5))
        away = np.maximum(np.abs(x - cx) - 0.02 - wide * wide * 0.3, np.abs(y - cy) - 0.05 - high * 0.6)
        picture = mix(picture, light * light * 0.8, inside(away, 0.04) * ramp(clutter * 4 - i * 0.7))
    return np.maximum(picture, np.float32(0.004))


def paint_clothes(factors: Factors, picture: Pixels, x: Pixels, y: Pixels, fine: Pixels) -> Pixels:
    """Shoulders and collar on the head-frame places x, y of the plane behind the chin."""
    aside = np.abs(x)
    cloth = column(np.asarray(factors["cloth"], float)) * (1 + 0.25 * enlarge(fine, SIZE))
    shoulder = inside(1.62 + 0.18 * aside - y, 0.1)
    picture = mix(picture, np.maximum(cloth, np.float32(0.004)), shoulder)
    collar = inside(np.abs(aside - 0.62 - 0.55 * (2.05 - y)) - 0.2, 0.06) * inside(1.35 - y, 0.06)
    return mix(picture, 0.62, collar * column(np.asarray(factors["collar"], float)))


def wear_glasses(factors: Factors, lit: Pixels, view: View, seen: tuple[Pixels, Pixels], points: Floats) -> Pixels:
    """Glasses on a plane before the eyes: rims, bridge, temples, tinted or reflecting lenses."""
    kind = np.asarray(factors["glasses"])
    x, y = plane(view, *seen, 0.3)
    eye_x = column((points[:, [42, 45], 0].mean(axis=1) - points[:, [36, 39], 0].mean(axis=1)) / 2)
    eye_y = column(points[:, [36, 39, 42, 45], 1].mean(axis=1) + 0.06)
    wide, high = (
        column(np.asarray(factors["glasses_width"], float)),
        column(np.asarray(factors["glasses_height"], float)),
    )
    wide = wide * column(np.where(kind == "dark", 1.18, 1.0))
    high = high * column(np.where(kind == "dark", 1.3, 1.0))
    corner = np.minimum(wide, high) * column(np.asarray(factors["glasses_round"], float))
    rim, grey = column(np.asarray(factors["glasses_rim"], float)), column(np.asarray(factors["glasses_grey"], float))
    aside = np.abs(x)
    qx, qy = np.abs(aside - eye_x) - wide + corner, np.abs(y - eye_y) - high + corner
    away = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2) + np.minimum(np.maximum(qx, qy), 0) - corner
    lens = inside(away, 0.05)
    dark = column((kind == "dark").astype(float))
    lit = lit * (1 - lens * (0.06 + 0.84 * dark))
    glare = column(np.asarray(factors["glare"], float))
    band = bump(((aside - eye_x + 0.1 * np.sign(x) + 0.8 * (y - eye_y)) / 0.07) ** 2) * bump(
        ((y - eye_y + 0.05) / 0.09) ** 2
    )
    lit = mix(lit, np.float32(0.85), lens * band * glare * (0.8 - 0.3 * dark))
    frame = inside(np.abs(away) - rim * 0.5, 0.04)
    bridge = inside(np.abs(y - eye_y + 0.06 - 0.3 * x * x) - rim * 0.6, 0.04) * inside(aside - (eye_x - wide), 0.03)
    frame = np.maximum(frame, bridge)
    # Each temple runs back to the ear, so it is seen only on the side that turns to the camera.
    hinge = eye_x + wide
    for side in (-1.0, 1.0):
        ends = []
        for depth, out in ((0.3, hinge), (-1.2, 1.5 + 0 * hinge)):
            spot = np.stack([out[:, 0, 0] * side, eye_y[:, 0, 0] - 0.05, np.full(len(out), depth)], axis=1)
            place = np.einsum("bij,bj->bi", view.rotation[:, :2], spot.astype(np.float64))
            ends.append((column(place[:, 0]), column(place[:, 1])))
        arm = segment_distance(*seen, ends[0], ends[1])
        frame = np.maximum(frame, inside(arm - rim * 0.7, 0.04) * ramp((ends[1][0] - ends[0][0]) * side * 8))
    return mix(lit, grey, frame * 0.95)


def put_hat(
    factors: Factors, lit: Pixels, view: View, seen: tuple[Pixels, Pixels], points: Floats, texture: Pixels
) -> Pixels:
    """A hat down to just above the brows: crown, brim and the brim's shadow."""
    grey, tilt, low = (column(np.asarray(factors[f"occluder_{n}"], float)) for n in ("grey", "tilt", "y"))
    x, y = plane(view, *seen, 0.1)
    edge = column(points[:, [19, 24], 1].mean(axis=1)) - 0.22 - 0.3 * low
    crown = inside(y - edge + 0.12 - 0.1 * x * x, 0.05) * inside(np.abs(x) - 1.75, 0.1)
    brim = inside(np.abs(y - edge + 0.1 * x * x) - 0.09, 0.05) * inside(np.abs(x) - 1.6 - ramp(tilt) * 1.2, 0.1)
    shadow = ramp(1 - (y - edge) * 1.6) * inside(edge - y, 0.05)
    lit = mix(lit * (1 - 0.5 * shadow), grey * texture, crown)
    return mix(lit, grey * 0.7 * texture, brim)


def put_hand(
    factors: Factors, lit: Pixels, view: View, seen: tuple[Pixels, Pixels], points: Floats, texture: Pixels
) -> Pixels:
    """Four fingers and a palm before a cheek or the chin."""
    skin, tilt, ox, oy = (
        column(np.asarray(factors[n], float)) for n in ("skin", "occluder_tilt", "occluder_x", "occluder_y")
    )
    x, y = plane(view, *seen, 0.4)
    px, py = x * np.sign(ox + np.float32(1e-3)) - 0.95, y - 1.35 + 0.5 * oy
    zero = np.zeros_like(tilt)
    for i in range(4):
        knuckle, nail = (zero + 0.3, zero + 0.3 + 0.14 * i), (zero - 0.35 - 0.1 * (i % 3), 0.3 * tilt - 0.15 + 0.2 * i)
        finger = segment_distance(px, py, knuckle, nail)
        lit = mix(lit, skin * (0.75 - 0.5 * ramp(finger * 9 - 0.1)) * texture, inside(finger - 0.1, 0.05))
    palm = inside(np.sqrt((px - 0.6) ** 2 + (py - 0.6) ** 2) - 0.45, 0.08)
    return mix(lit, skin * 0.55 * texture, palm)


def put_microphone(
    factors: Factors, lit: Pixels, view: View, seen: tuple[Pixels, Pixels], points: Floats, texture: Pixels
) -> Pixels:
    """A microphone's ball and stick before the chin."""
    grey, tilt, ox, oy = (column(np.asarray(factors[f"occluder_{n}"], float)) for n in ("grey", "tilt", "x", "y"))
    x, y = plane(view, *seen, 0.5)
    cx, cy = ox * 0.9, 1.35 + 0.5 * oy
    away = np.sqrt((x - cx) ** 2 + (y - cy) ** 2)
    stick = segment_distance(x, y, (cx, cy), (cx + 1.5 * tilt, cy + 2.0))
    lit = mix(lit, grey * 0.3, inside(stick - 0.09, 0.04))
    mesh = grey * (0.4 + 0.8 * bump((x - cx + 0.1) ** 2 * 20 + (y - cy + 0.1) ** 2 * 20)) * texture
    return mix(lit, mesh, inside(away - 0.3, 0.05))


def put_caption(
    factors: Factors, lit: Pixels, view: View, seen: tuple[Pixels, Pixels], points: Floats, texture: Pixels
) -> Pixels:
    """A line of lettering along the lower edge of the picture."""
    row = np.linspace(0, 1, SIZE, dtype=np.float32)[None, :, None]
    band = inside(np.abs(row - 0.9 - 0.08 * column(np.asarray(factors["occluder_y"], float))) - 0.045, 0.02)
    return mix(lit, 0.05 + 0.75 * ramp((texture - 1) * 30), band)


OCCLUDERS = {"hat": put_hat, "hand": put_hand, "microphone": put_microphone, "caption": put_caption}
"""What may hide a part of the face: value of the factor `occluder` -> how it is drawn; "none" is drawn by nothing."""


def put_before(
    factors: Factors, lit: Pixels, view: View, seen: tuple[Pixels, Pixels], points: Floats, fine: Pixels
) -> None:
    """Draw each face's glasses and occluder into `lit`; `fine` is noise (B, k, k)."""
    texture = 1 + 0.2 * enlarge(fine, SIZE)

    def only(index: NDArray[np.intp]) -> tuple[Factors, Pixels, View, tuple[Pixels, Pixels], Floats]:
        chosen = {name: values[index] for name, values in factors.items()}
        return chosen, lit[index], view.take(index), (seen[0][index], seen[1][index]), points[index]

    index = np.flatnonzero(np.asarray(factors["glasses"]) != "none")
    if len(index):
        lit[index] = wear_glasses(*only(index))
    for name, put in OCCLUDERS.items():
        index = np.flatnonzero(np.asarray(factors["occluder"]) == name)
        if len(index):
            lit[index] = put(*only(index), texture[index])
