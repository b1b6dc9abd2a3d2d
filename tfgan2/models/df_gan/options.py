"""Options of DF-GAN; this module imports no TensorFlow."""

import dataclasses
from typing import ClassVar

from tfgan2.models.matching_aware.options import CutMixOptions
from tfgan2.models.options import FaithfulOptions, HeadOptions
from tfgan2.options import option


@dataclasses.dataclass(frozen=True)
class DFGANOptions(CutMixOptions, HeadOptions, FaithfulOptions):
    """DF-GAN: networks."""

    image_sizes_px: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    residual_gate_start: float = option(
        0.0, "initial value of the discriminator's residual gates; above 0: stronger from the start"
    )

    def check(self) -> None:
        """Checks the forms; CutMix needs pixel logits."""
        self.allow(
            generator_form=("2022", "2020", "rdn", "imagan"),
            discriminator_form=("unet",) if self.cutmix_weight else ("2022", "2020", "unet"),
        )
        super().check()
