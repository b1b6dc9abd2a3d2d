"""GAN-CLS: trained networks, and interpolated captions."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.models import systems
from tests.tiny import TINY, VARIANTS
from tfgan2.adversarial.gan import GAN
from tfgan2.models.gan_cls.model import interpolated

RECIPE = TINY["gan_cls"]
WITHOUT_RANKING = dataclasses.replace(RECIPE, ranking_images=0)
NO_TEXT = VARIANTS["gan_cls-torch-no_text"]


def test_interpolated_sentences_equal_hand_computed_ones() -> None:
    sentences = tf.constant([[0.0, 1.0], [2.0, 5.0], [-1.0, 0.0], [1.0, -2.0]])
    np.testing.assert_allclose(interpolated(sentences, 0.5), [[1.0, 3.0], [0.0, -1.0]])
    np.testing.assert_allclose(interpolated(sentences, 0.0), sentences[::2])
    np.testing.assert_allclose(interpolated(sentences, 1.0), sentences[1::2])
    shares = tf.constant([[-0.5], [1.5]])
    np.testing.assert_allclose(interpolated(sentences, shares), [[-1.0, -1.0], [2.0, -3.0]])


@pytest.mark.parametrize("kind", ["midpoint", "random"])
def test_generator_loss_has_a_term_for_interpolated_captions(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(RECIPE, interpolation=kind, interpolation_weight=0.6)
    gan = systems.make(recipe)
    inputs = systems.inputs(gan, systems.some_batch(recipe), systems.noise())
    fakes = inputs.generated
    recorded = {}
    logits = gan.logits

    def record(features: tf.Tensor, sentence: tf.Tensor) -> object:
        recorded["sentence"], recorded["logits"] = sentence.numpy(), logits(features, sentence)
        return recorded["logits"]

    monkeypatch.setattr(gan, "logits", record)
    terms = gan.generator_terms(inputs)
    assert set(terms) == {"interpolated"}
    # The mean over half as many rows has half the weight.
    expected = 0.6 / 2 * np.logaddexp(0, -recorded["logits"].conditional[0]).mean()
    assert float(terms["interpolated"]) == pytest.approx(expected, rel=1e-5)
    first, second = fakes.sentence.numpy()[::2], fakes.sentence.numpy()[1::2]
    shares = (recorded["sentence"] - first) / (second - first)
    np.testing.assert_allclose(shares, np.broadcast_to(shares[:, :1], shares.shape), atol=1e-3)
    if kind == "midpoint":
        np.testing.assert_allclose(shares, 0.5, atol=1e-3)
    else:
        assert len(set(shares[:, 0].round(3))) == 4


def test_random_interpolation_weights_lie_between_minus_0_5_and_1_5(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = dataclasses.replace(RECIPE, batch_size=320)
    gan, shares = systems.make(many), []
    inputs = systems.inputs(gan, systems.some_batch(many), systems.noise(rows=320))
    monkeypatch.setattr(
        "tfgan2.models.gan_cls.model.interpolated",
        lambda sentences, weight: shares.append(weight.numpy()) or sentences[::2],
    )
    gan.generator_terms(inputs)
    (drawn,) = shares
    assert drawn.shape == (160, 1)
    assert -0.5 <= drawn.min() < -0.4
    assert 1.4 < drawn.max() < 1.5
    assert drawn.mean() == pytest.approx(0.5, abs=0.15)


def test_ranking_trains_the_text_encoder_only_for_the_first_ranking_images() -> None:
    gan = systems.make(dataclasses.replace(RECIPE, ranking_images=8))
    assert [update.name for update in gan.updates] == ["ranking", "discriminator", "generator"]
    ranking, discriminator, _ = gan.updates
    encoders = [*gan.text_encoder.trainable_variables, *gan.image_encoder.trainable_variables]
    assert {id(v) for v in ranking.variables} == {id(v) for v in encoders}
    assert not {id(v) for v in discriminator.variables} & {id(v) for v in encoders}

    def state() -> list[np.ndarray]:
        return systems.values(
            [
                *gan.text_encoder.variables,
                *gan.image_encoder.variables,
                *ranking.optimizer.variables,
            ]
        )

    start = state()
    gan.train_step(systems.some_batch(RECIPE))
    ranked, head = state(), systems.values(gan.head.trainable_variables)
    assert not systems.same(start, ranked)
    gan.train_step(systems.some_batch(RECIPE, seed=1))
    assert systems.same(ranked, state())
    assert systems.none_same(head, systems.values(gan.head.trainable_variables))


def test_without_ranking_the_discriminator_update_trains_the_text_encoder() -> None:
    gan = systems.make(WITHOUT_RANKING)
    assert [update.name for update in gan.updates] == ["discriminator", "generator"]
    assert "ranking" not in gan.optimizers
    before = systems.values(gan.text_encoder.trainable_variables)
    gan.train_step(systems.some_batch(WITHOUT_RANKING))
    assert systems.none_same(before, systems.values(gan.text_encoder.trainable_variables))


def test_discriminator_without_text_ignores_the_captions() -> None:
    gan, batch = systems.make(NO_TEXT), systems.some_batch(NO_TEXT)
    inputs = systems.inputs(gan, batch, systems.noise())
    other = {**batch, "mismatched_tokens": batch["tokens"], "tokens": batch["mismatched_tokens"]}
    loss, parts = gan.discriminator_loss(inputs)
    other_loss, _ = gan.discriminator_loss(dataclasses.replace(inputs, batch=other))
    assert float(loss) == pytest.approx(float(other_loss), rel=1e-5)
    assert "mismatched_logit" not in parts
    assert not trained_by_updates(gan) & {id(v) for v in gan.text_encoder.variables}


def trained_by_updates(gan: GAN) -> set[int]:
    return {id(variable) for update in gan.updates for variable in update.variables}


def test_a_frozen_text_encoder_is_not_ranked() -> None:
    gan = systems.make(dataclasses.replace(RECIPE, freeze_text_encoder=True))
    assert [update.name for update in gan.updates] == ["discriminator", "generator"]
    assert not trained_by_updates(gan) & {id(v) for v in gan.text_encoder.variables}


def test_without_interpolation_there_is_no_such_term_and_the_loss_may_be_relativistic() -> None:
    recipe = dataclasses.replace(RECIPE, loss="relativistic", interpolation="none")
    recipe.check()
    gan, batch = systems.make(recipe), systems.some_batch(recipe)
    inputs = systems.inputs(gan, batch, systems.noise())
    assert gan.generator_terms(inputs) == {}
    for loss, _ in (gan.discriminator_loss(inputs), gan.generator_loss(inputs)):
        assert np.isfinite(loss)
