"""The built-in faces: drawn people whose keypoints move as Kaggle's do, the same for a seed everywhere."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.face_camera import photograph
from kpbench.faces.face_factors import Draw, Factors, draw_person, draw_picture, draw_size
from kpbench.faces.face_paint import Canvas, comb, hair_cover, paint_brows, paint_eyes, paint_mouth, paint_skin
from kpbench.faces.face_relief import GRID, light_relief, meet, raise_relief
from kpbench.faces.face_shape import Floats, expressed, reduce_to_15, shape_model, view_of
from kpbench.faces.face_surroundings import paint_background, paint_clothes, plane, put_before
from kpbench.faces.faces import SIZE, Faces
from kpbench.faces.soft_shapes import Pixels, column, enlarge, mix, ramp

VERSION = 1
"""Changes whenever the pixels for a seed do; part of a cache's key."""

BATCH = 8
"""Faces drawn at once; small enough for a processor's cache. No face depends on it."""

_PEOPLE, _PICTURES = 1, 2
"""The streams of random numbers: one a person, one a picture."""


def generate(n: int = 2140, *, seed: int = 0) -> Faces:
    """Draw `n` faces of about n / 13 people, ordered by person.

    A face depends on the seed and its own position alone: `generate(100)` equals the first 100 of `generate(200)`,
    on every process and thread count.

    Returns:
        images uint8 (n, 1, 96, 96), keypoints float32 (n, 15, 2) in pixels, subjects int64 (n,), and every factor behind
        a picture as a condition (n,): yaw, pitch, roll (degrees), scale (pixels a unit of spread), light_angle, blur, ...

    Raises:
        ValueError: n is not positive or the seed is negative.
    """
    if n <= 0:
        raise ValueError(f"n must be at least 1, got {n}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    subjects, factors, points = _draw_people(n, seed)
    images = np.empty((n, 1, SIZE, SIZE), dtype=np.uint8)
    keypoints = np.empty((n, 15, 2), dtype=np.float32)
    for start in range(0, n, BATCH):
        part = slice(start, min(start + BATCH, n))
        chosen = {name: values[part] for name, values in factors.items()}
        chances = [np.random.default_rng([seed, _PICTURES, i, 1]) for i in range(part.start, part.stop)]
        images[part, 0], keypoints[part] = _draw_faces(points[part], chosen, chances)
    return Faces(images, keypoints, subjects, factors)


def _draw_people(n: int, seed: int) -> tuple[NDArray[np.int64], Factors, Floats]:
    """Subjects (n,), factors (n,) each and expressed 68 points (n, 68, 2)."""
    model = shape_model()
    subjects, draws, shapes = np.empty(n, dtype=np.int64), cast(list[Draw], []), []
    person: Draw = {}
    subject, left, own = -1, 0, model.mean
    for i in range(n):
        if left == 0:
            subject += 1
            rng = np.random.default_rng([seed, _PEOPLE, subject])
            left = draw_size(rng)
            person = draw_person(rng)
            even, odd = rng.standard_normal((2, len(model.even))).clip(-2.2, 2.2)
            own = (
                model.mean
                + 0.85 * np.einsum("k,kpd->pd", even, model.even)
                + 0.5 * np.einsum("k,kpd->pd", odd, model.odd)
            )
        left -= 1
        rng = np.random.default_rng([seed, _PICTURES, i, 0])
        picture = draw_picture(rng, person)
        even, odd = rng.standard_normal((2, len(model.even))).clip(-2.2, 2.2)
        moved = 0.45 * np.einsum("k,kpd->pd", even, model.even) + 0.4 * np.einsum("k,kpd->pd", odd, model.odd)
        shape = own + moved
        shape[:, 1] += (shape[:, 1] + 0.36) * float(person["length"])
        shape[48:, 1] += float(person["lip_height"])
        shapes.append(shape)
        draws.append({**person, **picture})
        subjects[i] = subject
    factors: Factors = {name: np.array([draw[name] for draw in draws]) for name in draws[0]}
    return subjects, factors, expressed(np.stack(shapes), factors)


def _softened(picture: Pixels, hit: NDArray[np.bool_]) -> Pixels:
    """The picture with the stairs of the head's outline smoothed away."""

    def binomial(field: Pixels) -> Pixels:
        for axis in (1, 2):
            wide = np.pad(field, [(0, 0)] + [(1, 1) if a == axis else (0, 0) for a in (1, 2)], mode="edge")
            before, after = (wide[:, :-2], wide[:, 2:]) if axis == 1 else (wide[:, :, :-2], wide[:, :, 2:])
            field = field * np.float32(0.5) + (before + after) * np.float32(0.25)
        return field

    part = binomial(hit.astype(np.float32))
    return mix(picture, binomial(picture), np.minimum(part * (1 - part) * 5, 1))


def _draw_faces(
    points: Floats, factors: Factors, chances: list[np.random.Generator]
) -> tuple[NDArray[np.uint8], Floats]:
    """Images (B, 96, 96) and keypoints (B, 15, 2) of faces with the given points and factors."""

    def noise(*shape: int) -> Pixels:
        return np.stack([rng.standard_normal(shape, dtype=np.float32) for rng in chances])

    relief = raise_relief(points, factors)
    flat = reduce_to_15(points)
    solid = np.concatenate([flat, relief.at(flat)[..., None]], axis=-1)
    view = view_of(factors, solid)
    seen = view.unproject(SIZE)
    bright, shine = light_relief(relief, factors, view)
    x, y, hit = meet(relief, view, *seen)
    shade, gloss = GRID.sample([bright, shine], x, y)
    blotches = enlarge(noise(24, 24), SIZE) * 0.7 + enlarge(noise(7, 7), SIZE) * 0.5
    jagged = comb(x, y, noise(24, 24), factors)

    pixels = view.project(np.concatenate([points, relief.at(points)[..., None]], axis=-1))
    canvas = Canvas(x, y, points, pixels, factors)
    lit = paint_skin(canvas, blotches)
    paint_brows(canvas, lit, jagged)
    lit *= shade
    paint_eyes(canvas, lit, shade)
    paint_mouth(canvas, lit, shade)
    lit += gloss * column(np.asarray(factors["shine"], float)) * 0.6

    rows = np.clip((y - GRID.y0) / np.float32(GRID.step), 0, GRID.height - 1).astype(np.intp)
    faces = np.arange(len(points))[:, None, None]
    half = relief.half_width[faces, rows]
    hair = hair_cover(canvas, half, jagged)
    strands = column(np.asarray(factors["hair"], float)) * (1 + 0.4 * jagged) * (0.25 + 0.75 * shade)
    lit = mix(lit, np.maximum(strands, np.float32(0.003)), hair)

    room = paint_background(
        factors, noise(5, 5), noise(13, 13), np.stack([rng.random((4, 5), dtype=np.float32) for rng in chances])
    )
    room = paint_clothes(factors, room, *plane(view, *seen, -0.9), noise(24, 24))
    low = ramp((np.float32(1.75) - y) * 2 + np.abs(x) * 0.0)
    lit = _softened(np.where(hit, lit * (0.75 + 0.25 * low), room), hit)
    put_before(factors, lit, view, seen, points, noise(24, 24))
    grey = photograph(lit, factors, noise(SIZE, SIZE))
    return np.rint(np.clip(grey, 0, 255)).astype(np.uint8), view.project(solid)
