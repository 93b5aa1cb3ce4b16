"""What a set of labelled faces is, and its three splits with the test split sealed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SIZE = 96
"""Width and height of a face in pixels."""

KEYPOINTS = (
    "left_eye_center",
    "right_eye_center",
    "left_eye_inner_corner",
    "left_eye_outer_corner",
    "right_eye_inner_corner",
    "right_eye_outer_corner",
    "left_eyebrow_inner_end",
    "left_eyebrow_outer_end",
    "right_eyebrow_inner_end",
    "right_eyebrow_outer_end",
    "nose_tip",
    "mouth_left_corner",
    "mouth_right_corner",
    "mouth_center_top_lip",
    "mouth_center_bottom_lip",
)
"""The 15 keypoints in the column order of Kaggle's files; left and right are the subject's own."""


def mirrored_order() -> tuple[int, ...]:
    """For each keypoint the index of its left/right partner (itself when it has none)."""
    swap = {"left": "right", "right": "left"}
    names = ["_".join(swap.get(word, word) for word in name.split("_")) for name in KEYPOINTS]
    return tuple(KEYPOINTS.index(name) for name in names)


@dataclass(frozen=True, eq=False)
class Faces:
    """Labelled faces as read-only arrays.

    Attributes:
        images: uint8 (N, 1, 96, 96).
        keypoints: float32 (N, 15, 2), x then y, in pixels of the image; NaN where a label is missing.
        subjects: int64 (N,), the person on each face, or None where nobody knows.
        conditions: name -> (N,) array, what is known of how each face was taken or drawn.
        origins: (N, 2), the picture file of each face and where its label stands, or None where they are arrays.
    """

    images: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    subjects: NDArray[np.int64] | None = None
    conditions: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    origins: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.images.dtype != np.uint8 or self.images.shape != (n, 1, SIZE, SIZE):
            raise ValueError(f"images must be uint8 (N, 1, 96, 96), got {self.images.dtype} {self.images.shape}")
        if self.keypoints.dtype != np.float32 or self.keypoints.shape != (n, len(KEYPOINTS), 2):
            raise ValueError(f"keypoints must be float32 (N, 15, 2), got {self.keypoints.dtype} {self.keypoints.shape}")
        arrays: list[NDArray[np.generic]] = [self.images, self.keypoints, *self.conditions.values()]
        arrays += [array for array in (self.subjects, self.origins) if array is not None]
        for array in arrays:
            if len(array) != n:
                raise ValueError(f"all arrays must hold {n} faces, one holds {len(array)}")
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.images)

    def complete(self) -> NDArray[np.bool_]:
        """(N,): which of these faces have all their labels."""
        return np.asarray(np.isfinite(self.keypoints).all(axis=(1, 2)))

    def take(self, index: NDArray[np.intp]) -> "Faces":
        """The faces at `index`, copied."""
        return Faces(
            self.images[index],
            self.keypoints[index],
            None if self.subjects is None else self.subjects[index],
            {name: values[index] for name, values in self.conditions.items()},
            None if self.origins is None else self.origins[index],
        )

    def joined(self, other: "Faces") -> "Faces":
        """These faces, then the other's, with what both know of them; people are numbered alike in both."""
        people = [one.subjects for one in (self, other) if one.subjects is not None]
        origins = [one.origins for one in (self, other) if one.origins is not None]
        shared = [name for name in self.conditions if name in other.conditions]
        return Faces(
            np.concatenate([self.images, other.images]),
            np.concatenate([self.keypoints, other.keypoints]),
            np.concatenate(people) if len(people) == 2 else None,
            {name: np.concatenate([self.conditions[name], other.conditions[name]]) for name in shared},
            np.concatenate(origins) if len(origins) == 2 else None,
        )

    def also_in(self, other: "Faces", *, people: bool = True) -> NDArray[np.bool_]:
        """(N,): which of these faces show a picture, or a person where both sides know theirs, that `other` has.

        Args:
            people: whether both sides number people alike, as the parts of one data set do.
        """
        pictures = {image.tobytes() for image in other.images}
        found = np.array([image.tobytes() in pictures for image in self.images], dtype=np.bool_)
        if people and self.subjects is not None and other.subjects is not None:
            found |= np.isin(self.subjects, other.subjects)
        return found

    def digest(self) -> str:
        """Sixteen hex digits that identify images, keypoints and their order."""
        sha = hashlib.sha256(str(len(self)).encode())
        sha.update(np.ascontiguousarray(self.images).data)
        sha.update(np.ascontiguousarray(self.keypoints).data)
        return sha.hexdigest()[:16]


class SealedFaces:
    """The test split: its size and digest are free to know, its faces come out only through `open`."""

    def __init__(self, faces: Faces) -> None:
        self._faces = faces
        self._digest = faces.digest()

    def __len__(self) -> int:
        return len(self._faces)

    def digest(self) -> str:
        """The digest of the faces inside."""
        return self._digest

    def holds(self, faces: Faces) -> NDArray[np.bool_]:
        """(N,): which of `faces` show a picture or a person inside; a check against leaks that gives nothing out."""
        return faces.also_in(self._faces)

    def open(self, record: Callable[[], None]) -> Faces:
        """The faces, after `record` has written down who reads them; no record, no faces."""
        record()
        return self._faces


@dataclass(frozen=True, eq=False)
class Splits:
    """A data set ready for use: train, val and the sealed test, with what a person should know of them.

    Attributes:
        notes: one sentence for each thing that was done to the data (rows dropped, a split made).
        leak: what of val and test is also in another split, in one sentence; empty for nothing.
        faults: errors of single faces, counted in one sentence; empty for none.
    """

    name: str
    train: Faces
    val: Faces
    test: SealedFaces
    notes: tuple[str, ...] = ()
    leak: str = ""
    faults: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should hear before a score on these faces is believed."""
        return tuple(filter(None, (self.leak, self.faults)))

    def held_out(self) -> str:
        """Sixteen hex digits over val and test: the same faces to be scored on, whatever is trained on."""
        return hashlib.sha256(f"{self.val.digest()} {self.test.digest()}".encode()).hexdigest()[:16]

    def digest(self) -> str:
        """Sixteen hex digits over the three splits: the same faces, split in the same way."""
        parts = f"{self.train.digest()} {self.val.digest()} {self.test.digest()}"
        return hashlib.sha256(parts.encode()).hexdigest()[:16]
