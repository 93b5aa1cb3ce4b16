"""Pictures of any kind become grey uint8, each conversion is told, and what is no picture is refused in a line."""

import io
import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from kpbench.errors import UsageError
from kpbench.faces.readers.picture_faces import picture_notes
from kpbench.faces.readers.pictures import (
    read_picture,
    read_upright,
    stack_conversion,
    stacked_picture,
)

GREY = np.random.default_rng(0).integers(0, 256, (12, 10), dtype=np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def encoded(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def read(content: bytes) -> tuple[np.ndarray, Counter[str]]:
    done: Counter[str] = Counter()
    return read_picture(content, "row 7, x.png", done), done


def refusal(content: bytes) -> str:
    with pytest.raises(UsageError, match=r"row 7, x\.png") as caught:
        read(content)
    assert str(caught.value).isprintable()
    return str(caught.value)


def luma(rgb: np.ndarray) -> np.ndarray:
    return rgb.astype(float) @ [0.299, 0.587, 0.114]


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_grey_stays_as_it_is(form):
    grey, done = read(encoded(Image.fromarray(GREY), form))
    assert np.array_equal(grey, GREY)
    assert done == {}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_colour_becomes_rec_601_luma(mode):
    form = "TIFF" if mode == "CMYK" else "PNG"
    picture = Image.fromarray(RGB).quantize(256) if mode == "P" else Image.fromarray(RGB).convert(mode)
    grey, done = read(encoded(picture, form))
    assert np.abs(grey - luma(np.asarray(picture.convert("RGB")))).max() <= 1
    assert done["colour"] == 1
    assert done["alpha"] == (mode == "RGBA")


@pytest.mark.parametrize("clear", [0, b"\x00\x80" * 128])
def test_a_palette_with_transparency_is_read_without_it(clear):
    picture = Image.fromarray(RGB).quantize(256)
    grey, done = read(encoded(picture, transparency=clear))
    assert np.abs(grey - luma(np.asarray(picture.convert("RGB")))).max() <= 1
    assert done == {"colour": 1, "alpha": 1}


def test_grey_with_alpha_keeps_its_grey():
    picture = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(255 - GREY)])
    grey, done = read(encoded(picture))
    assert np.array_equal(grey, GREY)
    assert done == {"alpha": 1}


def test_sixteen_bits_are_divided_by_257():
    wide = np.array([[0, 128, 129, 65_535, 257 * 77]], np.uint16)
    for form in ("PNG", "TIFF"):
        grey, done = read(encoded(Image.fromarray(wide), form))
        assert grey.tolist() == [[0, 0, 1, 255, 77]]
        assert done == {"16 bit": 1}


@pytest.mark.parametrize("values", [np.full((3, 3), 0.5, np.float32), np.full((3, 3), 70_000, np.int32)])
def test_values_of_unknown_scale_are_refused(values):
    assert "scale is unknown" in refusal(encoded(Image.fromarray(values), "TIFF"))


def test_a_camera_orientation_is_told_and_not_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    grey, done = read(encoded(Image.fromarray(GREY), exif=exif))
    assert np.array_equal(grey, GREY)
    assert done == {"turned": 1}


@pytest.mark.parametrize("content", [b"", b"\0" * 99, b"<html>log in</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%EOF\n"])
def test_what_is_no_picture_is_refused(content):
    assert "is no picture" in refusal(content)


def test_a_decompression_bomb_is_refused_before_it_is_unpacked():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (10_000, 50_000):  # pillow warns of the first and refuses the second
        head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        assert "pixels a picture may have" in refusal(bomb)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), form=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]))
def test_damaged_bytes_give_a_picture_or_a_usage_error(data, form):
    content = bytearray(encoded(Image.fromarray(RGB), form))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    cut = data.draw(st.integers(1, len(content)))
    try:
        grey, _ = read(bytes(content[:cut]))
    except UsageError as error:
        assert str(error).isprintable()
    else:
        assert grey.dtype == np.uint8
        assert grey.ndim == 2


def test_notes_count_each_conversion():
    notes = picture_notes({"colour": 3, "16 bit": 1, "pictures": 1_200})
    assert len(notes) == 2
    assert notes[0].startswith("3 of 1,200 pictures in colour")
    assert "257" in notes[1]


@pytest.mark.parametrize(
    ("values", "conversion", "grey"),
    [
        (np.array([[[0, 77, 255]]], np.uint8), "", [0, 77, 255]),
        (np.array([[[0, 129, 65_535]]], np.uint16), "16 bit", [0, 1, 255]),
        (np.array([[[0, 0.5, 1]]], np.float32), "float", [0, 128, 255]),
        (np.array([[[0, 0.1, 1]]], np.float16), "float", [0, 25, 255]),
    ],
)
def test_an_array_is_converted_as_is_said(values, conversion, grey):
    assert stack_conversion(values, "x") == conversion
    assert stacked_picture(values[0], conversion).tolist() == [grey]


def test_colour_in_an_array_is_luma_too():
    assert np.abs(stacked_picture(RGB, "") - luma(RGB)).max() <= 1
    assert np.abs(stacked_picture(RGB / 255, "float") - luma(RGB)).max() <= 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([0, np.nan, 1.0]), "NaN"),
        (np.array([0, np.inf]), "infinite"),
        (np.array([0, 255.0]), "floats from 0 to 255"),
        (np.array([-0.5, 1.0]), "floats from -0.5"),
        (np.array([0, 255], np.uint16), "unknown scale"),
        (np.array([0, 255], np.int64), "type int64"),
        (np.array([True]), "type bool"),
        (np.array(["a"]), "type <U1"),
        (np.array([1j]), "complex"),
    ],
)
def test_arrays_of_unknown_scale_or_type_are_refused(values, said):
    with pytest.raises(UsageError, match=r"^faces\.npz, images: ") as caught:
        stack_conversion(values, "faces.npz, images")
    assert said in str(caught.value)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "CMYK", "1", "I;16"])
def test_upright_grey_is_the_picture_as_it_is_read_and_colours_go_with_it(mode):
    form = "TIFF" if mode == "CMYK" else "PNG"
    rgb = Image.fromarray(RGB)
    picture = Image.fromarray(GREY.astype(np.uint16) * 257) if mode == "I;16" else rgb.convert(mode)
    content = encoded(picture, form)
    grey, colours = read_upright(content, "x")
    assert np.array_equal(grey, read(content)[0])
    assert colours.mode == "RGB" and np.abs(luma(np.asarray(colours)) - grey).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_a_camera_turned_any_way_gives_the_picture_as_it_is_shown(orientation, deep):
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.fromarray(GREY.astype(np.uint16) * 257 if deep else GREY)
    if orientation > 1:
        stored = stored.transpose(back[orientation])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    grey, colours = read_upright(encoded(stored, exif=exif), "x")
    assert np.array_equal(grey, GREY) and np.array_equal(np.asarray(colours)[..., 0], GREY)


def test_what_is_no_picture_is_refused_upright_too():
    with pytest.raises(UsageError, match=r"^a\.png is no picture"):
        read_upright(b"nothing", "a.png")
