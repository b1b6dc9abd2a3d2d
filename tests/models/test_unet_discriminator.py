"""The U-Net discriminator: its sizes, precision and gradients, and the inputs of its logits."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.models import checks
from tfgan2.adversarial import penalties
from tfgan2.adversarial.spectral import SpectralConvolution
from tfgan2.models.layers.unet_discriminator import UNetFeatures, UNetHead

SENTENCE_SIZE = 6


def tiny(
    image_size: int = 16, *, base_channels: int = 4, dtype: str = "float32"
) -> tuple[UNetFeatures, UNetHead]:
    keras.utils.set_random_seed(1)
    features = UNetFeatures(
        image_size=image_size, image_channels=1, base_channels=base_channels, dtype=dtype
    )
    head = UNetHead(
        bottleneck_channels=features.bottleneck_channels,
        pixel_channels=features.pixel_channels,
        sentence_size=SENTENCE_SIZE,
        dtype=dtype,
    )
    return features, head


def some_images(image_size: int = 16, rows: int = 2) -> tf.Tensor:
    shape = [rows, image_size, image_size, 1]
    return tf.constant(np.random.default_rng(1).uniform(-1, 1, shape), tf.float32)


def some_sentences(rows: int = 2) -> tf.Tensor:
    return tf.constant(np.random.default_rng(2).normal(size=[rows, SENTENCE_SIZE]), tf.float32)


@pytest.mark.parametrize(("image_size", "widest"), [(16, 2), (32, 4), (256, 16)])
def test_features_and_logits_have_their_shapes(image_size: int, widest: int) -> None:
    features, head = tiny(image_size, base_channels=2)
    bottleneck, pixels = features(some_images(image_size))
    assert bottleneck.shape == (2, 4, 4, 2 * widest)
    assert float(tf.reduce_min(bottleneck)) == 0.0
    assert pixels.shape == (2, image_size, image_size, 2)
    of_image, of_pixels = head((bottleneck, pixels), some_sentences())
    assert of_image.shape == (2,)
    assert of_pixels.shape == (2, image_size, image_size)


PUBLISHED_WIDTHS = {
    # Input and output channels of the blocks after the first, in units of the base channels.
    256: (
        [(1, 2), (2, 4), (4, 8), (8, 8), (8, 16)],
        [(16, 8), (16, 8), (16, 4), (8, 2), (4, 1), (2, 1)],
    ),
    128: ([(1, 2), (2, 4), (4, 8), (8, 16)], [(16, 8), (16, 4), (8, 2), (4, 1), (2, 1)]),
}


@pytest.mark.parametrize("image_size", PUBLISHED_WIDTHS)
def test_blocks_have_the_published_widths(image_size: int) -> None:
    features, _ = tiny(image_size, base_channels=1)
    for blocks, widths in zip(
        (features.encoder[1:], features.decoder), PUBLISHED_WIDTHS[image_size], strict=True
    ):
        assert [block.shortcut.kernel.shape[2:] for block in blocks] == widths


def trained(network: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


@pytest.mark.slow
def test_parameter_counts_at_256_px_are_the_stated_ones() -> None:
    features = UNetFeatures(image_size=256, image_channels=3, base_channels=64)
    head = UNetHead(bottleneck_channels=1024, pixel_channels=64, sentence_size=256)

    def blocks(*widths: tuple[int, int]) -> int:
        # A block has two 3x3 convolutions and a 1x1 convolution, each with a bias.
        return sum((9 * a * b + b) + (9 * b * b + b) + (a * b + b) for a, b in widths)

    encoder = blocks((3, 64), (64, 128), (128, 256), (256, 512), (512, 512), (512, 1024))
    # Decoder inputs: the bottleneck, then equal parts from the decoder and the encoder.
    decoder = blocks((1024, 512), (1024, 512), (1024, 256), (512, 128), (256, 64), (128, 64))
    assert trained(features) == encoder + decoder == 44_066_496
    # Image and pixel logit: each with a bias and a projection of the sentence.
    assert (1024 + 1) + 256 * 1024 + (64 + 1) + 256 * 64 == 279_618
    assert trained(head) == 279_618
    # A singular vector entry for each output channel of a spectral layer.
    widths = [64, 128, 256, 512, 512, 1024, 512, 512, 256, 128, 64, 64]
    assert features.count_params() - trained(features) == 3 * sum(widths) == 12_096
    assert head.count_params() - trained(head) == 1 + 1024 + 64 == 1_089


def test_pixel_logits_depend_on_the_encoder_at_every_size() -> None:
    features, _ = tiny(32)
    images = some_images(32)
    _, before = features(images)
    for number in range(len(features.decoder) - 1):
        kernel = features.decoder[number + 1].shortcut.kernel
        half = kernel.shape[2] // 2
        cut = kernel.numpy()
        cut[:, :, half:] = 0  # The encoder features at this size.
        old = kernel.numpy()
        kernel.assign(cut)
        assert not np.allclose(features(images)[1], before), number
        kernel.assign(old)


def test_both_logits_depend_on_the_sentence() -> None:
    features, head = tiny()
    encoded = features(some_images())
    sentences = some_sentences()
    of_image, of_pixels = head(encoded, sentences)
    other_image, other_pixels = head(encoded, sentences[::-1])
    assert (np.abs(of_image - other_image) > 1e-4).all()
    assert (np.abs(of_pixels - other_pixels).max(axis=(1, 2)) > 1e-4).all()


def test_head_equals_a_hand_computed_projection() -> None:
    features, head = tiny()
    bottleneck, pixels = features(some_images())
    sentences = some_sentences()
    of_image, of_pixels = head((bottleneck, pixels), sentences)
    blind_image, blind_pixels = head((bottleneck, pixels), tf.zeros_like(sentences))
    summed = bottleneck.numpy().sum(axis=(1, 2))
    text = head.image_sentence(sentences).numpy()
    np.testing.assert_allclose(of_image - blind_image, (summed * text).sum(axis=1), rtol=1e-3)
    text = head.pixel_sentence(sentences).numpy()
    match = np.einsum("bhwc,bc->bhw", pixels, text)
    np.testing.assert_allclose(of_pixels - blind_pixels, match, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(blind_image, head.image(summed)[:, 0], rtol=1e-5)
    np.testing.assert_allclose(blind_pixels, head.pixel(pixels)[..., 0], rtol=1e-5)


def test_all_convolutions_are_spectral_and_iterate_only_in_training() -> None:
    features, head = tiny()
    layers = [layer for layer in features.submodules if isinstance(layer, SpectralConvolution)]
    assert len(layers) == 3 * (2 + 2)
    assert not any(
        type(layer) in (keras.layers.Conv2D, keras.layers.BatchNormalization)
        for layer in features.submodules
    )
    statistics = features.non_trainable_variables + head.non_trainable_variables
    assert len(statistics) == len(layers) + 3
    before = [variable.numpy() for variable in statistics]
    head(features(some_images()), some_sentences())
    for variable, old in zip(statistics, before, strict=True):
        np.testing.assert_array_equal(variable, old)
    head(features(some_images(), training=True), some_sentences(), training=True)
    for variable, old in zip(statistics, before, strict=True):
        assert not np.array_equal(variable, old), variable.name


def test_gradients_reach_every_trainable_variable() -> None:
    features, head = tiny()

    def loss() -> tf.Tensor:
        encoded = features(some_images(), training=True)
        of_image, of_pixels = head(encoded, some_sentences(), training=True)
        return tf.reduce_mean(of_image**2) + tf.reduce_mean(of_pixels**2)

    checks.gradients_reach_every_variable((features, head), loss)


def test_bottleneck_logits_do_not_need_the_decoder() -> None:
    features, head = tiny()
    with tf.GradientTape() as tape:
        of_image, _ = head(features(some_images()), some_sentences())
    kernels = [block.shortcut.kernel for block in features.decoder]
    assert tape.gradient(of_image, kernels) == [None] * len(kernels)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_input_gradients_can_be_differentiated(jit_compile: bool) -> None:
    features, head = tiny()
    variables = [v for v in features.trainable_variables if "kernel" in v.name]

    def critic(image: tf.Tensor, sentence: tf.Tensor) -> tuple[tf.Tensor, None]:
        of_image, of_pixels = head(features(image, training=True), sentence, training=True)
        return of_image + tf.reduce_sum(of_pixels, axis=[1, 2]), None

    @tf.function(jit_compile=jit_compile)
    def penalty_and_gradients() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            inputs = [some_images(), some_sentences()]
            _, gradients = penalties.input_gradients(critic, inputs, scale=1.0)
            penalty = penalties.zero_centred(gradients[:1], weight=1.0)
        return penalty, tape.gradient(penalty, variables)

    penalty, gradients = penalty_and_gradients()
    assert float(penalty) > 0
    for variable, gradient in zip(variables, gradients, strict=True):
        assert np.isfinite(gradient).all(), variable.name
        assert np.abs(gradient).max() > 0, variable.name


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_mixed_precision_logits_are_float32_and_close_to_exact_ones(dtype: str) -> None:
    exact, half = tiny(), tiny(dtype=f"mixed_{dtype}")
    logits = []
    for features, head in (exact, half):
        encoded = features(some_images(), training=True)
        assert {part.dtype.name for part in encoded} == {features.compute_dtype}
        logits.append(head(encoded, some_sentences(), training=True))
    for expected, actual in zip(*logits, strict=True):
        assert actual.dtype == tf.float32
        np.testing.assert_allclose(actual, expected, rtol=0.05, atol=0.1)
