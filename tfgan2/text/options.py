"""Options of text encoders; flags need these names, so this module imports no TensorFlow."""

import dataclasses

# Values of `--text_encoder_kind`; the encoder that trains with the GAN is first.
WORD_ENCODERS = ("word_cnn", "bi_lstm", "lstm")
CHARACTER_ENCODERS = (
    "char_cnn_rnn_cvpr2016",
    "char_cnn_rnn_icml2016_flowers",
    "char_cnn_rnn_icml2016_birds",
)
ENCODERS = (*WORD_ENCODERS, *CHARACTER_ENCODERS)


@dataclasses.dataclass(frozen=True)
class TextOptions:
    """Options of tokenizer and text encoder; every field is a field of the recipe."""

    text_encoder_kind: str
    max_words: int
    word_embedding_size: int
    sentence_size: int
