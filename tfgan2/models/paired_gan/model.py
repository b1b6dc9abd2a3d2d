"""Paired GAN: each loss compares the generated with the real image of the same caption.

A system of this package, for small data sets with about one image per caption. Relativistic pairs,
R1 and R2 follow Huang et al. 2024, "The GAN is dead; long live the GAN! A Modern GAN Baseline",
sections 2 and 3. Mismatched pairs follow DF-GAN. Feature matching follows Wang et al. 2018,
"High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", equation 4; there
the condition is a label map, here a caption.
"""

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import losses
from tfgan2.adversarial.losses import Logits
from tfgan2.adversarial.updates import Logs, LossInputs
from tfgan2.models.layers.blocks import DType
from tfgan2.models.layers.minibatch_deviation import with_deviation
from tfgan2.models.matching_aware.model import MatchingAwareGAN
from tfgan2.models.paired_gan.networks import Generator, ImageFeatures, StandardizedHead
from tfgan2.models.paired_gan.options import PairedGANOptions


class PairedGAN(MatchingAwareGAN):
    """Paired GAN; losses, penalties and their weights are options, which the recipes set."""

    options: PairedGANOptions

    @property
    def shares_generated_batch(self) -> bool:
        """Both updates share one generated batch: no layer has statistics of the batch."""
        return True

    @property
    def discriminator_blocks(self) -> list[list[keras.layers.Layer]]:
        """Layers of each down-sampling block of the discriminator."""
        return self.image_features.down_blocks

    def make_generator(self, *, image_channels: int, dtype: DType) -> Generator:
        """Builds the generator."""
        return Generator(self.options, image_channels=image_channels, dtype=dtype)

    def make_discriminator(
        self, *, image_channels: int, dtype: DType
    ) -> tuple[keras.Model, keras.Model]:
        """Builds the feature extractor and a projection head."""
        features = ImageFeatures(self.options, image_channels=image_channels, dtype=dtype)
        head = StandardizedHead(
            feature_shape=self.head_shape(features.feature_shape),
            sentence_size=self.options.sentence_size,
            base_channels=self.options.discriminator_channels,
            dtype=dtype,
        )
        return features, head

    def generator_logits(
        self, inputs: LossInputs, condition: tf.Tensor
    ) -> tuple[Logits, Logits | None, Logs]:
        """Logits, and feature matching in the same passes of the discriminator."""
        options = self.options
        if not options.feature_matching_weight:
            return super().generator_logits(inputs, condition)

        # Features of all blocks. Both images of a pair have the same augmentation, so that feature
        # matching compares the same places.
        images = (inputs.generated.image, inputs.batch["image"])
        fake, real = (
            self.image_features.block_outputs(self.augmented(image, inputs.noise, "pair"))
            for image in images
        )
        matching = options.feature_matching_weight * losses.feature_matching(fake, real)

        # The features of the last block give the logits.
        group = options.minibatch_group
        fake_logits, real_logits = (
            self.logits(with_deviation(outputs[-1], group=group), condition)
            for outputs in (fake, real)
        )
        return fake_logits, real_logits, {"feature_matching": matching}
