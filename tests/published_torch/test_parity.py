"""A checkout of the published code is compared with imported weights; a stand-in has its interface.

The stand-in has the modules, classes and functions of DF-GAN's code that the comparison calls. It
contains the networks of networks.py.
"""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.published_torch import against

pytestmark = pytest.mark.torch
FOLDER = against.FOLDER
STAND_IN = {
    "models/GAN.py": """
import networks

class NetG(networks.NetG2022):
    def __init__(self, ngf, nz, cond_dim, imsize, ch_size):
        super().__init__(nf=ngf, latent_size=nz, sentence_size=cond_dim, image_size=imsize)

class NetD(networks.NetD2022):
    def __init__(self, ndf, imsize=128, ch_size=3):
        super().__init__(nf=ndf, image_size=imsize)

class NetC(networks.NetC):
    def __init__(self, ndf, cond_dim=256):
        super().__init__(channels=8 * ndf, nf=ndf, sentence_size=cond_dim)
""",
    "models/DAMSM.py": """
import networks

class RNN_ENCODER(networks.RNNEncoder):
    def __init__(self, ntoken, ninput=300, drop_prob=0.5, nhidden=128, nlayers=1):
        super().__init__(vocabulary_size=ntoken, embedding_size=ninput, sentence_size=nhidden)
""",
    "lib/utils.py": r"""
import re
import torch

def tokenize(wordtoix, text_filepath):
    with open(text_filepath) as file:
        lines = file.read().split("\n")
    ids = []
    for line in lines:
        words = re.findall(r"\w+", line.replace("\ufffd\ufffd", " ").lower())
        words = [word.encode("ascii", "ignore").decode() for word in words]
        ids.append([wordtoix[word] for word in words if word in wordtoix])
    return ids, [len(row) for row in ids], lines

def prepare_sample_data(captions, caption_lens, text_encoder, device):
    padded = torch.zeros(len(captions), max(caption_lens), dtype=torch.int64)
    for row, ids in enumerate(captions):
        padded[row, : len(ids)] = torch.tensor(ids)
    words, sentences = text_encoder(padded, torch.tensor(caption_lens))
    return sentences, words

def save_models(netG, netD, netC, optG, optD, epoch, multi_gpus, save_path):
    model = {"netG": netG.state_dict(), "netD": netD.state_dict(), "netC": netC.state_dict()}
    optimizers = {"optimizer_G": optG.state_dict(), "optimizer_D": optD.state_dict()}
    state = {"model": model, "optimizers": optimizers, "epoch": epoch}
    torch.save(state, f"{save_path}/state_epoch_{epoch:03d}.pth")
""",
    "lib/modules.py": """
import df_gan_step
import torch

def train(dataloader, netG, netD, netC, text_encoder, optimizerG, optimizerD, args):
    for images, captions, lengths, keys in dataloader:
        with torch.no_grad():
            _, sentence = text_encoder(captions[:, :, 0].cuda(), lengths)
        fakes = netG(torch.randn(args.batch_size, args.z_dim), sentence)
        parts = df_gan_step.discriminator_parts(netD, netC, images, fakes, sentence)
        optimizerD.zero_grad()
        sum(parts.values()).backward()
        optimizerD.step()
        loss = df_gan_step.generator_loss(netD, netC, fakes, sentence)
        optimizerG.zero_grad()
        loss.backward()
        optimizerG.step()
""",
}


def write_stand_in(path: pathlib.Path, *, change: tuple[str, str] = ("", "")) -> pathlib.Path:
    for name, text in STAND_IN.items():
        file = path / "code" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace(*change))
    return path


def compare(checkout: pathlib.Path, folder: pathlib.Path) -> subprocess.CompletedProcess:
    """Runs the two programs of `make test-parity`, on small networks."""
    torch_python = os.environ.get(against.VARIABLE, str(against.PYTHON))
    write = [torch_python, "-X", "utf8", str(FOLDER / "write_parity.py"), str(checkout)]
    written = subprocess.run(
        [*write, str(folder), "--image_size=64", "--nf=4"], capture_output=True, text=True
    )
    if written.returncode:
        return written
    table = [sys.executable, "-m", "tests.published_torch.parity", str(folder)]
    return subprocess.run(table, capture_output=True, text=True)


def test_table_of_differences_is_printed(tmp_path: pathlib.Path) -> None:
    ended = compare(write_stand_in(tmp_path / "checkout"), tmp_path / "files")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert len(lines) == 10
    assert "| tokenizer: captions with other ids, of 11 | 0.0e+00 |" in lines[2]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (("netG(torch.randn(args.batch_size", "netG(2 * torch.randn(args.batch_size"), "netG"),
        (("optimizerD.step()", "pass"), "one step: weights of netD"),
        (('[word.encode("ascii", "ignore").decode() for word in words]', "words"), "tokenizer"),
        (("return sentences", "return 1.001 * sentences"), "RNN_ENCODER: sentences"),
    ],
)
def test_code_that_computes_something_else_is_an_error(
    change: tuple[str, str], part: str, tmp_path: pathlib.Path
) -> None:
    checkout = write_stand_in(tmp_path / "checkout", change=change)
    ended = compare(checkout, tmp_path / "files")
    assert ended.returncode == 1
    assert "error: " in ended.stderr
    assert part in ended.stderr.splitlines()[-1]


def test_folder_without_the_code_is_an_error(tmp_path: pathlib.Path) -> None:
    ended = compare(tmp_path, tmp_path / "files")
    assert ended.returncode == 1
    rule = f"error: {tmp_path}: must be a checkout of DF-GAN's code of 2022"
    assert ended.stderr.splitlines()[-1].startswith(rule)
