"""Random state dicts in the layouts of the published PyTorch files, in their order of keys.

Values are scaled by fan-in. Gates and last layers of affine transformations are not 0, unlike the
published initial values, so that every tensor has influence.
"""

import itertools
from collections.abc import Iterable

import numpy as np

State = dict[str, np.ndarray]

# Hidden units of the recurrence, by published variant.
CHAR_CNN_RNN_SIZES = {"cvpr2016": 256, "icml2016_flowers": 512, "icml2016_birds": 512}


def df_gan_2022(
    *,
    nf: int = 32,
    image_size: int = 256,
    image_channels: int = 3,
    latent_size: int = 100,
    sentence_size: int = 256,
    seed: int = 0,
) -> dict[str, State]:
    """State dicts `netG`, `netD` and `netC`."""
    draw = Draw(seed)
    channels = channels_by_block(nf, image_size, widest=8)
    condition_size = latent_size + sentence_size
    generator = draw.layer("fc", 16 * channels[-1], latent_size)
    for index, (inside, outside) in enumerate(itertools.pairwise(channels[::-1])):
        block = draw.convolutions(inside, outside)
        for fuse, size in (("fuse1", inside), ("fuse2", outside)):
            block |= draw.affines(
                (f"{fuse}.affine0", f"{fuse}.affine1"), size, size, condition_size
            )
        block |= draw.shortcut(inside, outside)
        generator |= within(f"GBlocks.{index}", block)
    generator |= draw.layer("to_rgb.1", image_channels, nf, 3, 3)
    return {
        "netG": generator,
        "netD": draw.image_features(channels, image_channels, "DBlocks."),
        "netC": draw.head(channels[-1] + sentence_size, 2 * nf),
    }


def df_gan_2020(
    *,
    nf: int = 32,
    image_size: int = 256,
    image_channels: int = 3,
    latent_size: int = 100,
    sentence_size: int = 256,
    seed: int = 0,
) -> dict[str, State]:
    """State dicts `netG` and `netD`; published at 256 px; smaller sizes have fewer blocks."""
    draw = Draw(seed)
    channels = channels_by_block(nf, image_size, widest=8)[::-1]
    generator = draw.layer("fc", 16 * channels[0], latent_size)
    for index, (inside, outside) in enumerate(itertools.pairwise([channels[0], *channels])):
        block = draw.gate() | draw.convolutions(inside, outside)
        for names, size in ((("affine0", "affine1"), inside), (("affine2", "affine3"), outside)):
            block |= draw.affines(names, size, sentence_size, sentence_size)
        block |= draw.shortcut(inside, outside)
        generator |= within(f"block{index}", block)
    generator |= draw.layer("conv_img.1", image_channels, nf, 3, 3)
    channels = channels_by_block(nf, image_size, widest=16)
    head = draw.head(channels[-1] + sentence_size, 2 * nf)
    discriminator = draw.image_features(channels, image_channels, "block")
    return {"netG": generator, "netD": discriminator | within("COND_DNET", head)}


def rnn_encoder(
    vocabulary_size: int, *, embedding_size: int = 300, sentence_size: int = 256, seed: int = 0
) -> State:
    """The state dict of DAMSM's text encoder; half of a sentence is one direction."""
    draw, hidden = Draw(seed), sentence_size // 2
    state = {"encoder.weight": draw.normal(vocabulary_size, embedding_size)}
    for direction in ("l0", "l0_reverse"):
        state |= {
            f"rnn.weight_ih_{direction}": draw.weight(4 * hidden, embedding_size),
            f"rnn.weight_hh_{direction}": draw.weight(4 * hidden, hidden),
            f"rnn.bias_ih_{direction}": draw.bias(4 * hidden),
            f"rnn.bias_hh_{direction}": draw.bias(4 * hidden),
        }
    return state


