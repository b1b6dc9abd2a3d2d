"""Captions to ids: what a word is, and that nothing a user types breaks it."""

import pathlib
import re

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfgan2.text import tokenizers

VOCABULARY = ["seven", "the", "digit", "7", "größe", "a_b"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> tokenizers.WordTokenizer:
    path: pathlib.Path = tmp_path_factory.mktemp("text") / "vocabulary.txt"
    tokenizers.write_vocabulary(path, dict.fromkeys(VOCABULARY, 1))
    return tokenizers.WordTokenizer(path, max_words=4)


def ids(tokenizer: tokenizers.WordTokenizer, caption: str | bytes) -> list[int]:
    tokens = tokenizer(tf.constant([caption]))
    return tokens["ids"].numpy()[0].tolist()


def test_words_become_their_line_numbers_and_0_pads(
    tokenizer: tokenizers.WordTokenizer,
) -> None:
    assert ids(tokenizer, "The digit: SEVEN!") == [2, 3, 1, 0]
    assert tokenizer.vocabulary_size == len(VOCABULARY) + 1


def test_unknown_words_are_left_out_and_counted(tokenizer: tokenizers.WordTokenizer) -> None:
    captions = ["", "???", "DIE ZIFFER 7", "GRÖßE a_b x-y", b"\xff\xfe seven \x00 z"]
    tokens = tokenizer(tf.constant(captions))
    assert tokens["unknown_words"].numpy().tolist() == [0, 0, 2, 2, 1]
    assert tokens["length"].numpy().tolist() == [0, 0, 1, 2, 1]
    assert tokens["ids"].numpy()[2].tolist() == [4, 0, 0, 0]


def test_long_captions_are_cut_but_counted_whole(tokenizer: tokenizers.WordTokenizer) -> None:
    tokens = tokenizer(tf.constant(["nope " * 20_000 + "the digit 7 seven the"]))
    assert tokens["unknown_words"].numpy().tolist() == [20_000]
    assert tokens["ids"].numpy().tolist() == [[2, 3, 4, 1]]


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), max_size=4))
def test_words_are_those_of_a_regular_expression(captions: list[str]) -> None:
    # Python and ICU are of different Unicode versions, so only what both have had for long.
    captions = [re.sub(r"[^\x00-\u02af\u0370-\u03ff\u0410-\u044f]", " ", c) for c in captions]
    words = tokenizers.split_words(tf.constant(captions, tf.string)).to_list()
    expected = [[w.lower() for w in re.findall(r"\w+", caption)] for caption in captions]
    assert [[word.decode() for word in row] for row in words] == expected


@given(st.binary(max_size=60))
def test_any_bytes_give_ids(caption: bytes) -> None:
    words = tokenizers.split_words(tf.constant([caption])).to_list()
    assert all(word.decode() for word in words[0])


def test_counts_are_by_frequency_then_alphabet() -> None:
    counts = tokenizers.count_words(["b a", "c B", "a d"])
    assert list(counts.items()) == [("a", 2), ("b", 2), ("c", 1), ("d", 1)]
