"""Word vectors: files of several forms, packages, and the encoder on top of them."""

import gzip
import importlib.util
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfgan2.program import UsageError
from tfgan2.text import tokenizers, word_vectors
from tfgan2.text.options import LETTERS, UNICODE
from tfgan2.text.word_vector_encoder import WordVectorEncoder

GLOVE = b"the 1 2 3\nseven 3 4 8\n. . . 9 9 9\ndon't 7 7 7\nbird -1 0.5 1e-2\n"
WORD2VEC = b"2 3\nSeven 3 4 8\nbird -1 0.5 1\n"
NEEDED = ("seven", "nine")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("glove.txt", GLOVE, ["the", "seven", "bird"]),
        ("glove.txt.gz", gzip.compress(GLOVE), ["the", "seven", "bird"]),
        ("word2vec.txt", WORD2VEC, ["seven", "bird"]),
        ("marked.txt", b"\xef\xbb\xbf" + GLOVE, ["the", "seven", "bird"]),
        ("wide.txt", GLOVE.decode().encode("utf-16"), ["the", "seven", "bird"]),
    ],
    ids=["glove", "compressed", "word2vec", "utf-8 with a mark", "utf-16"],
)
def test_file_gives_the_words_that_the_tokenizer_keeps_whole(
    name: str, content: bytes, words: list[str], tmp_path: pathlib.Path
) -> None:
    (tmp_path / name).write_bytes(content)
    table = word_vectors.load(str(tmp_path / name), needed=NEEDED, rules=UNICODE)
    assert table.words == words
    assert table.vectors.dtype == np.float32
    np.testing.assert_allclose(table.vectors.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(table.vectors.std(axis=0), 1.0, atol=1e-6)
    # Standardizing keeps the order of the values in each column.
    assert table.vectors[words.index("seven"), 2] == table.vectors[:, 2].max()


def test_words_of_the_data_set_are_kept_beyond_the_most_frequent_words(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_vectors, "COMMON_WORDS", 1)
    (tmp_path / "glove.txt").write_bytes(GLOVE)
    assert word_vectors.load(str(tmp_path / "glove.txt"), needed=["bird"], rules=UNICODE).words == [
        "the",
        "bird",
    ]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"seven 1 2\nbird 1\n", "must have a word and 2 numbers on each line, got .*line 2"),
        (b"seven 1 nan\n", "must have finite numbers on each line, got .*line 1"),
        (b"seven 1 x\n", "must have a word and numbers, in UTF-8, .* after line 1"),
        (b"seven 1 2\nk\xe4fer 1 2\n", r"must be UTF-8, got .*, line 2 is not UTF-8 .*iconv"),
        (b"bird 1 2\n", "must have words of the data set's captions"),
        (b"", "must have words of the data set's captions"),
    ],
)
def test_malformed_file_is_refused_with_its_line(
    content: bytes, rule: str, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "vectors.txt").write_bytes(content)
    with pytest.raises(UsageError, match=f"--word_vectors: {rule}"):
        word_vectors.load(str(tmp_path / "vectors.txt"), needed=NEEDED, rules=UNICODE)


def test_absent_file_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="--word_vectors: must be wordllama or a file"):
        word_vectors.load(str(tmp_path / "none.txt"), needed=NEEDED, rules=UNICODE)


@given(content=st.binary(max_size=60) | st.from_regex(r"(\w+( \d)+\n){1,4}", fullmatch=True))
def test_any_file_gives_finite_vectors_or_one_error(
    content: str | bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path: pathlib.Path = tmp_path_factory.getbasetemp() / "any_vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        table = word_vectors.load(str(path), needed=NEEDED, rules=UNICODE)
    except UsageError:
        return
    assert np.isfinite(table.vectors).all()
    assert len(set(table.words)) == len(table.words) == len(table.vectors)


@pytest.mark.parametrize("rules", [UNICODE, LETTERS])
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=5))
def test_words_of_a_table_are_words_of_the_tokenizer(rules: str, texts: list[str]) -> None:
    for word in filter(None, tokenizers.whole_words(texts, rules)):
        assert next(tokenizers.words_of([word], rules)) == [word]


def test_vectors_of_words_with_marks_belong_to_the_composed_words(tmp_path: pathlib.Path) -> None:
    lines = "कुत्ता 1 2\ncafe\u0301 3 4\ncaf\u00e9 5 6\nschöne-blume 7 8\n"
    (tmp_path / "glove.txt").write_text(lines, encoding="utf-8")
    table = word_vectors.load(str(tmp_path / "glove.txt"), needed=["caf\u00e9"], rules=UNICODE)
    assert table.words == ["कुत्ता", "caf\u00e9"]


def test_wordllama_knows_that_crimson_is_a_red() -> None:
    table = word_vectors.load("wordllama", needed=["seven", "zwj", "red"], rules=UNICODE)
    assert table.words[:3] == ["seven", "zwj", "red"]
    assert len(table.words) == len(set(table.words)) > 45_000
    at = {word: row for row, word in enumerate(table.words)}
    lengths = np.linalg.norm(table.vectors, axis=1, keepdims=True)
    red, crimson, bird = (table.vectors / lengths)[[at["red"], at["crimson"], at["bird"]]]
    assert red @ crimson > red @ bird + 0.2


def test_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"symspellpy: must be installed .*tfgan2\[word-vectors\]"):
        word_vectors.load("wordllama", needed=NEEDED, rules=UNICODE)


@pytest.fixture(scope="module")
def encoder() -> WordVectorEncoder:
    made = WordVectorEncoder(vocabulary_size=6, sentence_size=4, word_embedding_size=3)
    made.set_vectors(np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32))
    return made


def test_sentence_is_the_projected_sum_over_the_root_of_the_number_of_words(
    encoder: WordVectorEncoder,
) -> None:
    table, kernel = _table_and_kernel(encoder)
    ids = tf.constant([[1, 5, 2], [3, 0, 4], [1, 1, 1]])
    tokens = {"ids": ids, "length": tf.constant([3, 1, 0])}
    expected = [(table[1] + table[5] + table[2]) @ kernel / 3**0.5, table[3] @ kernel, np.zeros(4)]
    np.testing.assert_allclose(encoder(tokens), expected, atol=1e-6)


def test_word_vectors_are_not_trained(encoder: WordVectorEncoder) -> None:
    assert [it.shape for it in encoder.trainable_variables] == [(3, 4)]


def test_dropout_zeroes_values_below_one_half_and_doubles_the_others(
    encoder: WordVectorEncoder,
) -> None:
    table, kernel = _table_and_kernel(encoder)
    tokens = {"ids": tf.constant([[2]]), "length": tf.constant([1])}
    draws = tf.constant([[0.1, 0.5, 0.9]])
    _, dropped = encoder.words_and_sentence(tokens, dropout=draws)
    np.testing.assert_allclose(dropped, [table[2] * [0, 2, 2] @ kernel], atol=1e-6)


def _table_and_kernel(encoder: WordVectorEncoder) -> tuple[np.ndarray, np.ndarray]:
    return encoder.word_embedding.get_weights()[0], encoder.projection.get_weights()[0]
