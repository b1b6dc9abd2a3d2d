"""Readers of published files: exact on real formats, one clear error for other content."""

import base64
import collections
import gzip
import pathlib
import pickle
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.data.formats.torch7_writer import dump
from tests.data.formats.values import assert_same
from tfgan2.data.formats import idx, plain_pickle, torch7
from tfgan2.program import UsageError


class File:
    """A path of a file with some content; the file is not on disk, because fuzzing needs many."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __str__(self) -> str:
        return "a-file"

    def read_bytes(self) -> bytes:
        return self._content


READERS: dict[str, Callable[[bytes], Any]] = {
    "idx": lambda content: idx.read(File(content), dimensions=1),
    "pickle": lambda content: plain_pickle.read(File(content)),
    "t7": lambda content: torch7.read(File(content)),
}


def idx_bytes(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


WHOLE = {
    "idx": idx_bytes(np.arange(20, dtype=np.uint8)),
    "pickle": pickle.dumps([{"a": 1}, ["b", 2.5, None]], 2),
    "t7": dump({b"char": np.arange(12, dtype=np.uint8).reshape(3, 4), 1.0: {b"x": True}}),
}


def error_of(kind: str, content: bytes) -> str | None:
    """The error of a reader for some bytes; None if it reads them."""
    try:
        READERS[kind](content)
    except UsageError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
def test_random_or_broken_bytes_give_one_clear_error_or_plain_data(
    kind: str, data: st.DataObject
) -> None:
    content = bytearray(WHOLE[kind])
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    for broken in (bytes(content), data.draw(st.binary(max_size=200))):
        error = error_of(kind, broken)
        assert error is None or error.startswith("a-file: must ")


@pytest.mark.parametrize("kind", READERS)
def test_truncated_file_is_refused(kind: str) -> None:
    for end in range(len(WHOLE[kind])):
        with pytest.raises(UsageError, match="a-file: must "):
            READERS[kind](WHOLE[kind][:end])


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=3, max_dims=3, min_side=0)))
def test_idx_reads_written_arrays(array: np.ndarray) -> None:
    np.testing.assert_array_equal(idx.read(File(idx_bytes(array)), dimensions=3), array)


def test_idx_with_other_dimensions_or_trailing_bytes_is_refused(tmp_path: pathlib.Path) -> None:
    content = idx_bytes(np.zeros([2, 3, 3], np.uint8))
    with pytest.raises(UsageError, match=r"IDX of 1 dimensions \(00000801\), got 00000803"):
        idx.read(File(content), dimensions=1)
    with pytest.raises(UsageError, match=r"must have 34 bytes.*got 35"):
        idx.read(File(content + b"x"), dimensions=3)
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(content)[:-9])
    with pytest.raises(UsageError, match="must be a readable IDX file"):
        idx.read(path, dimensions=3)


# Written by Python 2.7.18: pickle and cPickle, protocols 0 and 2.
PYTHON_2_CAPTIONS = {
    "pickle-0": (
        "KGxwMAoobHAxCihscDIKSTEKYUkyCmFJMwphYShscDMKSTIKYUkxCmFhYShscDQKKGxwNQpJMwphYWEoZHA2"
        "CkkwClMnPGVuZD4nCnA3CnNJMQpTJ3RoaXMnCnA4CnNJMgpTJ2Zsb3dlcicKcDkKc0kzClMnY2FmXHhlOScK"
        "cDEwCnNhKGRwMTEKZzgKSTEKc2c3CkkwCnNnOQpJMgpzZzEwCkkzCnNhLg=="
    ),
    "cPickle-0": (
        "KGxwMQoobHAyCihscDMKSTEKYUkyCmFJMwphYShscDQKSTIKYUkxCmFhYShscDUKKGxwNgpJMwphYWEoZHA3"
        "CkkwClMnPGVuZD4nCnA4CnNJMQpTJ3RoaXMnCnA5CnNJMgpTJ2Zsb3dlcicKcDEwCnNJMwpTJ2NhZlx4ZTkn"
        "CnAxMQpzYShkcDEyCmc5CkkxCnNnOApJMApzZzEwCkkyCnNnMTEKSTMKc2Eu"
    ),
    "pickle-2": (
        "gAJdcQAoXXEBKF1xAihLAUsCSwNlXXEDKEsCSwFlZV1xBF1xBUsDYWF9cQYoSwBVBTxlbmQ+cQdLAVUEdGhp"
        "c3EISwJVBmZsb3dlcnEJSwNVBGNhZulxCnV9cQsoaAhLAWgHSwBoCUsCaApLA3VlLg=="
    ),
    "cPickle-2": (
        "gAJdcQEoXXECKF1xAyhLAUsCSwNlXXEEKEsCSwFlZV1xBV1xBksDYWF9cQcoSwBVBTxlbmQ+cQhLAVUEdGhp"
        "c3EJSwJVBmZsb3dlcnEKSwNVBGNhZulxC3V9cQwoaAlLAWgISwBoCksCaAtLA3VlLg=="
    ),
}


@pytest.mark.parametrize("name", PYTHON_2_CAPTIONS)
def test_python_2_pickles_are_read(name: str) -> None:
    content = base64.b64decode(PYTHON_2_CAPTIONS[name])
    assert plain_pickle.read(File(content)) == [
        [[1, 2, 3], [2, 1]],
        [[3]],
        {0: "<end>", 1: "this", 2: "flower", 3: "caf\xe9"},
        {"<end>": 0, "this": 1, "flower": 2, "caf\xe9": 3},
    ]


class _CallsTouch:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pathlib.Path.touch, (pathlib.Path("planted"),))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [_CallsTouch(), collections.Counter("ab"), np.zeros(2), {1}])
def test_pickle_with_more_than_plain_data_is_refused(
    protocol: int, value: object, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(["innocent", value], protocol)
    with pytest.raises(UsageError, match="must be a pickle of lists, dicts, strings and numbers"):
        plain_pickle.read(File(content))
    assert not (tmp_path / "planted").exists()


def test_small_pickle_cannot_allocate_much_memory() -> None:
    with pytest.raises(UsageError, match="must be a whole pickle"):
        plain_pickle.read(File(b"\x80\x02]r\xff\xff\xff\x7f."))


torch_values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.binary(max_size=20)
    | arrays.arrays(
        st.sampled_from([np.uint8, np.int8, np.int64, np.float32, np.float64]),
        arrays.array_shapes(max_dims=3, max_side=4),
        elements={"allow_nan": False},
    ),
    lambda values: st.dictionaries(st.binary(max_size=5) | st.floats(1, 9), values, max_size=4),
    max_leaves=10,
)


@given(torch_values)
def test_t7_reads_written_values(value: object) -> None:
    assert_same(torch7.read(File(dump(value))), value)


def test_t7_reads_transposed_tensors_and_recursive_tables() -> None:
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3).T
    np.testing.assert_array_equal(torch7.read(File(dump(matrix))), matrix)
    itself = struct.pack("<iiiid", 3, 1, 1, 1, 1.0) + struct.pack("<ii", 3, 1)
    table = torch7.read(File(itself))
    assert table[1.0] is table


def test_t7_refuses_classes_functions_and_deep_nesting() -> None:
    module = struct.pack("<iii", 4, 1, 3) + b"V 1" + struct.pack("<i", 9) + b"nn.Linear"
    with pytest.raises(UsageError, match=r"class nn\.Linear"):
        torch7.read(File(module))
    with pytest.raises(UsageError, match="type 6"):
        torch7.read(File(struct.pack("<i", 6)))
    nested: Any = None
    for _ in range(200):
        nested = {1.0: nested}
    with pytest.raises(UsageError, match="nested more than 100 deep"):
        torch7.read(File(dump(nested)))


def test_t7_refuses_a_tensor_beyond_its_storage() -> None:
    content = dump(np.arange(6, dtype=np.float32))
    shape = struct.pack("<q", 6)
    place = content.index(shape)
    with pytest.raises(UsageError, match=r"a tensor of shape \(7,\) in a storage of 6"):
        torch7.read(File(content[:place] + struct.pack("<q", 7) + content[place + 8 :]))
