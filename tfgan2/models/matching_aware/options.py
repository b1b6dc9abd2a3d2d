"""Options of matching-aware GANs; this module imports no TensorFlow."""

import dataclasses

from tfgan2.models.options import TextGANOptions
from tfgan2.options import Options, option
from tfgan2.text.options import TextOptions

OTHER_FORMS = ("torch", "torch_int", "tensorlayer", "tensorflow", "pytorch")


@dataclasses.dataclass(frozen=True)
class MatchingAwareOptions(TextGANOptions, TextOptions):
    """Captions: options of matching-aware GANs."""

    captions_per_image: int = option(
        1, "captions per training image; their sentence embeddings are averaged", low=1
    )
    freeze_text_encoder: bool = option(False, "freezes the text encoder of --text_encoder")


@dataclasses.dataclass(frozen=True)
class FormOptions(Options):
    """Networks and losses: published forms."""

    generator_form: str = option(
        "2022",
        "generator architecture; 2022, 2020: DF-GAN's published code; torch, torch_int, "
        "tensorlayer: GAN-CLS; tensorflow, pytorch: StackGAN; rdn: residual dense blocks as in "
        "their paper; imagan: as in IMAGAN's code",
        choices=("2022", "2020", "rdn", "imagan", *OTHER_FORMS),
    )
    discriminator_form: str = option(
        "2022",
        "discriminator architecture; 2022: DF-GAN's published code; 2020: twice as wide; unet: "
        "U-Net with pixel logits; others: as for --generator_form",
        choices=("2022", "2020", "unet", *OTHER_FORMS),
    )


@dataclasses.dataclass(frozen=True)
class CutMixOptions(MatchingAwareOptions, FormOptions):
    """Networks and losses: CutMix with a U-Net."""

    cutmix_weight: float = option(
        0.0,
        "weight of the CutMix and consistency losses, for --discriminator_form=unet; 0: off",
        low=0.0,
    )
    cutmix_warm_up_images: int = option(
        0, "images over which the CutMix weight rises from 0; 0: no warm-up", low=0
    )
