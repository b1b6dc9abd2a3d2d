"""Image files of every kind become upright RGB squares."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from tfgan2.data import images
from tfgan2.data.images import Framing, UnreadableError

WHITE = (255, 255, 255)
FRAMING = Framing(size=16, resize="stretch")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def halves(mode: str, left: object, right: object) -> Image.Image:
    """An image of 32x32 px: one color on the left, another on the right."""
    image = Image.new(mode, (32, 32), left)
    image.paste(right, (16, 0, 32, 32))
    return image


def palette() -> Image.Image:
    return halves("RGB", (200, 0, 0), (0, 0, 200)).quantize(2)


def transparent_palette() -> bytes:
    image = Image.new("P", (32, 32), 0)
    image.putpalette([0, 0, 200, 200, 0, 0])
    image.paste(1, (0, 0, 16, 32))
    return encoded(image, "PNG", transparency=0)


def rotated() -> bytes:
    """An image whose top is red after EXIF rotation (6: by 90 degrees)."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(halves("RGB", (200, 0, 0), (0, 0, 200)), "JPEG", exif=exif, quality=95)


def wide_values() -> np.ndarray:
    values = np.zeros([32, 32], np.uint16)
    values[:, :16] = 200 * 257
    return values


def sixteen_bit() -> bytes:
    return encoded(Image.fromarray(wide_values()), "PNG")


def animated() -> bytes:
    first, second = halves("RGB", (200, 0, 0), (0, 0, 200)), Image.new("RGB", (32, 32), (0, 255, 0))
    return encoded(first, "GIF", save_all=True, append_images=[second])


