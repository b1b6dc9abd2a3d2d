"""Options of the standard GAN stabilizers."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Remedies:
    """Stabilizers that need no caption; every field is a field of the recipe."""

    r1_weight: float
    r2_weight: float
    penalty_every: int
    discriminator_spectral_norm: bool
    augment_color: bool
    augment_translation_px: int
    augment_cutout: float
    augment_probability: float
    ada_target: float
    ada_images: int
    minibatch_group: int
    discriminator_steps: int
    label_smoothing: float


@dataclasses.dataclass(frozen=True)
class MatchingRemedies(Remedies):
    """Stabilizers of text-to-image systems: `Remedies` and the matching-aware penalty (MA-GP)."""

    ma_gp_weight: float
    ma_gp_power: float
    ma_gp_norm: str
