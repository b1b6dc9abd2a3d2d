"""The systems by name, and the options that several systems have; imports no TensorFlow."""

import dataclasses
from typing import Any, ClassVar

from tfgan2.adversarial.options import MatchingPenaltyOptions, StabilizerOptions
from tfgan2.optimizers.options import OptimizerOptions
from tfgan2.options import Options, option
from tfgan2.program import UsageError
from tfgan2.text.options import TokenizerOptions

# `module:Class` by value of `--model`.
MODELS = {
    "df_gan": "tfgan2.models.df_gan.model:DFGAN",
    "paired_gan": "tfgan2.models.paired_gan.model:PairedGAN",
    "auto_write": "tfgan2.models.auto_write.model:AutoWrite",
    "img_txt": "tfgan2.models.img_txt.model:ImgTxt",
    "gan_cls": "tfgan2.models.gan_cls.model:GANCLS",
    "stack_gan": "tfgan2.models.stack_gan.model:StackGAN",
    "damsm": "tfgan2.models.matching.model:DAMSM",
    "sje": "tfgan2.models.matching.model:SJE",
}


@dataclasses.dataclass(frozen=True)
class SystemOptions(Options):
    """Data: system, seed and image size.

    Attributes:
      image_sizes_px: allowed image sides in px.
    """

    image_sizes_px: ClassVar[tuple[int, ...]]

    model: str = option("df_gan", "system to train", choices=tuple(MODELS))
    seed: int = option(0, "seed of all random numbers of the run", low=0, high=2**31 - 1)
    image_size: int = option(64, "image side in px", low=1)

    def check(self) -> None:
        """Checks the image size."""
        self.allow(image_size=self.image_sizes_px)
        super().check()

    def allow(self, **allowed: tuple[Any, ...]) -> None:
        """Checks options against their allowed values, which are keyword arguments.

        Raises:
          UsageError: an option has another value.
        """
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                names = ("one of " if len(values) > 1 else "") + ", ".join(map(str, values))
                rule = f"must be {names} for {self.model}"
                raise UsageError(f"--{name}", rule, getattr(self, name))


@dataclasses.dataclass(frozen=True)
class GANOptions(SystemOptions, OptimizerOptions, StabilizerOptions):
    """Samples and EMA: options of every GAN."""

    latent_size: int = option(100, "length of a latent", low=1)
    truncation: float = option(
        1.0, "default truncation of latents in sampling, in (0, 1]; 1: off", low=0.01, high=1.0
    )
    ema_half_life_images: float = option(
        10_000.0, "half-life of the EMA of the weights, in images; samples use the EMA", low=1.0
    )
    ema_ramp_up: float = option(
        0.05,
        "EMA ramp-up: largest half-life, as a fraction of the images trained on so far",
        low=1e-6,
    )
    no_ema: bool = option(False, "samples with the live weights instead of their EMA")


@dataclasses.dataclass(frozen=True)
class TextGANOptions(GANOptions, TokenizerOptions, MatchingPenaltyOptions):
    """Networks and losses: GANs of images and texts."""

    generator_channels: int = option(
        32,
        "base channels of the generator, at full image size; gan_cls, stack_gan, img_txt, "
        "paired_gan: at half",
        low=1,
    )
    discriminator_channels: int = option(
        32,
        "base channels of the discriminator, at full image size; gan_cls, stack_gan, img_txt, "
        "paired_gan: at half",
        low=1,
    )
    mismatch_other_class: bool = option(
        False, "mismatched caption: closest earlier row with a different label; off: previous row"
    )
    loss: str = option(
        "hinge",
        "adversarial loss; hinge: as DF-GAN; bce: binary cross-entropy, as the other systems; "
        "relativistic: pairs of real and generated images, which with R1 and R2 keeps the samples "
        "of a caption diverse",
        choices=("hinge", "bce", "relativistic"),
    )
    mismatch_weight: float = option(
        1.0, "weight of mismatched pairs relative to generated pairs", low=0.0
    )
    mode_seeking_weight: float = option(
        0.0,
        "weight of the mode-seeking loss, which keeps images of one caption diverse; 0: off",
        low=0.0,
    )

    def check(self) -> None:
        """Checks that a loss with label smoothing has labels."""
        if self.label_smoothing and self.loss != "bce":
            rule = f"must be 0 for --loss={self.loss}, which has no labels"
            raise UsageError("--label_smoothing", rule, self.label_smoothing)
        super().check()


@dataclasses.dataclass(frozen=True)
class FaithfulOptions(Options):
    """Networks and losses: mistakes of published code."""

    faithful: bool = option(
        False, "keeps the mistakes of the published code of auto_write, img_txt or imagan"
    )


@dataclasses.dataclass(frozen=True)
class HeadOptions(Options):
    """Networks and losses: head of the discriminator."""

    discriminator_head: str = option(
        "joint",
        "combination of image features and sentence embedding; joint: concatenation, as published; "
        "projection: inner product, which follows captions earlier on small data sets",
        choices=("joint", "projection"),
    )


@dataclasses.dataclass(frozen=True)
class BatchNormOptions(Options):
    """Networks and losses: batch normalization."""

    discriminator_batch_norm: bool = option(
        True,
        "batch normalization in the discriminator of gan_cls, stack_gan and img_txt; off: rows do "
        "not depend on each other, as R1 requires",
    )


@dataclasses.dataclass(frozen=True)
class KLOptions(Options):
    """Networks and losses: KL divergence of conditions."""

    kl_weight: float = option(
        2.0, "weight of the KL divergence of conditions in stack_gan and img_txt", low=0.0
    )


@dataclasses.dataclass(frozen=True)
class ImageEncoderOptions(Options):
    """Networks and losses: image encoder."""

    image_encoder_channels: int = option(
        32, "base channels of the small image encoder, at full image size", low=1
    )
