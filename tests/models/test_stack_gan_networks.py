"""StackGAN networks: sizes, conditioning, and the inputs that images and logits depend on."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from scipy import stats

from tests.models import checks
from tests.models.checks import (
    bottleneck,
    images,
    linear_ends,
    normalization,
    normals,
    parameter_count,
)
from tfgan2.models.layers.conditioning import kl_divergence, truncated
from tfgan2.models.layers.dense_blocks import DenseBlock, NormalizedDenseBlock
from tfgan2.models.stack_gan.discriminators import StageFeatures, StageHead
from tfgan2.models.stack_gan.networks import (
    ConditioningAugmentation,
    StageOneGenerator,
    StageTwoGenerator,
)
from tfgan2.models.stack_gan.options import StackGANOptions

LATENT_SIZE, CONDITIONING_SIZE, SENTENCE_SIZE = 4, 3, 5
STAGES = [(StageOneGenerator, 16), (StageTwoGenerator, 64)]
PUBLISHED_FORMS = ["tensorflow", "pytorch"]
# Each form once, and each stage with a form with batch normalizations and one with dense blocks.
EACH_FORM = pytest.mark.parametrize(
    ("make", "image_size", "form"),
    [
        (StageOneGenerator, 16, "tensorflow"),
        (StageOneGenerator, 16, "imagan"),
        (StageTwoGenerator, 64, "pytorch"),
        (StageTwoGenerator, 64, "rdn"),
    ],
)

AnyGenerator = StageOneGenerator | StageTwoGenerator


def make_generator(
    make: type[AnyGenerator],
    image_size: int,
    *,
    form: str,
    faithful: bool = False,
    dtype: str = "float32",
) -> AnyGenerator:
    keras.utils.set_random_seed(0)
    options = StackGANOptions(
        image_size=image_size,
        latent_size=LATENT_SIZE,
        sentence_size=SENTENCE_SIZE,
        conditioning_size=CONDITIONING_SIZE,
        generator_channels=4,
        generator_form=form,
        faithful=faithful,
    )
    return make(options, image_channels=1, dtype=dtype)


def make_published(make: type[AnyGenerator], image_size: int) -> AnyGenerator:
    options = StackGANOptions(
        image_size=image_size,
        sentence_size=1024,
        generator_channels=128,
        generator_form="tensorflow",
    )
    return make(options, image_channels=3)


def make_discriminator(
    image_size: int,
    *,
    stage: int,
    form: str,
    batch_norm: bool = True,
    unconditional: bool = False,
    dtype: str = "float32",
) -> tuple[StageFeatures, StageHead]:
    keras.utils.set_random_seed(0)
    options = StackGANOptions(
        image_size=image_size,
        stage=stage,
        discriminator_channels=4,
        discriminator_form=form,
        discriminator_batch_norm=batch_norm,
    )
    features = StageFeatures(options, image_channels=1, dtype=dtype)
    head = StageHead(
        options,
        feature_shape=features.feature_shape,
        condition_size=SENTENCE_SIZE,
        unconditional=unconditional,
        dtype=dtype,
    )
    return features, head


def draw(
    generator: AnyGenerator, *, rows: int = 4, training: bool | None = None, seed: int = 0
) -> tf.Tensor:
    latent = normals(rows, generator.noise_size, seed)
    return generator(latent, normals(rows, SENTENCE_SIZE), training=training)


# A dense layer from the sentence to mean and log sigma.
CONDITIONING = 1024 * 2 * 128 + 2 * 128


def test_tensorflow_stage_one_has_the_parameters_of_its_layers() -> None:
    units = 4 * 4 * 1024
    start = (128 + 100) * units + units + normalization(units) + bottleneck(1024)
    side_8 = 9 * 1024 * 512 + normalization(512) + bottleneck(512)
    side_16 = 9 * 512 * 256 + normalization(256)
    side_32 = 9 * 256 * 128 + normalization(128)
    image = 9 * 128 * 3
    count = CONDITIONING + start + side_8 + side_16 + side_32 + image
    assert parameter_count(make_published(StageOneGenerator, 64)) == count == 14_303_360


def test_tensorflow_stage_two_has_the_parameters_of_its_layers() -> None:
    generator = make_published(StageTwoGenerator, 256)
    assert generator.noise_size == 100 + 128 + 128
    down = 9 * 3 * 128 + 16 * 128 * 256 + 16 * 256 * 512 + normalization(256 + 512)
    join = 9 * (512 + 128) * 512 + normalization(512)
    residual_block = 2 * (9 * 512 * 512 + normalization(512))
    up = 9 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 32) + normalization(256 + 128 + 64 + 32)
    image = 9 * 32 * 3
    count = CONDITIONING + down + join + 4 * residual_block + up + image
    own = parameter_count(generator) - parameter_count(generator.stage_one)
    assert own == count == 26_301_792
    assert parameter_count(generator.stage_one) == 14_303_360


def test_tensorflow_discriminators_have_the_parameters_of_their_layers() -> None:
    both = [
        StackGANOptions(
            image_size=image_size,
            stage=stage,
            discriminator_channels=64,
            discriminator_form="tensorflow",
        )
        for image_size, stage in ((64, 1), (256, 2))
    ]
    stage_one, stage_two = (StageFeatures(options, image_channels=3) for options in both)
    head = StageHead(both[0], feature_shape=(4, 4, 512), condition_size=1024, unconditional=False)
    down = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + normalization(128 + 256 + 512)
    count = down + bottleneck(512)
    assert parameter_count(stage_one) == count == 3_565_056
    further = 16 * (512 * 1024 + 1024 * 2048) + normalization(1024 + 2048)
    narrowing = 2048 * 1024 + 1024 * 512 + normalization(1024 + 512)
    assert parameter_count(stage_two) == count + further + narrowing == 48_147_968
    assert stage_one.feature_shape == stage_two.feature_shape == (4, 4, 512)
    text = 1024 * 128 + 128
    joint = (512 + 128) * 512 + normalization(512)
    assert parameter_count(head) == text + joint + 4 * 4 * 512


@pytest.mark.parametrize(
    ("make", "image_size", "form"),
    [
        (StageOneGenerator, 16, "imagan"),
        (StageOneGenerator, 64, "tensorflow"),
        (StageTwoGenerator, 64, "pytorch"),
        (StageTwoGenerator, 256, "rdn"),
    ],
)
def test_both_stages_generate_the_smallest_and_the_largest_size(
    make: type[AnyGenerator], image_size: int, form: str
) -> None:
    image = draw(make_generator(make, image_size, form=form), rows=1)
    assert image.shape == (1, image_size, image_size, 1)


@pytest.mark.parametrize(
    ("stage", "image_size", "channels", "form"),
    [
        (1, 16, 2, "tensorflow"),
        (1, 64, 8, "pytorch"),
        (2, 64, 8, "pytorch"),
        (2, 256, 8, "tensorflow"),
    ],
)
def test_discriminators_support_the_smallest_and_the_largest_size(
    stage: int, image_size: int, channels: int, form: str
) -> None:
    features, head = make_discriminator(image_size, stage=stage, form=form, unconditional=True)
    assert features.feature_shape == (4, 4, 4 * channels)
    encoded = features(tf.zeros([2, image_size, image_size, 1]))
    assert encoded.shape == (2, *features.feature_shape)
    assert [logits.shape for logits in head(encoded, normals(2, SENTENCE_SIZE))] == [(2,), (2,)]


@EACH_FORM
def test_images_and_logits_are_float32_in_half_precision(
    make: type[AnyGenerator], image_size: int, form: str
) -> None:
    generator = make_generator(make, image_size, form=form, dtype="mixed_float16")
    generator.to_image.set_weights([1000.0 * it for it in generator.to_image.get_weights()])
    image = draw(generator, training=True)
    assert image.dtype == tf.float32
    assert 0.5 < np.abs(image).max() <= 1
    features, head = make_discriminator(
        image_size, stage=1, form=form, unconditional=True, dtype="mixed_float16"
    )
    encoded = features(image, training=True)
    for logits in head(encoded, normals(4, SENTENCE_SIZE), training=True):
        assert logits.dtype == tf.float32
        assert np.isfinite(logits).all()


@EACH_FORM
def test_gradients_reach_every_variable(
    make: type[AnyGenerator], image_size: int, form: str
) -> None:
    generator = make_generator(make, image_size, form=form)
    features, head = make_discriminator(image_size, stage=2, form=form, unconditional=True)

    def loss() -> tf.Tensor:
        encoded = features(draw(generator, rows=8, training=True), training=True)
        matched, alone = head(encoded, normals(8, SENTENCE_SIZE), training=True)
        return tf.reduce_sum(tf.square(matched - 1.0) + tf.square(alone - 1.0))

    checks.gradients_reach_every_variable((generator, features, head), loss)


def test_stage_two_keeps_stage_one_frozen() -> None:
    generator = make_generator(StageTwoGenerator, 64, form="pytorch")
    frozen = {variable.ref() for variable in generator.stage_one.variables}
    assert frozen.isdisjoint(variable.ref() for variable in generator.trainable_variables)
    before = [variable.numpy() for variable in generator.variables]
    draw(generator, training=True)
    for variable, value in zip(generator.variables, before, strict=True):
        moves = variable.ref() not in frozen and "moving_" in variable.name
        assert np.array_equal(variable, value) is not moves, variable.name


def test_stage_two_loads_a_trained_stage_one() -> None:
    trained = make_generator(StageOneGenerator, 16, form="tensorflow")
    for variable in trained.variables:
        variable.assign(tf.abs(variable) + 0.01)
    generator = make_generator(StageTwoGenerator, 64, form="tensorflow")
    generator.load_stage1(trained)
    np.testing.assert_array_equal(draw(generator.stage_one), draw(trained))
    assert not generator.stage_one.trainable_variables


@EACH_FORM
def test_images_depend_on_every_part_of_the_noise(
    make: type[AnyGenerator], image_size: int, form: str
) -> None:
    generator = make_generator(make, image_size, form=form)
    for layer in generator.submodules:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            layer.kernel.assign(10.0 * layer.kernel)
    ends = [0, LATENT_SIZE, *range(LATENT_SIZE, generator.noise_size + 1, CONDITIONING_SIZE)[1:]]
    assert ends[-1] == generator.noise_size
    sentence = normals(1, SENTENCE_SIZE)
    plain = generator(tf.zeros([1, generator.noise_size]), sentence)
    for start, end in itertools.pairwise(ends):
        units = tf.range(generator.noise_size)
        noise = tf.cast((units >= start) & (units < end), tf.float32)
        image = generator(noise[tf.newaxis], sentence)
        assert np.abs(image - plain).max() > 1e-4, (start, end)


@pytest.mark.parametrize(("make", "image_size"), STAGES)
def test_latent_comes_before_the_conditioning_noise(
    make: type[AnyGenerator], image_size: int
) -> None:
    generator = make_generator(make, image_size, form="tensorflow")
    stage_one = generator.stage_one if make is StageTwoGenerator else generator
    for conditioning in {generator.conditioning, stage_one.conditioning}:
        # A log sigma of -100 removes the noise.
        conditioning.dense.bias.assign([0.0] * CONDITIONING_SIZE + [-500.0] * CONDITIONING_SIZE)
    sentence = normals(1, SENTENCE_SIZE)
    plain = tf.zeros([1, generator.noise_size])
    end = tf.cast(tf.range(generator.noise_size) >= LATENT_SIZE, tf.float32)[tf.newaxis]
    np.testing.assert_array_equal(generator(end, sentence), generator(plain, sentence))
    assert np.abs(generator(1.0 - end, sentence) - generator(plain, sentence)).max() > 0


@pytest.mark.parametrize("form", ["tensorflow", "imagan"])
def test_sampled_row_does_not_depend_on_its_batch(form: str) -> None:
    generator = make_generator(StageTwoGenerator, 64, form=form)
    inputs = normals(4, generator.noise_size), normals(4, SENTENCE_SIZE)
    checks.samples_do_not_depend_on_their_batch(generator, *inputs)


@pytest.mark.parametrize("form", PUBLISHED_FORMS)
def test_row_without_normalization_does_not_depend_on_its_batch(form: str) -> None:
    features, head = make_discriminator(64, stage=2, form=form, batch_norm=False)
    inputs = images(3, 64), normals(3, SENTENCE_SIZE)
    checks.logits_do_not_depend_on_their_batch(features, head, *inputs)


@pytest.mark.parametrize("form", PUBLISHED_FORMS)
def test_only_the_conditional_logit_depends_on_the_sentence(form: str) -> None:
    _, head = make_discriminator(64, stage=2, form=form, unconditional=True)
    encoded = tf.random.stateless_normal([2, 4, 4, 32], [0, 1])
    first = head(encoded, tf.zeros([2, SENTENCE_SIZE]), training=True)
    other = head(
        encoded, tf.constant([[9.0] * SENTENCE_SIZE, [0.0] * SENTENCE_SIZE]), training=True
    )
    assert not np.array_equal(first[0], other[0])
    np.testing.assert_array_equal(first[1], other[1])


def ends_of(*, stage: int, form: str) -> int:
    return linear_ends(make_discriminator(64, stage=stage, form=form)[0])


def test_stages_and_forms_differ_in_the_last_activations() -> None:
    assert ends_of(stage=1, form="tensorflow") == 2
    assert ends_of(stage=2, form="tensorflow") == 1
    assert ends_of(stage=1, form="pytorch") == ends_of(stage=2, form="pytorch") == 0


@pytest.mark.parametrize(("form", "block"), [("rdn", DenseBlock), ("imagan", NormalizedDenseBlock)])
def test_dense_forms_have_dense_blocks_instead_of_residual_blocks(
    form: str, block: type[keras.layers.Layer]
) -> None:
    generator = make_generator(StageTwoGenerator, 64, form=form, faithful=True)
    assert sum(isinstance(it, block) for it in generator.stage_one.blocks) == 2
    assert sum(isinstance(it, block) for it in generator.blocks) == 4
    epsilons = {
        layer.epsilon
        for layer in generator.submodules
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert epsilons == ({1e-5, 0.8} if form == "imagan" else {1e-5})


def test_truncated_noise_keeps_its_quantiles() -> None:
    normal = np.linspace(-4.0, 4.0, 81, dtype=np.float32)
    expected = stats.truncnorm(-2.0, 2.0).ppf(stats.norm.cdf(normal.astype(np.float64)))
    np.testing.assert_allclose(truncated(tf.constant(normal)), expected, atol=2e-5)


def test_truncated_noise_is_finite_for_any_noise() -> None:
    ends = truncated(tf.constant([-np.inf, -1e9, 0.0, 1e9, np.inf]))
    np.testing.assert_allclose(ends, [-2.0, -2.0, 0.0, 2.0, 2.0], atol=1e-5)


def test_kl_divergence_equals_the_hand_computed_one() -> None:
    mean, log_sigma = tf.constant([[0.0, 1.0]]), tf.constant([[0.0, math.log(2.0)]])
    # 0 for the standard normal; -log 2 + (-1 + 4 + 1) / 2 for the other.
    expected = (0.0 + 2.0 - math.log(2.0)) / 2
    assert float(kl_divergence(mean, log_sigma)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("form", "mean", "log_sigma"),
    [("tensorflow", [3.0, -0.4], [-0.2, 0.5]), ("pytorch", [3.0, 0.0], [0.0, 0.25])],
)
def test_forms_split_the_conditioning_units_as_published(
    form: str, mean: list[float], log_sigma: list[float]
) -> None:
    options = StackGANOptions(sentence_size=2, conditioning_size=2, generator_form=form)
    network = ConditioningAugmentation(options)
    network.dense.kernel.assign([[3.0, -2.0, -1.0, 0.5], [0.0] * 4])
    sentence, noise = tf.ones([1, 2]), tf.constant([[0.3, -1.5]])
    np.testing.assert_allclose(network(sentence), [[mean], [log_sigma]], rtol=1e-6)
    noises = noise if form == "pytorch" else truncated(noise)
    expected = np.array(mean) + np.exp(log_sigma) * noises
    np.testing.assert_allclose(network.draw(sentence, noise), expected, rtol=1e-6)
