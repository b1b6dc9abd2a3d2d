"""The layouts have the parameter counts and key order of the published files."""

import pytest

from tests.reference import states

# At 32 px channels change in every block, so every shortcut is used.
SMALL = {"nf": 4, "image_size": 32, "latent_size": 5, "sentence_size": 6}


def count(state: states.State) -> int:
    return sum(value.size for value in state.values())


def test_df_gan_2022_has_the_published_parameter_counts() -> None:
    networks = states.df_gan_2022()
    assert (count(networks["netG"]), len(networks["netG"])) == (9_744_131, 226)
    assert (count(networks["netD"]), len(networks["netD"])) == (6_619_206, 32)
    assert (count(networks["netC"]), len(networks["netC"])) == (295_936, 2)


def test_df_gan_2020_discriminator_has_the_published_parameter_count() -> None:
    # Includes COND_DNET and the unused shortcut convolutions of two blocks.
    assert count(states.df_gan_2020()["netD"]) == 20_170_566


@pytest.mark.parametrize(("vocabulary_size", "parameters"), [(5450, 2_075_320), (27297, 8_629_420)])
def test_rnn_encoder_has_the_published_parameter_count(
    vocabulary_size: int, parameters: int
) -> None:
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
