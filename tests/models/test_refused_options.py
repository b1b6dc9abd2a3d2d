"""Options that a system has no values or no use for are refused with the rule."""

import dataclasses
from typing import Any

import pytest

from tests.tiny import TINY, VARIANTS
from tfgan2.program import UsageError
from tfgan2.training import checks

END = {"learning_rate_linear_to_epochs": 2.0}
LATE = {"learning_rate_linear_from_epochs": 3.0, **END}
FORMS = "torch, torch_int, tensorlayer for gan_cls"
GENERATORS = "tensorflow, pytorch, rdn, imagan for stack_gan"
DISCRIMINATORS = "tensorflow, pytorch, unet for stack_gan, got rdn"
ENCODERS = "word_cnn, bi_lstm, lstm for img_txt, got char_cnn"
CHARACTERS = {"text_encoder_kind": "char_cnn_rnn_cvpr2016"}
# Recipe, changed options and rule; an option of another system comes with its whole message.
REFUSED = [
    ("gan_cls", {"image_size": 256}, "--image_size: must be one of 16, 32, 64, 128 for gan_cls, g"),
    ("gan_cls", {"generator_form": "2022"}, f"--generator_form: must be one of {FORMS}, got 2022"),
    ("gan_cls", {"discriminator_form": "unet"}, f"--discriminator_form: must be one of {FORMS}"),
    ("gan_cls", {"loss": "relativistic"}, "--loss: must be one of hinge, bce for gan_cls, got rel"),
    ("stack_gan", {"image_size": 128}, "--image_size: must be one of 16, 32, 64 for stack_gan, "),
    ("stack_gan-stage_two", {"image_size": 32}, "--image_size: must be one of 64, 128, 256 for st"),
    ("stack_gan", {"generator_form": "2022"}, f"--generator_form: must be one of {GENERATORS}"),
    (
        "stack_gan",
        {"discriminator_form": "rdn"},
        f"--discriminator_form: must be one of {DISCRIMINATORS}",
    ),
    ("stack_gan", {"cutmix_weight": 1.0}, "--discriminator_form: must be unet for stack_gan, got"),
    ("img_txt", {"image_size": 28}, "--image_size: must be one of 16, 32, 64 for img_txt, got 28"),
    ("img_txt", CHARACTERS, f"--text_encoder_kind: must be one of {ENCODERS}"),
    ("img_txt", {"faithful": True}, "--shared_layers: must be 1 for img_txt, got 3"),
    ("auto_write", {"image_size": 32}, "--image_size: must be 28 for auto_write, got 32"),
    ("auto_write", {"latent_signs": 9}, "--latent_signs: must be at most --latent_size=8, got 9"),
    ("auto_write", {"second_channels": 1}, "--second_channels: must be at least 2; .*, got 1"),
    ("auto_write", {"latent_size": 3}, "--second_channels: .* --latent_size at least 4, got 0"),
    ("damsm", {"discriminator_steps": 2}, "--discriminator_steps: must be 1 for damsm"),
    ("df_gan", {"label_smoothing": 0.1}, "--label_smoothing: must be 0 for --loss=relativ"),
    ("df_gan", {"minibatch_group": 1}, "--minibatch_group: must be 0 or at least 2, got 1"),
    ("auto_write-faithful", {"ada_target": 0.6}, "--ada_target: must be 0 without any of --augmen"),
    ("df_gan", LATE, "--learning_rate_linear_to_epochs: must be above --learning_rate_linear_from"),
    ("gan_cls", END, "--learning_rate_linear_to_epochs: must be 0 where rates are halved"),
    ("img_txt", {"ma_gp_update": "separate"}, "--ma_gp_update: must be joint for img_txt"),
    ("df_gan", {"stage": 2}, "--stage: must be 1 for df_gan, which has no such option, got 2$"),
    (
        *("img_txt", {"captions_per_image": 2}),
        "--captions_per_image: must be 1 for img_txt, which has no such option, got 2$",
    ),
    (
        *("gan_cls", {"faithful": True}),
        "--faithful: must be False for gan_cls, which has no such option, got True$",
    ),
    (
        *("auto_write", {"ma_gp_weight": 2.0}),
        r"--ma_gp_weight: must be 0\.0 for auto_write, which is without captions, got 2\.0$",
    ),
    (
        *("damsm", {"r1_weight": 1.0}),
        r"--r1_weight: must be 0\.0 for damsm, which is without a discriminator, got 1\.0$",
    ),
]


@pytest.mark.parametrize(("name", "changes", "rule"), REFUSED)
def test_unsupported_option_is_refused(name: str, changes: dict[str, Any], rule: str) -> None:
    recipe = (TINY | VARIANTS)[name]
    recipe.check()
    recipe = dataclasses.replace(recipe, **changes)

    def check() -> None:
        checks.check_foreign_options(recipe)
        recipe.check()

    with pytest.raises(UsageError, match=f"^{rule}"):
        check()


def test_smallest_latents_and_maps_of_auto_write_are_supported() -> None:
    dataclasses.replace(TINY["auto_write"], latent_signs=8, second_channels=2).check()
