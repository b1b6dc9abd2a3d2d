"""GAN-CLS and GAN-INT-CLS: a DCGAN with conditional generator and discriminator.

Source: Reed et al. 2016, "Generative Adversarial Text to Image Synthesis". There are three forms of
the networks: `torch`, main_cls of the published code; `torch_int`, main_cls_int of the published
code; `tensorlayer`, the flowers project, which first trains the text encoder with a ranking loss.
In the paper, a mismatched caption is any other caption; in the Torch code it has another class
(`--mismatch_other_class`). GAN-INT interpolates between two captions of the batch.
"""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import losses
from tfgan2.adversarial.updates import Logs, LossInputs, Update
from tfgan2.models.gan_cls.networks import Generator, Head, ImageFeatures
from tfgan2.models.gan_cls.options import GANCLSOptions
from tfgan2.models.gan_cls.ranking import RankingImageEncoder, ranking
from tfgan2.models.layers.blocks import DType
from tfgan2.models.matching.model import all_rows
from tfgan2.models.matching_aware.model import MatchingAwareGAN

RANKING_CLIPPED_NORM = 10.0


class GANCLS(MatchingAwareGAN):
    """GAN-CLS, with optional GAN-INT and an optional ranking loss for the text encoder."""

    options: GANCLSOptions

    def __init__(
        self,
        options: GANCLSOptions,
        *,
        image_channels: int,
        dtype: DType = "float32",
        **others: Any,
    ) -> None:
        """Builds the networks; for the arguments see `MatchingAwareGAN`."""
        super().__init__(options, image_channels=image_channels, dtype=dtype, **others)
        if self.ranks:
            self.image_encoder = RankingImageEncoder(
                options, image_channels=image_channels, dtype=dtype
            )

    def make_generator(self, *, image_channels: int, dtype: DType) -> Generator:
        """Builds the generator of the form `generator_form`."""
        return Generator(self.options, image_channels=image_channels, dtype=dtype)

    def make_discriminator(
        self, *, image_channels: int, dtype: DType
    ) -> tuple[ImageFeatures, Head]:
        """Builds the discriminator of the form `discriminator_form`, conditional or not."""
        features = ImageFeatures(self.options, image_channels=image_channels, dtype=dtype)
        shape = self.head_shape(features.feature_shape)
        return features, Head(self.options, feature_shape=shape, dtype=dtype)

    @property
    def discriminator_blocks(self) -> list[list[keras.layers.Layer]]:
        """Layers of each down-sampling block of the feature extractor."""
        return self.image_features.down_blocks

    @property
    def ranks(self) -> bool:
        """Whether the ranking loss trains the text encoder."""
        return self.options.ranking_images > 0 and not self.options.freeze_text_encoder

    @property
    def unconditional_outputs(self) -> int:
        """1 for an unconditional discriminator, whose only output is unconditional; else 0."""
        return 0 if self.options.discriminator_text else 1

    @property
    def discriminator_networks(self) -> tuple[keras.Model, ...]:
        """The discriminator, and a text encoder that it uses and that no ranking loss trains."""
        with_encoder = self.options.discriminator_text and not self.ranks
        return super().discriminator_networks if with_encoder else (self.image_features, self.head)

    @property
    def updates(self) -> tuple[Update, ...]:
        """Ranking, in the first `ranking_images` images, then discriminator, then generator."""
        if not self.ranks:
            return super().updates
        ranking = Update(
            "ranking",
            self.ranking_loss,
            [self.text_encoder, self.image_encoder],
            self.optimizers["ranking"],
            needs_generated=False,
            active_steps=lambda step: step * self.ema.batch_size < self.options.ranking_images,
        )
        return (ranking, *super().updates)

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """The recipe's optimizers, and for the ranking Adam with clipped gradients."""
        optimizers = super().make_optimizers(images_per_epoch)
        if self.ranks:
            optimizers["ranking"] = keras.optimizers.Adam(
                self.options.ranking_learning_rate,
                self.options.adam_beta1,
                global_clipnorm=RANKING_CLIPPED_NORM,
            )
        return optimizers

    def ranking_loss(self, inputs: LossInputs) -> tuple[tf.Tensor, Logs]:
        """Ranking loss of images and captions, over the rows of all replicas."""
        images = self.image_encoder(inputs.batch["image"], training=True)
        loss = ranking(*all_rows(images, self.encode(inputs.batch["tokens"])))
        return loss, {"loss": loss}

    def generator_terms(self, inputs: LossInputs) -> Logs:
        """Adds GAN-INT: the generator loss of images from interpolated captions."""
        terms, kind = super().generator_terms(inputs), self.options.interpolation
        if kind == "none":
            return terms
        noise = inputs.noise
        weight = noise.uniform("interpolation", 1)[::2] * 2.0 - 0.5 if kind == "random" else 0.5
        sentence = interpolated(inputs.generated.sentence, weight)
        latent = noise.normal("interpolated_latent", self.noise_size)[::2]
        image = self.generator(latent, sentence, training=True)
        augmented = self.augmented(image, noise, "interpolated", every=2)
        logits = self.logits(self.features_of(augmented), sentence)
        # There are half as many rows; the published code averages over all rows at once.
        loss_weight = self.options.interpolation_weight / 2.0
        terms["interpolated"] = loss_weight * losses.generator(self.options.loss, fake=logits)
        return terms


def interpolated(sentences: tf.Tensor, weight: tf.Tensor | float) -> tf.Tensor:
    """Linear interpolation (lerp) of rows 0 and 1, rows 2 and 3, ...

    Args:
      sentences: sentence embeddings; float32 [B, D], B even.
      weight: interpolation weights, 0 is the first row; float32 [B / 2, 1], or one number.

    Returns:
      Interpolated sentence embeddings, float32 [B / 2, D].

    Source: Reed et al. 2016, section 4.3, equation 5; the published codes use weight 1/2, or
      weights from -1/2 to 3/2.
    """
    return sentences[::2] + weight * (sentences[1::2] - sentences[::2])
