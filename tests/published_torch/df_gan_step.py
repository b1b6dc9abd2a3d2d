"""DF-GAN's training step in PyTorch, as in the code of 2022, for a comparison of times.

Needs PyTorch, and only this folder of the project. Started as a program, it answers
every line that it reads with a line, after a step:

python tests/published_torch/df_gan_step.py --image_size=64 --batch_size=16 --precision=float32
"""

import argparse
import contextlib
import itertools
import sys

import networks
import torch
from torch import Tensor, nn
from torch.nn import functional

NF, LATENT_SIZE, SENTENCE_SIZE = 32, 100, 256
VOCABULARY_SIZE, WORD_EMBEDDING_SIZE, CAPTION_WORDS = 5450, 300, 18
MA_GP_WEIGHT, MA_GP_POWER = 2.0, 6.0
PRECISIONS = {"float32": None, "mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}


def discriminator_parts(
    image_features: nn.Module, head: nn.Module, images: Tensor, fakes: Tensor, sentence: Tensor
) -> dict[str, Tensor]:
    """The terms of the discriminator's loss.

    Args:
      image_features: NetD, the discriminator without its head.
      head: NetC.
      images: real ones [B, 3, S, S].
      fakes: generated ones of the same sentences.
      sentence: of the images [B, E].
    """
    images, sentence = images.detach().requires_grad_(), sentence.detach().requires_grad_()
    features = image_features(images)
    real = head(features, sentence)
    rolled = torch.cat([features[1:], features[:1]])
    wrong = head(rolled, sentence)
    fake = head(image_features(fakes.detach()), sentence)
    gradients = torch.autograd.grad(
        real.float().sum(), (images, sentence), create_graph=True, retain_graph=True
    )
    flat = torch.cat([gradient.float().flatten(1) for gradient in gradients], dim=1)
    return {
        "real": functional.relu(1 - real).float().mean(),
        "fake": functional.relu(1 + fake).float().mean() / 2,
        "wrong": functional.relu(1 + wrong).float().mean() / 2,
        "ma_gp": MA_GP_WEIGHT * (flat.norm(dim=1) ** MA_GP_POWER).mean(),
    }


def generator_loss(
    image_features: nn.Module, head: nn.Module, fakes: Tensor, sentence: Tensor
) -> Tensor:
    """The generator's loss."""
    return -head(image_features(fakes), sentence).float().mean()


class TrainingStep:
    """The published networks and optimizers, with random images and captions."""

    def __init__(self, *, image_size: int, batch_size: int, precision: str) -> None:
        torch.manual_seed(0)
        self.dtype, self.batch_size = PRECISIONS[precision], batch_size
        sizes = {"nf": NF, "image_size": image_size}
        conditions = {"latent_size": LATENT_SIZE, "sentence_size": SENTENCE_SIZE}
        self.text_encoder = networks.RNNEncoder(
            vocabulary_size=VOCABULARY_SIZE,
            embedding_size=WORD_EMBEDDING_SIZE,
            sentence_size=SENTENCE_SIZE,
        ).eval()
        self.generator = networks.NetG2022(**sizes, **conditions)
        self.image_features = networks.NetD2022(**sizes)
        self.head = networks.NetC(
            channels=self.image_features.channels, nf=NF, sentence_size=SENTENCE_SIZE
        )
        for network in (self.generator, self.image_features, self.head):
            network.to(memory_format=torch.channels_last)
        self.images = torch.rand(batch_size, 3, image_size, image_size) * 2 - 1
        self.images = self.images.to(memory_format=torch.channels_last)
        self.ids = torch.randint(1, VOCABULARY_SIZE, (batch_size, CAPTION_WORDS))
        self.length = torch.full((batch_size,), CAPTION_WORDS)
        parameters = itertools.chain(self.image_features.parameters(), self.head.parameters())
        self.discriminator_optimizer = torch.optim.Adam(parameters, lr=4e-4, betas=(0.0, 0.9))
        self.painters = torch.optim.Adam(self.generator.parameters(), lr=1e-4, betas=(0.0, 0.9))

    def step(self) -> None:
        """One update of each network; the first backward pass includes the penalty."""
        with self._precision():
            with torch.no_grad():
                _, sentence = self.text_encoder(self.ids, self.length)
            fakes = self.generator(torch.randn(self.batch_size, LATENT_SIZE), sentence)
            parts = discriminator_parts(
                self.image_features, self.head, self.images, fakes, sentence
            )
        self.discriminator_optimizer.zero_grad()
        sum(parts.values()).backward()
        self.discriminator_optimizer.step()
        with self._precision():
            loss = generator_loss(self.image_features, self.head, fakes, sentence)
        self.painters.zero_grad()
        loss.backward()
        self.painters.step()

    def _precision(self) -> contextlib.AbstractContextManager:
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast("cpu", dtype=self.dtype)


def main() -> None:
    """Runs a step for every input line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--image_size", type=int, required=True)
    parser.add_argument("--batch_size", type=int, required=True)
    parser.add_argument("--precision", choices=PRECISIONS, required=True)
    training = TrainingStep(**vars(parser.parse_args()))
    for _ in sys.stdin:
        training.step()
        print("done", flush=True)


if __name__ == "__main__":
    main()
