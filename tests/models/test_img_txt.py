"""IMG-TXT: encoded texts, trained networks, and given texts and images."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tests.models import systems
from tests.models.checks import parameter_count
from tests.tiny import TINY, VARIANTS
from tfgan2.adversarial.sampler import JointSampler
from tfgan2.models.img_txt.networks import Condition, Discriminator, Generator, Texts
from tfgan2.models.img_txt.options import ImgTxtOptions
from tfgan2.models.layers.conditioning import truncated
from tfgan2.text.tokenizers import WordTokenizer, write_vocabulary

RECIPE = TINY["img_txt"]
FAITHFUL = VARIANTS["img_txt-faithful"]
SEVERAL = VARIANTS["img_txt-captions"]
WORDS = ["one", "two", "three", "four"]
SMALL = ImgTxtOptions(image_size=16, latent_size=3, generator_channels=1, discriminator_channels=1)


def texts(*, places: int, words: int = 4, faithful: bool = False) -> Texts:
    return Texts(vocabulary_size=words + 1, max_words=places, faithful=faithful)


def test_text_of_one_place_has_one_value_per_word_and_none_for_padding() -> None:
    of_one = texts(places=1, faithful=True)
    assert (of_one.positions, of_one.values, of_one.size) == (1, 4, 4)
    encoded = of_one.encode(tf.constant([[1], [4]])).numpy()
    np.testing.assert_array_equal(encoded, [[1, -1, -1, -1], [-1, -1, -1, 1]])
    decoded = of_one.decode(tf.constant([[0.1, -0.2, 0.3, 0.2], [-0.9, -0.8, -1.0, -1.0]]))
    assert decoded.numpy().tolist() == [[3], [2]]


def test_unknown_text_of_one_place_is_encoded_without_a_high_value() -> None:
    encoded = texts(places=1, faithful=True).encode(tf.constant([[0]])).numpy()
    np.testing.assert_array_equal(encoded, [[-1, -1, -1, -1]])


def test_text_of_several_places_has_a_value_for_padding_too() -> None:
    of_two = texts(places=2, words=2, faithful=True)
    assert (of_two.positions, of_two.values, of_two.size) == (2, 3, 6)
    encoded = of_two.encode(tf.constant([[2, 0], [1, 2]])).numpy()
    np.testing.assert_array_equal(encoded, [[-1, -1, 1, 1, -1, -1], [-1, 1, -1, -1, -1, 1]])


def test_decoded_text_ends_at_its_first_padding() -> None:
    of_three = texts(places=3, words=2)
    written = tf.constant([[0.0, 1.0, 0.5, 0.9, 0.1, 0.2, 0.0, 0.1, 0.7]])
    assert of_three.decode(written).numpy().tolist() == [[1, 0, 0]]
    nothing = tf.constant([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]])
    assert of_three.decode(nothing).numpy().tolist() == [[0, 0, 0]]


@given(st.data())
def test_decoding_inverts_encoding(data: st.DataObject) -> None:
    places, words = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 9))
    shortest = 1 if places == 1 else 0
    rows = data.draw(
        st.lists(
            st.lists(st.integers(1, words), min_size=shortest, max_size=places),
            min_size=1,
            max_size=4,
        )
    )
    ids = tf.constant([row + [0] * (places - len(row)) for row in rows], tf.int32)
    of_these = texts(places=places, words=words, faithful=data.draw(st.booleans()))
    encoded = of_these.encode(ids)
    assert encoded.shape == (len(rows), of_these.size)
    np.testing.assert_array_equal(of_these.decode(encoded), ids)


def published(*, faithful: bool) -> Generator:
    options = ImgTxtOptions(image_size=64, generator_channels=64, faithful=faithful)
    of_digits = texts(places=1, words=10, faithful=faithful)
    return Generator(options, image_channels=1, texts=of_digits)


@pytest.mark.slow
def test_parameter_counts_at_64_px_equal_hand_computed_ones() -> None:
    conditions = (10 + 1) * 20 + (4096 + 1) * 8192
    first = (10 + 4096 + 100 + 1) * 4 * 4 * 512 + 4 * 512
    middle = (9 * 512 + 1) * 512 + (9 * 512 + 1) * 128 + (128 + 1) * 128 + 4 * (512 + 2 * 128)
    up = (16 * 128 + 1) * 256 + (16 * 256 + 1) * 128 + (16 * 128 + 1) * 64 + 4 * (256 + 128 + 64)
    heads = (16 * 64 + 1) * 1 + (8192 + 1) * 10
    count = conditions + first + middle + up + heads
    assert parameter_count(published(faithful=False)) == count
    unread = (16 * 128 + 1) * 512
    assert parameter_count(published(faithful=True)) == count + unread + 4 * 128


def test_generator_upsamples_to_every_image_size() -> None:
    for image_size in (16, 32):
        options = dataclasses.replace(SMALL, image_size=image_size)
        generator = Generator(options, image_channels=3, texts=texts(places=2))
        image, text = generator(
            tf.zeros([2, generator.noise_size]), text=tf.zeros([2, 10]), text_given=tf.zeros([2, 1])
        )
        assert image.shape == (2, image_size, image_size, 3)
        assert text.shape == (2, 10)
        joint = Discriminator(options, image_channels=3, text_size=10, name="joint")
        assert joint({"image": image, "text": text}).shape == (2,)


@pytest.mark.parametrize("shared_layers", [1, 2, 3, 4])
def test_images_and_texts_share_the_given_number_of_layers(shared_layers: int) -> None:
    options = dataclasses.replace(SMALL, shared_layers=shared_layers)
    generator = Generator(options, image_channels=1, texts=texts(places=2))
    latent = tf.random.stateless_normal([2, generator.noise_size], [0, 1])
    with tf.GradientTape() as tape:
        _, text = generator(latent, text=tf.zeros([2, 10]), text_given=tf.ones([2, 1]))
    layers = [generator.first, *(it.layer for it in generator.layers_up)]
    gradients = tape.gradient(text, [layer.kernel for layer in layers])
    assert [gradient is not None for gradient in gradients] == [
        number < shared_layers for number in range(len(layers))
    ]


def test_only_a_discriminator_of_image_and_text_has_a_projection() -> None:
    options = dataclasses.replace(SMALL, discriminator_head="projection")
    sizes = {"image_channels": 1, "text_size": 10}
    for changes in ({}, {"image_channels": None}, {"text_size": None}):
        network = Discriminator(options, **{**sizes, **changes}, name="it")
        assert (network.projection is not None) == (not changes)


@pytest.mark.parametrize("faithful", [False, True])
def test_condition_noise_is_scaled_by_sigma_or_as_published_by_log_sigma(faithful: bool) -> None:
    condition = Condition(given_size=3, size=2, faithful=faithful, name="text", dtype="float32")
    given_text = tf.constant([[1.0, -1.0, 1.0]])
    mean, log_sigma = condition(given_text)
    noise = tf.constant([[0.5, -1.5]])
    sigma = log_sigma if faithful else tf.exp(log_sigma)
    expected = mean + sigma * truncated(noise)
    np.testing.assert_allclose(condition.draw(given_text, noise), expected, rtol=1e-6)


def unchanged(variables: list[tf.Variable], before: dict[int, np.ndarray]) -> list[bool]:
    return [np.array_equal(before[id(variable)], variable) for variable in variables]


def test_faithful_unconditional_discriminators_and_one_layer_are_not_trained() -> None:
    gan, batch = systems.make(FAITHFUL), systems.some_batch(FAITHFUL)
    before = {id(variable): variable.numpy() for variable in gan.variables}
    gan.train_step(batch)
    for untrained in (gan.image_discriminator, gan.text_discriminator):
        assert all(unchanged(untrained.variables, before))
    joint = gan.joint_discriminator
    assert not all(unchanged(joint.variables, before))
    trained = gan.updates[0].variables
    assert {id(v) for v in trained} == {id(v) for v in joint.trainable_variables}

    unread = gan.generator.unread
    # From 2 to 8 times the 4 base channels.
    assert [tuple(variable.shape) for variable in unread.variables] == [(4, 4, 32, 8), (32,)]
    assert {id(v) for v in unread.variables} <= {id(v) for v in gan.generator.variables}
    assert not unread.trainable_variables
    assert all(unchanged(unread.variables, before))
    fakes = gan.generate(batch, systems.noise())
    unread.set_weights([variable.numpy() + 1.0 for variable in unread.variables])
    np.testing.assert_array_equal(gan.generate(batch, systems.noise()).image, fakes.image)

    # Text and image of every row are given; the pair holds the generated ones.
    assert fakes.given["text_given"].numpy().all()
    assert fakes.given["image_given"].numpy().all()
    assert fakes.pair[0] is fakes.image
    assert fakes.pair[1] is fakes.text


def test_all_discriminators_are_trained_unless_faithful() -> None:
    gan = systems.make(dataclasses.replace(RECIPE, loss="bce"))
    assert gan.generator.unread is None
    before = {id(variable): variable.numpy() for variable in gan.variables}
    gan.train_step(systems.some_batch(RECIPE))
    for network in (gan.joint_discriminator, gan.image_discriminator, gan.text_discriminator):
        assert not any(unchanged(network.variables, before))


def test_each_row_has_text_or_image_or_neither_given_and_the_pair_contains_it() -> None:
    many = dataclasses.replace(RECIPE, batch_size=400)
    gan, batch = systems.make(many), systems.some_batch(many)
    fakes = gan.generate(batch, systems.noise(rows=400))
    given_text, given_image = (
        fakes.given[f"{it}_given"].numpy()[:, 0] > 0 for it in ("text", "image")
    )
    assert not (given_text & given_image).any()
    for rows in (given_text, given_image):
        assert np.mean(rows) == pytest.approx(RECIPE.condition_rate, abs=0.08)
    image, text = (part.numpy() for part in fakes.pair)
    of_batch, written = batch["image"].numpy(), fakes.given["text"].numpy()
    np.testing.assert_array_equal(image[given_image], of_batch[given_image])
    np.testing.assert_array_equal(image[~given_image], fakes.image.numpy()[~given_image])
    np.testing.assert_array_equal(text[given_text], written[given_text])
    np.testing.assert_array_equal(text[~given_text], fakes.text.numpy()[~given_text])


def test_image_depends_on_the_text_only_if_the_text_is_given() -> None:
    generator = systems.make(RECIPE).generator
    first = generator.first
    first.kernel.assign(first.kernel * 30.0)
    latent = tf.random.stateless_normal([1, generator.noise_size], [0, 1])

    def draw(text: list[float], given: float) -> np.ndarray:
        image, _ = generator(latent, text=tf.constant([text]), text_given=tf.fill([1, 1], given))
        return image.numpy()

    one, other = [0.9] + [-0.9] * 9, [-0.9] * 9 + [0.9]
    np.testing.assert_array_equal(draw(one, 0.0), draw(other, 0.0))
    assert np.abs(draw(one, 1.0) - draw(other, 1.0)).max() > 1e-3


@pytest.fixture(scope="module", params=[RECIPE, SEVERAL], ids=["one_place", "several_places"])
def sampler(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> JointSampler:
    recipe = request.param
    path = tmp_path_factory.mktemp("words") / "vocabulary.txt"
    write_vocabulary(path, dict.fromkeys([*WORDS, *map(str, range(6))], 1))
    tokenizer = WordTokenizer(path, max_words=recipe.max_words)
    gan = systems.make(recipe)
    first = gan.average_generator.first
    first.kernel.assign(first.kernel * 30.0)  # Initial images and texts are nearly equal.
    return gan.sampler(tokenizer, truncation=1.0)


def test_given_text_is_returned_and_changes_the_image(sampler: JointSampler) -> None:
    seeds = [4] * 3
    drawn = sampler.sample(["Two!", "three", "unknown two"], seeds, 0.0)
    assert drawn.texts == ["two", "three", "two"]
    assert not np.array_equal(drawn.images[0], drawn.images[1])
    np.testing.assert_array_equal(drawn.images[0], drawn.images[2])


def test_without_a_text_the_seed_determines_image_and_text(sampler: JointSampler) -> None:
    seeds = list(range(40))
    drawn = sampler.sample([""] * 40, seeds, 0.0)
    assert len({image.tobytes() for image in drawn.images}) == 40
    assert len(set(drawn.texts)) > 1
    known = {"", *WORDS, *map(str, range(6))}
    assert {word for text in drawn.texts for word in text.split()} <= known
    again = sampler.sample(["???"] * 40, seeds, 0.0)
    assert again.texts == drawn.texts
    np.testing.assert_array_equal(again.images, drawn.images)


def test_given_text_is_cut_to_the_number_of_places(sampler: JointSampler) -> None:
    places = sampler.tokenizer.max_words
    words = ["one", "two", "three", "four", "1", "2"]
    (text,) = sampler.sample([" ".join(words)], [1], 0.0).texts
    assert text == " ".join(words[:places])


def test_generator_loss_weighs_the_image_and_the_text_less_than_the_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = dataclasses.replace(RECIPE, kl_weight=0.0, mode_seeking_weight=0.0, loss="hinge")
    gan, batch, logits = systems.make(recipe), systems.some_batch(recipe), {}
    inputs, call = systems.inputs(gan, batch, systems.noise()), Discriminator.call

    def record(network: Discriminator, *arguments: Any, **named: Any) -> tf.Tensor:
        logits[network.name] = call(network, *arguments, **named)
        return logits[network.name]

    monkeypatch.setattr(Discriminator, "call", record)
    loss, _ = gan.generator_loss(inputs)
    names = ("joint_discriminator", "image_discriminator", "text_discriminator")
    pair, image, text = (float(tf.reduce_mean(logits[name])) for name in names)
    assert float(loss) == pytest.approx(-pair - 0.3 * image - 0.3 * text, rel=1e-5)


def test_weighted_kl_of_the_conditions_is_added_to_the_generator_loss() -> None:
    weights = (0.0, 0.5)
    losses = []
    for weight in weights:
        gan = systems.make(dataclasses.replace(RECIPE, kl_weight=weight))
        batch = systems.some_batch(RECIPE)
        _, parts = gan.generator_loss(systems.inputs(gan, batch, systems.noise()))
        losses.append({name: float(value) for name, value in parts.items()})
    assert losses[0]["kl"] == 0.0
    assert losses[1]["kl"] > 0.0
    expected = losses[0]["loss"] + losses[1]["kl"]
    assert losses[1]["loss"] == pytest.approx(expected, rel=1e-5)

    # The KL divergence of the text, by hand: the mean of -log sigma + (sigma^2 + mean^2 - 1) / 2.
    fakes = gan.generate(batch, systems.noise())
    image = tf.reshape(batch["image"], [8, -1])
    total = 0.0
    for condition, what in (
        (gan.generator.of_text, fakes.given["text"]),
        (gan.generator.of_image, image),
    ):
        mean, log_sigma = (part.numpy().ravel().tolist() for part in condition(what))
        units = [
            -log + (math.exp(2 * log) + middle**2 - 1) / 2
            for middle, log in zip(mean, log_sigma, strict=True)
        ]
        total += sum(units) / len(units)
    assert losses[1]["kl"] == pytest.approx(0.5 * total, rel=1e-4)
