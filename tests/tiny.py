"""A tiny recipe of every system, and its variants."""

import dataclasses

from tfgan2.runs.recipe import Recipe

_DF_GAN = Recipe(
    model="df_gan",
    seed=3,
    batch_size=8,
    image_size=32,
    precision="float32",
    max_words=6,
    latent_size=8,
    sentence_size=8,
    generator_channels=2,
    discriminator_channels=2,
    discriminator_head="projection",
    residual_gate_start=0.5,
    loss="relativistic",
    mismatch_weight=0.5,
    ma_gp_weight=2.0,
    r1_weight=1.0,
    r2_weight=1.0,
    mode_seeking_weight=0.1,
    augment_translation_px=2,
    ema_half_life_images=100.0,
)

_DAMSM = Recipe(
    model="damsm",
    seed=3,
    batch_size=8,
    image_size=32,
    precision="float32",
    text_encoder_kind="bi_lstm",
    max_words=6,
    word_embedding_size=8,
    sentence_size=8,
    image_encoder_channels=2,
    augment_translation_px=2,
)

# One configuration of every system: with every term of its losses.
TINY = {"df_gan": _DF_GAN, "damsm": _DAMSM}

_PUBLISHED = dataclasses.replace(
    _DF_GAN,
    discriminator_head="joint",
    loss="hinge",
    mismatch_weight=1.0,
    r1_weight=0.0,
    r2_weight=0.0,
    mode_seeking_weight=0.0,
    augment_translation_px=0,
)

# What only `make test-all` runs.
VARIANTS = {
    "df_gan-published": _PUBLISHED,
    "df_gan-no_penalty": dataclasses.replace(
        _DF_GAN, ma_gp_weight=0.0, r1_weight=0.0, r2_weight=0.0
    ),
    "df_gan-2020": dataclasses.replace(
        _PUBLISHED,
        generator_form="2020",
        discriminator_form="2020",
        ma_gp_update="separate",
        text_encoder_kind="bi_lstm",
        word_embedding_size=8,
    ),
    "df_gan-imagan": dataclasses.replace(
        _PUBLISHED,
        generator_form="imagan",
        discriminator_form="2020",
        ma_gp_update="separate",
        generator_channels=1,
    ),
    "df_gan-rdn": dataclasses.replace(
        _PUBLISHED, generator_form="rdn", generator_channels=1, ma_gp_norm="sum"
    ),
    "df_gan-char_cnn_rnn_birds": dataclasses.replace(
        _PUBLISHED, text_encoder_kind="char_cnn_rnn_icml2016_birds"
    ),
    "df_gan-char_cnn_rnn_flowers-frozen": dataclasses.replace(
        _PUBLISHED, text_encoder_kind="char_cnn_rnn_icml2016_flowers", freeze_text_encoder=True
    ),
    "sje": dataclasses.replace(
        _DAMSM, model="sje", text_encoder_kind="char_cnn_rnn_cvpr2016", augment_translation_px=0
    ),
}
