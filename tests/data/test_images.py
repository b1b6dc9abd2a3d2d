"""Image files of every kind become upright RGB squares."""

import io

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


def sixteen_bit() -> bytes:
    values = np.zeros([32, 32], np.uint16)
    values[:, :16] = 200 * 257
    return encoded(Image.fromarray(values), "PNG")


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


def test_color_profile_is_ignored() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = images.decode(encoded(RED_BLUE, "PNG", icc_profile=profile), framing=FRAMING)
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


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "bmp"])
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
    content = encoded(RED_BLUE, "TIFF")
    with pytest.raises(UnreadableError, match="image is none of PNG, JPEG, WEBP, GIF, BMP"):
        images.decode(content, framing=FRAMING)


def test_small_grey_images_are_padded_or_resized() -> None:
    image = np.full([28, 28, 1], 255, np.uint8)
    assert images.fit_grey(image, size=28).sum() == image.sum()
    padded = images.fit_grey(image, size=32)
    assert padded.shape == (32, 32, 1)
    assert padded[2:30, 2:30].min() == 255
    assert padded.sum() == image.sum()
    assert images.fit_grey(image, size=64).min() == 255
