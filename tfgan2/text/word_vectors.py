"""Tables of frozen word vectors: of the package wordllama, or of a GloVe or word2vec text file."""

import dataclasses
import gzip
import importlib.util
import io
import itertools
import pathlib
from collections.abc import Collection, Iterator, Sequence
from typing import BinaryIO, cast

import numpy as np

from plain_text import decoding
from tfgan2.program import UsageError, require

FLAG = "--word_vectors"
WORDLLAMA = "wordllama"
TOKENIZER_FILE = "tokenizers/l2_supercat_tokenizer_config.json"
VECTORS_FILE = "weights/l2_supercat_256.safetensors"
# Words of a table besides the words of the data set, most frequent first.
COMMON_WORDS = 50_000
LINES_AT_ONCE = 4096
COMMON_WORDS_FILE = "frequency_dictionary_en_82_765.txt"


@dataclasses.dataclass(frozen=True)
class WordVectors:
    """Words and their vectors.

    Attributes:
      words: V distinct words, each as the tokenizer splits words from a caption.
      vectors: float32 [V, D]; each column has mean 0 and standard deviation 1.
    """

    words: list[str]
    vectors: np.ndarray


def load(source: str, *, needed: Collection[str], rules: str) -> WordVectors:
    """Loads word vectors: of the words of a data set, and of the most frequent other words.

    Args:
      source: `wordllama`, or a text file with a word and its values on each line, also compressed
        (.gz), the most frequent words first; a first line of two numbers, as in word2vec's files,
        is skipped.
      needed: words of the data set.
      rules: rules of the tokenizer.

    Returns:
      At most 50,000 words, and those of `needed` that the source has.

    Raises:
      UsageError: the file or the package does not exist, or the file is not of this form.
    """
    if source == WORDLLAMA:
        words = [*dict.fromkeys([*needed, *_common_words(rules)])]
        return _standardized(words, _of_wordllama(words))
    vectors: dict[str, np.ndarray] = {}
    common = 0
    for word, values in _words_of_file(pathlib.Path(source), rules):
        if word in vectors or (word not in needed and common == COMMON_WORDS):
            continue
        common += word not in needed
        vectors[word] = values
    if not vectors.keys() & set(needed):
        raise UsageError(FLAG, "must have words of the data set's captions", source)
    return _standardized([*vectors], np.stack([*vectors.values()]))


def _standardized(words: list[str], vectors: np.ndarray) -> WordVectors:
    """Gives each column mean 0 and standard deviation 1; a constant column becomes 0."""
    centred = vectors - vectors.mean(axis=0)
    deviation = centred.std(axis=0)
    standard = centred / np.where(deviation > 0.0, deviation, 1.0)
    return WordVectors(words, standard.astype(np.float32))


def _whole_words(texts: Sequence[str], rules: str) -> Iterator[str | None]:
    # Imported here: the help of programs imports this module, and needs no TensorFlow.
    from tfgan2.text import tokenizers

    return tokenizers.whole_words(texts, rules)


def _common_words(rules: str) -> Iterator[str]:
    """Returns the most frequent English words of the package symspellpy's list."""
    lines = (_folder("symspellpy") / COMMON_WORDS_FILE).read_text(encoding="utf-8-sig").splitlines()
    words = [line.partition(" ")[0] for line in lines[:COMMON_WORDS]]
    return filter(None, _whole_words(words, rules))


def _of_wordllama(words: list[str]) -> np.ndarray:
    """Vectors of words, float32 [V, 256]: the mean vector of the tokens of each word."""
    # The package's own loader looks for its tokenizer on the network: read the two files.
    folder = _folder(WORDLLAMA)
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    (vectors,) = load_file(folder / VECTORS_FILE).values()
    encoded = tokenizer.encode_batch(words, add_special_tokens=False)
    return np.stack([vectors[it.ids].astype(np.float32).mean(axis=0) for it in encoded])


def _folder(package: str) -> pathlib.Path:
    require(package)
    found = importlib.util.find_spec(package)
    assert found is not None  # `require` has found the package.
    return pathlib.Path(str(found.origin)).parent


def _words_of_file(path: pathlib.Path, rules: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the words of a file that the tokenizer keeps as one word, with float32 values [D]."""
    lines = _read_file(path)
    while batch := list(itertools.islice(lines, LINES_AT_ONCE)):
        words = _whole_words([text for text, _ in batch], rules)
        for word, (_, values) in zip(words, batch, strict=True):
            if word is not None:
                yield word, values


def _read_file(path: pathlib.Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the texts of a file in lower case, with float32 values [D].

    The number of values of the first line holds for all lines: words may have spaces.
    """
    if not path.is_file():
        raise UsageError(FLAG, "must be wordllama or a file of word vectors", path)
    size = 0
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            text_file = io.BufferedReader(decoding.UTF8Stream(cast(BinaryIO, file)))
            for number, content in enumerate(text_file, start=1):
                try:
                    fields = content.decode().split()
                except UnicodeDecodeError as error:
                    fault = decoding.wrong_encoding(content, "utf-8", line=number, flag=None)
                    raise UsageError(FLAG, "must be UTF-8", f"{path}, {fault}") from error
                if number == 1 and len(fields) == 2 and all(it.isdigit() for it in fields):
                    continue
                size = size or len(fields) - 1
                if size < 1 or len(fields) <= size:
                    raise _malformed(path, number, f"a word and {max(1, size)} numbers")
                text = " ".join(fields[:-size]).lower()
                values = np.array(fields[-size:], np.float32)
                if not np.isfinite(values).all():
                    raise _malformed(path, number, "finite numbers")
                yield text, values
    except (ValueError, OSError, EOFError) as error:
        rule = "must have a word and numbers, in UTF-8, on each line"
        raise UsageError(FLAG, rule, f"{path}, after line {number} ({error})") from error


def _malformed(path: pathlib.Path, number: int, rule: str) -> UsageError:
    return UsageError(FLAG, f"must have {rule} on each line", f"{path}, line {number}")
