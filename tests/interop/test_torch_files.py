"""Files of torch.save are read; any other content gives one clear error."""

import io
import pathlib
import re
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.formats.values import assert_same
from tests.interop.torch_writer import in_legacy, in_zip, plain, storage, tensor
from tfgan2.interop import torch_files
from tfgan2.program import UsageError

PATH = pathlib.Path("a-file")
FILES = pathlib.Path(__file__).parent / "files"  # Written by write_torch_files.py.
FORMATS = ("zip", "zip_protocol_5", "legacy")
NAMES = sorted(path.name for path in FILES.iterdir())
WRAPPERS = {"zip": in_zip, "legacy": in_legacy}


def parse(content: bytes) -> Any:
    return torch_files.parse(io.BytesIO(content), path=PATH)


def error_of(content: bytes) -> str | None:
    """The one-line error of the reader for some bytes; None if it reads them."""
    try:
        parse(content)
    except UsageError as error:
        complaint = str(error)
    else:
        return None
    assert re.fullmatch("a-file: must .{1,300}", complaint)
    return complaint


def count_up(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize("form", FORMATS)
def test_training_checkpoint_is_read(form: str) -> None:
    value = torch_files.read(FILES / f"training_{form}.pth")
    assert list(value) == ["model", "optimizers", "epoch"]
    assert value["epoch"] == 3
    weights = {
        "0.weight": count_up(2, 3) / 4,
        "0.bias": count_up(2) / 4,
        "1.weight": count_up(2) / 4,
        "1.bias": count_up(2) / 4,
        "1.running_mean": np.zeros(2, np.float32),
        "1.running_var": np.ones(2, np.float32),
        "1.num_batches_tracked": np.array(0),
    }
    assert_same(value["model"], {"netG": weights})
    optimizer = value["optimizers"]["optimizer_G"]
    assert list(optimizer) == ["state", "param_groups"]
    first = {
        "step": np.array(1, np.float32),
        "exp_avg": count_up(2, 3) / 2,
        "exp_avg_sq": count_up(2, 3) ** 2 / 4,
    }
    assert_same(optimizer["state"][0], first)
    (group,) = optimizer["param_groups"]
    assert group["lr"] == 0.5
    assert group["betas"] == (0.5, 0.75)
    assert group["params"] == [0, 1, 2, 3]


@pytest.mark.parametrize("form", FORMATS)
def test_every_kind_of_tensor_and_plain_value_is_read(form: str) -> None:
    value = torch_files.read(FILES / f"tensors_{form}.pth")
    dtypes = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
    expected = {f"torch.{name}": np.array([0, 1, 100]).astype(name) for name in dtypes}
    assert_same(value["dtypes"].pop("torch.bfloat16"), np.array([0, 1, 100], np.float32))
    assert_same(value["dtypes"], expected)
    assert_same(value["fractions"]["half"], np.array([-0.5, 65504], np.float16))
    # 3.0e38 in the eight bits of precision of bfloat16.
    bfloat16 = np.array([-0.5, 226 * 2.0**120, np.inf], np.float32)
    assert_same(value["fractions"]["bfloat16"], bfloat16)
    assert_same(value["parameter"], count_up(2, 2))
    assert_same(value["scalar"], np.array(7))
    assert_same(value["empty"], np.zeros([0, 3], np.float32))
    texts_and_numbers = [None, True, False, -1, 2**40, 2.5, "caf\xe9", (1, (2,)), (), (2, 3)]
    assert_same(value["plain"], texts_and_numbers)
    assert value["dtype"] == "torch.float16"
    assert value[5] == "a number as key"


@pytest.mark.parametrize("form", FORMATS)
def test_tensors_share_their_storage_and_are_read_only(form: str) -> None:
    value = torch_files.read(FILES / f"tensors_{form}.pth")
    assert_same(value["base"], count_up(3, 4))
    assert_same(value["view"], count_up(3, 4)[1:, 1:3].T)
    assert np.shares_memory(value["base"], value["view"])
    with pytest.raises(ValueError, match="read-only"):
        value["view"][0, 0] = 1


@pytest.mark.parametrize("form", WRAPPERS)
def test_large_file_is_in_memory_only_once(form: str, tmp_path: pathlib.Path) -> None:
    elements = np.arange(2**22, dtype=np.float32)
    row = tensor(within=storage(count=elements.size), shape=(2**22,), strides=(1,))
    path = tmp_path / "large.pth"
    path.write_bytes(WRAPPERS[form](row, storages={"0": elements.tobytes()}))
    tracemalloc.start()
    value = torch_files.read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(value, elements)
    assert peak < 1.1 * elements.nbytes


HEADS = (b"", b"PK\x03\x04", in_legacy(b"", storages={})[:20], in_legacy(b"", storages={})[:120])


@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=200))
def test_random_bytes_give_one_clear_error(head: bytes, rest: bytes) -> None:
    assert error_of(head + rest)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_truncated_file_is_refused(name: str, data: st.DataObject) -> None:
    content = (FILES / name).read_bytes()
    assert error_of(content[: data.draw(st.integers(0, len(content) - 1))])


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_broken_byte_gives_one_clear_error_or_plain_data(name: str, data: st.DataObject) -> None:
    error_of(broken((FILES / name).read_bytes(), data))


@pytest.mark.parametrize("name", [name for name in NAMES if "zip" in name])
@given(data=st.data())
def test_broken_byte_in_the_pickle_of_a_zip_gives_one_clear_error_or_plain_data(
    name: str, data: st.DataObject
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(FILES / name) as source, zipfile.ZipFile(file, "w") as target:
        for entry in source.namelist():
            content = source.read(entry)
            is_pickle = entry.endswith("/data.pkl")
            target.writestr(entry, broken(content, data) if is_pickle else content)
    error_of(file.getvalue())


def broken(content: bytes, data: st.DataObject) -> bytes:
    place = data.draw(st.integers(0, len(content) - 1))
    return content[:place] + bytes([data.draw(st.integers(0, 255))]) + content[place + 1 :]


def test_other_prefixes_and_older_zips_are_read() -> None:
    assert_same(parse(in_zip(tensor())), count_up(2, 3))


def test_legacy_files_of_python_2_are_read() -> None:
    """Byte strings, the first tensor constructor, and an OrderedDict built item by item."""
    row = b"ctorch._utils\n_rebuild_tensor\n(" + storage() + b"K\x00K\x02\x85K\x01\x85tR"
    items = b"](](U\x01a" + row + b"e](U\x01bK\x01ee"
    value = parse(in_legacy(b"ccollections\nOrderedDict\n" + items + b"\x85R}b"))
    assert_same(value, {"a": count_up(2), "b": 1})


def test_part_of_a_storage_in_a_legacy_file_is_read() -> None:
    part = tensor(within=storage(part=plain(("0-part", 2, 3))), shape=(3,), strides=(1,))
    assert_same(parse(in_legacy(part)), count_up(6)[2:5])
