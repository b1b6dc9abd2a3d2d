"""Options of the standard GAN stabilizers; this module imports no TensorFlow."""

import dataclasses

from tfgan2.optimizers.options import UpdateScheduleOptions
from tfgan2.options import Options, option
from tfgan2.program import UsageError


@dataclasses.dataclass(frozen=True)
class TranslationOptions(Options):
    """Stabilizers: shifted images."""

    augment_translation_px: int = option(
        0, "largest random shift, in px, of the discriminator's input images; 0: off", low=0
    )


@dataclasses.dataclass(frozen=True)
class StabilizerOptions(UpdateScheduleOptions, TranslationOptions):
    """Stabilizers: penalties, normalization and augmentation."""

    r1_weight: float = option(
        0.0, "weight gamma of R1, the gradient penalty at real images; 0: off", low=0.0
    )
    r2_weight: float = option(
        0.0, "weight gamma of R2, the gradient penalty at generated images; 0: off", low=0.0
    )
    discriminator_spectral_norm: bool = option(
        False, "spectral normalization of all discriminator kernels", since="0.2.0"
    )
    minibatch_group: int = option(
        0,
        "group size, in images, of the minibatch standard deviation in the discriminator; 0: off",
        low=0,
        since="0.2.0",
    )
    label_smoothing: float = option(
        0.0,
        "one-sided label smoothing for --loss=bce: real pairs have label 1 - label_smoothing; "
        "0: off",
        low=0.0,
        high=0.5,
        since="0.2.0",
    )
    augment_color: bool = option(
        False,
        "random brightness, saturation and contrast of the discriminator's input images",
        since="0.2.0",
    )
    augment_cutout: float = option(
        0.0,
        "side of the square cut out of the discriminator's input images, as a fraction of the "
        "image side; 0: off",
        low=0.0,
        high=1.0,
        since="0.2.0",
    )
    augment_probability: float = option(
        1.0,
        "probability of each --augment operation for each image",
        low=0.0,
        high=1.0,
        since="0.2.0",
    )
    ada_target: float = option(
        0.0,
        "target of r_t, the mean sign of the logits of real images (ADA); the augmentation "
        "probability starts at 0 and follows r_t; published: 0.6; 0: fixed probability",
        low=0.0,
        high=0.99,
        since="0.2.0",
    )
    ada_images: int = option(
        500_000,
        "fewest images in which the ADA probability can rise from 0 to 1",
        low=1,
        since="0.2.0",
    )

    freeze_discriminator_blocks: int = option(
        0,
        "number of down-sampling blocks of the discriminator, from the image side, that a run of "
        "--init_from does not train (FreezeD); 0: trains all",
        low=0,
        since="0.3.0",
    )

    def check(self) -> None:
        """Checks the group size, and that ADA has operations."""
        if self.minibatch_group == 1:
            raise UsageError("--minibatch_group", "must be 0 or at least 2", self.minibatch_group)
        operations = ("augment_color", "augment_translation_px", "augment_cutout")
        if self.ada_target and not any(getattr(self, name) for name in operations):
            rule = f"must be 0 without any of --{', --'.join(operations)}"
            raise UsageError("--ada_target", rule, self.ada_target)
        super().check()


@dataclasses.dataclass(frozen=True)
class MatchingPenaltyOptions(Options):
    """Stabilizers: matching-aware gradient penalty (MA-GP)."""

    ma_gp_weight: float = option(
        0.0, "weight of the matching-aware gradient penalty (MA-GP); 0: off; DF-GAN: 2", low=0.0
    )
    ma_gp_power: float = option(6.0, "exponent of the gradient norm in MA-GP", low=1.0)
    ma_gp_norm: str = option(
        "joint",
        "gradient norm in MA-GP; joint: image and sentence gradient as one vector, as in the "
        "published code; sum: sum of the two norms, as in the paper",
        choices=("joint", "sum"),
    )
    ma_gp_update: str = option(
        "joint",
        "update with MA-GP; joint: term of the discriminator loss; separate: own update after the "
        "discriminator update, as in the code of 2020",
        choices=("joint", "separate"),
    )
