"""The layouts count as the published files do, and every tensor has influence."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from tests.reference import char_cnn_rnn, df_gan_2020, df_gan_2022, rnn_encoder, states

# At 32 px channels change in every block, so that every shortcut is used.
SMALL = {"nf": 4, "image_size": 32, "latent_size": 5, "sentence_size": 6}


def count(state: states.State) -> int:
    return sum(value.size for value in state.values())


def test_df_gan_2022_counts() -> None:
    networks = states.df_gan_2022()
    assert (count(networks["netG"]), len(networks["netG"])) == (9_744_131, 226)
    assert (count(networks["netD"]), len(networks["netD"])) == (6_619_206, 32)
    assert (count(networks["netC"]), len(networks["netC"])) == (295_936, 2)


def test_df_gan_2020_discriminator_counts() -> None:
    # With COND_DNET, and with the shortcut convolutions of the two blocks that do not use them.
    assert count(states.df_gan_2020()["netD"]) == 20_170_566


@pytest.mark.parametrize(("vocabulary_size", "parameters"), [(5450, 2_075_320), (27297, 8_629_420)])
def test_rnn_encoder_counts(vocabulary_size: int, parameters: int) -> None:
    state = states.rnn_encoder(vocabulary_size)
    assert (count(state), len(state)) == (parameters, 9)


def test_keys_are_in_the_published_order() -> None:
    networks = states.df_gan_2022(**SMALL)
    assert list(networks["netG"])[:7] == [
        "fc.weight",
        "fc.bias",
        "GBlocks.0.c1.weight",
        "GBlocks.0.c1.bias",
        "GBlocks.0.c2.weight",
        "GBlocks.0.c2.bias",
        "GBlocks.0.fuse1.affine0.fc_gamma.linear1.weight",
    ]
    assert list(networks["netG"])[-2:] == ["to_rgb.1.weight", "to_rgb.1.bias"]
    assert list(networks["netD"])[2:7] == [
        "DBlocks.0.gamma",
        "DBlocks.0.conv_r.0.weight",
        "DBlocks.0.conv_r.2.weight",
        "DBlocks.0.conv_s.weight",
        "DBlocks.0.conv_s.bias",
    ]
    older = states.df_gan_2020(**SMALL)
    assert list(older["netG"])[2:4] == ["block0.gamma", "block0.c1.weight"]
    assert list(older["netD"])[-1] == "COND_DNET.joint_conv.2.weight"


def assert_all_have_influence(
    state: states.State, outcome: Callable[[states.State], np.ndarray]
) -> None:
    before = outcome(state)
    assert np.isfinite(before).all()
    for name, value in state.items():
        assert np.abs(outcome(state | {name: np.float32(1.1) * value}) - before).max() > 1e-7, name


@pytest.mark.parametrize(
    ("make", "reference"),
    [(states.df_gan_2022, df_gan_2022), (states.df_gan_2020, df_gan_2020)],
)
def test_every_tensor_of_a_generator_has_influence(
    make: Callable[..., dict[str, states.State]], reference: ModuleType
) -> None:
    draw = states.Draw(1)
    noise, sentence = draw.normal(4, 5), draw.normal(4, 6)
    state = make(**SMALL)["netG"]
    images = reference.generator(state, noise, sentence)
    assert images.shape == (4, 3, 32, 32)
    # A saturated tanh would hide errors.
    assert np.mean(np.abs(images) < 0.99) > 0.5
    assert_all_have_influence(state, lambda changed: reference.generator(changed, noise, sentence))


def test_every_tensor_of_a_discriminator_has_influence() -> None:
    draw = states.Draw(1)
    images, sentence = draw.normal(2, 3, 32, 32), draw.normal(2, 6)
    networks = states.df_gan_2022(**SMALL)

    def judge_2022(state: states.State) -> np.ndarray:
        return df_gan_2022.head(state, df_gan_2022.image_features(state, images), sentence)

    def judge_2020(state: states.State) -> np.ndarray:
        return df_gan_2020.head(state, df_gan_2020.image_features(state, images), sentence)

    assert_all_have_influence(networks["netD"] | networks["netC"], judge_2022)
    assert_all_have_influence(states.df_gan_2020(**SMALL)["netD"], judge_2020)


def test_padding_of_the_rnn_encoder_has_no_influence() -> None:
    state = states.rnn_encoder(9, embedding_size=5, sentence_size=8)
    ids, lengths = np.array([[3, 4, 7, 8], [1, 2, 3, 4]]), np.array([2, 4])
    words, sentence = rnn_encoder.encode(state, ids, lengths)
    alone_words, alone = rnn_encoder.encode(state, ids[:1, :2], lengths[:1])
    np.testing.assert_allclose(sentence[:1], alone, atol=1e-6)
    np.testing.assert_allclose(words[:1, :, :2], alone_words, atol=1e-6)
    assert not words[0, :, 2:].any()
    assert_all_have_influence(state, lambda changed: rnn_encoder.encode(changed, ids, lengths)[1])


@pytest.mark.parametrize("variant", states.CHAR_CNN_RNN_SIZES)
def test_every_tensor_of_a_char_cnn_rnn_has_influence(variant: str) -> None:
    state = states.char_cnn_rnn(variant=variant)
    ids = np.random.default_rng(2).integers(0, 71, [1, 201])
    assert char_cnn_rnn.encode(state, ids).shape == (1, 1024)
    assert_all_have_influence(state, lambda changed: char_cnn_rnn.encode(changed, ids))