def char_cnn_rnn(*, variant: str, seed: int = 0) -> State:
    """The state dict of a variant of `CHAR_CNN_RNN_SIZES`."""
    draw, size = Draw(seed), CHAR_CNN_RNN_SIZES[variant]
    state = draw.layer("conv1", 384, 70, 4)
    state |= draw.layer("conv2", 512, 384, 4)
    state |= draw.layer("conv3", size, 512, 4)
    for role in ("_update", "_reset", "") if variant == "icml2016_birds" else ("",):
        state |= draw.layer(f"rnn.i2h{role}", size, size)
        state |= draw.layer(f"rnn.h2h{role}", size, size)
    return state | draw.layer("emb_proj", 1024, size)


def channels_by_block(nf: int, image_size: int, *, widest: int) -> list[int]:
    """Channels at `image_size`, half of it, ... down to 4 px."""
    return [nf * min(2**exponent, widest) for exponent in range((image_size // 4).bit_length())]


def within(name: str, state: State) -> State:
    """The same tensors, as parts of a module with this name."""
    return {f"{name}.{key}": value for key, value in state.items()}


class Draw:
    """Draws tensors, and the modules that the networks share."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def normal(self, *shape: int) -> np.ndarray:
        """Standard normal."""
        return self.generator.standard_normal(shape, np.float32)

    def weight(self, *shape: int, gain: float = 1.0) -> np.ndarray:
        """A weight [out, in, ...] that multiplies the scale of its inputs by about `gain`."""
        return self.normal(*shape) * np.float32(gain / np.sqrt(np.prod(shape[1:])))

    def bias(self, size: int, *, mean: float = 0.0) -> np.ndarray:
        """A small vector around `mean`."""
        return np.float32(mean) + np.float32(0.1) * self.normal(size)

    def layer(self, name: str, *shape: int, gain: float = 1.0, bias_mean: float = 0.0) -> State:
        """A dense layer or convolution with a bias."""
        return {
            f"{name}.weight": self.weight(*shape, gain=gain),
            f"{name}.bias": self.bias(shape[0], mean=bias_mean),
        }

    def gate(self) -> State:
        """A parameter of a module itself, which a state dict lists before those of submodules."""
        return {"gamma": self.bias(1, mean=0.5)}

    def convolutions(self, inside: int, outside: int) -> State:
        """The two convolutions of a generator's block."""
        return self.layer("c1", outside, inside, 3, 3) | self.layer("c2", outside, outside, 3, 3)

    def shortcut(self, inside: int, outside: int) -> State:
        """The shortcut of a generator's block, which exists if the channels change."""
        return self.layer("c_sc", outside, inside, 1, 1) if inside != outside else {}

    def affines(
        self, names: Iterable[str], channels: int, hidden: int, condition_size: int
    ) -> State:
        """Affine transformations that scale by about 1."""
        state: State = {}
        for name, (role, mean) in itertools.product(names, (("fc_gamma", 1.0), ("fc_beta", 0.0))):
            state |= self.layer(f"{name}.{role}.linear1", hidden, condition_size)
            # With full gain, four scalings per block would saturate most pixels at -1 and 1.
            state |= self.layer(
                f"{name}.{role}.linear2", channels, hidden, gain=0.5, bias_mean=mean
            )
        return state

    def image_features(self, channels: list[int], image_channels: int, blocks: str) -> State:
        """A discriminator without its head; a shortcut exists even if unused."""
        state = self.layer("conv_img", channels[0], image_channels, 3, 3)
        for index, (inside, outside) in enumerate(itertools.pairwise(channels)):
            block = self.gate()
            block["conv_r.0.weight"] = self.weight(outside, inside, 4, 4)
            block["conv_r.2.weight"] = self.weight(outside, outside, 3, 3)
            block |= self.layer("conv_s", outside, inside, 1, 1)
            state |= within(f"{blocks}{index}", block)
        return state

    def head(self, joined_channels: int, channels: int) -> State:
        """The two convolutions that join image and sentence."""
        return {
            "joint_conv.0.weight": self.weight(channels, joined_channels, 3, 3),
            "joint_conv.2.weight": self.weight(1, channels, 4, 4),
        }