RED, BLUE = (200, 0, 0), (0, 0, 200)
RED_BLUE = halves("RGB", RED, BLUE)
# Encoded images, and the expected colors of their left and right halves.
KINDS = {
    "png": (encoded(RED_BLUE, "PNG"), RED, BLUE),
    "jpeg": (encoded(RED_BLUE, "JPEG", quality=95, subsampling=0), RED, BLUE),
    "webp": (encoded(RED_BLUE, "WEBP", lossless=True), RED, BLUE),
    "bmp": (encoded(RED_BLUE, "BMP"), RED, BLUE),
    "tiff": (encoded(RED_BLUE, "TIFF", compression="tiff_lzw"), RED, BLUE),
    "tiff_16_bit": (encoded(Image.fromarray(wide_values()), "TIFF"), (200,) * 3, (0,) * 3),
    "ppm": (encoded(RED_BLUE, "PPM"), RED, BLUE),
    "pgm": (encoded(halves("L", 200, 0), "PPM"), (200,) * 3, (0,) * 3),
    "pbm": (encoded(halves("1", 1, 0), "PPM"), WHITE, (0, 0, 0)),
    "gif": (animated(), RED, BLUE),
    "palette": (encoded(palette(), "PNG"), RED, BLUE),
    "palette_with_transparency": (transparent_palette(), RED, WHITE),
    "grey": (encoded(halves("L", 200, 0), "PNG"), (200,) * 3, (0,) * 3),
    "grey_alpha": (encoded(halves("LA", (200, 255), (0, 0)), "PNG"), (200,) * 3, WHITE),
    "rgba": (encoded(halves("RGBA", (*RED, 255), (0, 0, 0, 0)), "PNG"), RED, WHITE),
    "half_transparent": (
        encoded(halves("RGBA", (*RED, 255), (0, 0, 0, 128)), "PNG"),
        RED,
        (127, 127, 127),
    ),
    "one_bit": (encoded(halves("1", 1, 0), "PNG"), WHITE, (0, 0, 0)),
    "sixteen_bit": (sixteen_bit(), (200,) * 3, (0,) * 3),
    "cmyk_jpeg": (
        encoded(halves("CMYK", (0, 255, 255, 55), (255, 255, 0, 55)), "JPEG", quality=95),
        RED,
        BLUE,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_becomes_rgb(kind: str) -> None:
    content, left, right = KINDS[kind]
    image = images.decode(content, framing=FRAMING)
    assert image.shape == (16, 16, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image[8, 2], left, atol=6)
    np.testing.assert_allclose(image[8, 13], right, atol=6)


def test_exif_rotation_is_applied() -> None:
    image = images.decode(rotated(), framing=FRAMING)
    np.testing.assert_allclose(image[2, 8], RED, atol=12)
    np.testing.assert_allclose(image[13, 8], BLUE, atol=12)


@pytest.mark.skipif("AVIF" not in images.FORMATS, reason="this Pillow does not read AVIF")
def test_avif_is_read() -> None:
    image = images.decode(encoded(RED_BLUE, "AVIF", quality=95), framing=FRAMING)
    np.testing.assert_allclose(image[8, 2], RED, atol=12)


def test_floating_point_values_are_refused() -> None:
    content = encoded(Image.new("F", (4, 4), 0.5), "TIFF")
    with pytest.raises(UnreadableError, match="image has floating-point values"):
        images.decode(content, framing=FRAMING)


SRGB = ImageCms.createProfile("sRGB")


OF_SRGB = ImageCms.ImageCmsProfile(SRGB).tobytes()


def swapped() -> bytes:
    """An RGB profile whose red and blue are exchanged."""
    changed = OF_SRGB.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    red, blue = changed.index(b"rXYZ"), changed.index(b"bXYZ")
    content = bytearray(changed)
    content[red : red + 4], content[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(content)


def inks() -> bytes:
    """A CMYK profile: any ink on white paper is a medium grey, and all of them are black."""
    paper, ink = bytes([255, 128, 128]), bytes([128, 128, 128])  # L*, a*, b* in 8 bits.
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *np.eye(3, dtype=int).ravel() * 65536)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + 4 * ramp + paper + 14 * ink
    table += bytes([0, 128, 128]) + 3 * ramp
    size = 128 + 4 + 12 + len(table)
    header = struct.pack(">I4sI", size, b"lcms", 0x02100000) + b"prtrCMYKLab " + bytes(12) + b"acsp"
    header += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)  # D50.
    header += bytes(128 - len(header))
    return header + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


SWAPPED = swapped()


def test_colors_of_a_profile_become_srgb() -> None:
    content = encoded(RED_BLUE, "PNG", icc_profile=OF_SRGB)
    assert images.decode(content, framing=FRAMING)[8, 2].tolist() == list(RED)
    for picture in (RED_BLUE, palette()):
        image = images.decode(encoded(picture, "PNG", icc_profile=SWAPPED), framing=FRAMING)
        np.testing.assert_allclose(image[8, 2], BLUE, atol=3)
    half = halves("RGBA", (*RED, 255), (*RED, 0))
    image = images.decode(encoded(half, "PNG", icc_profile=SWAPPED), framing=FRAMING)
    np.testing.assert_allclose(image[8, 2], BLUE, atol=3)
    assert image[8, 13].tolist() == list(WHITE)
    grey = images.decode(encoded(halves("L", 200, 0), "PNG", icc_profile=SWAPPED), framing=FRAMING)
    np.testing.assert_allclose(grey[8, 2], 200, atol=2)


@pytest.mark.parametrize(
    "broken", [b"no profile", SWAPPED[:200], b"\0" * 300], ids=["text", "cut", "zeros"]
)
def test_broken_profile_is_ignored(broken: bytes) -> None:
    image = images.decode(encoded(RED_BLUE, "PNG", icc_profile=broken), framing=FRAMING)
    assert image[8, 2].tolist() == list(RED)


def test_inks_of_a_profile_become_srgb() -> None:
    cyan = encoded(halves("CMYK", (255, 0, 0, 0), 0), "TIFF", icc_profile=inks())
    image = images.decode(cyan, framing=FRAMING)
    np.testing.assert_allclose(image[8, 2], (119,) * 3, atol=3)
    np.testing.assert_allclose(image[8, 13], WHITE, atol=3)


def test_profile_of_other_colors_is_ignored() -> None:
    cmyk = encoded(halves("CMYK", (0, 255, 255, 55), 0), "JPEG", quality=95, icc_profile=SWAPPED)
    np.testing.assert_allclose(images.decode(cmyk, framing=FRAMING)[8, 2], RED, atol=6)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    image = images.decode(encoded(RED_BLUE, "PNG", icc_profile=lab), framing=FRAMING)
    assert image[8, 2].tolist() == list(RED)


def test_transparent_pixels_show_the_background() -> None:
    framing = Framing(size=16, resize="stretch", background=(10, 20, 30))
    image = images.decode(encoded(Image.new("RGBA", (4, 4)), "PNG"), framing=framing)
    assert (image == [10, 20, 30]).all()


@pytest.mark.parametrize(
    ("resize", "expected"), [("pad", 4 * 16), ("crop", 0), ("stretch", 0)], ids=lambda x: str(x)
)
def test_other_aspect_ratios_are_padded_cropped_or_stretched(resize: str, expected: int) -> None:
    wide = encoded(Image.new("RGB", (64, 48), RED), "PNG")
    framing = Framing(size=16, resize=resize, background=(0, 255, 0))
    image = images.decode(wide, framing=framing)
    assert (image == [0, 255, 0]).all(axis=-1).sum() == expected


def test_crop_keeps_the_middle_and_stretch_the_edges() -> None:
    wide = Image.new("RGB", (48, 16), RED)
    wide.paste(BLUE, (16, 0, 32, 16))
    content = encoded(wide, "PNG")
    cropped = images.decode(content, framing=Framing(size=16, resize="crop"))
    assert (cropped == BLUE).all()
    stretched = images.decode(content, framing=Framing(size=16, resize="stretch"))
    assert stretched[8, 1].tolist() == list(RED)


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(images.RESIZE), st.integers(8, 40))
def test_every_shape_becomes_a_square(width: int, height: int, resize: str, size: int) -> None:
    content = encoded(Image.new("RGB", (width, height), RED), "BMP")
    assert images.decode(content, framing=Framing(size=size, resize=resize)).shape == (
        size,
        size,
        3,
    )


