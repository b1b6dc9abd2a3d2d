"""Options of IMG-TXT; this module imports no TensorFlow."""

import dataclasses
from typing import ClassVar

from tfgan2.models.options import (
    BatchNormOptions,
    FaithfulOptions,
    HeadOptions,
    KLOptions,
    TextGANOptions,
)
from tfgan2.options import option
from tfgan2.text.options import TRAINED_WORD_ENCODERS


@dataclasses.dataclass(frozen=True)
class ImgTxtOptions(TextGANOptions, HeadOptions, BatchNormOptions, KLOptions, FaithfulOptions):
    """IMG-TXT: networks and texts."""

    image_sizes_px: ClassVar[tuple[int, ...]] = (16, 32, 64)

    text_source: str = option(
        "caption",
        "texts that img_txt generates: captions, label names, or label numbers",
        choices=("caption", "label", "label_number"),
    )
    shared_layers: int = option(
        1, "layers of img_txt's generator shared by image and text; published: 1", low=1, high=4
    )
    condition_rate: float = option(
        0.25,
        "fraction of img_txt's rows with a given text; the same fraction has a given image",
        low=0.0,
        high=0.5,
    )

    def check(self) -> None:
        """Checks values: texts consist of words; the published generator shares one layer."""
        self.allow(
            text_encoder_kind=TRAINED_WORD_ENCODERS,
            ma_gp_update=("joint",),
            shared_layers=(1,) if self.faithful else (1, 2, 3, 4),
        )
        super().check()
