"""Parts of tools.benchmark: operation counts, timing, synthetic data and measurements."""

import itertools
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests.tiny import QUICK_DF_GAN, TINY
from tests.tools import other_step
from tfgan2.data import pipeline, records
from tfgan2.program import UsageError
from tools.benchmarks import (
    against,
    batch,
    flops,
    metrics,
    serve,
    synthetic_data,
    timing,
)
from tools.benchmarks.bench import Bench
from tools.benchmarks.results import Rate, Result

KERNEL = [3, 3, 5, 7]
# Kernels of 3 x 3 x 5, for 7 channels and 8 x 8 pixels of 4 images; * and + count as two.
CONVOLUTION = 2 * (3 * 3 * 5) * 7 * (8 * 8) * 4


def graph_of(function: object, *shapes: list[int | None]) -> tf.Graph:
    specifications = [tf.TensorSpec(shape) for shape in shapes]
    return tf.function(function).get_concrete_function(*specifications).graph


def halve(image: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(image, kernel, 2, "SAME")


def test_convolution_count_equals_the_hand_computed_one() -> None:
    graph = graph_of(halve, [4, 16, 16, 5], KERNEL)
    assert flops.count(graph, rows=1) == CONVOLUTION


def test_each_convolution_gradient_counts_as_the_convolution() -> None:
    def gradients(image: tf.Tensor, kernel: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([image, kernel])
            loss = tf.reduce_sum(halve(image, kernel) ** 2)
        return tape.gradient(loss, [image, kernel])

    graph = graph_of(gradients, [4, 16, 16, 5], KERNEL)
    assert flops.count(graph, rows=1) == 3 * CONVOLUTION


def test_matrix_products_count_their_inner_dimension() -> None:
    def products(a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) -> list[tf.Tensor]:
        return [tf.matmul(a, b, transpose_a=True), tf.matmul(c, c, transpose_b=True)]

    graph = graph_of(products, [10, 3], [10, 4], [2, 6, 5])
    assert flops.count(graph, rows=1) == 2 * 10 * 3 * 4 + 2 * 2 * 6 * 6 * 5


def test_called_functions_are_counted_with_the_given_rows() -> None:
    inner = tf.function(halve)

    def outer(image: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return inner(image, kernel) + inner(2.0 * image, kernel)

    graph = graph_of(outer, [None, 16, 16, 5], KERNEL)
    assert flops.count(graph, rows=4) == 2 * CONVOLUTION


def test_einsum_counts_every_combination_of_indices() -> None:
    def shift(rows: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        return tf.einsum("bik,bkc->bic", rows, image)

    assert flops.count(graph_of(shift, [None, 6, 4], [None, 4, 5]), rows=3) == 2 * 3 * 6 * 4 * 5


def test_longest_branch_is_counted() -> None:
    def either(a: tf.Tensor) -> tf.Tensor:
        return tf.cond(tf.reduce_sum(a) > 0, lambda: a @ a, lambda: a @ a @ a)

    assert flops.count(graph_of(either, [5, 5]), rows=1) == 2 * 2 * 5**3


def test_uncountable_graphs_are_refused() -> None:
    def again(a: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(lambda b: tf.reduce_sum(b) < 9, lambda b: (b @ a,), (a,))[0]

    with pytest.raises(flops.UncountableError, match="in a loop of unknown length"):
        flops.count(graph_of(again, [5, 5]), rows=1)
    with pytest.raises(flops.UncountableError, match="has no static shape"):
        flops.count(graph_of(halve, [4, None, None, 5], KERNEL), rows=1)


@pytest.mark.slow
@pytest.mark.parametrize("system", sorted(set(TINY) - {"damsm"}))
def test_steps_of_every_system_can_be_counted(
    system: str, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = TINY[system]
    bench = Bench(recipe, name=system, folder=tmp_path, seconds=0.1, data_dir=str(data_dir))
    assert bench.steps.operations() > 1e5 * recipe.batch_size


def test_timed_calls_alternate() -> None:
    called: list[str] = []
    times = timing.alternate(
        [lambda: called.append("ours"), lambda: called.append("theirs")], seconds=0.0
    )
    assert called == ["ours", "theirs"] * (timing.WARM_UP_CALLS + timing.FEWEST_CALLS)
    assert [len(it) for it in times] == [timing.FEWEST_CALLS] * 2


def test_rate_is_a_median_with_quartiles() -> None:
    assert Rate.of([8.0, 4.0, 2.0, 16.0, 32.0]) == Rate(median=8.0, low=4.0, high=16.0)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("step", "must be MODULE:FUNCTION"),
        (":step", "must be MODULE:FUNCTION"),
        ("tests.tools.other_step:none", "has no attribute 'none'"),
        ("tests.tools.other_step:NO_FUNCTION", "must name a function"),
    ],
)
def test_missing_implementation_is_refused(name: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        against.load(name, what="against")


def test_synthetic_data_are_a_valid_data_set(tmp_path: pathlib.Path) -> None:
    for folder, channels in (("grey", 1), ("colour", 3)):
        synthetic_data.prepare(
            tmp_path / folder, image_size=16, channels=channels, train=30, test=12
        )
        manifest = records.verify(tmp_path / folder)
        assert (manifest.records("train"), manifest.records("test")) == (30, 12)
        assert (manifest.channels, len(manifest.label_names)) == (channels, 10)
        assert manifest.overlap == {"images": 0, "captions": 0}
        examples = pipeline.examples(
            tmp_path / folder, manifest, split="train", view=pipeline.View(16)
        )
        assert {len(its) for its in examples.captions} == {3}
        pairs = itertools.combinations(examples.image, 2)
        assert not any(np.array_equal(one, other) for one, other in pairs)


@pytest.fixture(scope="module")
def bench(data_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(
        QUICK_DF_GAN,
        name="quick",
        folder=tmp_path_factory.mktemp("bench"),
        seconds=0.5,
        data_dir=str(data_dir),
    )


def test_operations_of_an_image_equal_the_hand_computed_count(bench: Bench) -> None:
    blocks = 0
    for side, wide, narrow in ((8, 16, 8), (16, 8, 4), (32, 4, 2)):
        # Before upsampling: the shortcut, and 2 x 2 sums per pixel of the first kernel.
        blocks += 2 * side**2 * (4 * wide * narrow + 9 * narrow**2 + wide * narrow // 4)
        for channels in (wide, narrow):  # Two affine transformations, two perceptrons each.
            blocks += 4 * 2 * ((8 + 8) * channels + channels**2)
    ends = 2 * 8 * (4 * 4 * 16) + 2 * 32**2 * (9 * 2 * 1)
    sentence = 2 * 6 * (3 * 8 * 8) + 2 * 8 * 8
    assert bench.exported.operations(1) == blocks + ends + sentence
    assert bench.exported.operations(16) == 16 * (blocks + ends + sentence)


def check(result: Result, what: str, bench: Bench) -> None:
    assert (result.what, result.model, result.precision) == (what, "quick", "float32")
    rows, alone = bench.exported.best
    assert f"{alone:.1f} images/s at batch size {rows}" in result.ratio_to
    assert result.ratio == pytest.approx(result.images_per_second.median / alone)
    assert result.ratio > 0
    assert result.memory_mb > 100


@pytest.mark.slow
def test_server_is_compared_with_the_saved_model(bench: Bench) -> None:
    (result,) = serve.measure(bench)
    check(result, "serve", bench)


@pytest.mark.slow
def test_batch_generation_is_compared_with_the_saved_model(bench: Bench) -> None:
    (result,) = batch.measure(bench)
    check(result, "batch", bench)
    pictures = list((bench.folder / "generated_2").rglob("*.png"))
    assert len(pictures) == int(result.ratio_to.split("; ")[1].split()[0])


@pytest.mark.slow
def test_metrics_are_compared_with_generation(bench: Bench) -> None:
    (result,) = metrics.measure(bench)
    check(result, "metrics", bench)


def test_training_function_that_is_not_callable_is_refused(bench: Bench) -> None:
    with pytest.raises(UsageError, match="must return a function that takes a step, got None"):
        against.measure_training(bench, other_step.make_nothing, name="other")


def test_generation_function_that_is_not_callable_is_refused(bench: Bench) -> None:
    with pytest.raises(UsageError, match="must return a function that draws a batch, got None"):
        against.measure_generation(bench, other_step.make_nothing, name="other")


def test_pixels_signature_gives_the_pixels_of_the_files(bench: Bench) -> None:
    pixels = bench.exported.drawer(3, signature="pixels")()
    assert (pixels.shape, pixels.dtype) == ((3, 32, 32, 1), np.uint8)
    files = bench.exported.drawer(3)()
    decoded = [tf.io.decode_png(it).numpy() for it in files]
    np.testing.assert_array_equal(decoded, pixels)
    assert bench.exported.operations(3, signature="pixels") == bench.exported.operations(3)
