"""Published text encoders: DAMSM's, with its vocabulary, and char-CNN-RNN's PyTorch port."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgan2.data.formats import plain_pickle
from tfgan2.interop.weight_mapping import Target, convolution, expect, fill, linear, under
from tfgan2.program import UsageError
from tfgan2.text.char_cnn_rnn import VARIANTS, CharCNNRNN, GatedRecurrence
from tfgan2.text.encoders import BiLSTM, TextOptions
from tfgan2.text.options import LETTERS

END_WORD_ID = 0
EXAMPLES = 10
MAX_WORDS = 18
# The published sampling code reads all words; the limit bounds the time of one request.
SAMPLING_MAX_WORDS = 1000
DIRECTIONS = {"": "forward", "_reverse": "backward"}
EMBEDDING, STATE = "encoder.weight", "rnn.weight_hh_l0"


def damsm_options(state: dict[str, np.ndarray]) -> TextOptions:
    """Reads the sizes of DAMSM's RNN_ENCODER from the shapes of its tensors.

    Raises:
      UsageError: a tensor that defines a size is missing.
    """
    expect(state, {EMBEDDING: 2, STATE: 2}, name="the text encoder")
    return TextOptions(
        text_encoder_kind="bi_lstm",
        max_words=MAX_WORDS,
        sampling_max_words=SAMPLING_MAX_WORDS,
        word_rules=LETTERS,
        word_embedding_size=state[EMBEDDING].shape[-1],
        sentence_size=2 * state[STATE].shape[-1],
    )


def load_damsm(encoder: BiLSTM, state: dict[str, np.ndarray]) -> None:
    """Loads DAMSM's tensors into an encoder.

    PyTorch's gates have the same order as Keras's; Keras keeps the sum of PyTorch's two biases.

    Raises:
      UsageError: keys are missing, superfluous or of a wrong shape.
    """
    name = "the text encoder"
    embedding = encoder.word_embedding.embeddings
    mapping = {EMBEDDING: Target(embedding, tuple(embedding.shape), lambda tensor: tensor)}
    state = dict(state)
    for suffix, direction in DIRECTIONS.items():
        cell = getattr(encoder, direction).cell
        first, second = (f"rnn.bias_{part}_l0{suffix}" for part in ("ih", "hh"))
        expect(state, {first: 1, second: 1}, name=name)
        if state[first].shape == state[second].shape:
            state[first] = state[first] + state.pop(second)
        for part, kernel in (("ih", cell.kernel), ("hh", cell.recurrent_kernel)):
            shape = tuple(kernel.shape[::-1])
            mapping[f"rnn.weight_{part}_l0{suffix}"] = Target(kernel, shape, np.transpose)
        mapping[first] = Target(cell.bias, tuple(cell.bias.shape), lambda tensor: tensor)
    fill(mapping, state, name=name)


def char_cnn_rnn_options(state: dict[str, np.ndarray]) -> TextOptions:
    """Finds the variant of char-CNN-RNN by the shapes of its tensors.

    Raises:
      UsageError: the tensors fit no variant.
    """
    expect(state, {"conv3.weight": 3, "emb_proj.weight": 2}, name="the text encoder")
    units, gated = state["conv3.weight"].shape[0], "rnn.i2h_update.weight" in state
    names = [name for name, it in VARIANTS.items() if (it.units, it.gated) == (units, gated)]
    if not names:
        rule = f"must be one of {', '.join(VARIANTS)}"
        raise UsageError("the text encoder", rule, f"{units} units, {gated=}")
    return TextOptions(
        text_encoder_kind=f"char_cnn_rnn_{names[0]}",
        max_words=MAX_WORDS,
        word_rules=LETTERS,
        word_embedding_size=1,
        sentence_size=state["emb_proj.weight"].shape[0],
    )


def load_char_cnn_rnn(encoder: CharCNNRNN, state: dict[str, np.ndarray]) -> None:
    """Loads the tensors of the PyTorch port into an encoder.

    Raises:
      UsageError: keys are missing, superfluous or of a wrong shape.
    """
    mapping = linear("emb_proj", encoder.projection)
    for number, conv in enumerate(encoder.convolutions, start=1):
        mapping |= convolution(f"conv{number}", conv)
    recurrence = encoder.recurrence
    if isinstance(recurrence, GatedRecurrence):
        for kind, layers in (("i2h", recurrence.of_input), ("h2h", recurrence.of_state)):
            for suffix, layer in zip(("_update", "_reset", ""), layers, strict=True):
                mapping |= under("rnn", linear(f"{kind}{suffix}", layer))
    else:
        mapping |= under("rnn", linear("i2h", recurrence.of_input))
        mapping |= under("rnn", linear("h2h", recurrence.of_state))
    fill(mapping, state, name="the text encoder")


def read_vocabulary(path: pathlib.Path, *, words: int) -> tuple[list[str], list[str]]:
    """Reads the pickle of captions that belongs to a DAMSM encoder.

    Args:
      path: pickle of [train captions, test captions, word by id, id by word], as in AttnGAN.
      words: rows of the encoder's embedding.

    Returns:
      The words of the ids 1, 2, ..., and some captions of the test split.

    Raises:
      UsageError: the file holds something else, or belongs to another encoder.
    """
    content = plain_pickle.read(path)
    rule = "must hold [train captions, test captions, word by id, id by word]"
    if not isinstance(content, list) or len(content) != 4 or not isinstance(content[2], dict):
        raise UsageError(str(path), rule, type(content).__name__)
    by_id = content[2]
    if len(by_id) != words or set(by_id) != set(range(words)):
        rule = f"must number the {words} words of the text encoder from 0"
        raise UsageError(str(path), rule, f"{len(by_id)} words")
    vocabulary = [by_id[number] for number in range(words) if number != END_WORD_ID]
    broken = [word for word in vocabulary if not isinstance(word, str) or word.split() != [word]]
    if broken or len(set(vocabulary)) != len(vocabulary):
        faults = f"{broken[:3]!r:.100}" if broken else "a word twice"
        raise UsageError(str(path), "must hold each word once, without spaces", faults)
    return vocabulary, _examples(content[1], by_id) or [" ".join(vocabulary[:MAX_WORDS])]


def _examples(captions: Any, by_id: dict[int, str]) -> list[str]:
    """Returns captions of different images as text; empty if they are not lists of ids."""
    if not isinstance(captions, Sequence):
        return []
    step = max(1, len(captions) // EXAMPLES)
    chosen = [row for row in captions[::step] if isinstance(row, Sequence) and len(row)]
    texts = [" ".join(by_id[word] for word in row if word in by_id) for row in chosen[:EXAMPLES]]
    return [text for text in texts if text]
