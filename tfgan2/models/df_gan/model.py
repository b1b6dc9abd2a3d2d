"""DF-GAN: one generator and one discriminator; affine transformations fuse text and image.

Source: Tao et al. 2022, "DF-GAN: A Simple and Effective Baseline for Text-to-Image Synthesis".
Where the published codes and the paper differ, there are options, and their defaults follow the
code of 2022: MA-GP uses the joint norm of image and sentence gradient and is a term of the
discriminator loss. The weight of MA-GP is 0 by default; the recipes of DF-GAN set 2. The code of
2020 has a separate MA-GP update; the paper adds two norms. Both forms use the mismatched pairs of
2022: every image with the caption of the previous row. The U-Net discriminator is not part of
DF-GAN; `unet_discriminator.py` names its source.
"""

import tf_keras as keras

from tfgan2.models.df_gan.networks import FORMS, Generator, ImageFeatures
from tfgan2.models.df_gan.options import DFGANOptions
from tfgan2.models.df_gan.residual_dense import ResidualDenseGenerator
from tfgan2.models.layers.blocks import DType
from tfgan2.models.layers.heads import HEADS
from tfgan2.models.matching_aware.cutmix_gan import CutMixGAN


class DFGAN(CutMixGAN):
    """DF-GAN; its gradient penalty, MA-GP, is an option of every matching-aware GAN."""

    options: DFGANOptions

    @property
    def shares_generated_batch(self) -> bool:
        """Whether both updates share one generated batch, as in the published codes.

        Forms with batch normalization do not: its statistics change in the generator update.
        """
        return self.options.generator_form in FORMS

    def make_generator(
        self, *, image_channels: int, dtype: DType
    ) -> Generator | ResidualDenseGenerator:
        """Builds the generator of the form `generator_form`."""
        make = Generator if self.options.generator_form in FORMS else ResidualDenseGenerator
        return make(self.options, image_channels=image_channels, dtype=dtype)

    def make_discriminator(
        self, *, image_channels: int, dtype: DType
    ) -> tuple[keras.Model, keras.Model]:
        """Builds the published discriminator, or a U-Net."""
        options = self.options
        if options.discriminator_form == "unet":
            return self.make_unet(image_channels=image_channels, dtype=dtype)
        features = ImageFeatures(options, image_channels=image_channels, dtype=dtype)
        head = HEADS[options.discriminator_head](
            feature_shape=self.head_shape(features.feature_shape),
            sentence_size=options.sentence_size,
            base_channels=options.discriminator_channels,
            dtype=dtype,
        )
        return features, head
