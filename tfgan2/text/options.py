"""Options of text encoders; this module imports no TensorFlow."""

import dataclasses
from typing import Any

from tfgan2.options import Options, option
from tfgan2.program import UsageError

# Values of `--text_encoder_kind`; the encoder that trains with the GAN is first.
TRAINED_WORD_ENCODERS = ("word_cnn", "bi_lstm", "lstm")
WORD_ENCODERS = (*TRAINED_WORD_ENCODERS, "word_vectors")
# Encoders that also encode each word.
ENCODERS_OF_EACH_WORD = ("bi_lstm", "word_vectors")
CHARACTER_ENCODERS = (
    "char_cnn_rnn_cvpr2016",
    "char_cnn_rnn_icml2016_flowers",
    "char_cnn_rnn_icml2016_birds",
)
ENCODERS = (*WORD_ENCODERS, *CHARACTER_ENCODERS)
# Rules by which captions are split into words.
UNICODE, LETTERS = "unicode", "letters"
WORD_RULES = ("auto", UNICODE, LETTERS)


@dataclasses.dataclass(frozen=True)
class TokenizerOptions(Options):
    """Text: kind of the encoder, and words per caption."""

    text_encoder_kind: str = option(
        "word_cnn",
        "text encoder; --text_encoder replaces this by its run's kind; word_cnn: small, trained "
        "with the GAN; bi_lstm: DAMSM's; lstm: the flowers project's; word_vectors: frozen word "
        "vectors of a run of tools.train_text_encoder; char_cnn_rnn_...: on characters, from the "
        "code of the named paper",
        choices=ENCODERS,
    )
    max_words: int = option(18, "maximum number of known words read per caption", low=1)
    word_rules: str = option(
        "auto",
        "rules by which captions are split into words; unicode: letters and digits with their "
        "marks, and single characters of scripts without spaces; letters: runs of letters, digits "
        "and _, as in the published codes and in earlier versions; auto: those of the data set, of "
        "--text_encoder or of --init_from",
        choices=WORD_RULES,
        since="0.3.0",
    )


@dataclasses.dataclass(frozen=True)
class TextOptions(TokenizerOptions):
    """Text: options of the tokenizer and the text encoder."""

    sampling_max_words: int = option(
        0,
        "maximum number of known words read per caption in sample grids, evaluation and export; 0: "
        "--max_words, as in training; imported weights: 1000",
        low=0,
        since="0.3.0",
    )
    word_embedding_size: int = option(
        300, "length of a word embedding in bi_lstm, lstm and word_vectors", low=1
    )
    sentence_size: int = option(256, "length of a sentence embedding; bi_lstm: even", low=2)

    def of_encoder(self) -> dict[str, Any]:
        """Values of the options that a pretrained encoder defines: all but `sampling_max_words`."""
        values = dataclasses.asdict(self)
        del values["sampling_max_words"]
        return values

    def check(self) -> None:
        """Checks that the two directions of a bi_lstm have equal sizes."""
        if self.text_encoder_kind == "bi_lstm" and self.sentence_size % 2:
            raise UsageError("--sentence_size", "must be even for bi_lstm", self.sentence_size)
        super().check()
