"""GAN-CLS networks: their sizes, and the inputs that images and logits depend on."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.models import checks
from tests.models.checks import (
    bottleneck,
    images,
    linear_ends,
    normalization,
    normals,
    parameter_count,
)
from tfgan2.models.gan_cls.networks import Generator, Head, ImageFeatures
from tfgan2.models.gan_cls.options import FORMS, GANCLSOptions


def make_generator(
    *, form: str = "torch", image_size: int = 32, dtype: str = "float32"
) -> Generator:
    keras.utils.set_random_seed(0)
    options = GANCLSOptions(
        image_size=image_size,
        latent_size=4,
        sentence_size=3,
        generator_channels=4,
        generator_form=form,
        text_size=5,
    )
    return Generator(options, image_channels=1, dtype=dtype)


def make_discriminator(
    *,
    form: str = "torch",
    image_size: int = 32,
    batch_norm: bool = True,
    conditional: bool = True,
    dtype: str = "float32",
) -> tuple[ImageFeatures, Head]:
    keras.utils.set_random_seed(0)
    options = GANCLSOptions(
        image_size=image_size,
        sentence_size=3,
        discriminator_channels=4,
        discriminator_form=form,
        discriminator_batch_norm=batch_norm,
        discriminator_text=conditional,
        text_size=5,
    )
    features = ImageFeatures(options, image_channels=1, dtype=dtype)
    return features, Head(options, feature_shape=features.feature_shape, dtype=dtype)


@pytest.mark.parametrize(
    ("form", "sizes", "side", "image", "biases", "count"),
    [
        ("torch", (100, 1024, 256), 16, 16 * 128 * 3, 0, 21_142_272),
        ("tensorlayer", (512, 128, 128), 9, 9 * 128 * 3, 3, 20_791_299),
    ],
)
def test_generator_has_the_parameters_of_its_layers(
    form: str, sizes: tuple[int, int, int], side: int, image: int, biases: int, count: int
) -> None:
    latent_size, sentence_size, text_size = sizes
    options = GANCLSOptions(
        image_size=64,
        latent_size=latent_size,
        sentence_size=sentence_size,
        generator_channels=128,
        generator_form=form,
        text_size=text_size,
    )
    generator = Generator(options, image_channels=3)
    text = sentence_size * text_size + text_size
    # `tensorlayer` starts with units, which are normalized one by one.
    start = (latent_size + text_size) * 4 * 4 * 1024 + bottleneck(1024)
    start += normalization(1024 if form == "torch" else 4 * 4 * 1024)
    ups = [(1024, 512), (512, 256), (256, 128)]
    up = sum(side * one * other + normalization(other) for one, other in ups) + bottleneck(512)
    assert parameter_count(generator) == text + start + up + image + biases == count


@pytest.mark.parametrize(
    ("form", "text_size", "extra_features", "extra_head"),
    [
        ("torch", 256, 0, 0),
        ("torch_int", 128, 0, 4 * 128),  # The text is normalized.
        ("tensorlayer", 128, 64, 1),  # The first convolution and the logit have biases.
    ],
)
def test_discriminator_has_the_parameters_of_its_layers(
    form: str, text_size: int, extra_features: int, extra_head: int
) -> None:
    options = GANCLSOptions(
        image_size=64,
        sentence_size=1024,
        discriminator_channels=64,
        discriminator_form=form,
        text_size=text_size,
    )
    features = ImageFeatures(options, image_channels=3)
    head = Head(options, feature_shape=(4, 4, 512))
    down = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512)
    normalized = normalization(128) + normalization(256) + normalization(512)
    count = down + normalized + bottleneck(512)
    assert features.feature_shape == (4, 4, 512)
    assert parameter_count(features) == count + extra_features == 3_565_056 + extra_features
    text = 1024 * text_size + text_size
    joint = (512 + text_size) * 512 + normalization(512)
    logit = 4 * 4 * 512
    assert parameter_count(head) == text + joint + logit + extra_head


@pytest.mark.parametrize(
    ("image_size", "form"), [(16, "torch"), (64, "tensorlayer"), (128, "torch_int")]
)
def test_generator_and_discriminator_support_every_size(image_size: int, form: str) -> None:
    image = make_generator(form=form, image_size=image_size)(normals(2, 4), normals(2, 3))
    assert image.shape == (2, image_size, image_size, 1)
    features, head = make_discriminator(form=form, image_size=image_size)
    assert features.feature_shape == (4, 4, 4 * image_size // 8)
    encoded = features(image)
    assert encoded.shape == (2, *features.feature_shape)
    assert head(encoded, normals(2, 3)).shape == (2,)


@pytest.mark.parametrize(
    ("dtype", "form"),
    [("mixed_bfloat16", "torch"), ("mixed_float16", "torch_int"), ("mixed_float16", "tensorlayer")],
)
def test_images_and_logits_are_float32_in_every_precision(dtype: str, form: str) -> None:
    generator = make_generator(form=form, dtype=dtype)
    generator.first.kernel.assign(1000.0 * generator.first.kernel)
    image = generator(normals(4, 4), normals(4, 3), training=True)
    assert image.dtype == tf.float32
    assert np.abs(image).max() <= 1
    features, head = make_discriminator(form=form, dtype=dtype)
    logits = head(features(image, training=True), normals(4, 3), training=True)
    assert logits.dtype == tf.float32
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("form", FORMS)
def test_gradients_reach_every_variable(form: str) -> None:
    generator = make_generator(form=form)
    features, head = make_discriminator(form=form)

    def loss() -> tf.Tensor:
        image = generator(normals(4, 4), normals(4, 3), training=True)
        logits = head(features(image, training=True), normals(4, 3), training=True)
        return tf.reduce_sum(tf.square(logits - 1.0))

    checks.gradients_reach_every_variable((generator, features, head), loss)


@pytest.mark.parametrize("form", FORMS)
def test_images_depend_on_latent_and_sentence(form: str) -> None:
    checks.images_depend_on_latent_and_sentence(make_generator(form=form), least=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_sampled_row_does_not_depend_on_its_batch(form: str) -> None:
    inputs = normals(4, 4), normals(4, 3)
    checks.samples_do_not_depend_on_their_batch(make_generator(form=form), *inputs)


@pytest.mark.parametrize("form", FORMS)
def test_row_without_normalization_does_not_depend_on_its_batch(form: str) -> None:
    features, head = make_discriminator(form=form, batch_norm=False)
    checks.logits_do_not_depend_on_their_batch(features, head, images(3, 32), normals(3, 3))


@pytest.mark.parametrize("form", FORMS)
def test_logits_depend_on_the_sentence_only_in_a_conditional_head(form: str) -> None:
    for conditional in (True, False):
        features, head = make_discriminator(form=form, conditional=conditional)
        encoded = features(images(2, 32), training=True)
        first, other = (
            head(encoded, tf.constant(sentence), training=True)
            for sentence in ([[1.0, 2.0, 3.0]] * 2, [[-1.0, 2.0, 3.0], [3.0, -5.0, 0.0]])
        )
        assert np.array_equal(first, other) is not conditional
        assert (head.text is not None) is conditional


def test_forms_differ_in_the_activation_before_the_last_halving() -> None:
    ends = {form: linear_ends(make_discriminator(form=form)[0]) for form in FORMS}
    assert ends == {"torch": 1, "torch_int": 2, "tensorlayer": 1}


def test_every_normalization_has_the_published_momentum_and_epsilon() -> None:
    networks = (make_generator(), *make_discriminator(form="torch_int"))
    found = {
        (layer.momentum, layer.epsilon, layer.synchronized)
        for network in networks
        for layer in network.submodules
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert found == {(0.9, 1e-5, True)}
