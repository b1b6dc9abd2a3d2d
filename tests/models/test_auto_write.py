"""auto-write: its sizes, its warm-up, and its untrained weights."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.models import systems
from tests.models.checks import parameter_count
from tests.tiny import TINY, VARIANTS
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.updates import Batch
from tfgan2.models.auto_write import networks as auto_write
from tfgan2.models.auto_write.model import AutoWrite
from tfgan2.models.auto_write.networks import Discriminator, Generator
from tfgan2.models.auto_write.options import AutoWriteOptions

WARM_UP_STEPS = 2
RECIPE = dataclasses.replace(TINY["auto_write"], warm_up_steps=WARM_UP_STEPS)


def published_generator(*, faithful: bool = False) -> Generator:
    return Generator(AutoWriteOptions(faithful=faithful), image_channels=1)


def test_parameter_counts_equal_hand_computed_ones() -> None:
    # A dense layer, convolutions of 50 and 25 channels and of the image, each with biases; and
    # offsets, means and variances of 1, 50 and 25 channels.
    weights = (100 + 1) * 56 * 56 + (9 * 1 + 1) * 50 + (9 * 50 + 1) * 25 + (25 + 1)
    generator = published_generator()
    assert parameter_count(generator) == weights + 3 * (1 + 50 + 25) == 328_765
    wide = Generator(AutoWriteOptions(first_channels=16), image_channels=1)
    more = 15 * ((100 + 1) * 56 * 56 + 9 * 50 + 3)
    assert parameter_count(wide) == 328_765 + more == 5_086_600
    short = Generator(AutoWriteOptions(latent_size=12, second_channels=50), image_channels=1)
    assert parameter_count(short) == 328_765 - 88 * 56 * 56
    faithful = published_generator(faithful=True)
    assert parameter_count(faithful) == weights + 2 * (1 + 50 + 25) == 328_689

    convolutions = (25 * 1 + 1) * 32 + (25 * 32 + 1) * 64
    dense = (7 * 7 * 64 + 1) * 1024 + 1024 + 1
    assert parameter_count(Discriminator(image_channels=1)) == convolutions + dense == 3_265_409


def test_images_are_28_px_and_between_0_and_1() -> None:
    images = published_generator()(tf.random.stateless_normal([3, 100], [0, 1]) * 100.0).numpy()
    assert images.shape == (3, 28, 28, 1)
    assert 0.0 <= images.min() < images.max() <= 1.0
    assert Discriminator(image_channels=1)(images).shape == (3,)


def test_only_the_sign_of_some_latent_values_counts() -> None:
    generator = Generator(AutoWriteOptions(latent_size=8, latent_signs=3), image_channels=1)
    latent = tf.random.stateless_normal([4, 8], [0, 1])
    signs, values = tf.split(latent, [3, 5], axis=1)

    def farthest(*latent: tf.Tensor) -> float:
        other = generator(tf.concat(latent, axis=1), training=True)
        return float(tf.reduce_max(tf.abs(other - drawn)))

    drawn = generator(latent, training=True)
    assert farthest(0.1 * signs, values) == 0.0
    assert farthest(-signs, values) > 0.01 < farthest(signs, 0.1 * values)


def test_initial_images_have_contrast_unless_initialized_as_published() -> None:
    latent = tf.random.stateless_normal([8, 100], [0, 1])
    spread = published_generator()(latent, training=True).numpy().std()
    faithful = published_generator(faithful=True)(latent, training=True).numpy().std()
    assert spread > 0.08 > 3 * faithful


def test_no_1x1_convolution_has_a_stride() -> None:
    # With few channels, TensorFlow's gradient of a strided 1x1 convolution corrupts CPU memory.
    generator = published_generator()
    layers = [it for it in generator.submodules if isinstance(it, keras.layers.Conv2D)]
    assert [(it.kernel_size[0], it.strides[0]) for it in layers].count((1, 1)) == 1
    assert all(it.strides == (1, 1) for it in layers if it.kernel_size == (1, 1))
    assert generator.last in layers


@pytest.fixture
def small_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller discriminator: the published convolutions take seconds in float16 on a CPU."""
    monkeypatch.setattr(auto_write, "DISCRIMINATOR_CHANNELS", (4, 8))
    monkeypatch.setattr(auto_write, "DISCRIMINATOR_UNITS", 16)


