"""DF-GAN's image generation in PyTorch, as in the code of 2022, for a comparison of times.

Needs PyTorch, and only this folder of the project. Eager, in inference mode, channels
last, with PyTorch's own number of threads. Started as a program, it answers every line that it
reads with a line, after a batch:

python tests/published_torch/df_gan_drawing.py --image_size=64 --batch_size=16 --precision=float32
"""

import argparse
import sys

import networks
import torch
from df_gan_step import (
    CAPTION_WORDS,
    LATENT_SIZE,
    NF,
    SENTENCE_SIZE,
    VOCABULARY_SIZE,
    WORD_EMBEDDING_SIZE,
)
from torch import Tensor, nn

PRECISIONS = ("float32",)


@torch.inference_mode()
def draw(
    text_encoder: nn.Module, generator: nn.Module, ids: Tensor, length: Tensor, noise: Tensor
) -> Tensor:
    """Draws images [B, 3, S, S] in [-1, 1] of captions.

    Args:
      text_encoder: RNNEncoder.
      generator: NetG.
      ids: of words [B, T].
      length: of captions in words [B].
      noise: [B, Z].
    """
    _, sentence = text_encoder(ids, length)
    return generator(noise, sentence)


class Painter:
    """The published generator and text encoder, with random captions."""

    def __init__(self, *, image_size: int, batch_size: int) -> None:
        torch.manual_seed(0)
        self.batch_size = batch_size
        self.text_encoder = networks.RNNEncoder(
            vocabulary_size=VOCABULARY_SIZE,
            embedding_size=WORD_EMBEDDING_SIZE,
            sentence_size=SENTENCE_SIZE,
        ).eval()
        self.generator = networks.NetG2022(
            nf=NF, image_size=image_size, latent_size=LATENT_SIZE, sentence_size=SENTENCE_SIZE
        ).eval()
        self.generator.to(memory_format=torch.channels_last)
        self.ids = torch.randint(1, VOCABULARY_SIZE, (batch_size, CAPTION_WORDS))
        self.length = torch.full((batch_size,), CAPTION_WORDS)

    def draw(self) -> Tensor:
        """Generates an image of each caption with fresh noise."""
        noise = torch.randn(self.batch_size, LATENT_SIZE)
        return draw(self.text_encoder, self.generator, self.ids, self.length, noise)


def main() -> None:
    """Generates a batch for every input line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--image_size", type=int, required=True)
    parser.add_argument("--batch_size", type=int, required=True)
    parser.add_argument("--precision", choices=PRECISIONS, required=True)
    options = parser.parse_args()
    painter = Painter(image_size=options.image_size, batch_size=options.batch_size)
    for _ in sys.stdin:
        painter.draw()
        print("done", flush=True)


if __name__ == "__main__":
    main()
