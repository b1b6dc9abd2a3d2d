"""Captions to ids: words, characters, and arbitrary bytes."""

import os
import pathlib
import re
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgan2.characters import ALPHABET
from tfgan2.text import tokenizers
from tfgan2.text.decomposition import decompose
from tfgan2.text.options import LETTERS, UNICODE

ROOT = pathlib.Path(__file__).parents[2]
VOCABULARY = ["seven", "the", "digit", "7", "größe", "a_b"]
ASCII_VOCABULARY = ["bird", "kite", "red", "yellow", "the", "a", "is", "i", "7", "a_b", "istanbul"]
PUBLISHED_MAX_WORDS = 18
# Characters that both Python and ICU have known for long.
NOT_OLD = r"[^\x00-\u02af\u0370-\u03ff\u0410-\u044f]"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> tokenizers.WordTokenizer:
    path: pathlib.Path = tmp_path_factory.mktemp("text") / "vocabulary.txt"
    tokenizers.write_vocabulary(path, dict.fromkeys(VOCABULARY, 1))
    return tokenizers.WordTokenizer(path, max_words=4)


def ids(tokenizer: tokenizers.WordTokenizer, caption: str | bytes) -> list[int]:
    tokens = tokenizer(tf.constant([caption]))
    return tokens["ids"].numpy()[0].tolist()


def test_words_become_their_line_numbers_and_0_pads(tokenizer: tokenizers.WordTokenizer) -> None:
    assert ids(tokenizer, "The digit: SEVEN!") == [2, 3, 1, 0]
    assert tokenizer.vocabulary_size == len(VOCABULARY) + 1


def test_words_are_listed_in_the_order_of_ids_from_1(tokenizer: tokenizers.WordTokenizer) -> None:
    assert tokenizer.words == VOCABULARY
    for number, word in enumerate(tokenizer.words, start=1):
        assert ids(tokenizer, word) == [number, 0, 0, 0]


def test_unknown_words_are_omitted_and_counted(tokenizer: tokenizers.WordTokenizer) -> None:
    captions = ["", "???", "DIE ZIFFER 7", "GRÖßE a_b x-y", b"\xff\xfe seven \x00 z"]
    tokens = tokenizer(tf.constant(captions))
    assert tokens["unknown_words"].numpy().tolist() == [0, 0, 2, 2, 1]
    assert tokens["length"].numpy().tolist() == [0, 0, 1, 2, 1]
    assert tokens["ids"].numpy()[2].tolist() == [4, 0, 0, 0]


def test_long_captions_are_truncated_but_counted_as_a_whole(
    tokenizer: tokenizers.WordTokenizer,
) -> None:
    tokens = tokenizer(tf.constant(["nope " * 20_000 + "the digit 7 seven the"]))
    assert tokens["unknown_words"].numpy().tolist() == [20_000]
    assert tokens["ids"].numpy().tolist() == [[2, 3, 4, 1]]


def test_captions_can_be_padded_to_the_longest_of_the_batch(
    tokenizer: tokenizers.WordTokenizer, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "words"
    tokenizers.write_vocabulary(path, dict.fromkeys(tokenizer.words, 1))
    longer = tokenizers.WordTokenizer(path, max_words=6, pad_to_longest=True)
    tokens = longer(tf.constant(["seven " * 5, "the nope digit"]))
    assert tokens["ids"].numpy().tolist() == [[1] * 5, [2, 3, 0, 0, 0]]
    assert tokens["length"].numpy().tolist() == [5, 2]
    assert tokens["unknown_words"].numpy().tolist() == [0, 1]
    assert ids(longer, "seven " * 9) == [1] * 6
    assert ids(longer, "") == [0]
    assert longer(tf.constant([], tf.string))["ids"].shape == (0, 1)


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), max_size=4))
def test_words_are_matches_of_a_regular_expression(captions: list[str]) -> None:
    captions = [re.sub(NOT_OLD, " ", c) for c in captions]
    words = tokenizers.split_words(tf.constant(captions, tf.string), LETTERS).to_list()
    expected = [[w.lower() for w in re.findall(r"\w+", caption)] for caption in captions]
    assert [[word.decode() for word in row] for row in words] == expected


@pytest.mark.parametrize("rules", [UNICODE, LETTERS])
@given(st.binary(max_size=60))
def test_any_bytes_give_words(rules: str, caption: bytes) -> None:
    words = tokenizers.split_words(tf.constant([caption]), rules).to_list()
    assert all(word.decode() for word in words[0])


