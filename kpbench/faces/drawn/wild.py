"""What version 3 adds to version 2's people, scenes and pictures: wider pose, other light, detail, and labels that err.

Its random numbers have streams of their own, so that version 2 stays what it was. Widths are chosen so that grey
values, their spectrum, roll, turn, place and size spread as on the real training faces (reports/LOG.md).
"""

import numpy as np

from kpbench.faces.drawn.canvas import Canvas
from kpbench.faces.drawn.factors import Draw, Factors, bell, between
from kpbench.faces.drawn.soft_shapes import Pixels, column, enlarge
from kpbench.faces.faces import SIZE

STRETCHED = {
    "yaw": (1.25, 0.0),
    "pitch": (0.92, 0.0),
    "roll": (1.6, 0.0),
    "scale": (0.72, 26.9),
    "shift_x": (0.85, -1.45),
    "shift_y": (1.0, -0.35),
    "smile": (0.75, 0.0),
    "noise": (0.75, 0.0),
}
"""What spreads more or less than in version 2: by which factor, and moved how far; for `scale`, about which middle."""

OVERSHOOT = 1.22
"""A label's yaw for each degree that the head turns: real labels put a turned head's nose and lips too far out."""


def person_too(rng: np.random.Generator) -> Draw:
    """What a person keeps, beside or instead of what `draw_person` says: detail of the skin, width of the jaw, hair."""
    own: Draw = {"detail": 0.01 + 0.12 * rng.random() ** 1.5, "jaw": bell(rng, 0.08, 2)}
    brows, loose = between(rng, 0.8, 1.6), rng.random() < 0.5
    hair: Draw = {"hair_volume": between(rng, 0.1, 0.7), "hair_length": between(rng, -0.35, 2.6)}
    return own | {"brow_size": brows} | (hair if loose else {})


def scene_too(rng: np.random.Generator) -> Draw:
    """What stays on an occasion: the background's grain, beams and brightness, and how far its labels are turned."""
    return {
        "texture": 0.5 * rng.random(),
        "beams": 0.6 * rng.random() ** 2,
        "lighter": 0.35 * rng.random() if rng.random() < 0.4 else 0.0,
        "label_turn": bell(rng, 2.0, 2.5),
    }


def picture_too(rng: np.random.Generator, draw: Draw) -> Draw:
    """A picture's draws with wider pose and other light, and the pose that its labels are taken for.

    Angles in degrees; `label_x` and `label_y` in pixels. `label_slip` is how many times larger than usual the errors
    of a label's pose are: a tracker may lose a face. Their sizes: `kpbench.faces.drawn.labels`.
    """
    wide = {name: float(draw[name]) for name in STRETCHED}
    for name, (factor, moved) in STRETCHED.items():
        wide[name] = moved + factor * (wide[name] - 26.44) if name == "scale" else moved + factor * wide[name]
    slip = 2.3 if rng.random() < 0.07 else 1.0
    turned, nodded, rolled, sized, right, down = (
        slip * bell(rng, sd, 2.5) for sd in (1.7, 2.5, 0.9, 0.022, 0.45, 0.45)
    )
    return draw | wide | {
        "uneven": 0.3 * rng.random(),
        "sharpen": 0.9 * rng.random(),
        "curve": bell(rng, 0.25, 2),
        "brow_width": float(draw["brow_width"]) * float(draw["brow_size"]),
        "label_slip": slip,
        "label_yaw": wide["yaw"] * OVERSHOOT + float(draw["label_turn"]) + turned,
        "label_pitch": wide["pitch"] + nodded,
        "label_roll": wide["roll"] + rolled,
        "label_scale": wide["scale"] * (1 + sized),
        "label_x": right,
        "label_y": down,
    }  # fmt: skip


def add_detail(canvas: Canvas, skin: Pixels, fine: Pixels, coarse: Pixels) -> Pixels:
    """Skin with pores, spots and lines that no shape stands for; `fine` and `coarse` are noise (B, k, k)."""
    field = 0.7 * enlarge(fine, SIZE) + 0.5 * enlarge(coarse, SIZE)
    return np.asarray(skin * np.maximum(1 + canvas.factor("detail") * field, np.float32(0.2)))


def light_unevenly(canvas: Canvas, lit: Pixels, slow: Pixels) -> Pixels:
    """The head under light that comes and goes over it, as through leaves; `slow` is noise (B, k, k)."""
    return np.asarray(lit * np.maximum(1 + canvas.factor("uneven") * enlarge(slow, SIZE), np.float32(0.2)))


def fill_room(factors: Factors, room: Pixels, fine: Pixels, across: Pixels) -> Pixels:
    """A background with grain, posts and shelves, and more light; `fine` is noise (B, k, k), `across` (B, 2, k)."""
    texture, beams, lighter = (column(factors[name].astype(np.float64)) for name in ("texture", "beams", "lighter"))
    square = np.broadcast_to(across[:, :, None, :], (*across.shape[:2], across.shape[2], across.shape[2]))
    posts, shelves = enlarge(square[:, 0], SIZE), enlarge(square[:, 1].swapaxes(1, 2), SIZE)
    room = room * np.maximum(1 + texture * enlarge(fine, SIZE) + beams * (posts + 0.7 * shelves), np.float32(0.1))
    return room + lighter