@pytest.mark.usefixtures("small_discriminator")
def test_discriminator_gets_real_and_generated_images_between_0_and_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = dataclasses.replace(RECIPE, augment_translation_px=0)
    gan, batch, seen, call = (
        systems.make(recipe),
        systems.some_batch(recipe),
        [],
        Discriminator.call,
    )
    inputs = systems.inputs(gan, batch, systems.noise())

    def record(network: Discriminator, image: tf.Tensor) -> tf.Tensor:
        seen.append(image.numpy())
        return call(network, image)

    monkeypatch.setattr(Discriminator, "call", record)
    gan.real_loss(inputs)
    gan.fake_loss(inputs)
    real, generated = seen
    np.testing.assert_allclose(real, (batch["image"] + 1.0) / 2.0, atol=1e-6)
    np.testing.assert_array_equal(generated, inputs.generated)


def generator_state(gan: AutoWrite) -> tuple[list, list, list]:
    """Trained variables, moving statistics and the optimizer of the generator."""
    return (
        systems.values(gan.generator.trainable_variables),
        systems.values(gan.generator.non_trainable_variables),
        systems.values(gan.optimizers["generator"].variables),
    )


def kernels(network: keras.Model) -> list[tf.Variable]:
    """Kernels without biases: a bias before a normalization has no gradient."""
    return [variable for variable in network.trainable_variables if variable.shape.rank > 1]


def as_dataset(gan: GAN, strategy: tf.distribute.Strategy) -> object:
    """Batches of random rows, different for each replica."""
    rows = RECIPE.batch_size // strategy.num_replicas_in_sync

    def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        images = systems.some_batch(RECIPE)["image"][:rows]
        return tf.data.Dataset.from_tensors({"image": images}).repeat()

    return strategy.distribute_datasets_from_function(batches)


def strategies() -> list[tf.distribute.Strategy]:
    mirrored = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    return [tf.distribute.get_strategy(), mirrored]


@pytest.mark.usefixtures("small_discriminator")
@pytest.mark.parametrize(("replicas", "precision"), [(1, "mixed_bfloat16"), (2, "float32")])
def test_warm_up_leaves_the_generator_unchanged(replicas: int, precision: str) -> None:
    strategy = strategies()[replicas - 1]
    assert strategy.num_replicas_in_sync == replicas
    with strategy.scope():
        gan = systems.make(RECIPE, precision=precision)
    start, kernels_before = generator_state(gan), systems.values(kernels(gan.generator))
    discriminator_kernels = systems.values(kernels(gan.discriminator))
    dataset = as_dataset(gan, strategy)
    logs = gan.fit(dataset, steps_per_epoch=WARM_UP_STEPS, verbose=0).history
    # Logs are means over the replicas: here still about the chance loss.
    chance_loss = gan.discriminator_statistics.chance_losses["real/loss"]
    assert logs["real/loss"][0] == pytest.approx(chance_loss, rel=0.3)
    for before, after in zip(start, generator_state(gan), strict=True):
        assert before
        assert systems.same(before, after)
    assert systems.none_same(discriminator_kernels, systems.values(kernels(gan.discriminator)))
    # The EMA of unchanged weights is unchanged.
    assert systems.same(gan.average_generator.get_weights(), gan.generator.get_weights())

    gan.fit(dataset, steps_per_epoch=1, verbose=0)
    _, statistics, optimizer = generator_state(gan)
    assert systems.none_same(kernels_before, systems.values(kernels(gan.generator)))
    assert systems.none_same(start[1], statistics)
    assert not systems.same(start[2], optimizer)
    assert int(gan.optimizers["generator"].iterations.numpy()) == 1
    assert int(gan.optimizers["real"].iterations.numpy()) == WARM_UP_STEPS + 1


@pytest.mark.usefixtures("small_discriminator")
def test_overflow_in_the_warm_up_is_not_counted_as_a_skipped_update() -> None:
    gan = systems.make(dataclasses.replace(RECIPE, batch_size=2), precision="mixed_float16")
    gan.optimizers["generator"]._loss_scale._current_loss_scale.assign(float("inf"))
    batch = {"image": systems.some_batch(RECIPE)["image"][:2]}
    for step in range(WARM_UP_STEPS):
        logs = gan.train_step(batch)
        assert float(logs["generator/skipped_updates"]) == 0.0, step
    assert float(gan.train_step(batch)["generator/skipped_updates"]) == 1.0


