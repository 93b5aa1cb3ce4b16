"""What varies between people, scenes and pictures: every number behind a synthetic face."""

import numpy as np
from numpy.typing import NDArray

Factors = dict[str, NDArray[np.generic]]
"""name -> (N,) array, one value a face."""

Draw = dict[str, float | str]
"""name -> value of one person, scene or picture."""


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A draw between two numbers, each as likely."""
    return float(low + (high - low) * rng.random())


def bell(rng: np.random.Generator, sd: float, most: float) -> float:
    """A normal draw cut at `most` sd."""
    return float(np.clip(rng.standard_normal(), -most, most) * sd)


def draw_person(rng: np.random.Generator) -> Draw:
    """What a person keeps over all pictures: skin, hair, beard, brows, eyes, nose, habits."""
    male, age = rng.random() < 0.62, rng.random()
    skin = float(np.clip(0.42 + bell(rng, 0.12, 2.5), 0.12, 0.64))
    grey, fair = age > 0.65 and rng.random() < 0.5, rng.random() < 0.14
    low, high = (0.2, 0.5) if grey else (0.12, 0.3) if fair else (0.01, 0.1)
    bald = male and age > 0.4 and rng.random() < 0.4
    long = rng.random() < (0.08 if male else 0.7)
    bearded = male and rng.random() < 0.38
    habit = rng.random()
    return {
        "male": float(male),
        "age": age,
        "length": bell(rng, 0.055, 2.2),
        "lip_height": bell(rng, 0.055, 2.2),
        "lip_thickness": bell(rng, 0.045, 2.0),
        "skin": skin,
        "mottled": between(rng, 0.02, 0.12),
        "shine": between(rng, 0.0, 0.35),
        "nose_size": 1 + bell(rng, 0.12, 2),
        "nose_width": 1 + bell(rng, 0.1, 2),
        "ridge": 1 + bell(rng, 0.35, 2),
        "cheek": bell(rng, 1.0, 2),
        "hair": min(between(rng, low, high), skin * 1.1),
        "hairline": between(rng, -2.5, -2.0) if bald else between(rng, -2.05, -1.45),
        "temples": between(rng, 0.0, 1.0) * male,
        "fringe": float(not bald and rng.random() < 0.22),
        "parting": between(rng, -0.8, 0.8),
        "hair_volume": 0.02 if bald else between(rng, 0.15, 0.45) if long else between(rng, 0.03, 0.2),
        "hair_length": 2.6 if long else between(rng, -0.35, 0.15),
        "sideburn": between(rng, 0.0, 0.5) if male else between(rng, 0.0, 0.2),
        "moustache": between(rng, 0.3, 0.9) * (bearded and rng.random() < 0.8),
        "chin_beard": between(rng, 0.2, 0.9) * (bearded and rng.random() < 0.6),
        "cheek_beard": between(rng, 0.2, 0.8) * (bearded and rng.random() < 0.5),
        "stubble": between(rng, 0.0, 0.35) * male,
        "brow_width": between(rng, 0.065, 0.12) if male else between(rng, 0.045, 0.085),
        "brow_dark": between(rng, 0.45, 0.97),
        "iris": between(rng, 0.02, 0.16),
        "lash": between(rng, 0.3, 0.7) if male else between(rng, 0.5, 1.0),
        "eye_shadow": between(rng, 0.0, 0.25) if male else between(rng, 0.0, 0.6),
        "lip": between(rng, 0.42, 0.72) if male else between(rng, 0.28, 0.62),
        "wears_glasses": 0.0 if habit < 0.7 else 0.85 if habit < 0.92 else 0.5,
        "glasses_width": between(rng, 0.32, 0.43),
        "glasses_height": between(rng, 0.19, 0.31),
        "glasses_round": between(rng, 0.25, 0.95),
        "glasses_rim": between(rng, 0.018, 0.06),
        "glasses_grey": 0.01 + 0.25 * rng.random() ** 2,
        "wears_hat": 0.5 if rng.random() < 0.06 else 0.012,
    }


def draw_scene(rng: np.random.Generator, person: Draw) -> Draw:
    """What stays from picture to picture of one occasion: light, camera, place, dress and where the person looks."""
    habit = float(person["wears_glasses"])
    worn = rng.random() < habit if habit else rng.random() < 0.01
    dark = rng.random() < (0.08 if habit > 0.6 else 0.6)
    return {
        "scene_yaw": bell(rng, 9.0, 2.2),
        "scene_pitch": bell(rng, 6.0, 2.2),
        "light_angle": bell(rng, 55.0, 2.2),
        "light_height": between(rng, 0.0, 70.0),
        "key": between(rng, 0.35, 1.1),
        "ambient": between(rng, 0.15, 0.6),
        "shadow": between(rng, 0.2, 0.9),
        "scene_exposure": bell(rng, 0.17, 2.3) + (0.7 if rng.random() < 0.03 else 0.0),
        "contrast": float(np.clip(1.25 + bell(rng, 0.17, 2), 0.5, 1.8)) * (0.6 if rng.random() < 0.07 else 1.0),
        "scene_blur": 0.4 + rng.random() ** 2 * 1.1 + (0.6 if rng.random() < 0.1 else 0.0),
        "noise": 0.5 + rng.random() ** 4 * 5.0,
        "compression": between(rng, 0.1, 1.0) ** 2,
        "glasses": ("dark" if dark else "clear") if worn else "none",
        "hat": float(rng.random() < float(person["wears_hat"])),
        "cloth": 0.01 + 0.5 * rng.random() ** 2,
        "collar": float(rng.random() < 0.45),
        "background": rng.random() ** 2 * 0.42 + 0.01,
        "clutter": rng.random() ** 2,
    }


def draw_picture(rng: np.random.Generator, scene: Draw) -> Draw:
    """What changes from picture to picture: pose, place, expression, gaze, what is in the way.

    Angles in degrees (positive yaw turns to the picture's right, positive pitch up, positive roll clockwise), `scale`
    in pixels a unit of spread, `shift_x` and `shift_y`, `blur` and `motion` in pixels.
    """
    chance, speaking, smiling = rng.random(), rng.random() < 0.4, rng.random() < 0.4
    before = "hand" if chance < 0.035 else "microphone" if chance < 0.07 else "caption" if chance < 0.085 else "none"
    return {
        "yaw": float(scene["scene_yaw"]) + bell(rng, 10.0, 2.5),
        "pitch": float(scene["scene_pitch"]) + bell(rng, 8.5, 2.4),
        "roll": bell(rng, 4.6, 2.6),
        "scale": 26.44 * (1 + bell(rng, 0.065, 2.5)),
        "shift_x": bell(rng, 1.4, 2.5),
        "shift_y": bell(rng, 2.0, 2.5),
        "mouth_open": between(rng, 0.1, 1.05) if speaking else between(rng, 0.0, 0.12),
        "smile": between(rng, 0.3, 1.2) if smiling else bell(rng, 0.2, 2),
        "pucker": between(rng, 0.2, 1.0) if rng.random() < 0.12 else 0.0,
        "brow_raise": bell(rng, 0.5, 2.2),
        "eye_open": 0.0 if rng.random() < 0.06 else float(np.clip(0.92 + bell(rng, 0.28, 2), 0.1, 1.35)),
        "gaze_x": bell(rng, 0.06, 1.8),
        "gaze_y": bell(rng, 0.02, 1.8),
        "exposure": float(scene["scene_exposure"]) + bell(rng, 0.1, 2.3),
        "blur": float(scene["scene_blur"]) * between(rng, 0.85, 1.25),
        "motion": between(rng, 0.0, 1.6) if rng.random() < 0.12 else 0.0,
        "glare": rng.random() ** 2,
        "occluder": "hat" if scene["hat"] else before,
        "occluder_x": bell(rng, 0.5, 2),
        "occluder_y": rng.random(),
        "occluder_tilt": bell(rng, 0.5, 2),
        "occluder_grey": between(rng, 0.01, 0.5),
    }
