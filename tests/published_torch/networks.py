"""DF-GAN and its text encoders in PyTorch, their tensors under the published names."""

import itertools
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import rnn as packing

FIRST_SIDE_PX = 4
ALPHABET_SIZE = 70
IMAGE_CHANNELS = 3


class NetG2022(nn.Module):
    """The generator of 2022: affine transformations are conditioned on noise and sentence."""

    def __init__(self, *, nf: int, image_size: int, latent_size: int, sentence_size: int) -> None:
        super().__init__()
        channels = channels_by_block(nf, image_size, widest=8)[::-1]
        self.fc = nn.Linear(latent_size, channels[0] * FIRST_SIDE_PX**2)
        self.GBlocks = nn.ModuleList(
            GBlock2022(inside, outside, condition_size=latent_size + sentence_size)
            for inside, outside in itertools.pairwise(channels)
        )
        self.to_rgb = to_image(nf)

    def forward(self, noise: Tensor, sentence: Tensor) -> Tensor:
        """Images [B, 3, S, S] from noise [B, Z] and sentences [B, E]."""
        condition = torch.cat([noise, sentence], dim=1)
        features = self.fc(noise).view(len(noise), -1, FIRST_SIDE_PX, FIRST_SIDE_PX)
        for block in self.GBlocks:
            features = block(twice_the_size(features), condition)
        return self.to_rgb(features)


class GBlock2022(nn.Module):
    """A shortcut plus two convolutions, with a fusion before each."""

    def __init__(self, inside: int, outside: int, *, condition_size: int) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.c2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.fuse1 = Fusion(inside, condition_size=condition_size)
        self.fuse2 = Fusion(outside, condition_size=condition_size)
        self.c_sc = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        residual = self.c1(self.fuse1(features, condition))
        residual = self.c2(self.fuse2(residual, condition))
        return self.c_sc(features) + residual


class Fusion(nn.Module):
    """Two affine transformations, each followed by a leaky ReLU."""

    def __init__(self, channels: int, *, condition_size: int) -> None:
        super().__init__()
        self.affine0 = Affine(channels, hidden=channels, condition_size=condition_size)
        self.affine1 = Affine(channels, hidden=channels, condition_size=condition_size)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        features = leaky_relu(self.affine0(features, condition))
        return leaky_relu(self.affine1(features, condition))


class NetG2020(nn.Module):
    """The generator of 2020: affine transformations are conditioned on the sentence only."""

    def __init__(self, *, nf: int, image_size: int, latent_size: int, sentence_size: int) -> None:
        super().__init__()
        channels = channels_by_block(nf, image_size, widest=8)[::-1]
        self.fc = nn.Linear(latent_size, channels[0] * FIRST_SIDE_PX**2)
        self.block0 = GBlock2020(channels[0], channels[0], sentence_size=sentence_size)
        self.names = [f"block{number}" for number in range(1, len(channels))]
        for name, (inside, outside) in zip(self.names, itertools.pairwise(channels), strict=True):
            self.add_module(name, GBlock2020(inside, outside, sentence_size=sentence_size))
        self.conv_img = to_image(nf)

    def forward(self, noise: Tensor, sentence: Tensor) -> Tensor:
        """Images [B, 3, S, S] from noise [B, Z] and sentences [B, E]."""
        features = self.fc(noise).view(len(noise), -1, FIRST_SIDE_PX, FIRST_SIDE_PX)
        features = self.block0(features, sentence)
        for name in self.names:
            features = self.get_submodule(name)(twice_the_size(features), sentence)
        return self.conv_img(features)


class GBlock2020(nn.Module):
    """A shortcut plus a gate times two convolutions, two affine transformations before each."""

    def __init__(self, inside: int, outside: int, *, sentence_size: int) -> None:
        super().__init__()
        sizes = {"hidden": sentence_size, "condition_size": sentence_size}
        self.c1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.c2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.affine0 = Affine(inside, **sizes)
        self.affine1 = Affine(inside, **sizes)
        self.affine2 = Affine(outside, **sizes)
        self.affine3 = Affine(outside, **sizes)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.c_sc = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, features: Tensor, sentence: Tensor) -> Tensor:
        residual = leaky_relu(self.affine0(features, sentence))
        residual = self.c1(leaky_relu(self.affine1(residual, sentence)))
        residual = leaky_relu(self.affine2(residual, sentence))
        residual = self.c2(leaky_relu(self.affine3(residual, sentence)))
        return self.c_sc(features) + self.gamma * residual


