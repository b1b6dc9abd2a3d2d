"""Options of auto-write; this module imports no TensorFlow."""

import dataclasses
from typing import ClassVar

from tfgan2.models.options import FaithfulOptions, GANOptions
from tfgan2.options import option
from tfgan2.program import UsageError


@dataclasses.dataclass(frozen=True)
class AutoWriteOptions(GANOptions, FaithfulOptions):
    """auto-write: networks and updates."""

    image_sizes_px: ClassVar[tuple[int, ...]] = (28,)

    latent_signs: int = option(
        0,
        "number of latent values of auto_write that are replaced by their signs, so that no images "
        "lie between two kinds of images; at most --latent_size; published: 0",
        low=0,
        since="0.2.0",
    )
    first_channels: int = option(
        1,
        "channels of the first feature map, 56 px, of auto_write's generator; published: 1",
        low=1,
        since="0.2.0",
    )
    second_channels: int = option(
        0,
        "channels of the second feature map of auto_write's generator; the third map has half as "
        "many; 0: half of --latent_size, as published",
        low=0,
        since="0.2.0",
    )
    discriminator_update: str = option(
        "separate",
        "discriminator updates of auto_write; separate: one optimizer for real and one for "
        "generated images, as published; joint: one update for both",
        choices=("separate", "joint"),
        since="0.2.0",
    )
    warm_up_steps: int = option(
        300, "first steps of auto_write, which train only the discriminator", low=0
    )

    def check(self) -> None:
        """Checks the sizes of feature maps and latents."""
        if (self.second_channels or self.latent_size // 2) < 2:
            rule = "must be at least 2; or 0, with --latent_size at least 4"
            raise UsageError("--second_channels", rule, self.second_channels)
        if self.latent_signs > self.latent_size:
            rule = f"must be at most --latent_size={self.latent_size}"
            raise UsageError("--latent_signs", rule, self.latent_signs)
        super().check()
