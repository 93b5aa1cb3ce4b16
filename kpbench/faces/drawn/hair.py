"""Hair: where it grows and how its strands run."""

import numpy as np

from kpbench.faces.drawn.canvas import Canvas
from kpbench.faces.drawn.soft_shapes import Grid, Pixels, bump, inside, ramp


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
