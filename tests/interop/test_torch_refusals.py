"""Malicious or broken files in the formats of torch.save: one clear error, no code runs."""

import io
import os
import pathlib
import pickle
import tarfile
import tracemalloc
import zipfile
from typing import Any

import pytest

from tests.interop.torch_writer import SIX, SYSTEM, in_legacy, in_zip, plain, storage, tensor
from tfgan2.interop import torch_files
from tfgan2.program import UsageError

PATH = pathlib.Path("a-file")
WRAPPERS = {"zip": in_zip, "legacy": in_legacy}
PLAIN_RULE = "a-file: must hold tensors, dicts, lists, tuples, strings and numbers alone, got "


def parse(content: bytes) -> Any:
    return torch_files.parse(io.BytesIO(content), path=PATH)


class _CallsSystem:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch planted",))


@pytest.mark.parametrize("form", WRAPPERS)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_planted_call_is_refused_and_not_run(
    protocol: int, form: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    opcodes = pickle.dumps(["innocent", _CallsSystem()], protocol)[2:-1]
    with pytest.raises(UsageError, match=f"{PLAIN_RULE}'{os.name}.system'"):
        parse(WRAPPERS[form](opcodes))
    assert not (tmp_path / "planted").exists()


FORBIDDEN = {
    "eval": (b"cbuiltins\neval\n", "'builtins.eval'"),
    "python_2_eval": (b"c__builtin__\neval\n", "'__builtin__.eval'"),
    "dotted": (b"\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93", "OrderedDict.__init__'"),
    "import_by_torch": (b"ctorch._utils\n_import_dotted_name\n", "'torch._utils._import_dotted"),
    "bytes_of_torch": (b"ctorch.storage\n_load_from_bytes\n", "'torch.storage._load_from_bytes'"),
    "new_object": (b"ccollections\nOrderedDict\n)\x81", "'NEWOBJ'"),
    "instance": (b"(ios\nsystem\n", "'INST'"),
    "object": (b"(ccollections\nOrderedDict\no", "'OBJ'"),
    "extension": (b"\x82\x01", "'EXT1'"),
    "text_id": (b"Pname\n", "'PERSID'"),
    "set": (b"\x8f", "'EMPTY_SET'"),
    "build_on_a_list": (b"]}b", "'attributes of a list'"),
    "build_on_a_class": (b"ctorch\nFloatStorage\n}b", "'attributes of a StorageClass'"),
    "build_on_a_function": (b"ctorch\nSize\n}b", "'attributes of a Function'"),
    "build_on_a_tensor": (tensor() + b"}b", "'attributes of a ndarray'"),
    "build_with_slots": (b"ccollections\nOrderedDict\n)R}}\x86b", "'attributes of a dict'"),
}


@pytest.mark.parametrize("form", WRAPPERS)
@pytest.mark.parametrize("name", FORBIDDEN)
def test_opcodes_for_other_than_plain_values_are_refused(name: str, form: str) -> None:
    opcodes, name_in_error = FORBIDDEN[name]
    with pytest.raises(UsageError) as refusal:
        parse(WRAPPERS[form](opcodes))
    assert str(refusal.value).startswith(PLAIN_RULE)
    assert name_in_error in str(refusal.value)


def doubled(times: int) -> bytes:
    """Nested lists, each of which contains the previous one twice."""
    lists = (b"]q%c(h%ch%ce" % (n, n - 1, n - 1) for n in range(1, times))
    return b"(]q\x00" + b"".join(lists) + b"t"


def nested(depth: int) -> bytes:
    return b")" + depth * b"\x85"


BROKEN = {
    "storage_as_value": (storage(), "a class, function or storage on its own"),
    "class_as_value": (b"]ctorch\nFloatStorage\na", "a class, function or storage on its own"),
    "call_of_a_class": (b"ctorch\nFloatStorage\n)R", "a call of a StorageClass"),
    "call_of_a_list": (b"])R", "a call of a list"),
    "too_few_arguments": (b"ctorch._utils\n_rebuild_tensor_v2\n)R", "missing 4 required"),
    "parameter_of_text": (
        b"ctorch._utils\n_rebuild_parameter\n(U\x01aNNtR",
        "a Parameter of a str",
    ),
    "size_of_a_list": (b"ctorch\nSize\n]\x85R", "a Size of a list"),
    "ordered_dict_of_text": (b"ccollections\nOrderedDict\nU\x01a\x85R", "an OrderedDict of a str"),
    "tensor_in_a_tensor": (tensor(within=tensor()), "a tensor without a storage"),
    "negated": (tensor()[:-2] + plain({"neg": True}) + b"tR", "a negated or conjugated one"),
    "beyond_by_shape": (tensor(shape=(3, 3)), r"shape \(3, 3\), strides \(3, 1\) and offset 0"),
    "beyond_by_stride": (tensor(strides=(4, 1)), "in a storage of 6"),
    "beyond_by_offset": (tensor(offset=1), "offset 1 in a storage of 6"),
    "repeating": (tensor(shape=(7,), strides=(0,)), "in a storage of 6"),
    "enormous": (tensor(shape=(2**62, 2**62), strides=(0, 0)), "in a storage of 6"),
    "negative_stride": (tensor(offset=5, shape=(6,), strides=(-1,)), "whole number from 0"),
    "negative_size": (tensor(shape=(-2, -3)), "whole number from 0"),
    "negative_offset": (tensor(offset=-1), "whole number from 0"),
    "true_as_offset": (tensor(offset=True), "whole number from 0"),
    "shape_of_text": (tensor(shape="ab"), "no tuple"),
    "shape_without_strides": (tensor(strides=()), "2 sizes and 0 strides"),
    "too_many_dimensions": (tensor(shape=(1,) * 65, strides=(1,) * 65), "65 sizes"),
    "large_storage": (tensor(within=storage(count=2**40)), "4398046511104 bytes"),
    "many_large_storages": (
        b"".join(tensor(within=storage(count=100, key=str(n))) for n in range(9)),
        "a storage of 400 bytes",
    ),
    "storage_twice": (tensor() + tensor(within=storage(count=5)), "storage '0' of two classes"),
    "storage_key": (tensor(within=storage(key=0)), "without a class and a key"),
    "part_beyond": (tensor(within=storage(part=plain(("a", 4, 3)))), "3 elements from 4"),
    "other_id": (b"U\x06module\x85Q", "a persistent id that is none"),
    "no_value": (b"", "not enough values to unpack"),
    "two_values": (b"NN", "too many values to unpack"),
    "empty_stack": (b"R", "2 values asked for, 0 on the stack"),
    "no_mark": (b"t", "IndexError"),
    "item_for_a_dict": (b"}Na", "items for a dict"),
    "key_for_a_tensor": (tensor() + b"K\x00K\x00s", "keys for a ndarray"),
    "key_without_value": (b"}(K\x00u", "zip"),
    "deep_key": (b"}" + nested(10**5) + b"Ns", "a dict's key of type tuple"),
    "deep_value": (nested(10**5), "nest or repeat too often"),
    "own_item": (b"]q\x00h\x00a", "nest or repeat too often"),
    "doubled_often": (doubled(60), "nest or repeat too often"),
}


@pytest.mark.parametrize("form", WRAPPERS)
@pytest.mark.parametrize("name", BROKEN)
def test_broken_value_is_refused(name: str, form: str) -> None:
    opcodes, complaint = BROKEN[name]
    with pytest.raises(
        UsageError, match=f"a-file: must be a whole PyTorch file, got .*{complaint}"
    ):
        parse(WRAPPERS[form](opcodes))


@pytest.mark.parametrize("form", WRAPPERS)
def test_small_file_cannot_allocate_much_memory(form: str) -> None:
    far_place = WRAPPERS[form](b"]r\xff\xff\xff\x7f", storages={})
    tracemalloc.start()
    assert parse(far_place) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


OTHERS = {
    "compressed": (in_zip(tensor(), compression=zipfile.ZIP_DEFLATED), "is compressed"),
    "longer_entry": (in_zip(tensor(), storages={"0": SIX + SIX}), "has 48 bytes, its storage 24"),
    "shorter_entry": (in_zip(tensor(), storages={"0": SIX[:8]}), "has 8 bytes, its storage 24"),
    "missing_entry": (in_zip(tensor(), storages={"1": SIX}), "some-name/data/0"),
    "missing_storage": (in_legacy(tensor(), storages={}), "storages other than those"),
    "surplus_storage": (in_legacy(b"N"), "storages other than those"),
    "shorter_storage": (in_legacy(tensor(), storages={"0": SIX[4:]}), "5 elements, 6 expected"),
    "rest": (in_legacy(tensor()) + b"x", "bytes behind the last storage"),
    "version": (in_legacy(tensor(), version=1002), "protocol version 1002"),
    "big_endian": (
        in_legacy(tensor(), system={**SYSTEM, "little_endian": False}),
        "be little-endian, got a big-endian file",
    ),
    "hdf5": (b"\x89HDF\r\n\x1a\n", "or legacy file that torch.save wrote, got one"),
    "nothing": (b"", "got one that begins with b''"),
    "pickle": (pickle.dumps([1]), "got one that begins with"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_other_content_are_refused(name: str) -> None:
    content, complaint = OTHERS[name]
    with pytest.raises(UsageError, match=f"a-file: must .*{complaint}"):
        parse(content)


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ({"a/data.pkl": "", "a/byteorder": "big"}, "be little-endian, got b'big'"),
        ({"a/data.pkl": "", "a/constants.pkl": ""}, "got a TorchScript archive"),
        ({"a/data.pkl": "", "b/data.pkl": ""}, "with one data.pkl in a folder, got 2 of them"),
        ({"data.pkl": ""}, "with one data.pkl in a folder, got 0 of them"),
    ],
)
def test_other_zip_files_are_refused(entries: dict[str, str], complaint: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    with pytest.raises(UsageError, match=f"a-file: must .*{complaint}"):
        parse(file.getvalue())


def test_older_tar_format_and_absent_files_are_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "model.pth"
    with pytest.raises(UsageError, match="must be a readable PyTorch file, got No such file"):
        torch_files.read(path)
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"))
    with pytest.raises(UsageError, match="got the tar format of PyTorch's first versions"):
        torch_files.read(path)
