"""GAN-CLS and GAN-INT-CLS: a convolutional GAN whose two players read the caption.

Source: Reed et al. 2016, "Generative Adversarial Text to Image Synthesis". Three forms of its
networks: `torch`, the published code's main_cls; `torch_int`, its main_cls_int; `tensorlayer`, that
of the flowers project, whose text encoder learns at first by ranking captions against images. The
paper takes any other caption for a wrong one, the Torch code one of another class
(`--mismatch_other_class`), and interpolates (GAN-INT) between two captions of the batch.
"""

import dataclasses
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import losses
from tfgan2.adversarial.averaging import Averaging
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.updates import Batch, Parts, Update
from tfgan2.models.blocks import DType
from tfgan2.models.gan_cls_networks import Generator, Head, ImageFeatures
from tfgan2.models.matching import all_rows
from tfgan2.models.matching_aware import Fakes, MatchingAwareGAN, MatchingAwareOptions
from tfgan2.models.ranking import RankingImageEncoder, ranking

RANKING_CLIPPED_NORM = 10.0


@dataclasses.dataclass(frozen=True)
class GANCLSOptions(MatchingAwareOptions):
    """What defines the two players; every field is a field of the recipe."""

    text_size: int
    discriminator_text: bool
    discriminator_batch_norm: bool
    interpolation: str
    interpolation_weight: float
    ranking_images: int
    ranking_learning_rate: float
    image_encoder_channels: int


class GANCLS(MatchingAwareGAN):
    """The game of GAN-CLS, with GAN-INT's interpolated captions and the ranking of captions."""

    options_class = GANCLSOptions
    image_sizes_px = (16, 32, 64, 128)
    generator_forms = ("torch", "torch_int", "tensorlayer")
    discriminator_forms = ("torch", "torch_int", "tensorlayer")
    options: GANCLSOptions

    def __init__(
        self,
        options: GANCLSOptions,
        *,
        image_channels: int,
        vocabulary_size: int,
        averaging: Averaging,
        dtype: DType = "float32",
    ) -> None:
        """Builds the players; the arguments are those of `MatchingAwareGAN`."""
        super().__init__(
            options,
            name="gan_cls",
            image_channels=image_channels,
            vocabulary_size=vocabulary_size,
            averaging=averaging,
            dtype=dtype,
        )
        if self.ranks:
            self.image_encoder = RankingImageEncoder(
                image_size=options.image_size,
                image_channels=image_channels,
                base_channels=options.image_encoder_channels,
                code_size=options.sentence_size,
                dtype=dtype,
            )

    @classmethod
    def allowed(cls, options: Any) -> dict[str, tuple]:
        """As for every such game; interpolated captions have no real images to be held against."""
        interpolates = options.interpolation != "none"
        losses_of = {"loss": ("hinge", "bce")} if interpolates else {}
        return {**super().allowed(options), **losses_of}

    def make_generator(self, *, image_channels: int, dtype: DType) -> Generator:
        """Makes the generator of a form."""
        options = self.options
        return Generator(
            image_size=options.image_size,
            image_channels=image_channels,
            latent_size=options.latent_size,
            sentence_size=options.sentence_size,
            base_channels=options.generator_channels,
            form=options.generator_form,
            text_size=options.text_size,
            dtype=dtype,
        )

    def make_discriminator(
        self, *, image_channels: int, dtype: DType
    ) -> tuple[ImageFeatures, Head]:
        """Makes the discriminator of a form, with the text or without it."""
        options = self.options
        features = ImageFeatures(
            image_size=options.image_size,
            image_channels=image_channels,
            base_channels=options.discriminator_channels,
            form=options.discriminator_form,
            batch_norm=options.discriminator_batch_norm,
            dtype=dtype,
        )
        head = Head(
            feature_shape=self.judged_shape(features.feature_shape),
            sentence_size=options.sentence_size,
            text_size=options.text_size,
            form=options.discriminator_form,
            batch_norm=options.discriminator_batch_norm,
            reads_text=options.discriminator_text,
            dtype=dtype,
        )
        return features, head

    @property
    def ranks(self) -> bool:
        """Whether the text encoder learns by ranking."""
        return self.options.ranking_images > 0 and not self.options.freeze_text_encoder

    @property
    def alone_outputs(self) -> int:
        """The discriminator's only output may read no text."""
        return 0 if self.options.discriminator_text else 1

    @property
    def judging_networks(self) -> tuple[keras.Model, ...]:
        """The discriminator, and a text encoder that it reads through and that does not rank."""
        reads = self.options.discriminator_text and not self.ranks
        return super().judging_networks if reads else (self.image_features, self.head)

    @property
    def updates(self) -> tuple[Update, ...]:
        """Ranking, for its time, then discriminator, then generator."""
        if not self.ranks:
            return super().updates
        encoders = (self.text_encoder, self.image_encoder)
        ranking = Update(
            "ranking",
            self.ranking_loss,
            [variable for encoder in encoders for variable in encoder.trainable_variables],
            self.optimizers["ranking"],
            draws=False,
            active_steps=lambda step: (
                step * self.averaging.batch_size < self.options.ranking_images
            ),
        )
        return (ranking, *super().updates)

    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """Adam for both players, and for the ranking, whose gradients are clipped."""
        optimizers = super().make_optimizers(images_per_epoch)
        if self.ranks:
            optimizers["ranking"] = keras.optimizers.Adam(
                self.options.ranking_learning_rate,
                self.options.adam_beta1,
                global_clipnorm=RANKING_CLIPPED_NORM,
            )
        return optimizers

    def ranking_loss(self, batch: Batch, noise: StepNoise) -> tuple[tf.Tensor, Parts]:
        """How far images and captions are from being nearest to their own."""
        images = self.image_encoder(batch["image"], training=True)
        loss = ranking(*all_rows(images, self.encode(batch["tokens"])))
        return loss, {"loss": loss}

    def generator_terms(self, fakes: Fakes) -> Parts:
        """GAN-INT: what the discriminator says of images of captions between captions."""
        terms, kind = super().generator_terms(fakes), self.options.interpolation
        if kind == "none":
            return terms
        noise = fakes.noise
        share = noise.uniform("interpolation", 1)[::2] * 2.0 - 0.5 if kind == "random" else 0.5
        sentence = interpolated(fakes.sentence, share)
        latent = noise.normal("interpolated_latent", self.noise_size)[::2]
        image = self.generator(latent, sentence, training=True)
        seen = self.augmented(image, noise, "interpolated", every=2)
        logits = self.judge(self.features_of(seen), sentence)
        # Half as many rows: in the published code all are in one mean.
        weight = self.options.interpolation_weight / 2.0
        terms["interpolated"] = weight * losses.generator(self.options.loss, fake=logits)
        return terms


def interpolated(sentences: tf.Tensor, share: tf.Tensor | float) -> tf.Tensor:
    """Sentences on the lines through the first and the second row, the third and the fourth, ...

    Args:
      sentences: float32 [B, D], B even.
      share: of the way from the one to the other; float32 [B / 2, 1], or one for all.

    Returns:
      float32 [B / 2, D].

    Source: Reed et al. 2016, section 4.3, equation 5; the published code takes the middle, or
      shares from -1/2 to 3/2.
    """
    return sentences[::2] + share * (sentences[1::2] - sentences[::2])
