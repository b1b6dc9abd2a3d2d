"""Differentiable augmentation: random per row, with gradients for every image."""

import numpy as np
import pytest
import tensorflow as tf

from tfgan2.adversarial.augment import Augmentation, cut_out, recolor
from tfgan2.adversarial.noise import StepNoise

ALL = Augmentation(color=True, translation_px=2, cutout=0.5)
EACH = {
    "color": Augmentation(color=True),
    "translation": Augmentation(translation_px=2),
    "cutout": Augmentation(cutout=0.5),
}
ROWS = 64


def noise(*, step: int = 3, rows: int = ROWS) -> StepNoise:
    step = tf.constant(step, tf.int64)
    return StepNoise(seed=1, step=step, scope="discriminator", batch_size=rows)


def images(channels: int = 3, *, rows: int = ROWS) -> tf.Tensor:
    random = np.random.default_rng(0)
    return tf.constant(random.uniform(-1, 1, [rows, 8, 8, channels]), tf.float32)


def test_color_operations_equal_hand_computed_values() -> None:
    image = tf.constant([[[[0.2, -0.4, 0.8], [0.0, 0.6, 0.0]]]])
    drawn = tf.constant([[0.75, 0.25, 0.9]])
    brighter = image.numpy() + 0.25
    grey = brighter.mean(axis=3, keepdims=True)
    duller = (brighter - grey) * 0.5 + grey
    expected = (duller - duller.mean()) * 1.4 + duller.mean()
    np.testing.assert_allclose(recolor(image, drawn), expected, rtol=1e-5)
    # In [0, 1], a quarter of the range is half as large a value.
    half = recolor((image + 1.0) / 2.0, drawn, lowest_value=0.0)
    np.testing.assert_allclose(half, (expected + 1.0) / 2.0, rtol=1e-5)


def test_median_noise_changes_no_color() -> None:
    np.testing.assert_allclose(recolor(images(), tf.fill([ROWS, 3], 0.5)), images(), atol=1e-6)


@pytest.mark.parametrize(
    ("draws", "rows", "columns"),
    [((0.5, 0.5), (2, 6), (2, 6)), ((0.0, 0.999), (0, 2), (6, 8)), ((0.3, 0.0), (0, 4), (0, 2))],
)
def test_cutout_covers_a_square_of_half_the_side_clipped_at_the_border(
    draws: tuple[float, float], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    image = images(rows=1)
    expected = image.numpy()
    expected[:, rows[0] : rows[1], columns[0] : columns[1]] = 0.5
    np.testing.assert_array_equal(
        cut_out(image, tf.constant([draws]), fraction=0.5, grey=0.5), expected
    )


@pytest.mark.parametrize("augmentation", EACH.values(), ids=EACH)
def test_each_operation_changes_every_row_by_its_own_noise(augmentation: Augmentation) -> None:
    same = tf.repeat(images(rows=1), ROWS, axis=0)
    augmented = augmentation(same, noise(), name="real", probability=1.0).numpy()
    different = {row.tobytes() for row in augmented}
    assert len(different) > 10
    again = augmentation(same, noise(), name="real", probability=1.0)
    np.testing.assert_array_equal(augmented, again)
    later = augmentation(same, noise(step=4), name="real", probability=1.0)
    other = augmentation(same, noise(), name="fake", probability=1.0)
    assert not np.array_equal(augmented, later)
    assert not np.array_equal(augmented, other)


def test_two_replicas_augment_as_one_device() -> None:
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )

    @tf.function
    def augmented(image: tf.Tensor) -> tf.Tensor:
        return ALL(image, noise(rows=image.shape[0]), name="real", probability=0.5)

    halves = strategy.experimental_distribute_values_from_function(
        lambda context: tf.split(images(), 2)[context.replica_id_in_sync_group]
    )
    parts = strategy.experimental_local_results(strategy.run(augmented, args=(halves,)))
    np.testing.assert_allclose(tf.concat(parts, axis=0), augmented(images()), atol=1e-6)


@pytest.mark.parametrize("augmentation", EACH.values(), ids=EACH)
def test_probability_is_the_fraction_of_rows_that_change(augmentation: Augmentation) -> None:
    image = images(rows=1000)

    def changed(probability: tf.Tensor | float) -> float:
        augmented = augmentation(image, noise(rows=1000), name="real", probability=probability)
        return float(np.mean(np.any(augmented.numpy() != image.numpy(), axis=(1, 2, 3))))

    assert changed(tf.constant(0.0)) == 0.0
    assert changed(1.0) > 0.9
    assert changed(tf.Variable(0.3)) == pytest.approx(0.3 * changed(1.0), abs=0.05)


def test_gradients_reach_every_image() -> None:
    image = images()
    with tf.GradientTape() as tape:
        tape.watch(image)
        augmented = ALL(image, noise(), name="fake", probability=tf.constant(0.9))
        total = tf.reduce_sum(tf.square(augmented))
    gradient = tape.gradient(total, image).numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max(axis=(1, 2, 3)).min() > 0


def test_strided_noise_augments_half_as_many_images() -> None:
    image = images()
    whole = ALL(image, noise(), name="fake", probability=0.5)
    half = ALL(image[::2], noise(), name="fake", probability=0.5, every=2)
    np.testing.assert_allclose(half, whole[::2], atol=1e-6)


def test_no_operation_returns_the_same_tensor() -> None:
    image = images()
    assert Augmentation()(image, noise(), name="real", probability=1.0) is image