def test_box_is_clipped_at_the_image_border() -> None:
    content = encoded(RED_BLUE, "PNG")
    image = images.decode(content, framing=FRAMING, box=(20, -10, 90, 90))
    assert (image == BLUE).all()
    with pytest.raises(UnreadableError, match="lies outside of the image"):
        images.decode(content, framing=FRAMING, box=(40, 0, 50, 10))


def test_image_with_too_many_pixels_is_refused_before_decoding() -> None:
    content = encoded(Image.new("1", (2000, 2000)), "PNG")
    small = Framing(size=16, resize="crop", max_pixels=3_999_999)
    with pytest.raises(UnreadableError, match="more than 3999999 pixels"):
        images.decode(content, framing=small)
    # Only a header, of 65,000 x 65,000 px.
    content = encoded(RED_BLUE, "BMP")
    bomb = content[:18] + (65000).to_bytes(4, "little") * 2 + content[26:]
    with pytest.raises(UnreadableError, match="more than 100000000 pixels"):
        images.decode(bomb, framing=FRAMING)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "bmp", "tiff", "ppm"])
@given(data=st.data())
def test_broken_files_are_unreadable_without_other_errors(kind: str, data: st.DataObject) -> None:
    content = bytearray(KINDS[kind][0])
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        result = images.decode(cut, framing=FRAMING).shape
    except UnreadableError as error:
        result = str(error)
    assert result == (16, 16, 3) or ("\n" not in result and "0x" not in result)


def test_unsupported_formats_are_unreadable() -> None:
    content = encoded(RED_BLUE, "SGI")
    with pytest.raises(UnreadableError, match="image is none of PNG, JPEG, WEBP, GIF, BMP, TIFF"):
        images.decode(content, framing=FRAMING)


def test_small_grey_images_are_padded_or_resized() -> None:
    image = np.full([28, 28, 1], 255, np.uint8)
    assert images.fit_grey(image, size=28).sum() == image.sum()
    padded = images.fit_grey(image, size=32)
    assert padded.shape == (32, 32, 1)
    assert padded[2:30, 2:30].min() == 255
    assert padded.sum() == image.sum()
    assert images.fit_grey(image, size=64).min() == 255
