"""How well faces are found, and which margin suits a model: `python benchmarks/detected_faces.py DATA MODEL`.

Each validation face is resized to 96 to 300 pixels, pasted on a picture of 640 x 480 pixels and looked for. For each
margin around the detector's box: the model's score on the faces found, their points taken back to the 96x96 face that
was pasted. The backgrounds: the face's own edge repeated, smooth noise. No test split is opened.
"""

import argparse
import json
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import kpbench
from kpbench.faces.faces import SIZE, Faces
from kpbench.faces.pictures.boxes import widened
from kpbench.faces.pictures.detector import find_faces
from kpbench.faces.readers.crop import Box, Square, box_square, resample
from kpbench.studies.models import open_model
from kpbench.studies.predict import Network, network_of
from kpbench.task.score import score_from_mse

MARGINS = (-0.04, 0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2)
WIDTH, HEIGHT = 640, 480

Grey = NDArray[np.uint8]


def pasted(image: Grey, background: str, rng: np.random.Generator) -> tuple[Grey, Square]:
    """A picture (480, 640) with a face (96, 96) on it, and where the face is."""
    side = int(rng.integers(SIZE, 301))
    left, top = int(rng.integers(0, WIDTH - side)), int(rng.integers(0, HEIGHT - side))
    face = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    noise = Image.fromarray(rng.integers(0, 256, (12, 16), dtype=np.uint8))
    if background == "edge":
        picture = np.pad(face, ((top, HEIGHT - side - top), (left, WIDTH - side - left)), mode="edge")
    else:
        picture = np.array(noise.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        picture[top : top + side, left : left + side] = face
    return picture, Square(left, top, side)


def is_face(box: Box, face: Square) -> bool:
    """Whether a box is the pasted face: centres nearer than a quarter of its side, half to 1.6 times as large."""
    x, y, w, _ = box
    away = np.array([x + w / 2 - face.left - face.side / 2, y + w / 2 - face.top - face.side / 2])
    return bool((np.abs(away) < face.side / 4).all() and 0.5 < w / face.side < 1.6)


def measured(network: Network, faces: Faces, background: str) -> Iterator[dict[str, object]]:
    """How many faces were found, then the score by margin."""
    rng = np.random.default_rng(0)
    found, others, spreads = [], 0, []
    for image, points in zip(faces.images[:, 0], faces.keypoints.astype(np.float64), strict=True):
        picture, face = pasted(image, background, rng)
        boxes = find_faces(picture)
        own = [box for box in boxes if is_face(box, face)]
        others += len(boxes) - bool(own)
        if own:
            found.append((picture, face, own[0], points))
            away = face.back(points)
            spreads.append(np.sqrt(((away - away.mean(axis=0)) ** 2).sum(axis=1).mean()) / own[0][2])
    yield {
        "background": background, "faces": len(faces), "found": len(found), "other_boxes": others,
        "spread_by_box": round(float(np.mean(spreads)), 4), "sd": round(float(np.std(spreads)), 4),
    }  # fmt: skip
    crops = np.stack([image for image, points in zip(faces.images, faces.keypoints, strict=True)])
    error = (network(crops) - faces.keypoints) / 48
    yield {
        "background": background,
        "all faces, as they were pasted": round(score_from_mse(float((error**2).mean())), 1),
    }
    for margin in (None, *MARGINS):
        squares = [face if margin is None else box_square(widened(box, margin)) for _, face, box, _ in found]
        crops = np.stack([resample(picture, at)[None] for at, (picture, *_) in zip(squares, found, strict=True)])
        guessed = [
            face.move(at.back(points))
            for at, points, (_, face, _, _) in zip(squares, network(crops), found, strict=True)
        ]
        error = (np.stack(guessed) - np.stack([points for *_, points in found])) / 48
        yield {
            "background": background,
            "margin": "the pasted square itself" if margin is None else margin,
            "score": round(score_from_mse(float((error**2).mean())), 1),
        }


def main() -> None:
    """Prints one JSON object a line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data")
    words.add_argument("model")
    asked = words.parse_args()
    torch.set_num_threads(1)
    network, faces = network_of(open_model(asked.model)), kpbench.load_faces(asked.data).val
    for background in ("edge", "noise"):
        for row in measured(network, faces, background):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