class Affine(nn.Module):
    """Scales and shifts every channel by functions of the condition."""

    def __init__(self, channels: int, *, hidden: int, condition_size: int) -> None:
        super().__init__()
        self.fc_gamma = perceptron(condition_size, hidden, channels)
        self.fc_beta = perceptron(condition_size, hidden, channels)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.fc_gamma(condition), self.fc_beta(condition)
        return scale[:, :, None, None] * features + shift[:, :, None, None]


class NetD2022(nn.Module):
    """The discriminator without its head."""

    def __init__(self, *, nf: int, image_size: int) -> None:
        super().__init__()
        channels = channels_by_block(nf, image_size, widest=8)
        self.channels = channels[-1]
        self.conv_img = nn.Conv2d(IMAGE_CHANNELS, nf, 3, padding=1)
        self.DBlocks = nn.ModuleList(itertools.starmap(DBlock, itertools.pairwise(channels)))

    def forward(self, images: Tensor) -> Tensor:
        """Features [B, D, 4, 4] of images [B, 3, S, S]."""
        features = self.conv_img(images)
        for block in self.DBlocks:
            features = block(features)
        return features


class NetD2020(nn.Module):
    """The discriminator with its head."""

    def __init__(self, *, nf: int, image_size: int, sentence_size: int) -> None:
        super().__init__()
        channels = channels_by_block(nf, image_size, widest=16)
        self.conv_img = nn.Conv2d(IMAGE_CHANNELS, nf, 3, padding=1)
        self.names = [f"block{number}" for number in range(len(channels) - 1)]
        for name, (inside, outside) in zip(self.names, itertools.pairwise(channels), strict=True):
            self.add_module(name, DBlock(inside, outside))
        self.COND_DNET = NetC(channels=channels[-1], nf=nf, sentence_size=sentence_size)

    def forward(self, images: Tensor) -> Tensor:
        """Features [B, D, 4, 4] of images [B, 3, S, S]."""
        features = self.conv_img(images)
        for name in self.names:
            features = self.get_submodule(name)(features)
        return features


class DBlock(nn.Module):
    """Half the size: a pooled shortcut plus gate times two convolutions."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv_r = nn.Sequential(
            nn.Conv2d(inside, outside, 4, stride=2, padding=1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(outside, outside, 3, padding=1, bias=False),
            nn.LeakyReLU(0.2),
        )
        # The published block has a shortcut convolution even if unused.
        self.conv_s = nn.Conv2d(inside, outside, 1)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.changes = inside != outside

    def forward(self, features: Tensor) -> Tensor:
        shortcut = self.conv_s(features) if self.changes else features
        return functional.avg_pool2d(shortcut, 2) + self.gamma * self.conv_r(features)


class NetC(nn.Module):
    """The discriminator's head, which joins image and sentence."""

    def __init__(self, *, channels: int, nf: int, sentence_size: int) -> None:
        super().__init__()
        self.joint_conv = nn.Sequential(
            nn.Conv2d(channels + sentence_size, 2 * nf, 3, padding=1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * nf, 1, FIRST_SIDE_PX, bias=False),
        )

    def forward(self, features: Tensor, sentence: Tensor) -> Tensor:
        """Logits [B, 1, 1, 1] of features [B, D, 4, 4] and sentences [B, E]."""
        tiled = sentence[:, :, None, None].expand(-1, -1, *features.shape[2:])
        return self.joint_conv(torch.cat([features, tiled], dim=1))


