"""Writes files of a checkout of DF-GAN's published code, and what that code computes with them.

All networks and functions are the checkout's; weights, images and noise are random. Needs PyTorch,
the packages that the checkout imports, and only this folder of the project:

python -X utf8 tests/published_torch/write_parity.py CHECKOUT DIR
"""

import argparse
import importlib
import pathlib
import sys
import types
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from write import randomise, write_vocabulary

ROWS = 4
EPOCH = 7
CAPTION_WORDS = 18
CHANNELS, LATENT_SIZE, SENTENCE_SIZE, VOCABULARY_SIZE = 3, 100, 256, 5450
STEPS_BEFORE = 2  # Steps before the checkpoint, so that the optimizers have a state.
MODULES = ("models.GAN", "models.DAMSM", "lib.utils", "lib.modules")
# Every caption has a word of the vocabulary.
CAPTIONS = (
    "word1",
    "word7 Word8, WORD9! word10.word11;word12",
    "  word13\tword14   word15 ",
    "word16-word17 word18's word19/word20 (word21) \u201cword22\u201d",
    "unknown words and word23 among unknown words",
    "\ufffd\ufffdword24\ufffd\ufffdword25 \ufffd word26",
    "w\xf6rd27 word28\xe9 \xe9word29 \u0130word30 word31\xdf \u9ce5word32 \u9ce5",
    "word_33 word 34 5 word\u0661 word35\U0001f426word36",
    " ".join(f"word{number}" for number in range(100, 118)),
    " ".join(f"word{number}" for number in range(200, 228)),
    " ".join(f"word{number}" for number in range(300, 400)),
)


class Checkout:
    """The modules of a checkout, on the CPU."""

    def __init__(self, path: pathlib.Path) -> None:
        """Imports the modules; parts of the published code call `cuda` in any case."""
        torch.Tensor.cuda = lambda self, *arguments, **named: self  # type: ignore[method-assign]
        sys.path.insert(0, str(path / "code"))
        found = {name: importlib.import_module(name) for name in MODULES}
        self.gan, self.damsm, self.utils, self.modules = found.values()

    def train(self, networks: dict[str, nn.Module], batch: tuple, **rest: Any) -> None:
        """Runs the published training step for one batch."""
        options = types.SimpleNamespace(
            batch_size=ROWS,
            device=torch.device("cpu"),
            current_epoch=EPOCH,
            max_epoch=EPOCH,
            z_dim=LATENT_SIZE,
            multi_gpus=False,
        )
        self.modules.train([batch], *networks.values(), *rest.values(), options)


def adam(learning_rate: float, *networks: nn.Module) -> torch.optim.Adam:
    """The published optimizer over the parameters of some networks."""
    parameters = [parameter for network in networks for parameter in network.parameters()]
    return torch.optim.Adam(parameters, lr=learning_rate, betas=(0.0, 0.9))


def random_batch(image_size: int) -> tuple[Tensor, Tensor, Tensor, list[str]]:
    """Images of 256 levels, captions and their lengths, and keys, as the published data loader."""
    pixels = torch.randint(256, (ROWS, CHANNELS, image_size, image_size))
    length = torch.randint(1, CAPTION_WORDS + 1, (ROWS,))
    ids = torch.randint(1, VOCABULARY_SIZE, (ROWS, CAPTION_WORDS, 1))
    ids[torch.arange(CAPTION_WORDS) >= length[:, None]] = 0
    return pixels / 127.5 - 1, ids, length, [str(row) for row in range(ROWS)]


def write(checkout: Checkout, folder: pathlib.Path, *, image_size: int, nf: int) -> None:
    """Writes the files that users have, and the answers of the checkout."""
    gan = checkout.gan
    networks = {
        "netG": gan.NetG(nf, LATENT_SIZE, SENTENCE_SIZE, image_size, CHANNELS),
        "netD": gan.NetD(nf, image_size, CHANNELS),
        "netC": gan.NetC(nf, SENTENCE_SIZE),
    }
    text_encoder = checkout.damsm.RNN_ENCODER(VOCABULARY_SIZE, nhidden=SENTENCE_SIZE).eval()
    for network in (*networks.values(), text_encoder):
        randomise(network)
    optimizers = {
        "generator": adam(1e-4, networks["netG"]),
        "discriminator": adam(4e-4, networks["netD"], networks["netC"]),
    }

    # The files: a checkpoint after some steps, the text encoder, the vocabulary.
    training = {"text_encoder": text_encoder, **optimizers}
    for _ in range(STEPS_BEFORE):
        checkout.train(networks, random_batch(image_size), **training)
    folder.mkdir(parents=True, exist_ok=True)
    checkout.utils.save_models(*networks.values(), *optimizers.values(), EPOCH, False, str(folder))
    torch.save(text_encoder.state_dict(), folder / "text_encoder200.pth")
    write_vocabulary(folder / "captions_DAMSM.pickle", [[1, 2]], size=VOCABULARY_SIZE)
    (folder / "captions.txt").write_text("\n".join(CAPTIONS), encoding="utf-8")

    # Sampling: ids and sentences of captions, images; then features and logits of the images.
    by_word = {f"word{number}": number for number in range(1, VOCABULARY_SIZE)} | {"<end>": 0}
    ids, lengths, _ = checkout.utils.tokenize(by_word, str(folder / "captions.txt"))
    noise = torch.randn(len(ids), LATENT_SIZE)
    with torch.no_grad():
        sentence, _ = checkout.utils.prepare_sample_data(ids, lengths, text_encoder, "cpu")
        image = networks["netG"](noise, sentence)
        features = networks["netD"](image)
        logit = networks["netC"](features, sentence)
    answers = {"noise": noise, "sentence": sentence, "image": image}
    answers |= {"features": features, "logit": logit}

    # One further step, with known noise.
    images, captions, length, keys = random_batch(image_size)
    torch.manual_seed(EPOCH)
    step_noise = torch.randn(ROWS, LATENT_SIZE)
    torch.manual_seed(EPOCH)
    checkout.train(networks, (images, captions, length, keys), **training)
    answers |= {"step/images": images, "step/ids": captions[:, :, 0], "step/length": length}
    answers |= {"step/noise": step_noise}
    for name, network in networks.items():
        answers |= {f"after/{name}/{key}": it for key, it in network.state_dict().items()}
    arrays = {name: tensor.detach().numpy() for name, tensor in answers.items()}
    padded = [[*row, *[0] * (max(lengths) - len(row))] for row in ids]
    np.savez(folder / "answers.npz", ids=np.array(padded), **arrays)


def main() -> None:
    """Writes the files and the answers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkout", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--nf", type=int, default=32)
    options = parser.parse_args()
    torch.manual_seed(0)
    try:
        checkout = Checkout(options.checkout)
    except Exception as error:  # Its packages may be absent, or of versions that do not fit.
        rule = "must be a checkout of DF-GAN's code of 2022, with the packages that it imports"
        sys.exit(f"error: {options.checkout}: {rule}, got {error}")
    write(checkout, options.folder, image_size=options.image_size, nf=options.nf)


if __name__ == "__main__":
    main()
