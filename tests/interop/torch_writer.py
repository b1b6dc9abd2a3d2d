"""Writes torch.save's formats by their specification, for tests of the reader."""

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping

import numpy as np

HOOKS = b"ccollections\nOrderedDict\n)R"
SIX = np.arange(6, dtype=np.float32).tobytes()
MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}


def plain(value: object) -> bytes:
    """A plain value's opcodes, without the first and the last."""
    return pickle.dumps(value, 2)[2:-1]


def storage(*, count: object = 6, key: object = "0", part: bytes = b"") -> bytes:
    """A float32 storage's opcodes; `part` is what a legacy file adds to the persistent id."""
    head = plain("storage") + b"ctorch\nFloatStorage\n" + plain(key) + plain("cpu")
    return b"(" + head + plain(count) + part + b"tQ"


def tensor(
    *,
    within: bytes | None = None,
    offset: object = 0,
    shape: object = (2, 3),
    strides: object = (3, 1),
) -> bytes:
    """The opcodes of a tensor within a storage, by default one of six elements."""
    arguments = b"".join(map(plain, (offset, shape, strides, False)))
    within = storage() if within is None else within
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + within + arguments + HOOKS + b"tR"


def in_zip(
    opcodes: bytes, *, storages: Mapping[str, bytes] | None = None, compression: int = 0
) -> bytes:
    """A zip file around a pickle's opcodes; `storages` is by default {"0": SIX}."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("some-name/version", "3")
        archive.writestr("some-name/data.pkl", b"\x80\x02" + opcodes + b".")
        for key, content in ({"0": SIX} if storages is None else storages).items():
            archive.writestr(f"some-name/data/{key}", content)
    return file.getvalue()


def in_legacy(
    opcodes: bytes,
    *,
    storages: Mapping[str, bytes] | None = None,
    version: int = 1001,
    system: object = SYSTEM,
) -> bytes:
    """A legacy file around a pickle's opcodes; `storages`, of float32, is by default {"0": SIX}."""
    storages = {"0": SIX} if storages is None else storages
    heads = b"".join(pickle.dumps(value, 2) for value in (MAGIC, version, system))
    sizes_and_bytes = (struct.pack("<q", len(raw) // 4) + raw for raw in storages.values())
    value = b"\x80\x02" + opcodes + b"."
    return heads + value + pickle.dumps(list(storages), 2) + b"".join(sizes_and_bytes)
