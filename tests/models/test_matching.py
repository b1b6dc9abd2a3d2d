"""Matching models: losses equal loops over the formulas; trained weights, noise and rates."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.models import systems
from tfgan2.adversarial.ema import EMA
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.updates import Batch
from tfgan2.models.matching.model import (
    DAMSM,
    SJE,
    EpochDecay,
    Matching,
    MatchingOptions,
    cross_entropies,
    same_class,
    structured_joint_embedding,
    word_similarities,
)

ROWS, WORDS, REGIONS, SIZE = 5, 4, 6, 3
LENGTHS = (2, 4, 1, 3, 4)
NONE_SAME = np.zeros([ROWS, ROWS], bool)
SOME_SAME = NONE_SAME.copy()
SOME_SAME[0, 3] = SOME_SAME[3, 0] = SOME_SAME[1, 2] = SOME_SAME[2, 1] = True


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def padded_words(seed: int = 1) -> np.ndarray:
    real = np.arange(WORDS) < np.array(LENGTHS)[:, np.newaxis]
    return normal(ROWS, WORDS, SIZE, seed=seed) * real[:, :, np.newaxis]


def tensors(*arrays: np.ndarray) -> list[tf.Tensor]:
    return [tf.constant(array, tf.float32) for array in arrays]


def softmax(scores: list[float]) -> list[float]:
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / math.sqrt((one @ one) * (other @ other)))


def similarity_by_loops(words: np.ndarray, regions: np.ndarray) -> float:
    """Similarity of a caption's real words and an image's regions: AttnGAN, equations 7 to 10."""
    of_words = [softmax([float(region @ word) for word in words]) for region in regions]
    total = 0.0
    for number, word in enumerate(words):
        attention = softmax([4.0 * shares[number] for shares in of_words])
        context = sum(share * region for share, region in zip(attention, regions, strict=True))
        total += math.exp(5.0 * cosine(context, word))
    return math.log(total)


def similarities_by_loops(words: np.ndarray, regions: np.ndarray) -> np.ndarray:
    return np.array(
        [
            [
                similarity_by_loops(caption[:length], image)
                for caption, length in zip(words, LENGTHS, strict=True)
            ]
            for image in regions
        ]
    )


def cross_entropies_by_loops(similarities: np.ndarray, same: np.ndarray) -> float:
    """AttnGAN, equations 11 and 12: cross entropies over captions and over images."""
    total = 0.0
    for scores in (similarities, similarities.T):
        for row in range(len(scores)):
            others = [scores[row, column] for column in range(len(scores)) if not same[row, column]]
            total -= math.log(math.exp(scores[row, row]) / sum(map(math.exp, others)))
    return total / len(similarities)


def hinge_by_loops(images: np.ndarray, sentences: np.ndarray, same: np.ndarray) -> float:
    total = 0.0
    for row, other in itertools.permutations(range(len(images)), 2):
        if not same[row, other]:
            right = images[row] @ sentences[row]
            total += max(0.0, 1.0 + images[row] @ sentences[other] - right)
            total += max(0.0, 1.0 + images[other] @ sentences[row] - right)
    return total / len(images) ** 2


def test_word_similarities_equal_loops_over_real_words() -> None:
    words, regions = padded_words(), normal(ROWS - 1, REGIONS, SIZE)
    similarities = word_similarities(*tensors(words), tf.constant(LENGTHS), *tensors(regions))
    assert similarities.shape == (ROWS - 1, ROWS)
    np.testing.assert_allclose(similarities, similarities_by_loops(words, regions), rtol=1e-5)


def test_loss_does_not_depend_on_pairs_of_one_class() -> None:
    similarities, other = normal(ROWS, ROWS), normal(ROWS, ROWS, seed=1)
    changed = np.where(SOME_SAME, other, similarities)
    losses = [
        float(cross_entropies(*tensors(scores), tf.constant(SOME_SAME)))
        for scores in (similarities, changed)
    ]
    assert losses[0] == losses[1]
    (scores,) = tensors(similarities)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        loss = cross_entropies(scores, tf.constant(SOME_SAME))
    np.testing.assert_array_equal(tape.gradient(loss, scores).numpy() == 0, SOME_SAME)


def test_structured_joint_embedding_loss_is_0_beyond_the_margin() -> None:
    codes = np.sqrt(1.5) * np.eye(ROWS)
    nothing = structured_joint_embedding(*tensors(codes, codes), tf.constant(NONE_SAME))
    assert float(nothing) == 0.0
    half = structured_joint_embedding(*tensors(0.5 * codes, codes), tf.constant(NONE_SAME))
    # Each pair misses the margin by a quarter, in both directions.
    assert float(half) == pytest.approx(2 * 0.25 * ROWS * (ROWS - 1) / ROWS**2, rel=1e-5)


def test_same_class_means_equal_labels_or_equal_captions_in_different_rows() -> None:
    label = tf.constant([4, -1, 4, -1, 7, 0, 8], tf.int64)
    ids = [[1, 2, 0], [3, 0, 0], [5, 0, 0], [6, 2, 0], [1, 2, 0], [1, 2, 3], [3, 0, 0]]
    same = same_class(label, tf.constant(ids)).numpy()
    assert np.argwhere(np.triu(same)).tolist() == [[0, 2], [0, 4], [1, 6]]
    np.testing.assert_array_equal(same, same.T)


def test_loss_does_not_depend_on_padded_words() -> None:
    words, regions = padded_words(), normal(ROWS, REGIONS, SIZE)
    length = tf.constant(LENGTHS)
    plain = word_similarities(*tensors(words), length, *tensors(regions))
    longer = np.pad(words, [(0, 0), (0, 3), (0, 0)])
    np.testing.assert_allclose(
        word_similarities(*tensors(longer), length, *tensors(regions)), plain, rtol=1e-5
    )
    rubbish = np.where(words == 0, 9.0, words)
    np.testing.assert_allclose(
        word_similarities(*tensors(rubbish), length, *tensors(regions)), plain, rtol=1e-5
    )
    inputs = tensors(longer, regions)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(word_similarities(inputs[0], length, inputs[1]))
    of_words, of_regions = tape.gradient(total, inputs)
    real = tf.sequence_mask(length, WORDS + 3).numpy()
    assert not of_words.numpy()[~real].any()
    assert np.abs(of_words.numpy()[real]).max(axis=1).min() > 0
    assert np.isfinite(of_regions).all()


def test_empty_caption_has_a_finite_loss_and_gradients() -> None:
    words, regions = padded_words(), normal(ROWS, REGIONS, SIZE)
    words[2] = 0.0
    length = tf.constant([*LENGTHS[:2], 0, *LENGTHS[3:]])
    inputs = tensors(words, regions)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        similarities = word_similarities(inputs[0], length, inputs[1])
        loss = cross_entropies(10.0 * similarities, tf.constant(NONE_SAME))
    # The empty caption fits every image equally; the other captions are unaffected.
    np.testing.assert_allclose(similarities[:, 2], [float(similarities[0, 2])] * ROWS, rtol=1e-5)
    others = [0, 1, 3, 4]
    expected = similarities_by_loops(padded_words(), regions)
    np.testing.assert_allclose(similarities.numpy()[:, others], expected[:, others], rtol=1e-5)
    assert np.isfinite(loss)
    assert float(loss) < 1e3
    for gradient in tape.gradient(loss, inputs):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_learning_rate_decays_each_epoch_down_to_a_tenth(dtype: type) -> None:
    rate = EpochDecay(start=2e-3, decay=0.5, smallest=0.1, steps_per_epoch=10)
    steps = {0: 1.0, 9: 1.0, 10: 0.5, 19: 0.5, 20: 0.25, 30: 0.125, 40: 0.1, 10**6: 0.1}
    for step, share in steps.items():
        assert float(rate(tf.constant(step, dtype))) == pytest.approx(2e-3 * share, rel=1e-5)
    again = EpochDecay.from_config(rate.get_config())
    assert float(again(tf.constant(25, dtype))) == pytest.approx(5e-4, rel=1e-5)


def make(kind: type[Matching], *, dtype: str = "float32", **changes: Any) -> Matching:
    """A tiny matching model, always with the same weights."""
    options = {
        "text_encoder_kind": "bi_lstm",
        "max_words": 6,
        "word_embedding_size": 5,
        "sentence_size": 8,
        "seed": 3,
        "image_size": 16,
        "image_encoder": "small",
        "image_encoder_channels": 2,
        "augment_translation_px": 0,
        "matching_learning_rate": 2e-3,
        "matching_learning_rate_decay": 0.98,
    }
    keras.utils.set_random_seed(0)
    model = kind(
        MatchingOptions(**(options | changes)),
        image_channels=1,
        vocabulary_size=9,
        ema=EMA(half_life_images=0.0, ramp_up=0.05, batch_size=4),
        dtype=dtype,
    )
    model.compile(optimizers=model.make_optimizers(images_per_epoch=17))
    return model


def random_batch(lengths: tuple[int, ...] = (6, 3, 1, 2)) -> Batch:
    generator = np.random.default_rng(0)
    ids = generator.integers(1, 9, [4, 6]) * (np.arange(6) < np.array(lengths)[:, np.newaxis])
    return {
        "image": tf.constant(generator.uniform(-1, 1, [4, 16, 16, 1]), tf.float32),
        "label": tf.constant([0, 1, 1, -1], tf.int64),
        "tokens": {"ids": tf.constant(ids, tf.int32), "length": tf.constant(lengths)},
    }


def noise() -> StepNoise:
    return systems.noise("matching", rows=4, seed=3)


def same_class_of(batch: Batch) -> np.ndarray:
    return same_class(batch["label"], batch["tokens"]["ids"]).numpy()


def test_damsm_loss_equals_its_formulas() -> None:
    model, batch = make(DAMSM), random_batch()
    loss, parts = model.matching_loss(systems.inputs(model, batch, noise()))
    draws = noise().uniform("dropout", 6 * 5)
    words, sentences = model.text_encoder.words_and_sentence(batch["tokens"], dropout=draws)
    regions, codes = (out.numpy() for out in model.image_encoder(batch["image"], training=True))
    same = same_class_of(batch)
    assert same.sum() == 2
    lengths = batch["tokens"]["length"].numpy()
    of_words = [
        [similarity_by_loops(w[:n], r) for w, n in zip(words.numpy(), lengths, strict=True)]
        for r in regions
    ]
    cosines = [[cosine(code, sentence) for sentence in sentences.numpy()] for code in codes]
    expected = [cross_entropies_by_loops(10.0 * np.array(s), same) for s in (of_words, cosines)]
    assert float(parts["words"]) == pytest.approx(expected[0], rel=1e-4)
    assert float(parts["sentences"]) == pytest.approx(expected[1], rel=1e-4)
    assert float(loss) == float(parts["loss"]) == pytest.approx(sum(expected), rel=1e-4)


@pytest.mark.parametrize("text_encoder", ["word_cnn", "char_cnn_rnn_cvpr2016"])
def test_sje_loss_equals_its_formula(text_encoder: str) -> None:
    model, batch = make(SJE, text_encoder_kind=text_encoder), random_batch()
    if text_encoder.startswith("char"):
        ids = tf.pad(batch["tokens"]["ids"], [[0, 0], [0, 195]])
        batch["tokens"] = {**batch["tokens"], "ids": ids}
    loss, parts = model.matching_loss(systems.inputs(model, batch, noise()))
    sentences = model.text_encoder(batch["tokens"]).numpy()
    _, codes = model.image_encoder(batch["image"], training=True)
    expected = hinge_by_loops(codes.numpy(), sentences, same_class_of(batch))
    assert float(loss) == float(parts["loss"]) == pytest.approx(expected, rel=1e-4)


def test_inner_products_of_codes_are_the_similarities_of_the_losses() -> None:
    batch = random_batch()
    for kind in (DAMSM, SJE):
        model = make(kind)
        images, captions = (
            model.image_encoder(batch["image"])[1],
            model.text_encoder(batch["tokens"]),
        )
        products = model.encode_images(batch["image"]).numpy() @ (
            model.encode_captions(batch["tokens"]).numpy().T
        )
        compare = cosine if kind is DAMSM else np.dot
        expected = [[compare(i, c) for c in captions.numpy()] for i in images.numpy()]
        np.testing.assert_allclose(products, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [DAMSM, SJE])
def test_step_trains_every_variable_of_both_encoders(kind: type[Matching]) -> None:
    model = make(kind)
    (update,) = model.updates
    encoders = (model.text_encoder, model.image_encoder)
    learned = [variable for it in encoders for variable in it.trainable_variables]
    assert {id(variable) for variable in update.variables} == {id(it) for it in learned}
    before = [variable.numpy() for variable in learned]
    model.train_step(random_batch())
    assert not any(map(np.array_equal, learned, before))
    assert int(model.step) == 1


@pytest.mark.parametrize("kind", [DAMSM, SJE])
def test_step_in_float16_has_a_finite_loss(kind: type[Matching]) -> None:
    parts = make(kind, dtype="mixed_float16").train_step(random_batch())
    assert np.isfinite(float(parts["matching/loss"]))


def test_step_with_an_empty_caption_keeps_weights_finite() -> None:
    batch = random_batch(lengths=(6, 0, 1, 0))
    for kind in (DAMSM, SJE):
        model = make(kind)
        assert np.isfinite(float(model.train_step(batch)["matching/loss"]))
        assert all(np.isfinite(variable).all() for variable in model.trainable_variables)


def test_dropout_depends_only_on_seed_and_step() -> None:
    def outcomes(seed: int, *steps: int) -> list[float]:
        model = make(DAMSM, seed=seed)
        weights, losses = model.get_weights(), []
        for step in steps:
            model.set_weights(weights)
            model.step.assign(step)
            losses.append(float(model.train_step(random_batch())["matching/loss"]))
        return losses

    (first, again, later), (other,) = outcomes(3, 0, 0, 1), outcomes(4, 0)
    assert first == pytest.approx(again, rel=1e-6)
    assert abs(first - later) > 1e-3
    assert abs(first - other) > 1e-3


def test_images_are_translated_only_in_training() -> None:
    batch = random_batch()
    losses = {}
    for shift in (0, 3):
        model = make(SJE, augment_translation_px=shift)
        codes = model.encode_images(batch["image"]).numpy()
        losses[shift] = (
            float(model.matching_loss(systems.inputs(model, batch, noise()))[0]),
            codes,
        )
    assert abs(losses[0][0] - losses[3][0]) > 1e-4
    np.testing.assert_array_equal(losses[0][1], losses[3][1])


def test_training_reduces_the_loss() -> None:
    batch = random_batch(lengths=(6, 6, 6, 6))
    batch["label"] = tf.constant([-1] * 4, tf.int64)
    for kind in (DAMSM, SJE):
        model = make(kind, matching_learning_rate=3e-2)
        losses = [float(model.train_step(batch)["matching/loss"]) for _ in range(7)]
        assert np.mean(losses[-2:]) < 0.7 * losses[0]


def test_optimizers_are_the_published_ones_with_rates_that_decay_by_epoch() -> None:
    model = make(DAMSM)
    adam = model.optimizers["matching"]
    assert isinstance(adam, keras.optimizers.Adam)
    assert (adam.beta_1, adam.beta_2, adam.global_clipnorm) == (0.5, 0.999, 0.25)
    assert isinstance(make(SJE).optimizers["matching"], keras.optimizers.RMSprop)
    # An epoch has as many steps as whole batches, and at least one.
    for images, steps in ((17, 4), (16, 4), (3, 1)):
        rate = model.learning_rate(images)
        assert float(rate(tf.constant(steps - 1))) == pytest.approx(2e-3, rel=1e-6)
        assert float(rate(tf.constant(steps))) == pytest.approx(2e-3 * 0.98, rel=1e-6)
