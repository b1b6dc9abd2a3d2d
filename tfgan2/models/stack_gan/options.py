"""Options of StackGAN; this module imports no TensorFlow."""

import dataclasses
from typing import ClassVar

from tfgan2.models.matching_aware.options import CutMixOptions
from tfgan2.models.options import BatchNormOptions, FaithfulOptions, KLOptions
from tfgan2.options import option


@dataclasses.dataclass(frozen=True)
class StackGANOptions(CutMixOptions, BatchNormOptions, KLOptions, FaithfulOptions):
    """StackGAN: stages."""

    image_sizes_px: ClassVar[tuple[int, ...]] = (16, 32, 64, 128, 256)

    stage: int = option(
        1,
        "stage of stack_gan; 2: enlarges images of the stage-I run --stage1_run_dir",
        low=1,
        high=2,
    )
    conditioning_size: int = option(
        128, "length of the condition in stack_gan's conditioning augmentation", low=1
    )

    def check(self) -> None:
        """Checks image size and forms; CutMix needs pixel logits."""
        published = () if self.cutmix_weight else ("tensorflow", "pytorch")
        self.allow(
            image_size=(16, 32, 64) if self.stage == 1 else (64, 128, 256),
            generator_form=("tensorflow", "pytorch", "rdn", "imagan"),
            discriminator_form=(*published, "unet"),
        )
        super().check()