@given(st.lists(st.text(st.characters(codec="ascii"), max_size=60), min_size=1, max_size=4))
def test_ascii_captions_have_the_same_words_by_both_rules(captions: list[str]) -> None:
    assert [*tokenizers.words_of(captions, UNICODE)] == [*tokenizers.words_of(captions, LETTERS)]


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("यह एक काला कुत्ता है।", ["यह", "एक", "काला", "कुत्ता", "है"]),
        ("שָׁלוֹם, עולם", ["שָׁלוֹם", "עולם"]),
        ("طَائِرٌ أحمر", ["طَائِرٌ", "أحمر"]),
        ("می\u200cخواهم", ["میخواهم"]),  # noqa: RUF001
        ("นกสีแดง", ["น", "ก", "สี", "แ", "ด", "ง"]),
        ("ສີແດງ", ["ສີ", "ແ", "ດ", "ງ"]),
        ("ខ្មែរ", ["ខ្", "មែ", "រ"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("赤い鳥bird、2羽", ["赤", "い", "鳥", "bird", "2", "羽"]),
        ("ガラス", ["ガ", "ラ", "ス"]),
        ("한국어 새", ["한국어", "새"]),
        ("Größe x̂_1 it's", ["größe", "x̂_1", "it", "s"]),
        ("7\ufe0f\u20e3 ❤\ufe0f bird \u0301 soft\u00adly", ["7", "bird", "softly"]),
        ("a\u200bb", ["a", "b"]),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_words_of_the_scripts_of_the_world(caption: str, words: list[str], form: str) -> None:
    expected = [unicodedata.normalize("NFC", word) for word in words]
    assert [*tokenizers.words_of([unicodedata.normalize(form, caption)])] == [expected]


WORLD = st.text(
    st.characters(codec="utf-8", categories=["L", "M", "N", "Cf", "Zs"])
    | st.sampled_from("éệ각ガạ̈ą́σΣİǰ क़" + "\u0301\u0323\u0308\u0327\u3099\u1161\u11a8"),
    max_size=30,
)


@settings(max_examples=25)
@given(st.lists(WORLD, min_size=1, max_size=4))
def test_composed_and_decomposed_captions_have_the_same_ids(
    tmp_path_factory: pytest.TempPathFactory, captions: list[str]
) -> None:
    path: pathlib.Path = tmp_path_factory.getbasetemp() / "words_of_the_world"
    vocabulary = tokenizers.count_words(captions)
    assert all(unicodedata.is_normalized("NFC", word) for word in vocabulary)
    tokenizers.write_vocabulary(path, vocabulary)
    tokenizer = tokenizers.WordTokenizer(path, max_words=40)
    composed, decomposed = (
        tokenizer(tf.constant([unicodedata.normalize(form, caption) for caption in captions]))
        for form in ("NFC", "NFD")
    )
    for name, value in composed.items():
        np.testing.assert_array_equal(value, decomposed[name])
    assert not composed["unknown_words"].numpy().any()
    expected = [[*vocabulary].index(word) + 1 for word in next(tokenizers.words_of(captions))]
    assert composed["ids"].numpy()[0, : len(expected)].tolist() == expected


def test_decomposition_equals_that_of_python() -> None:
    characters = [chr(code) for code in range(0x30000) if not 0xD800 <= code < 0xE000]
    found = decompose(tf.constant(characters)).numpy()
    assert [text.decode() for text in found] == [
        unicodedata.normalize("NFD", character) for character in characters
    ]


@settings(max_examples=50)
@given(st.lists(WORLD, max_size=4))
def test_marks_are_sorted_within_their_own_caption(captions: list[str]) -> None:
    found = decompose(tf.constant(captions, tf.string)).numpy()
    assert [text.decode() for text in found] == [
        unicodedata.normalize("NFD", caption) for caption in captions
    ]


def test_an_accent_that_the_vocabulary_lacks_is_left_out(
    tokenizer: tokenizers.WordTokenizer,
) -> None:
    assert ids(tokenizer, "s\u00e9ven se\u0301ven") == [1, 1, 0, 0]


def test_word_counts_are_sorted_by_frequency_then_alphabet() -> None:
    counts = tokenizers.count_words(["b a", "c B", "a d"])
    assert list(counts.items()) == [("a", 2), ("b", 2), ("c", 1), ("d", 1)]


@pytest.fixture(scope="module")
def ascii_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> tokenizers.WordTokenizer:
    path: pathlib.Path = tmp_path_factory.mktemp("text") / "vocabulary.txt"
    tokenizers.write_vocabulary(path, dict.fromkeys(ASCII_VOCABULARY, 1))
    return tokenizers.WordTokenizer(path, max_words=PUBLISHED_MAX_WORDS, rules=LETTERS)


def published_words(caption: str) -> list[str]:
    words = re.findall(r"\w+", caption.replace("\ufffd\ufffd", " ").lower())
    return [word.encode("ascii", "ignore").decode("ascii") for word in words]


# Next to words: CJK, Greek, Cyrillic, superscript, fraction, Roman and Arabic digits, full width.
NEIGHBOURS = ("鳥", "赤い", "ω", "Σ", "ж", "²", "½", "Ⅷ", "٣", "\uff42", "é", "ß")
ODD = (
    *("\0", "\ufffd", "\ufffd\ufffd", "🐦", "👩\u200d🚀", "\u200d", "\u00a0", "\n", "\x1f"),
    *("_", "-", "...", "nope", "42", "007", "İ", "İstanbul", "\u212aite", "\ufb01", "\u017f", "ǅ"),
)


ACCENTS = ("\u0300", "\u0301", "\u0308", "\u030c", "\u0327")
PIECES = st.sampled_from([*ASCII_VOCABULARY, *NEIGHBOURS, *ODD, *ACCENTS]) | st.sampled_from(
    [*map(str.upper, ASCII_VOCABULARY), "kItE", "Bird", "iS", " ", " ", ", "]
)
ODD_CAPTIONS = st.lists(PIECES, max_size=60).map("".join)


@settings(max_examples=60)
@given(st.lists(ODD_CAPTIONS | ODD_CAPTIONS.map(" ".join), min_size=1, max_size=20))
def test_ids_of_an_ascii_vocabulary_equal_those_of_df_gan(
    ascii_tokenizer: tokenizers.WordTokenizer, captions: list[str]
) -> None:
    captions += [unicodedata.normalize("NFC", caption) for caption in captions]
    tokens = {name: value.numpy() for name, value in ascii_tokenizer(tf.constant(captions)).items()}
    numbers = {word: number for number, word in enumerate(ASCII_VOCABULARY, start=1)}
    for row, caption in enumerate(captions):
        words = published_words(caption)
        known = [numbers[word] for word in words if word in numbers]
        expected = known[:PUBLISHED_MAX_WORDS]
        assert tokens["length"][row] == len(expected), ascii(caption)
        assert tokens["ids"][row, : len(expected)].tolist() == expected, ascii(caption)
        assert not tokens["ids"][row, len(expected) :].any(), ascii(caption)
        assert tokens["unknown_words"][row] == len(words) - len(known), ascii(caption)


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("the BI\u0301RD", ["the", "bi", "rd"]),
        ("the b\u00edird", ["the", "bird"]),
        ("赤いbird赤い", ["bird"]),
        ("red\ufffdbird red\ufffd\ufffdbird", ["red", "bird", "red", "bird"]),
        ("red\0bird", ["red", "bird"]),
        ("\u0130STANBUL", ["i"]),
        ("\u212aITE", ["kite"]),
        ("A_B_ a_b bird_", ["a_b"]),
        ("鳥 \u0663 🐦", []),
    ],
)
def test_words_outside_ascii_are_converted_as_in_df_gan(
    ascii_tokenizer: tokenizers.WordTokenizer, caption: str, words: list[str]
) -> None:
    expected = [ASCII_VOCABULARY.index(word) + 1 for word in words if word in ASCII_VOCABULARY]
    assert [number for number in ids(ascii_tokenizer, caption) if number] == expected


