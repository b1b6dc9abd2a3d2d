"""Options of matching models; this module imports no TensorFlow."""

import dataclasses
from typing import ClassVar

from tfgan2.adversarial.options import TranslationOptions
from tfgan2.models.options import ImageEncoderOptions, SystemOptions
from tfgan2.options import option
from tfgan2.program import UsageError
from tfgan2.text.options import ENCODERS_OF_EACH_WORD, TextOptions


@dataclasses.dataclass(frozen=True)
class MatchingOptions(SystemOptions, TranslationOptions, TextOptions, ImageEncoderOptions):
    """Matching models: image encoder and learning rate."""

    image_sizes_px: ClassVar[tuple[int, ...]] = (16, 32, 64, 128, 256)

    image_encoder: str = option(
        "small",
        "image encoder of a matching model; small: a few trained convolutions; inception_v3: "
        "Keras's, frozen, followed by trained layers",
        choices=("small", "inception_v3"),
    )
    matching_learning_rate: float = option(2e-3, "learning rate of a matching model", low=0.0)
    matching_learning_rate_decay: float = option(
        0.98,
        "factor of a matching model's learning rate after each epoch; damsm: down to a tenth",
        low=0.01,
        high=1.0,
    )


@dataclasses.dataclass(frozen=True)
class DAMSMOptions(MatchingOptions):
    """Matching models: DAMSM."""

    def check(self) -> None:
        """Checks that the text encoder encodes words."""
        super().check()
        if self.text_encoder_kind not in ENCODERS_OF_EACH_WORD:
            rule = f"must be {' or '.join(ENCODERS_OF_EACH_WORD)} for damsm, which compares words"
            raise UsageError("--text_encoder_kind", rule, self.text_encoder_kind)
