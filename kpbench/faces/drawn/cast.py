"""Who is drawn: people over several occasions and pictures, each with features and an expression of its own."""

import numpy as np
from numpy.typing import NDArray

from kpbench.faces.drawn.factors import Draw, Factors, draw_person, draw_picture, draw_scene
from kpbench.faces.drawn.labels import placed
from kpbench.faces.drawn.shape import Floats, drawn_shape, expressed, shape_model
from kpbench.faces.drawn.wild import person_too, picture_too, scene_too

PERSON, SCENE, PICTURE = 1, 2, 3
"""The streams of random numbers."""


def stream(seed: int, *path: int) -> np.random.Generator:
    """The generator of one thing that is drawn, independent of every other's."""
    return np.random.default_rng([seed, *path])


def label_noise(seed: int, part: slice) -> Floats:
    """What each label of some pictures has of its own, (B, 15, 2) with unit sd."""
    numbers = range(part.start, part.stop)
    return np.stack([stream(seed, PICTURE, number, 3).standard_normal((15, 2)) for number in numbers])


def cast(n: int, seed: int, *, wild: bool = True) -> tuple[NDArray[np.int64], Factors, Floats]:
    """Who is on each picture and how: subjects (n,), factors (n,) each, and expressed 68 points (n, 68, 2).

    Args:
        wild: with what version 3 adds.

    Raises:
        ValueError: n is not positive or the seed is negative.
    """
    if n <= 0:
        raise ValueError(f"n must be at least 1, got {n}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    subjects, draws, shapes = np.empty(n, dtype=np.int64), [], []
    person, scene, subject, occasion, person_left, scene_left = Draw(), Draw(), -1, -1, 0, 0
    own = shape_model().mean
    for i in range(n):
        if person_left == 0:
            subject, scene_left = subject + 1, 0
            rng = stream(seed, PERSON, subject, 0)
            person_left = 4 + int(rng.gamma(1.5, 6.0) + 0.5)  # 13 on average as in the course's real faces
            person = draw_person(rng)
            if wild:
                person |= person_too(stream(seed, PERSON, subject, 2))
            own = drawn_shape(rng, shape_model().mean, 0.8, 0.4)
            own[:, 1] += (own[:, 1] + 0.36) * (0.03 + float(person["length"]))
            own[48:, 1] += float(person["lip_height"])
            own[49:54, 1] -= float(person["lip_thickness"])
        if scene_left == 0:
            occasion += 1
            rng = stream(seed, SCENE, occasion, 0)
            scene_left, scene = 2 + int(rng.integers(5)), draw_scene(rng, person)
            if wild:
                scene |= scene_too(stream(seed, SCENE, occasion, 2))
        person_left, scene_left = person_left - 1, scene_left - 1
        rng = stream(seed, PICTURE, i, 0)
        draw: Draw = {"scene": occasion, **person, **scene, **draw_picture(rng, scene)}
        draws.append(picture_too(stream(seed, PICTURE, i, 2), draw) if wild else draw)
        shapes.append(drawn_shape(rng, own, 0.45, 0.35))
        subjects[i] = subject
    factors: Factors = {name: np.array([draw[name] for draw in draws]) for name in draws[0]}
    still = np.stack(shapes)
    return subjects, factors, expressed(placed(still, factors) if wild else still, factors)