def test_a_vocabulary_outside_ascii_keeps_its_words_whole(tmp_path: pathlib.Path) -> None:
    tokenizers.write_vocabulary(tmp_path / "words", dict.fromkeys(["gre", "größe", "鳥"], 1))
    tokenizer = tokenizers.WordTokenizer(tmp_path / "words", max_words=4, rules=LETTERS)
    assert ids(tokenizer, "GRÖßE 鳥 gre") == [2, 3, 1, 0]
    # Only a word that the vocabulary lacks is reduced to its ASCII letters.
    assert ids(tokenizer, "gröe 鳥gre größen") == [1, 1, 0, 0]


def test_export_with_a_cut_vocabulary_does_not_load(
    ascii_tokenizer: tokenizers.WordTokenizer, tmp_path: pathlib.Path
) -> None:
    module = tf.Module()
    module.tokenizer = ascii_tokenizer
    tf.saved_model.save(module, str(tmp_path))
    (asset,) = (tmp_path / "assets").iterdir()
    asset.write_text("".join(asset.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.saved_model.load(str(tmp_path))


@pytest.mark.slow
def test_ids_do_not_depend_on_the_locale() -> None:
    program = (
        "import tensorflow as tf; from tfgan2.text.tokenizers import split_words; "
        "print(ascii(split_words(tf.constant(['RED BIRD \u0130 \u00cc'])).to_list()))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "LC_ALL": f"{language}.UTF-8"},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for language in ("C", "tr_TR", "lt_LT")
    ]
    assert outputs[0].count(b"bird") == 1
    assert outputs[1:] == outputs[:1] * 2


@pytest.fixture(scope="module")
def character_tokenizer() -> tokenizers.CharacterTokenizer:
    return tokenizers.CharacterTokenizer()


def character_ids(
    character_tokenizer: tokenizers.CharacterTokenizer, caption: str | bytes
) -> list[int]:
    tokens = character_tokenizer(tf.constant([caption]))
    padded, length = tokens["ids"].numpy()[0], int(tokens["length"][0])
    assert padded.shape == (201,)
    assert not padded[length:].any()
    return padded[:length].tolist()


def test_character_id_is_the_position_in_the_alphabet(
    character_tokenizer: tokenizers.CharacterTokenizer,
) -> None:
    expected = list(range(1, 71))
    expected[36] = 60  # The alphabet has '-' twice; the second position counts.
    assert ALPHABET[36] == ALPHABET[59] == "-"
    assert character_ids(character_tokenizer, ALPHABET) == expected
    assert character_tokenizer.vocabulary_size == 71


def test_ascii_characters_use_every_id_but_37(
    character_tokenizer: tokenizers.CharacterTokenizer,
) -> None:
    used = set(character_ids(character_tokenizer, "".join(map(chr, range(128)))))
    assert used == set(range(71)) - {37}


def test_capital_letters_have_the_ids_of_small_letters(
    character_tokenizer: tokenizers.CharacterTokenizer,
) -> None:
    capitals = character_ids(character_tokenizer, "A Bird-Z")
    assert (
        capitals == character_ids(character_tokenizer, "a bird-z") == [1, 70, 2, 9, 18, 4, 60, 26]
    )


def test_characters_outside_the_alphabet_become_id_0(
    character_tokenizer: tokenizers.CharacterTokenizer,
) -> None:
    assert character_ids(character_tokenizer, "a\u00e9b鳥c🐦d\ufffd\te") == [
        1,
        0,
        2,
        0,
        3,
        0,
        4,
        0,
        0,
        5,
    ]
    assert character_ids(character_tokenizer, b"a\xffb") == [1, 0, 2]


@pytest.mark.parametrize("symbol", ["b", "鳥"])
def test_captions_are_truncated_at_201_characters(
    character_tokenizer: tokenizers.CharacterTokenizer, symbol: str
) -> None:
    assert character_ids(character_tokenizer, symbol * 200 + "az") == [
        2 if symbol == "b" else 0
    ] * 200 + [1]


def test_unknown_words_are_counted_beyond_the_truncation(
    character_tokenizer: tokenizers.CharacterTokenizer,
) -> None:
    captions = [
        "",
        "a red-bird, #7!",
        "größe of 鳥 and bird",
        "\u00e9 " * 300 + "x",
        "🐦 a",
        "a\0\xe4",
    ]
    tokens = character_tokenizer(tf.constant(captions))
    assert tokens["unknown_words"].numpy().tolist() == [0, 0, 2, 300, 0, 1]
    assert tokens["length"].numpy().tolist() == [0, 15, 19, 201, 3, 3]


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=220))
def test_character_ids_equal_those_of_a_loop(
    character_tokenizer: tokenizers.CharacterTokenizer, caption: str
) -> None:
    caption = re.sub(NOT_OLD, "\u00e9", caption)
    places = {symbol: place for place, symbol in enumerate(ALPHABET, start=1)}
    expected = [places.get(c, 0) for c in caption.replace("\0", " ").lower()][:201]
    assert character_ids(character_tokenizer, caption) == expected


@given(st.binary(max_size=220))
def test_any_bytes_give_character_ids(
    character_tokenizer: tokenizers.CharacterTokenizer, caption: bytes
) -> None:
    assert set(character_ids(character_tokenizer, caption)) <= set(range(71)) - {37}
    tokens = character_tokenizer(tf.constant([caption, b"seven"]))
    np.testing.assert_array_equal(tokens["ids"][1, :6], [19, 5, 22, 5, 14, 0])
    assert tokens["unknown_words"].numpy()[0] >= 0
