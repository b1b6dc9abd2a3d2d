"""Writes files as the published PyTorch codes save them, with the outputs of PyTorch.

Needs PyTorch and NumPy, and only this folder of the project:

python tests/published_torch/write.py DIR
python tests/published_torch/write.py tests/interop/published --committed
"""

import argparse
import dataclasses
import pathlib
import pickle
from typing import Any

import cases
import df_gan_step
import inception
import networks
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

ROWS = 2
STEPS = 2
EPOCH = 7
CAPTION_WORDS = 18
CAPTION_LENGTHS = (1, 15, 7, 3)
CAPTION_CHARACTERS = 201
# The next optimizer step is stored for these tensors, one of every kind.
FOLLOWED = {
    "netG": (
        "fc.weight",
        "GBlocks.0.c1.weight",
        "GBlocks.0.fuse1.affine0.fc_gamma.linear1.bias",
        "to_rgb.1.bias",
    ),
    "netD": ("conv_img.weight", "DBlocks.0.gamma", "DBlocks.0.conv_s.bias"),
    "netC": ("joint_conv.2.weight",),
}


@dataclasses.dataclass(frozen=True)
class Folder:
    """The folder of a case, written in some formats."""

    path: pathlib.Path
    formats: tuple[str, ...]

    def save(self, value: object, name: str) -> None:
        for file_format in self.formats:
            path = self.path / file_format / name
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(value, path, _use_new_zipfile_serialization=file_format == "zip")

    def save_answers(self, answers: dict[str, Tensor]) -> None:
        arrays = {name: tensor.detach().numpy() for name, tensor in answers.items()}
        np.savez_compressed(self.path / "answers.npz", **arrays)


