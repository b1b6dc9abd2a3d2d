"""StackGAN: stage I generates a small image of a caption, stage II enlarges and refines it.

Source: Zhang et al. 2017, "StackGAN: Text to Photo-realistic Image Synthesis with Stacked
Generative Adversarial Networks". There is a form for each published code: the condition of the
discriminator is the sentence embedding in `tensorflow`, and the mean of the generator's condition
in `pytorch`, which also has unconditional logits in stage II. The codes and the paper halve the
learning rates at different epochs; each recipe names its source.
"""

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.updates import Logs, LossInputs
from tfgan2.models.layers.blocks import DType
from tfgan2.models.layers.conditioning import kl_divergence
from tfgan2.models.matching_aware.cutmix_gan import CutMixGAN
from tfgan2.models.stack_gan.discriminators import StageFeatures, StageHead
from tfgan2.models.stack_gan.networks import StageOneGenerator, StageTwoGenerator
from tfgan2.models.stack_gan.options import StackGANOptions


class StackGAN(CutMixGAN):
    """One stage of StackGAN; stage II contains a trained, frozen stage-I generator."""

    options: StackGANOptions

    def make_generator(
        self, *, image_channels: int, dtype: DType
    ) -> StageOneGenerator | StageTwoGenerator:
        """Builds the generator of the stage."""
        make = StageOneGenerator if self.options.stage == 1 else StageTwoGenerator
        return make(self.options, image_channels=image_channels, dtype=dtype)

    def make_discriminator(
        self, *, image_channels: int, dtype: DType
    ) -> tuple[keras.Model, keras.Model]:
        """Builds the discriminator of the stage, or a U-Net."""
        options = self.options
        if options.discriminator_form == "unet":
            return self.make_unet(image_channels=image_channels, dtype=dtype)
        features = StageFeatures(options, image_channels=image_channels, dtype=dtype)
        head = StageHead(
            options,
            feature_shape=self.head_shape(features.feature_shape),
            condition_size=options.conditioning_size
            if self._uses_mean_condition
            else options.sentence_size,
            unconditional=self.unconditional_outputs > 0,
            dtype=dtype,
        )
        return features, head

    @property
    def noise_size(self) -> int:
        """Length of the latent plus the noise of every condition."""
        return self.generator.noise_size

    @property
    def unconditional_outputs(self) -> int:
        """1 in stage II of `pytorch`, whose last output is unconditional; else 0."""
        return int(self._uses_mean_condition and self.options.stage == 2)

    def condition(self, sentence: tf.Tensor) -> tf.Tensor:
        """Condition of the discriminator: sentence embedding, or mean condition in `pytorch`."""
        if not self._uses_mean_condition:
            return sentence
        mean, _ = self.generator.conditioning(sentence)
        return mean

    def generator_terms(self, inputs: LossInputs) -> Logs:
        """Adds the KL divergence of the conditions from the standard normal distribution."""
        mean, log_sigma = self.generator.conditioning(inputs.generated.sentence)
        divergence = self.options.kl_weight * kl_divergence(mean, log_sigma)
        return {**super().generator_terms(inputs), "kl": divergence}

    def load_stage1(self, generator: StageOneGenerator) -> None:
        """Copies the weights of a trained stage-I generator."""
        for own in (self.generator, self.average_generator):
            own.load_stage1(generator)

    @property
    def _uses_mean_condition(self) -> bool:
        return self.options.discriminator_form == "pytorch"
