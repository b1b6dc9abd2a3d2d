"""The choice for a folder, as it is kept on disk: recipe, sizes, resizing, passes."""

import dataclasses

from tools.starting.looking import Found
from tools.starting.rules import Rule

DAMSM_BATCH = 48
# Largest image side of a text encoder: larger ones only cost time.
ENCODER_PX = 64
# A text encoder is trained on so many images, in at least two passes and at most sixty.
ENCODER_IMAGES, PASSES = 50_000, (2, 60)
# Rate of a text encoder at 64 px on two cores, measured.
ENCODER_IMAGES_PER_SECOND = 240.0
# Largest part of --hours that the text encoder uses.
ENCODER_SHARE = 0.2
# Train images that stay of a folder: a tenth is for testing.
TRAIN_SHARE = 0.9


@dataclasses.dataclass(frozen=True)
class Choice:
    """Options that stay the same when a program continues.

    Attributes:
      recipe: recipe of the package.
      image_size: side of the generated pictures in px.
      batch_size: images per step.
      translation_px: largest translation of images before the discriminator, in px.
      text_encoder: whether the recipe uses a text encoder that is trained before.
      mode_seeking: whether mode seeking replaces the recipe's feature matching, which would draw
        the mean of all pictures of a caption.
      encoder_passes: passes of a text encoder over the pictures.
      encoder_batch_size: images per step of a text encoder.
      resize: method of tools.prepare to make images square.
    """

    recipe: str
    image_size: int
    batch_size: int
    translation_px: int
    text_encoder: bool
    mode_seeking: bool
    encoder_passes: int
    encoder_batch_size: int
    resize: str

    def __str__(self) -> str:
        encoder = f"; text encoder, {self.encoder_passes} passes" if self.text_encoder else ""
        size = f"{self.image_size} px, {self.batch_size} images per step"
        losses = "; mode seeking instead of feature matching" if self.mode_seeking else ""
        return f"recipe {self.recipe} at {size}{encoder}{losses}"

    @property
    def encoder_px(self) -> int:
        """Image side of the text encoders."""
        return min(self.image_size, ENCODER_PX)


def make(rule: Rule, found: Found, *, hours: float, cores: int) -> Choice:
    """Fills a row of the table with the counts of the folder.

    Args:
      rule: the chosen row.
      found: content of the folder.
      hours: hours of training.
      cores: CPU cores.
    """
    train = int(TRAIN_SHARE * found.pictures)
    passes = min(max(ENCODER_IMAGES // found.pictures, PASSES[0]), PASSES[1])
    seconds_per_pass = found.pictures / ENCODER_IMAGES_PER_SECOND * 2 / cores
    affordable = int(ENCODER_SHARE * hours * 3600 / seconds_per_pass)
    return Choice(
        recipe=rule.recipe,
        image_size=rule.image_size,
        batch_size=min(rule.batch_size, _half(train)),
        translation_px=rule.translation_px,
        text_encoder=rule.text_encoder,
        mode_seeking=rule.feature_matching and found.repeated_captions,
        encoder_passes=max(1, min(passes, affordable)),
        encoder_batch_size=min(DAMSM_BATCH, _half(train)),
        resize="crop" if found.photographs else "pad",
    )


def _half(count: int) -> int:
    """The largest power of two up to half of the images: a pass has two steps or more."""
    return 2 ** ((count // 2).bit_length() - 1)
