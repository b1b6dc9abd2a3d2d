"""Decodes images to square uint8 arrays, and encodes arrays as PNG."""

import dataclasses
import functools
import io
import pathlib
import warnings
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms, ImageColor, ImageOps, UnidentifiedImageError, features

# Formats whose files begin with a signature. Pillow reads AVIF since 11.3, if it is built so.
FORMATS = (
    *("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"),
    *(("AVIF",) if "avif" in features.modules and features.check("avif") else ()),
)
RESIZE = ("pad", "crop", "stretch")
DEFAULT_BACKGROUND = (255, 255, 255)
DEFAULT_MAX_PIXELS = 100_000_000
MAX_16_BIT, MAX_8_BIT = 65535, 255
# Pillow's modes by the colour space of a profile.
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}

# Left, top, right and bottom edge in pixels.
Box = tuple[int, int, int, int]


class UnreadableError(Exception):
    """An image that cannot be used; the message names the reason."""


@dataclasses.dataclass(frozen=True)
class Framing:
    """Options that make an image of any shape square.

    Attributes:
      size: side of the square in pixels.
      resize: `pad` puts the whole image on the background, `crop` cuts out the centre, `stretch`
        changes the aspect ratio.
      background: RGB in 0..255, for padding and transparency.
      max_pixels: an image with more pixels is refused before it is decoded.
    """

    size: int
    resize: str
    background: tuple[int, int, int] = DEFAULT_BACKGROUND
    max_pixels: int = DEFAULT_MAX_PIXELS


def load(path: pathlib.Path, *, framing: Framing, box: Box | None = None) -> np.ndarray:
    """Reads an image file; see `decode`.

    Raises:
      UnreadableError: the file cannot be read or decoded, or has too many pixels.
    """
    return load_from(path.read_bytes, framing=framing, box=box)


def load_from(read: Callable[[], bytes], *, framing: Framing, box: Box | None = None) -> np.ndarray:
    """Reads an image by a function that returns the bytes of its file; see `decode`.

    Raises:
      UnreadableError: the bytes cannot be read or decoded, or the image has too many pixels.
    """
    try:
        content = read()
    except OSError as error:
        raise UnreadableError(f"file cannot be read: {error.strerror}") from error
    return decode(content, framing=framing, box=box)


def decode(content: bytes, *, framing: Framing, box: Box | None = None) -> np.ndarray:
    """Decodes the first frame of an image, upright by EXIF, in sRGB, and makes it square.

    Args:
      content: bytes of a file of one of the `FORMATS`.
      framing: options that make the image square.
      box: part of the image to use, clipped to the image; None: the whole image.

    Returns:
      uint8 [size, size, 3], RGB.

    Raises:
      UnreadableError: the image cannot be decoded, or has too many pixels.
    """
    too_large = f"image has more than {framing.max_pixels} pixels (--max_pixels)"
    try:
        with warnings.catch_warnings():
            # `max_pixels` is stricter than Pillow's limit; other warnings are harmless.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                if image.width * image.height > framing.max_pixels:
                    raise UnreadableError(too_large)
                picture = _to_rgb(ImageOps.exif_transpose(image), framing.background)
    except UnreadableError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableError(too_large) from error
    except UnidentifiedImageError as error:
        raise UnreadableError(f"image is none of {', '.join(FORMATS)}") from error
    except Exception as error:  # A damaged file makes Pillow raise errors of nearly any type.
        raise UnreadableError(f"image is broken: {' '.join(str(error).split())}") from error
    # Cut out the box, and make the image square.
    if box is not None:
        left, top = max(0, box[0]), max(0, box[1])
        right, bottom = min(picture.width, box[2]), min(picture.height, box[3])
        if left >= right or top >= bottom:
            raise UnreadableError(f"bounding box {box} lies outside of the image {picture.size}")
        picture = picture.crop((left, top, right, bottom))
    return _to_square(picture, framing)


def fit_grey(image: np.ndarray, *, size: int) -> np.ndarray:
    """Fits a small white-on-black image into a square: unchanged, padded by up to 4 px, or resized.

    Args:
      image: uint8 [S, S, 1].
      size: side of the square in pixels.

    Returns:
      uint8 [size, size, 1].
    """
    spare = size - image.shape[0]
    if not 0 <= spare <= 4:
        picture = to_pillow(image).resize((size, size), Image.Resampling.LANCZOS)
        return np.asarray(picture, np.uint8)[..., np.newaxis]
    margins = (spare // 2, spare - spare // 2)
    return np.pad(image, (margins, margins, (0, 0)))


def parse_colour(text: str) -> tuple[int, int, int]:
    """Parses a colour name or `#rrggbb` as RGB in 0..255.

    Raises:
      ValueError: the text is neither.
    """
    red, green, blue = ImageColor.getrgb(text)[:3]
    return red, green, blue


def to_pillow(image: np.ndarray) -> Image.Image:
    """Wraps a uint8 [H, W, C] array, with 1 or 3 channels, as a Pillow image."""
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def encode_png(image: np.ndarray) -> bytes:
    """Encodes a uint8 [H, W, C] array, with 1 or 3 channels, as PNG."""
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, format="PNG")
    return buffer.getvalue()


def _to_rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if image.mode == "F":
        raise UnreadableError("image has floating-point values, whose range is not known")
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips values to 255.
        values = np.asarray(image, np.float64).clip(0, MAX_16_BIT)
        image = Image.fromarray(np.rint(values * MAX_8_BIT / MAX_16_BIT).astype(np.uint8))
    picture = image.convert("RGB") if profile is None else _to_srgb(image, profile)
    if image.has_transparency_data:
        front, behind = image.convert("RGBA"), Image.new("RGBA", image.size, background)
        if profile is not None:
            alpha = front.getchannel("A")
            front = picture.convert("RGBA")
            front.putalpha(alpha)
        return Image.alpha_composite(behind, front).convert("RGB")
    return picture


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Converts to RGB by the profile; ignores a profile that is broken or of other colours."""
    plain = image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _PROFILE_MODES.get(source.profile.xcolor_space.strip(), "")
        fits = {
            "RGB": image.mode != "CMYK",
            "L": image.mode in ("1", "L", "LA"),
            "CMYK": image.mode == "CMYK",
        }
        if not fits.get(mode):
            return plain
        # The transform of an sRGB profile would only round.
        if (source.profile.profile_description or "").startswith("sRGB"):
            return plain
        colours = image.convert(mode)
        return ImageCms.profileToProfile(colours, source, _srgb(), outputMode="RGB") or plain
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return plain


@functools.lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _to_square(image: Image.Image, framing: Framing) -> np.ndarray:
    size, filtering = (framing.size, framing.size), Image.Resampling.LANCZOS
    if framing.resize == "pad":
        # Pillow 12 would round the shorter side of a thin image to 0.
        longer = max(image.size)
        sides = [max(1, round(side / longer * framing.size)) for side in image.size]
        picture = ImageOps.pad(image.resize(sides, filtering), size, color=framing.background)
    elif framing.resize == "crop":
        picture = ImageOps.fit(image, size, filtering)
    else:
        picture = image.resize(size, filtering)
    return np.asarray(picture, np.uint8)
