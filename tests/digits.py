"""The tiny digits as a data set in the real format."""

import pathlib

from tfgan2.data import preparing, sources
from tfgan2.text.tokenizers import count_words


def prepare(
    digits_file: pathlib.Path,
    target: pathlib.Path,
    *,
    image_size: int,
    test_fraction: float = 0.125,
) -> None:
    """Writes 140 train images and 20 test images."""
    options = sources.SourceOptions(
        input_dir=str(digits_file.parent), image_size=image_size, test_fraction=test_fraction
    )
    preparing.prepare(
        sources.read("digits", options),
        source="digits",
        image_size=image_size,
        output_dir=target,
        count_words=count_words,
    )
