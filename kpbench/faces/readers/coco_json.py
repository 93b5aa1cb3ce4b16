"""The layout of COCO's keypoint annotations: a JSON a part, the pictures, and a mapping to the 15 keypoints."""

import json
import posixpath
from collections import Counter
from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ValidationError

from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS
from kpbench.faces.parts import Parts, Progress
from kpbench.faces.readers.coco_mapping import Mapped, mapped_indices, mapped_points, read_mapping
from kpbench.faces.readers.files import MAPPING, DataFile, contents
from kpbench.faces.readers.image_csv import part_files
from kpbench.faces.readers.picture_faces import Labelled, PictureFiles, cut_parts, picture_notes, pictures_of
from kpbench.faces.readers.row_faults import RowFaults

EXPECTS = "pictures, a JSON of COCO keypoints and a mapping (--mapping FILE, or mapping.toml beside the JSON)"

LARGEST_JSON = 512 * 1024**2
"""Bytes; the keypoints of COCO's own training part have 240 million."""


class Image(BaseModel):
    """A picture in the JSON."""

    id: int | str
    file_name: str


class Category(BaseModel):
    """A kind of thing, with the names of its keypoints."""

    id: int
    keypoints: list[str] = []


class Annotation(BaseModel):
    """A thing in a picture; `bbox` is left, top, width and height from the picture's edge."""

    image_id: int | str
    category_id: int
    keypoints: list[float] = []
    bbox: tuple[float, float, float, float] | None = None
    iscrowd: int = 0


class Coco(BaseModel):
    """What is read of the JSON; other fields are passed over."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]


def find(files: Mapping[str, DataFile]) -> dict[str, DataFile]:
    """The JSONs of keypoints, all pictures and the mapping, by relative name; empty where there is no such JSON."""
    tables = {name: file for name, file in files.items() if name.lower().endswith(".json") and _is_coco(file)}
    if not tables:
        return {}
    found = tables | pictures_of(files)
    places = [posixpath.join(posixpath.dirname(name), "mapping.toml") for name in tables]
    beside = next((files[place] for place in places if place in files), None)
    mapping = files.get(MAPPING, beside)
    return found if mapping is None else found | {MAPPING: mapping}


def _is_coco(file: DataFile) -> bool:
    try:
        with contents(largest=LARGEST_JSON) as content:
            text = content(file)
    except UsageError:
        return False
    return all(f'"{word}"'.encode() in text for word in ("images", "annotations", "categories", "keypoints"))


def read(files: Mapping[str, DataFile], progress: Progress) -> Parts:
    """The parts in the files that `find` found, one face an annotation, cut out by its box.

    Keypoints: (0, 0) is the centre of the upper left pixel; visibility 0 is a missing label. Annotations of crowds and
    those without one of the mapped keypoints are passed over and counted.

    Raises:
        UsageError: no mapping; the JSON or the mapping is wrong; a picture is missing or broken.
    """
    tables = part_files(files, [name for name in files if name.lower().endswith(".json")])
    if MAPPING not in files:
        raise UsageError(
            f"{files[tables['train']].where}: COCO's keypoints have names of their own; write a TOML of lines such as "
            f'{KEYPOINTS[10]} = "nose" and give it with --mapping, or put it beside the JSON as mapping.toml'
        )
    mapped = read_mapping(files[MAPPING])
    pictures = PictureFiles(files)
    done: Counter[str] = Counter()
    faults = RowFaults()
    labelled = {
        part: _labelled(files[name], name, part, mapped, files[MAPPING].where, pictures, done)
        for part, name in tables.items()
    }
    faces = cut_parts(labelled, files, None, progress, done, faults)
    faults.refuse()
    notes = picture_notes(done)
    for kind, words in (("crowd", "of crowds"), ("bare", "without one of the mapped keypoints")):
        if done[kind]:
            notes.append(f"{done[kind]:,} annotations {words} passed over")
    if lacking := [name for name in KEYPOINTS if name not in mapped]:
        notes.append(f"the mapping has no {', '.join(lacking)}: no label there")
    return Parts(faces["train"], faces.get("val"), faces.get("test"), tuple(notes))


def _labelled(
    file: DataFile, name: str, part: str, mapped: Mapped, where: str, pictures: PictureFiles, done: Counter[str]
) -> list[Labelled]:
    coco = _parse(file)
    images = {image.id: image.file_name for image in coco.images}
    categories = {category.id: category.keypoints for category in coco.categories if category.keypoints}
    if not categories:
        raise UsageError(f"{file.where}: no category has keypoints; give annotations of keypoints")
    sources = {key: mapped_indices(mapped, names, where) for key, names in categories.items()}
    found = []
    for number, annotation in enumerate(coco.annotations):
        place = f"{file.where}, annotation {number}"
        if annotation.iscrowd:
            done["crowd"] += 1
            continue
        names = categories.get(annotation.category_id)
        if names is None or not annotation.keypoints:
            done["bare"] += 1
            continue
        flat = np.array(annotation.keypoints, np.float64)
        if len(flat) != 3 * len(names) or not np.isfinite(flat).all():
            raise UsageError(
                f"{place}: {len(flat)} numbers in keypoints, expected {3 * len(names)} finite ones "
                "(x, y, visibility); correct or remove it"
            )
        points = mapped_points(sources[annotation.category_id], flat)
        if not np.isfinite(points).any():
            done["bare"] += 1
            continue
        if annotation.image_id not in images:
            raise UsageError(f"{place}: no image has the id {annotation.image_id!a}; correct or remove it")
        box = annotation.bbox
        if box is not None and not (np.isfinite(box).all() and box[2] > 0 and box[3] > 0 and np.abs(box).max() < 1e6):
            raise UsageError(f"{place}: bbox {list(box)} is no box of left, top, width, height; correct or remove it")
        picture = pictures.of(images[annotation.image_id], name, part, place)
        found.append(Labelled(picture, place, f"{file.name}, annotation {number}", points, box))
    if not found:
        raise UsageError(f"{file.where}: no annotation has one of the mapped keypoints; check the mapping {where}")
    return found


def _parse(file: DataFile) -> Coco:
    try:
        with contents(largest=LARGEST_JSON) as content:
            return Coco.model_validate(json.loads(content(file)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"{file.where}: {place}: {first['msg']}; COCO's keypoints look otherwise") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file.where}: cannot be read as JSON: {str(error)[:120]}") from None
