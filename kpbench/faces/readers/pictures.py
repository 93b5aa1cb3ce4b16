"""Pictures of any kind, in a file or an array, as grey uint8 (H, W); conversions are counted."""

import io
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from kpbench.errors import UsageError

LARGEST_PICTURE = 256 * 1024**2
"""Bytes in a picture file; how many pixels it may unpack to is pillow's MAX_IMAGE_PIXELS."""

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""What is tried; pillow knows more, some of which start other programs."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")

CONVERSIONS = {
    "colour": "in colour, made grey by Rec. 601 luma (0.299 R + 0.587 G + 0.114 B)",
    "alpha": "with transparency, which was ignored",
    "16 bit": "of 16 bits, divided by 257 and rounded (65,535 becomes 255)",
    "turned": "with a camera orientation (EXIF), which was not applied: labels are taken as in the file",
    "float": "of floats 0 to 1, multiplied by 255 and rounded",
}
"""What may be done to a picture, in words that follow `12 pictures`."""

Grey = NDArray[np.uint8]


def read_picture(content: bytes, where: str, done: Counter[str]) -> Grey:
    """The first frame of a picture file as grey values (H, W); `done` counts the conversions.

    Raises:
        UsageError: it is no picture, is broken, has more pixels than pillow's MAX_IMAGE_PIXELS or values of an
            unknown scale; `where` is named in the message.
    """
    with _opened(content, where) as picture:
        if picture.getexif().get(ExifTags.Base.Orientation, 1) != 1:
            done["turned"] += 1
        return _grey(picture, where, done)


def read_upright(content: bytes, where: str) -> tuple[Grey, Image.Image]:
    """The first frame of a picture file, turned as its camera orientation (EXIF) says: grey (H, W), and in RGB.

    Raises:
        UsageError: as `read_picture`.
    """
    with _opened(content, where) as picture:
        upright = ImageOps.exif_transpose(picture)
        grey = _grey(upright, where, Counter())
        return grey, (Image.fromarray(grey) if upright.mode.startswith("I") else upright).convert("RGB")


@contextmanager
def _opened(content: bytes, where: str) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pillow's on odd tags
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                yield picture
    except UsageError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UsageError(
            f"{where}: more than the {Image.MAX_IMAGE_PIXELS or 0:,} pixels a picture may have; make it smaller"
        ) from None
    except UnidentifiedImageError:
        raise UsageError(f"{where} is no picture ({', '.join(FORMATS)}); replace or remove it") from None
    except Exception as error:  # a broken picture may raise nearly anything
        why = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"{where}: the picture is broken ({why[:120]!a}); replace or remove it") from None


def _grey(picture: Image.Image, where: str, done: Counter[str]) -> Grey:
    if picture.mode in ("I", "I;16", "I;16L", "I;16B", "I;16N"):
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65_535:
            raise UsageError(f"{where}: 32-bit grey values, whose scale is unknown; save it with 8 or 16 bits")
        done["16 bit"] += 1
        return _from_16(values)
    if picture.mode == "F":
        raise UsageError(f"{where}: grey values with decimals, whose scale is unknown; save it with 8 or 16 bits")
    if "A" in picture.getbands() or "transparency" in picture.info:
        done["alpha"] += 1
        picture = picture.convert("RGBA").convert("RGB") if picture.mode != "LA" else picture.convert("L")
    if picture.mode not in ("1", "L"):
        done["colour"] += 1
        picture = picture.convert("RGB")
    return np.array(picture.convert("L"))


def _from_16(values: NDArray[np.generic]) -> Grey:
    return ((values.astype(np.int64) + 128) // 257).astype(np.uint8)


def stack_conversion(images: NDArray[np.generic], where: str) -> str:
    """Which conversion (a key of `CONVERSIONS`, or "") the values of a whole array of pictures need.

    Raises:
        UsageError: neither uint8, uint16 nor float in 0 to 1; `where` is named in the message.
    """
    if images.dtype == np.uint8:
        return ""
    if images.dtype == np.uint16:
        if images.size and int(images.max()) <= 255:
            raise UsageError(f"{where}: uint16 without a value above 255, so of unknown scale; store 8 bits as uint8")
        return "16 bit"
    if images.dtype.kind == "f":
        if not np.isfinite(images).all():
            raise UsageError(f"{where}: a NaN or an infinite value in a picture; correct or remove it")
        low, high = float(images.min()), float(images.max())
        if low < 0 or high > 1:
            raise UsageError(f"{where}: floats from {low:g} to {high:g}, expected 0 to 1; scale them or store uint8")
        return "float"
    raise UsageError(f"{where}: values of type {images.dtype}, expected uint8, uint16 or float in 0 to 1")


def stacked_picture(image: NDArray[np.generic], conversion: str) -> Grey:
    """One picture (H, W) or (H, W, 3) of an array, after `stack_conversion`, as grey values (H, W)."""
    if conversion == "16 bit":
        values = _from_16(image)
    elif conversion == "float":
        values = np.rint(image.astype(np.float64) * 255).astype(np.uint8)
    else:
        values = image.astype(np.uint8)
    return values if values.ndim == 2 else np.array(Image.fromarray(values).convert("L"))