class RNNEncoder(nn.Module):
    """DAMSM's text encoder (RNN_ENCODER)."""

    def __init__(self, *, vocabulary_size: int, embedding_size: int, sentence_size: int) -> None:
        super().__init__()
        self.encoder = nn.Embedding(vocabulary_size, embedding_size)
        self.drop = nn.Dropout(0.5)
        self.rnn = nn.LSTM(embedding_size, sentence_size // 2, batch_first=True, bidirectional=True)

    def forward(self, ids: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Words [B, E, longest caption] and sentences [B, E] of ids [B, T]."""
        embedded = self.drop(self.encoder(ids))
        packed = packing.pack_padded_sequence(
            embedded, length, batch_first=True, enforce_sorted=False
        )
        outputs, (hidden, _) = self.rnn(packed)
        words, _ = packing.pad_packed_sequence(outputs, batch_first=True)
        return words.transpose(1, 2), hidden.transpose(0, 1).flatten(1)


class CharCNNRNN(nn.Module):
    """Convolutions over characters, then a recurrence whose states are averaged."""

    def __init__(self, *, units: int, gated: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(ALPHABET_SIZE, 384, 4)
        self.conv2 = nn.Conv1d(384, 512, 4)
        self.conv3 = nn.Conv1d(512, units, 4)
        self.rnn = GatedRNN(units) if gated else ReluRNN(units)
        self.emb_proj = nn.Linear(units, 1024)
        self.pools_again = not gated

    def forward(self, ids: Tensor) -> Tensor:
        """Sentences [B, 1024] of ids [B, 201]; id 0 is no character, and all zeros."""
        characters = functional.one_hot(ids, ALPHABET_SIZE + 1)[:, :, 1:].transpose(1, 2)
        features = functional.max_pool1d(threshold(self.conv1(characters.float())), 3, 3)
        features = functional.max_pool1d(threshold(self.conv2(features)), 3, 3)
        features = threshold(self.conv3(features))
        if self.pools_again:
            features = functional.max_pool1d(features, 3, 2)
        return self.emb_proj(self.rnn(features))


class ReluRNN(nn.Module):
    """A recurrent network of ReLUs, whose first step has no hidden term."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.i2h = nn.Linear(units, units)
        self.h2h = nn.Linear(units, units)

    def forward(self, features: Tensor) -> Tensor:
        """The mean [B, units] of the states over features [B, units, T]."""
        first, *later = features.unbind(dim=2)
        states = [torch.relu(self.i2h(first))]
        for step in later:
            states.append(torch.relu(self.i2h(step) + self.h2h(states[-1])))
        return torch.stack(states).mean(dim=0)


class GatedRNN(nn.Module):
    """A GRU, whose first step has neither gates nor a hidden term."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.i2h_update = nn.Linear(units, units)
        self.h2h_update = nn.Linear(units, units)
        self.i2h_reset = nn.Linear(units, units)
        self.h2h_reset = nn.Linear(units, units)
        self.i2h = nn.Linear(units, units)
        self.h2h = nn.Linear(units, units)

    def forward(self, features: Tensor) -> Tensor:
        """The mean [B, units] of the states over features [B, units, T]."""
        first, *later = features.unbind(dim=2)
        states = [torch.tanh(self.i2h(first))]
        for step in later:
            state = states[-1]
            update = torch.sigmoid(self.i2h_update(step) + self.h2h_update(state))
            reset = torch.sigmoid(self.i2h_reset(step) + self.h2h_reset(state))
            candidate = torch.tanh(self.i2h(step) + self.h2h(reset * state))
            states.append(update * candidate + (1 - update) * state)
        return torch.stack(states).mean(dim=0)


def channels_by_block(nf: int, image_size: int, *, widest: int) -> list[int]:
    """Channels at full size, half of it, ... down to 4 px."""
    count = (image_size // FIRST_SIDE_PX).bit_length()
    return [nf * min(2**exponent, widest) for exponent in range(count)]


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two dense layers with a ReLU between."""
    layers = OrderedDict(
        linear1=nn.Linear(inputs, hidden), relu1=nn.ReLU(), linear2=nn.Linear(hidden, outputs)
    )
    return nn.Sequential(layers)


def to_image(nf: int) -> nn.Sequential:
    """From the last features to an image in [-1, 1]."""
    convolution = nn.Conv2d(nf, IMAGE_CHANNELS, 3, padding=1)
    return nn.Sequential(nn.LeakyReLU(0.2), convolution, nn.Tanh())


def twice_the_size(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2, mode="nearest")


def leaky_relu(features: Tensor) -> Tensor:
    return functional.leaky_relu(features, 0.2)


def threshold(features: Tensor) -> Tensor:
    """Values above 1e-6, the others 0."""
    return functional.threshold(features, 1e-6, 0.0)
