"""Matching-aware training: pairs of the discriminator, loss terms, and the U-Net's losses."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.models import systems
from tests.tiny import TINY, VARIANTS
from tfgan2.adversarial import cutmix, losses, penalties
from tfgan2.adversarial.ema import EMA
from tfgan2.adversarial.gan import GAN
from tfgan2.adversarial.losses import Logits
from tfgan2.runs.recipe import Recipe
from tfgan2.text.tokenizers import CharacterTokenizer

PLAIN = dataclasses.replace(TINY["stack_gan"], mode_seeking_weight=0.0)
U_NET = VARIANTS["df_gan-unet"]


def test_several_captions_are_encoded_as_the_mean_of_their_sentences() -> None:
    recipe = dataclasses.replace(PLAIN, captions_per_image=3)
    gan = systems.make(recipe)
    tokens = systems.some_batch(recipe)["tokens"]
    assert tokens["ids"].shape == (8, 3, recipe.max_words)
    each = [gan.encode({name: it[:, n] for name, it in tokens.items()}) for n in range(3)]
    assert np.abs(each[0] - each[1]).max() > 1e-3
    np.testing.assert_allclose(gan.encode(tokens), tf.add_n(each) / 3, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("recipe", [TINY["gan_cls"], PLAIN], ids=["gan_cls", "stack_gan"])
def test_discriminator_gets_real_generated_and_mismatched_pairs(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = systems.make(dataclasses.replace(recipe, augment_translation_px=0))
    batch = systems.some_batch(recipe)
    inputs = systems.inputs(gan, batch, systems.noise("discriminator"))
    fakes, pairs, logits = inputs.generated, [], gan.logits

    def record(features: tf.Tensor, sentence: tf.Tensor) -> Logits:
        pairs.append((features, sentence))
        return logits(features, sentence)

    monkeypatch.setattr(gan, "logits", record)
    gan.discriminator_loss(inputs)
    assert len(pairs) == 3
    own, wrong = (gan.encode(batch[f"{it}tokens"]) for it in ("", "mismatched_"))
    expected = [(batch["image"], own), (fakes.image, own), (batch["image"], wrong)]
    for (features, sentence), (image, text) in zip(pairs, expected, strict=True):
        of_image = gan.image_features(image, training=True)
        np.testing.assert_allclose(features, of_image, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(sentence, text, rtol=1e-5, atol=1e-6)


def logs_of(gan: GAN, recipe: Recipe) -> tuple[float, dict[str, float]]:
    batch = systems.some_batch(recipe)
    inputs = systems.inputs(gan, batch, systems.noise("discriminator"))
    loss, parts = gan.discriminator_loss(inputs)
    return float(loss), {name: float(value) for name, value in parts.items()}


def test_penalties_are_proportional_to_their_weights_and_added_to_the_loss() -> None:
    names = {"ma_gp", "r1", "r2"}
    always = {"loss", "real_logit", "fake_logit", "mismatched_logit"}
    times = {"ma_gp": 2.0, "r1": 3.0, "r2": 5.0}
    found = []
    for weights in (dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0), times):
        recipe = dataclasses.replace(PLAIN, **{f"{name}_weight": weights[name] for name in names})
        loss, parts = logs_of(systems.make(recipe), recipe)
        assert set(parts) == always | (names if any(weights.values()) else set())
        total = parts["loss"] + sum(parts[name] for name in names & set(parts))
        assert loss == pytest.approx(total, rel=1e-5)
        found.append(parts)
    none, one, several = found
    assert several["loss"] == pytest.approx(none["loss"], rel=1e-5)
    for name in names:
        assert one[name] > 0
        assert several[name] == pytest.approx(times[name] * one[name], rel=1e-5)


def test_r1_is_of_the_gradient_by_the_image_and_ma_gp_of_that_by_the_sentence_too() -> None:
    recipe = dataclasses.replace(PLAIN, r1_weight=3.0, ma_gp_weight=2.0)
    gan, batch = systems.make(recipe), systems.some_batch(recipe)
    noise = systems.noise("discriminator")
    _, parts = gan.discriminator_loss(systems.inputs(gan, batch, noise))
    pair = (batch["image"], gan.condition(gan.encode(batch["tokens"])))
    with tf.GradientTape() as tape:
        tape.watch(pair)
        logit, _ = gan.critic(*pair, noise=noise, name="real")
    by_image, by_sentence = tape.gradient(logit, pair)
    assert np.abs(by_sentence).max() > 1e-4
    r1 = 3.0 / 2.0 * np.square(by_image).sum(axis=(1, 2, 3)).mean()
    assert float(parts["r1"]) == pytest.approx(r1, rel=1e-4)
    ma_gp = penalties.matching_aware([by_image, by_sentence], gan.options)
    assert float(parts["ma_gp"]) == pytest.approx(float(ma_gp), rel=1e-4)


def test_weighted_mode_seeking_term_is_added_to_the_generator_loss() -> None:
    def term(weight: float) -> float:
        recipe = dataclasses.replace(PLAIN, mode_seeking_weight=weight)
        gan, batch = systems.make(recipe), systems.some_batch(recipe)
        loss, parts = gan.generator_loss(systems.inputs(gan, batch, systems.noise()))
        assert float(loss) == pytest.approx(sum(map(float, parts.values())), rel=1e-5)
        return float(parts["mode_seeking"])

    assert term(0.3) == pytest.approx(3 * term(0.1), rel=1e-4)


def test_sampler_uses_ema_weights_with_the_half_life_of_the_recipe() -> None:
    recipe = dataclasses.replace(TINY["df_gan"], ema_half_life_images=123.0, ema_ramp_up=0.25)
    gan = systems.make(recipe)
    sampler = gan.sampler(CharacterTokenizer(), truncation=1.0)
    assert sampler.generator is gan.average_generator is not gan.generator
    assert sampler.text_encoder is gan.average_text_encoder is not gan.text_encoder
    assert gan.ema_pairs == (
        (sampler.generator, gan.generator),
        (sampler.text_encoder, gan.text_encoder),
    )
    follows = EMA(half_life_images=123.0, ramp_up=0.25, batch_size=8)
    assert gan.ema == follows
    at_once = systems.make(dataclasses.replace(recipe, no_ema=True)).ema
    assert at_once == dataclasses.replace(follows, half_life_images=0.0)


def test_cutmix_adds_the_loss_of_mixed_images_and_the_consistency_loss() -> None:
    gan, batch = (
        systems.make(dataclasses.replace(U_NET, cutmix_weight=0.7)),
        systems.some_batch(U_NET),
    )
    gan.step.assign(100)  # The weight has reached its maximum.
    noise = systems.noise("discriminator")
    fakes = gan.generate(batch, noise)
    sentence = gan.encode(batch["tokens"])

    def logits(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Inference runs no power iteration.
        return gan.head(gan.image_features(image), sentence)

    for _ in range(50):
        gan.head(gan.image_features(batch["image"], training=True), sentence, training=True)
    mask = cutmix.masks(noise, name="cutmix", image_size=32)
    assert 0 < float(tf.reduce_mean(mask)) < 1
    whole, pixels = logits(cutmix.mix(batch["image"], fakes.image, mask))
    (_, real), (_, fake) = logits(batch["image"]), logits(fakes.image)
    loss, parts = gan.discriminator_loss(systems.inputs(gan, batch, noise, fakes))
    expected = 0.7 * cutmix.cutmix_loss(whole, pixels, mask)
    assert float(parts["cutmix"]) == pytest.approx(float(expected), rel=1e-3)
    expected = 0.7 * cutmix.consistency(pixels, real, fake, mask)
    assert float(parts["consistency"]) == pytest.approx(float(expected), rel=1e-2)
    total = parts["loss"] + parts["cutmix"] + parts["consistency"]
    assert float(loss) == pytest.approx(float(total), rel=1e-5)


def test_cutmix_weight_grows_with_the_number_of_training_images() -> None:
    recipe = dataclasses.replace(U_NET, cutmix_weight=2.0, cutmix_warm_up_images=80)
    gan = systems.make(recipe)
    values = []
    for step in (0, 5, 1000):
        gan.step.assign(step)
        for layer in gan.submodules:  # The same singular vectors each time.
            if hasattr(layer, "direction"):
                layer.direction.assign(tf.ones_like(layer.direction))
        values.append(logs_of(gan, recipe)[1]["cutmix"])
    assert values[0] == 0.0
    assert values[2] > 0.0
    assert values[1] == pytest.approx(values[2] / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["df_gan-unet", "stack_gan-unet"])
def test_u_net_loss_is_the_mean_of_image_and_pixel_losses(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = VARIANTS[name]
    gan, recorded = systems.make(recipe), []
    logits_of = gan.logits

    def record(features: tf.Tensor, sentence: tf.Tensor) -> Logits:
        recorded.append(logits_of(features, sentence))
        return recorded[-1]

    monkeypatch.setattr(gan, "logits", record)
    _, parts = logs_of(gan, recipe)
    real, fake, wrong = ([it.numpy() for it in logits.conditional] for logits in recorded[:3])
    # Logits of the image and of every pixel.
    assert [it.shape for it in real] == [(8,), (8, 32, 32)]
    assert all(it.unconditional == () for it in recorded)
    assert recipe.mismatch_weight == 1.0
    if recipe.loss == "hinge":
        rights = [np.maximum(0, 1 - it).mean() for it in real]
        wrongs = [np.maximum(0, 1 + it).mean() for it in [*fake, *wrong]]
    else:
        rights = [np.logaddexp(0, -it).mean() for it in real]
        wrongs = [np.logaddexp(0, it).mean() for it in [*fake, *wrong]]
    assert len(wrongs) == 4
    assert parts["loss"] == pytest.approx(sum(rights) / 2 + sum(wrongs) / 4, rel=1e-4)


def test_relativistic_generator_loss_compares_with_the_real_image_of_the_same_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = dataclasses.replace(PLAIN, loss="relativistic", kl_weight=0.0)
    gan, batch = systems.make(recipe), systems.some_batch(recipe)
    inputs = systems.inputs(gan, batch, systems.noise())
    recorded, logits_of = [], gan.logits
    monkeypatch.setattr(
        gan, "logits", lambda *pair: recorded.append(logits_of(*pair)) or recorded[-1]
    )
    _, parts = gan.generator_loss(inputs)
    fake, real = (logits.conditional[0].numpy() for logits in recorded)
    expected = np.logaddexp(0, real - fake).mean()
    loss = float(parts["loss"])
    assert loss == pytest.approx(expected, rel=1e-5)
    assert float(losses.generator("hinge", fake=recorded[0])) != loss
