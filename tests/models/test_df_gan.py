"""DF-GAN: its sizes, and the closed form of its penalties."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.models.checks import parameter_count
from tfgan2.adversarial import penalties
from tfgan2.adversarial.options import MatchingPenaltyOptions
from tfgan2.models.df_gan.networks import Generator, ImageFeatures
from tfgan2.models.df_gan.options import DFGANOptions
from tfgan2.models.layers.blocks import channels_by_block, upsample
from tfgan2.models.layers.heads import JointHead


def published(image_size: int, *, form: str = "2022") -> tuple[Generator, ImageFeatures, JointHead]:
    options = DFGANOptions(image_size=image_size, generator_form=form, discriminator_form=form)
    generator = Generator(options, image_channels=3)
    features = ImageFeatures(options, image_channels=3)
    head = JointHead(feature_shape=features.feature_shape, sentence_size=256, base_channels=32)
    return generator, features, head


@pytest.mark.slow
def test_parameter_counts_at_256_px_are_the_published_ones() -> None:
    generator, features, head = published(256)
    assert parameter_count(generator) == 9_744_131
    assert parameter_count(features) == 6_619_206
    assert parameter_count(head) == 295_936


@pytest.mark.slow
def test_parameter_counts_of_2020_at_256_px_are_the_published_ones() -> None:
    generator, features, head = published(256, form="2020")
    assert len(generator.blocks) == 7
    assert parameter_count(generator) == 12_240_010
    assert parameter_count(features, head) == 20_170_566


def test_parameter_counts_at_32_px_are_the_stated_ones() -> None:
    generator, features, head = published(32)
    assert parameter_count(generator) == 2_431_235
    assert parameter_count(features) == 1_506_627
    assert parameter_count(head) == 295_936


@pytest.mark.parametrize("image_size", [32, 64, 128, 256])
def test_blocks_upsample_to_the_image_size(image_size: int) -> None:
    channels = channels_by_block(32, image_size)
    assert 4 * 2 ** (len(channels) - 1) == image_size
    assert channels[0] == 256
    assert channels[-1] == 32


def test_initial_affine_transformation_is_the_identity() -> None:
    generator, _, _ = published(32)
    one = generator(tf.ones([1, 100]), tf.zeros([1, 256]))
    other = generator(tf.ones([1, 100]), tf.ones([1, 256]))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_upsampling_repeats_pixels() -> None:
    image = tf.reshape(tf.range(4, dtype=tf.float32), [1, 2, 2, 1])
    expected = np.repeat(np.repeat(image, 2, axis=1), 2, axis=2)
    np.testing.assert_array_equal(upsample(image), expected)


@pytest.mark.parametrize("scale", [1.0, 2.0**15])
def test_penalties_of_a_linear_critic_have_their_closed_form(scale: float) -> None:
    weights = tf.constant([[0.3], [-0.4]])
    slope = tf.constant([[1.2]])

    def critic(image: tf.Tensor, sentence: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        flat = tf.reshape(image, [-1, 2])
        logits = tf.squeeze(flat @ weights + sentence @ slope, axis=1)
        return logits, logits

    inputs = [tf.ones([3, 1, 2, 1]), tf.ones([3, 1])]
    logits, gradients = penalties.input_gradients(critic, inputs, scale=scale)
    np.testing.assert_allclose(logits, [1.1] * 3, rtol=1e-6)
    norm = math.sqrt(0.3**2 + 0.4**2 + 1.2**2)
    matching_aware = penalties.matching_aware(gradients, MatchingPenaltyOptions(ma_gp_weight=2.0))
    assert float(matching_aware) == pytest.approx(2 * norm**6, rel=1e-5)
    sum_of_norms = MatchingPenaltyOptions(ma_gp_weight=2.0, ma_gp_norm="sum")
    summed = penalties.matching_aware(gradients, sum_of_norms)
    assert float(summed) == pytest.approx(2 * (0.5 + 1.2) ** 6, rel=1e-5)
    zero_centred = penalties.zero_centred(gradients[:1], weight=4.0)
    assert float(zero_centred) == pytest.approx(4 / 2 * 0.25, rel=1e-5)