def test_discriminator_has_one_optimizer_for_real_and_one_for_generated_images() -> None:
    gan = systems.make(RECIPE)
    (real, fake, generator) = gan.updates
    assert [update.name for update in gan.updates] == ["real", "fake", "generator"]
    assert [id(v) for v in real.variables] == [id(v) for v in fake.variables]
    assert len({id(update.optimizer) for update in gan.updates}) == 3
    assert float(real.optimizer.learning_rate) == pytest.approx(RECIPE.discriminator_learning_rate)
    assert float(generator.optimizer.learning_rate) == pytest.approx(RECIPE.generator_learning_rate)


@pytest.mark.usefixtures("small_discriminator")
def test_both_discriminator_gradients_are_computed_at_the_same_weights() -> None:
    """The order of the updates does not matter: both gradients are of the same weights."""
    moved = []
    for reverse in (False, True):
        gan = systems.make(RECIPE)
        sgd = {name: keras.optimizers.SGD(0.1) for name in ("real", "fake", "generator")}
        gan.compile(optimizers=sgd)
        real, fake, _ = gan.updates
        if reverse:
            first = dataclasses.replace(fake, simultaneous=False)
            updates = (first, dataclasses.replace(real, simultaneous=True))
        else:
            updates = (real, fake)
        with mock.patch.object(AutoWrite, "updates", updates):
            gan.train_step(systems.some_batch(RECIPE))
        moved.append(systems.values(gan.discriminator.trainable_variables))
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.usefixtures("small_discriminator")
def test_joint_update_sums_both_gradients() -> None:
    recipe, moved = dataclasses.replace(RECIPE, augment_translation_px=0), []
    latent = tf.random.stateless_normal([recipe.batch_size, recipe.latent_size], [0, 1])

    def generate(gan: AutoWrite, batch: Batch, noise: StepNoise) -> tf.Tensor:
        return gan.generator(latent, training=True)

    for how, names in {"joint": ["discriminator"], "separate": ["real", "fake"]}.items():
        gan = systems.make(dataclasses.replace(recipe, discriminator_update=how))
        assert [update.name for update in gan.updates] == [*names, "generator"]
        assert sorted(gan.optimizers) == sorted([*names, "generator"])
        gan.compile(optimizers={name: keras.optimizers.SGD(0.1) for name in gan.optimizers})
        with mock.patch.object(AutoWrite, "generate", generate):
            parts = gan.train_step(systems.some_batch(recipe))
        names = gan.discriminator_statistics
        assert {names.real_logit, names.fake_logit, *names.chance_losses} < set(parts)
        losses = sum(float(parts[name]) for name in names.chance_losses)
        assert losses == pytest.approx(sum(names.chance_losses.values()), abs=0.01)
        moved.append(systems.values(gan.discriminator.trainable_variables))
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.usefixtures("small_discriminator")
def test_offsets_are_trained_unless_faithful() -> None:
    def offsets(gan: AutoWrite) -> list[tf.Variable]:
        layers = gan.generator.normalizations
        assert all(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)
        assert all(layer.gamma is None for layer in layers)
        return [layer.beta for layer in layers]

    trained = systems.make(dataclasses.replace(RECIPE, warm_up_steps=0))
    before = systems.values(offsets(trained))
    trained.train_step(systems.some_batch(RECIPE))
    assert systems.none_same(before, systems.values(offsets(trained)))
    assert offsets(systems.make(VARIANTS["auto_write-faithful"])) == [None] * 3


def test_batch_normalization_uses_the_batch_only_in_training() -> None:
    gan = systems.make(RECIPE)
    latents = tf.random.stateless_normal([4, RECIPE.latent_size], [0, 1])
    first = [gan.generator(latents[:rows], training=False)[0] for rows in (1, 4)]
    np.testing.assert_allclose(*first, atol=1e-6)
    first = [gan.generator(latents[:rows], training=True)[0] for rows in (1, 4)]
    assert np.abs(first[0] - first[1]).max() > 1e-6
