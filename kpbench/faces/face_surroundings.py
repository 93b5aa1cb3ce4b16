"""What is around and before a head: background, clothes, glasses, hats, hands, microphones and captions."""

import numpy as np

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
    return mix(picture, np.float32(0.62) + 0.0 * x, collar * column(np.asarray(factors["collar"], float)))


def wear_glasses(factors: Factors, lit: Pixels, view: View, seen: tuple[Pixels, Pixels], points: Floats) -> Pixels:
    """Glasses on a plane before the eyes: rims, bridge, temples, tinted or reflecting lenses."""
    kind = np.asarray(factors["glasses"])
    worn = column((kind != "none").astype(float))
    if not worn.any():
        return lit
    x, y = plane(view, *seen, 0.3)
    eye_x = column((points[:, [42, 45], 0].mean(axis=1) - points[:, [36, 39], 0].mean(axis=1)) / 2)
    eye_y = column(points[:, [36, 39, 42, 45], 1].mean(axis=1) + 0.06)
    wide, high = column(np.asarray(factors["glasses_width"], float)), column(np.asarray(factors["glasses_height"], float))
    corner = np.minimum(wide, high) * column(np.asarray(factors["glasses_round"], float))
    rim, grey = column(np.asarray(factors["glasses_rim"], float)), column(np.asarray(factors["glasses_grey"], float))
    aside = np.abs(x)
    qx, qy = np.abs(aside - eye_x) - wide + corner, np.abs(y - eye_y) - high + corner
    away = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2) + np.minimum(np.maximum(qx, qy), 0) - corner
    lens = inside(away, 0.05)
    dark = column((kind == "dark").astype(float))
    lit = lit * (1 - worn * lens * (0.06 + 0.84 * dark))
    glare = column(np.asarray(factors["glare"], float))
    band = bump(((aside - eye_x + 0.1 * np.sign(x) + 0.8 * (y - eye_y)) / 0.07) ** 2) * bump(((y - eye_y + 0.05) / 0.09) ** 2)
    lit = mix(lit, np.float32(0.85), worn * lens * band * glare * (0.8 - 0.3 * dark))
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
    return mix(lit, grey, worn * frame * 0.95)


def put_before(factors: Factors, lit: Pixels, view: View, seen: tuple[Pixels, Pixels], points: Floats, fine: Pixels) -> Pixels:
    """Whatever hides a part of the face: a hat, a hand, a microphone or a caption, by the factor `occluder`."""
    kind = np.asarray(factors["occluder"])
    grey, tilt = column(np.asarray(factors["occluder_grey"], float)), column(np.asarray(factors["occluder_tilt"], float))
    ox, oy = column(np.asarray(factors["occluder_x"], float)), column(np.asarray(factors["occluder_y"], float))
    texture = 1 + 0.2 * enlarge(fine, SIZE)

    def worn(name: str) -> Pixels:
        return column((kind == name).astype(float))

    if (kind == "hat").any():
        x, y = plane(view, *seen, 0.1)
        brow = column(points[:, [19, 24], 1].mean(axis=1))
        edge = brow - 0.22 - 0.3 * oy
        crown = inside(y - edge + 0.12 - 0.1 * x * x, 0.05) * inside(np.abs(x) - 1.75, 0.1)
        brim = inside(np.abs(y - edge + 0.1 * x * x) - 0.09, 0.05) * inside(np.abs(x) - 1.6 - ramp(tilt) * 1.2, 0.1)
        shadow = ramp(1 - (y - edge) * 1.6) * inside(edge - y, 0.05)
        lit = lit * (1 - 0.5 * worn("hat") * shadow)
        lit = mix(lit, grey * texture, worn("hat") * crown)
        lit = mix(lit, grey * 0.7 * texture, worn("hat") * brim)
    if (kind == "hand").any():
        x, y = plane(view, *seen, 0.4)
        side = np.sign(ox + np.float32(1e-3))
        skin = column(np.asarray(factors["skin"], float))
        px, py = x * side - 0.95, y - 1.35 + 0.5 * oy
        hand = np.zeros_like(lit)
        for i in range(4):
            finger = segment_distance(px, py, (0.3 + 0 * tilt, 0.3 + 0.14 * i + 0 * tilt), (-0.35 - 0.1 * (i % 3) + 0 * tilt, -0.15 + 0.2 * i + 0.3 * tilt))
            cover = inside(finger - 0.1, 0.05)
            lit = mix(lit, skin * (0.75 - 0.5 * ramp(finger * 9 - 0.1)) * texture, worn("hand") * cover)
            hand = np.maximum(hand, cover)
        palm = inside(np.sqrt((px - 0.6) ** 2 + (py - 0.6) ** 2) - 0.45, 0.08)
        lit = mix(lit, skin * 0.55 * texture, worn("hand") * palm)
    if (kind == "microphone").any():
        x, y = plane(view, *seen, 0.5)
        cx, cy = ox * 0.9, 1.35 + 0.5 * oy
        away = np.sqrt((x - cx) ** 2 + (y - cy) ** 2)
        stick = segment_distance(x, y, (cx, cy), (cx + 1.5 * tilt, cy + 2.0 + 0 * tilt))
        lit = mix(lit, grey * 0.3 + 0 * x, worn("microphone") * inside(stick - 0.09, 0.04))
        mesh = grey * (0.4 + 0.8 * bump((x - cx + 0.1) ** 2 * 20 + (y - cy + 0.1) ** 2 * 20)) * texture
        lit = mix(lit, mesh, worn("microphone") * inside(away - 0.3, 0.05))
    if (kind == "caption").any():
        row = np.linspace(0, 1, SIZE, dtype=np.float32)[None, :, None]
        band = inside(np.abs(row - 0.9 - 0.08 * oy) - 0.045, 0.02)
        letters = 0.05 + 0.75 * ramp(enlarge(fine, SIZE) * 6)
        lit = mix(lit, letters, worn("caption") * band)
    return lit