class Training2022:
    """The three networks of 2022 with their two optimizers."""

    def __init__(self, case: cases.DFGAN) -> None:
        sizes = {"nf": case.nf, "image_size": case.image_size}
        conditions = {"latent_size": case.latent_size, "sentence_size": case.sentence_size}
        image_features = networks.NetD2022(**sizes)
        head = networks.NetC(
            channels=image_features.channels, nf=case.nf, sentence_size=case.sentence_size
        )
        self.case = case
        self.networks = {
            "netG": networks.NetG2022(**sizes, **conditions),
            "netD": image_features,
            "netC": head,
        }
        for network in self.networks.values():
            randomise(network)
        self.optimizers = {
            "optimizer_G": self.adam("netG", learning_rate=1e-4),
            "optimizer_D": self.adam("netD", "netC", learning_rate=4e-4),
        }

    def adam(self, *names: str, learning_rate: float) -> torch.optim.Adam:
        """One optimizer over the parameters of some networks, in this order."""
        parameters = [parameter for name in names for parameter in self.networks[name].parameters()]
        return torch.optim.Adam(parameters, lr=learning_rate, betas=(0.0, 0.9))

    def logits(self, images: Tensor, sentence: Tensor) -> Tensor:
        return self.networks["netC"](self.networks["netD"](images), sentence)

    def step(self) -> None:
        """One update of each network on random data.

        The generator is updated first, so that the stored discriminator gradients are its own.
        """
        noise, sentence, images = random_inputs(self.case)
        fakes = self.networks["netG"](noise, sentence)
        self.update("optimizer_G", -self.logits(fakes, sentence).mean())
        wrong_sentence = sentence.roll(1, dims=0)
        real = functional.relu(1 - self.logits(images, sentence)).mean()
        fake = functional.relu(1 + self.logits(fakes.detach(), sentence)).mean()
        wrong = functional.relu(1 + self.logits(images, wrong_sentence)).mean()
        self.update("optimizer_D", real + (fake + wrong) / 2)

    def update(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad()
        loss.backward()
        self.optimizers[name].step()

    def checkpoint(self) -> dict[str, Any]:
        parallel = self.case.parallel
        return {
            "model": {name: state(it, parallel=parallel) for name, it in self.networks.items()},
            "optimizers": {name: it.state_dict() for name, it in self.optimizers.items()},
            "epoch": EPOCH,
        }

    def followed(self) -> dict[str, Tensor]:
        """The followed weights and their last gradients."""
        found = {}
        for name, keys in FOLLOWED.items():
            for key in keys:
                parameter = self.networks[name].get_parameter(key)
                found[f"weight/{name}/{key}"] = parameter
                found[f"gradient/{name}/{key}"] = parameter.grad
        return found


def write_df_gan(case: cases.DFGAN, folder: Folder) -> None:
    if case.form == "2022":
        write_df_gan_2022(case, folder)
    else:
        write_df_gan_2020(case, folder)


def write_df_gan_2022(case: cases.DFGAN, folder: Folder) -> None:
    """Writes a checkpoint after some steps, and the weights after one further step."""
    training = Training2022(case)
    for _ in range(STEPS):
        training.step()
    folder.save(training.checkpoint(), case.generator_file)
    answers = df_gan_answers(case, *training.networks.values())
    answers |= df_gan_losses(training, answers)
    training.step()
    folder.save_answers(answers | training.followed())


def write_df_gan_2020(case: cases.DFGAN, folder: Folder) -> None:
    """Writes the two networks' state dicts."""
    sizes = {"nf": case.nf, "image_size": case.image_size, "sentence_size": case.sentence_size}
    generator = networks.NetG2020(**sizes, latent_size=case.latent_size)
    discriminator = networks.NetD2020(**sizes)
    for network, name in ((generator, case.generator_file), (discriminator, "netD_007.pth")):
        randomise(network)
        folder.save(state(network, parallel=case.parallel), name)
    folder.save_answers(df_gan_answers(case, generator, discriminator, discriminator.COND_DNET))


@torch.no_grad()
def df_gan_answers(
    case: cases.DFGAN, generator: nn.Module, image_features: nn.Module, head: nn.Module
) -> dict[str, Tensor]:
    """Random inputs and the outputs of the networks."""
    noise, sentence, images = random_inputs(case)
    features = image_features(images)
    return {
        "noise": noise,
        "sentence": sentence,
        "images": images,
        "drawn": generator(noise, sentence),
        "features": features,
        "logit": head(features, sentence),
    }


def df_gan_losses(training: Training2022, answers: dict[str, Tensor]) -> dict[str, Tensor]:
    """The losses of df_gan_step.py for these inputs and outputs."""
    discriminator = (training.networks["netD"], training.networks["netC"])
    drawn, sentence = answers["drawn"], answers["sentence"]
    parts = df_gan_step.discriminator_parts(*discriminator, answers["images"], drawn, sentence)
    parts["generator"] = df_gan_step.generator_loss(*discriminator, drawn, sentence)
    return {f"loss/{name}": part for name, part in parts.items()}


def random_inputs(case: cases.DFGAN) -> tuple[Tensor, Tensor, Tensor]:
    """Noise, sentences and images of 256 levels."""
    noise = torch.randn(ROWS, case.latent_size)
    sentence = torch.randn(ROWS, case.sentence_size)
    pixels = torch.randint(256, (ROWS, 3, case.image_size, case.image_size))
    return noise, sentence, pixels / 127.5 - 1


@torch.no_grad()
def write_rnn_encoder(case: cases.RNNEncoder, folder: Folder) -> None:
    """Writes DAMSM's text encoder with its vocabulary, and the sentences of the test captions."""
    encoder = networks.RNNEncoder(
        vocabulary_size=case.vocabulary_size,
        embedding_size=case.embedding_size,
        sentence_size=case.sentence_size,
    ).eval()
    randomise(encoder)
    folder.save(encoder.state_dict(), "text_encoder200.pth")

    length = torch.tensor(CAPTION_LENGTHS)
    ids = torch.randint(1, case.vocabulary_size, (len(length), CAPTION_WORDS))
    ids[torch.arange(CAPTION_WORDS) >= length[:, None]] = 0
    words, sentence = encoder(ids, length)
    folder.save_answers({"ids": ids, "length": length, "words": words, "sentence": sentence})
    captions = [row[:count].tolist() for row, count in zip(ids, length, strict=True)]
    write_vocabulary(folder.path / "captions_DAMSM.pickle", captions, size=case.vocabulary_size)


def write_vocabulary(path: pathlib.Path, captions: list[list[int]], *, size: int) -> None:
    by_id = {0: "<end>"} | {number: f"word{number}" for number in range(1, size)}
    by_word = {word: number for number, word in by_id.items()}
    path.write_bytes(pickle.dumps([captions[:1], captions, by_id, by_word], protocol=2))


@torch.no_grad()
def write_char_cnn_rnn(case: cases.CharCNNRNN, folder: Folder) -> None:
    """Writes a variant of char-CNN-RNN."""
    encoder = networks.CharCNNRNN(units=case.units, gated=case.gated)
    randomise(encoder)
    folder.save(encoder.state_dict(), case.file)
    ids = torch.randint(networks.ALPHABET_SIZE + 1, (ROWS, CAPTION_CHARACTERS))
    folder.save_answers({"ids": ids, "sentence": encoder(ids)})


@torch.no_grad()
def write_inception(folder: Folder) -> None:
    """Writes torchvision's Inception-v3, and its outputs with DF-GAN's scaling of images."""
    network = inception.Inception().eval()
    for name, tensor in network.state_dict().items():
        if tensor.dim() > 1:
            tensor.normal_(std=(2 / tensor[0].numel()) ** 0.5)
        elif name.endswith(("bias", "running_mean")):
            tensor.normal_(std=0.1)
        elif tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    folder.save(network.state_dict(), "inception_v3.pth")
    image = torch.randint(256, (ROWS, 3, 64, 64))
    features, probabilities = network(inception.as_in_df_gan(image))
    answers = {"image": image, "features": features, "probabilities": probabilities}
    folder.save_answers(answers)


@torch.no_grad()
def randomise(network: nn.Module) -> None:
    """Randomizes every parameter so that each has influence, unlike some published initial values.

    Weights are scaled by fan-in; gates are open, and affine transformations scale by about 1.
    """
    for name, parameter in network.named_parameters():
        if isinstance(network.get_submodule(name.rpartition(".")[0]), nn.Embedding):
            parameter.normal_()
        elif parameter.dim() > 1:
            # With full gain, four scalings per block would saturate most pixels at -1 and 1.
            gain = 0.5 if name.endswith("linear2.weight") else 1.0
            parameter.normal_(std=gain * parameter[0].numel() ** -0.5)
        else:
            gate, scale = name.endswith("gamma"), name.endswith("fc_gamma.linear2.bias")
            parameter.normal_(mean=0.5 if gate else float(scale), std=0.1)


def state(network: nn.Module, *, parallel: bool) -> dict[str, Tensor]:
    """The state dict, with or without the key prefix of parallel training."""
    return (nn.ModuleDict({"module": network}) if parallel else network).state_dict()


def main() -> None:
    """Writes the folders of all cases, or of the committed ones."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--committed", action="store_true")
    options = parser.parse_args()
    for writer, group in (
        (write_df_gan, cases.DF_GANS),
        (write_rnn_encoder, cases.RNN_ENCODERS),
        (write_char_cnn_rnn, cases.CHAR_CNN_RNNS),
    ):
        for name, case in group.items():
            formats = cases.COMMITTED.get(name, ()) if options.committed else cases.FORMATS
            if formats:
                torch.manual_seed(0)
                writer(case, Folder(options.folder / name, formats))
    if not options.committed:
        write_inception(Folder(options.folder / "inception", ("zip",)))


if __name__ == "__main__":
    main()
