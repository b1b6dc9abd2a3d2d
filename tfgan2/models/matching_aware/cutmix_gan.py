"""Matching-aware training with CutMix, for a U-Net discriminator.

Source: Schoenfeld et al. 2020, "A U-Net Based Discriminator for Generative Adversarial Networks",
section 3.2.
"""

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import cutmix
from tfgan2.adversarial.losses import Logits
from tfgan2.adversarial.updates import Logs, LossInputs
from tfgan2.models.layers.blocks import DType
from tfgan2.models.layers.unet_discriminator import UNetFeatures, UNetHead
from tfgan2.models.matching_aware.model import MatchingAwareGAN
from tfgan2.models.matching_aware.options import CutMixOptions


class CutMixGAN(MatchingAwareGAN):
    """Base of matching-aware GANs whose discriminator can be a U-Net."""

    options: CutMixOptions

    @property
    def discriminator_blocks(self) -> list[list[keras.layers.Layer]]:
        """Layers of each down-sampling block of the feature extractor."""
        return self.image_features.down_blocks

    def make_unet(self, *, image_channels: int, dtype: DType) -> tuple[keras.Model, keras.Model]:
        """Builds the feature extractor and the head of a U-Net discriminator."""
        options = self.options
        features = UNetFeatures(
            image_size=options.image_size,
            image_channels=image_channels,
            base_channels=options.discriminator_channels,
            dtype=dtype,
        )
        head = UNetHead(
            bottleneck_channels=features.bottleneck_channels + (options.minibatch_group > 0),
            pixel_channels=features.pixel_channels,
            sentence_size=options.sentence_size,
            dtype=dtype,
        )
        return features, head

    def discriminator_terms(
        self, inputs: LossInputs, condition: tf.Tensor, real: Logits, fake: Logits
    ) -> Logs:
        """CutMix loss of images mixed by boxes, and consistency loss of their pixel logits."""
        if not self.options.cutmix_weight:
            return {}
        mask = cutmix.masks(inputs.noise, name="cutmix", image_size=self.options.image_size)
        # Same augmentation as the logits that the consistency loss mixes.
        real_image = self.augmented(inputs.batch["image"], inputs.noise, "real")
        fake_image = self.augmented(inputs.generated.image, inputs.noise, "fake")
        mixed = cutmix.mix(real_image, fake_image, mask)
        whole, pixels = self.logits(self.features_of(mixed), condition).conditional
        weight = tf.constant(self.options.cutmix_weight)
        if self.options.cutmix_warm_up_images:
            images = tf.cast(self.step, tf.float32) * self.ema.batch_size
            weight *= tf.minimum(1.0, images / self.options.cutmix_warm_up_images)
        return {
            "cutmix": weight * cutmix.cutmix_loss(whole, pixels, mask),
            "consistency": weight
            * cutmix.consistency(pixels, real.conditional[1], fake.conditional[1], mask),
        }
