"""The built-in faces: drawn people whose keypoints move as Kaggle's do, the same for a seed everywhere."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.drawn.camera import photograph, soften_outline
from kpbench.faces.drawn.canvas import Canvas
from kpbench.faces.drawn.cast import PERSON, PICTURE, SCENE, cast, label_noise, stream
from kpbench.faces.drawn.factors import Factors
from kpbench.faces.drawn.labels import tracked
from kpbench.faces.drawn.light import light_relief
from kpbench.faces.drawn.paint import comb, hair_cover, paint_brows, paint_eyes, paint_mouth, paint_skin
from kpbench.faces.drawn.relief import GRID, Relief, meet, raise_relief
from kpbench.faces.drawn.shape import Floats, View, reduce_to_15, view_of
from kpbench.faces.drawn.soft_shapes import Pixels, enlarge, mix, ramp
from kpbench.faces.drawn.surroundings import paint_background, paint_clothes, put_before
from kpbench.faces.drawn.wild import add_detail, fill_room, light_unevenly
from kpbench.faces.faces import SIZE, Faces

VERSION = 3
"""Changes whenever the pixels or labels for a seed do; part of a cache's key."""

VERSIONS = (2, 3)
"""Those that can be drawn: 2 has exact labels, narrower pose and smoother pictures."""

BATCH = 8
"""Faces drawn at once, so that they fit a processor's cache; no face depends on it."""

THREADS = 2
"""Batches drawn side by side; numpy lets go of Python's lock while it works."""

Streams = list[np.random.Generator]


def generate(n: int = 2140, *, seed: int = 0, version: int = VERSION) -> Faces:
    """Draw `n` faces of about n / 13 people, ordered by person, as a version of `VERSIONS` draws them.

    A face depends on the seed and on its position alone: `generate(100)` equals the first 100 of `generate(200)`.
    Pixels come from sums, products, quotients and square roots, which IEEE 754 rounds alike everywhere, and from no
    BLAS, so neither processes nor threads change them.

    Returns:
        images uint8 (n, 1, 96, 96), keypoints float32 (n, 15, 2) in pixels, subjects int64 (n,), and as conditions
        every factor of `face_factors`, (n,) each, with `scene`, the number of the occasion a picture belongs to.

    Raises:
        ValueError: n is not positive, the seed is negative, or there is no such version.
    """
    if version not in VERSIONS:
        raise ValueError(f"version must be one of {VERSIONS}, got {version}")
    subjects, factors, points = cast(n, seed, wild=version > 2)
    images = np.empty((n, 1, SIZE, SIZE), dtype=np.uint8)
    keypoints = np.empty((n, 15, 2), dtype=np.float32)

    def draw(part: slice) -> None:
        batch = {name: values[part] for name, values in factors.items()}
        relief = raise_relief(points[part], batch)
        lifted = relief.lift(reduce_to_15(points[part]))
        if version > 2:
            keypoints[part], view = tracked(batch, lifted, label_noise(seed, part))
        else:
            view = view_of(batch, lifted)
            keypoints[part] = view.project(lifted)
        streams = [
            [stream(seed, kind, int(number), 1) for number in numbers]
            for kind, numbers in (
                (PERSON, subjects[part]),
                (SCENE, factors["scene"][part]),
                (PICTURE, range(part.start, part.stop)),
            )
        ]
        images[part, 0] = _draw_faces(points[part], batch, relief, view, *streams)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(draw, (slice(start, min(start + BATCH, n)) for start in range(0, n, BATCH))))
    return Faces(images, keypoints, subjects, factors)


def _noise(streams: Streams, cells: int, rows: int | None = None) -> Pixels:
    return np.stack([rng.standard_normal((rows or cells, cells), dtype=np.float32) for rng in streams])


def _draw_faces(
    points: Floats, factors: Factors, relief: Relief, view: View, person: Streams, scene: Streams, picture: Streams
) -> NDArray[np.uint8]:
    """The images (B, 96, 96) of a batch of heads, with random fields of the person, the scene and the picture."""
    seen = view.unproject(SIZE)
    x, y, hit = meet(relief, view, *seen)
    shade, gloss = GRID.sample(list(light_relief(relief, factors, view)), x, y)
    canvas = Canvas(x, y, points, view.project(relief.lift(points)), factors, view, seen)

    grain = 0.7 * enlarge(_noise(person, 24), SIZE) + 0.5 * enlarge(_noise(person, 7), SIZE)
    wild = "detail" in factors  # of version 3
    strands = comb(canvas, _noise(person, 24))
    lit = paint_skin(canvas, grain)
    paint_brows(canvas, lit, strands)
    if wild:
        lit = add_detail(canvas, lit, _noise(person, 30), _noise(person, 12))
    lit *= shade
    paint_eyes(canvas, lit, shade)
    paint_mouth(canvas, lit, shade)
    lit += 0.6 * canvas.factor("shine") * gloss
    hair = canvas.factor("hair") * (1 + 0.4 * strands) * (0.25 + 0.75 * shade)
    lit = mix(lit, np.maximum(hair, np.float32(0.003)), hair_cover(canvas, relief.half_width_at(y), strands))
    lit *= 0.75 + 0.25 * ramp((np.float32(1.75) - y) * 2)

    boxes = np.stack([rng.random((4, 5), dtype=np.float32) for rng in scene])
    room = paint_background(factors, _noise(scene, 5), _noise(scene, 13), boxes)
    if wild:
        lit = light_unevenly(canvas, lit, _noise(scene, 4))
        across = _noise(scene, 16, rows=2)
        room = fill_room(factors, room, _noise(scene, 30), across)
    room = paint_clothes(canvas, room, _noise(scene, 24))
    lit = soften_outline(np.where(hit, lit, room), hit)
    put_before(canvas, lit, _noise(picture, 24))
    return photograph(lit, factors, _noise(picture, SIZE))
