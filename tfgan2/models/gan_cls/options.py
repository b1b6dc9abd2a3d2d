"""Options of GAN-CLS; this module imports no TensorFlow."""

import dataclasses
from typing import ClassVar

from tfgan2.models.matching_aware.options import FormOptions, MatchingAwareOptions
from tfgan2.models.options import BatchNormOptions, ImageEncoderOptions
from tfgan2.options import option

FORMS = ("torch", "torch_int", "tensorlayer")


@dataclasses.dataclass(frozen=True)
class GANCLSOptions(MatchingAwareOptions, FormOptions, BatchNormOptions, ImageEncoderOptions):
    """GAN-CLS: networks, interpolation and ranking."""

    image_sizes_px: ClassVar[tuple[int, ...]] = (16, 32, 64, 128)

    text_size: int = option(128, "length of the reduced sentence embedding in gan_cls", low=1)
    discriminator_text: bool = option(
        True, "conditional discriminator of gan_cls; off: unconditional, without the caption"
    )
    interpolation: str = option(
        "none",
        "interpolated captions for the generator of gan_cls (GAN-INT); midpoint: mean of two "
        "sentence embeddings; random: interpolation weights from -1/2 to 3/2",
        choices=("none", "midpoint", "random"),
    )
    interpolation_weight: float = option(
        1.0, "weight of the interpolated captions in the generator loss", low=0.0
    )
    ranking_images: int = option(
        0,
        "number of first images on which gan_cls trains the text encoder with a ranking loss; then "
        "the encoder stays fixed; 0: the discriminator update trains an unfrozen text encoder",
        low=0,
    )
    ranking_learning_rate: float = option(2e-4, "learning rate of Adam for ranking", low=0.0)

    def check(self) -> None:
        """Checks forms and losses; interpolated captions have no real images for `relativistic`."""
        self.allow(
            generator_form=FORMS,
            discriminator_form=FORMS,
            loss=("hinge", "bce") if self.interpolation != "none" else (self.loss,),
        )
        super().check()
