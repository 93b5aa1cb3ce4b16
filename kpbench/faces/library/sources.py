"""Where published faces are, by the name that `kpbench data get` knows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A published data set.

    Attributes:
        title: for lists.
        url: of the zip, or of the page for people where `competition` is set.
        sha256: of the zip, in hex; None where it is not known. Then the digest of the first download is kept, and a
            later one must have the same.
        competition: its name at Kaggle, which gives files to those alone who accepted its rules.
    """

    title: str
    url: str
    sha256: str | None = None
    competition: str | None = None


SOURCES: dict[str, Source] = {
    "course": Source(
        "Kaggle's complete faces as the course Introduction to Deep Learning (TU Munich) splits them",
        "https://vision.in.tum.de/webshare/g/i2dl/facial_keypoints.zip",
    ),
    "youtube_faces": Source(
        "frames of YouTube Faces with 68 points, by person (udacity/P1_Facial_Keypoints)",
        "https://s3.amazonaws.com/video.udacity-data.com/topher/2018/May/5aea1b91_train-test-data/train-test-data.zip",
    ),
    "kaggle": Source(
        "Kaggle's Facial Keypoints Detection, with its partial rows; needs a Kaggle account",
        "https://www.kaggle.com/competitions/facial-keypoints-detection",
        competition="facial-keypoints-detection",
    ),
}
