"""PyTorch's storages, and tensors as views of them."""

import dataclasses
import math
from typing import IO, Any

import numpy as np

PIECE = 2**16
MAX_DIMENSIONS = 64
INT64_END = 2**63


@dataclasses.dataclass(frozen=True)
class StorageClass:
    """Element type in the file, and element type after reading."""

    stored: str
    read: str

    @property
    def item_size(self) -> int:
        """Bytes per element in the file."""
        return np.dtype(self.stored).itemsize


BFLOAT16 = StorageClass("<u2", "float32")
KINDS = {
    "Bool": StorageClass("<u1", "bool"),
    "Byte": StorageClass("<u1", "uint8"),
    "Char": StorageClass("<i1", "int8"),
    "Short": StorageClass("<i2", "int16"),
    "Int": StorageClass("<i4", "int32"),
    "Long": StorageClass("<i8", "int64"),
    "Half": StorageClass("<f2", "float16"),
    "BFloat16": BFLOAT16,
    "Float": StorageClass("<f4", "float32"),
    "Double": StorageClass("<f8", "float64"),
}


@dataclasses.dataclass(frozen=True)
class Storage:
    """A row of elements, shared by all tensors that view it."""

    kind: StorageClass
    elements: np.ndarray

    @property
    def size(self) -> int:
        """Size in the file, in bytes."""
        return len(self.elements) * self.kind.item_size

    def part(self, offset: int, size: int) -> "Storage":
        """Returns `size` elements from `offset` on as a storage.

        Raises:
          ValueError: the storage has fewer elements.
        """
        if not 0 <= offset <= offset + size <= len(self.elements):
            raise ValueError(f"{size} elements from {offset} in a storage of {len(self.elements)}")
        return Storage(self.kind, self.elements[offset : offset + size])

    def fill(self, stream: IO[bytes]) -> None:
        """Reads the elements piece by piece, so that large storages are in memory only once.

        Raises:
          ValueError: the stream ends too early.
        """
        for start in range(0, len(self.elements), PIECE):
            piece = self.elements[start : start + PIECE]
            size = len(piece) * self.kind.item_size
            content = stream.read(size)
            if len(content) != size:
                raise ValueError(f"{size} bytes of a storage asked for, {len(content)} left")
            stored = np.frombuffer(content, self.kind.stored)
            piece[:] = _widen(stored) if self.kind == BFLOAT16 else stored

    def tensor(self, offset: Any, shape: Any, strides: Any) -> np.ndarray:
        """Returns a tensor as a read-only view of this storage.

        Args:
          offset: index of the tensor's first element.
          shape: sizes of the dimensions.
          strides: elements between neighbours, for every dimension.

        Raises:
          ValueError: the tensor exceeds the storage, or has more elements than the storage.
        """
        sizes, steps = _naturals(shape), _naturals(strides)
        (first,) = _naturals((offset,))
        if len(sizes) != len(steps) or len(sizes) > MAX_DIMENSIONS:
            raise ValueError(f"a tensor of {len(sizes)} sizes and {len(steps)} strides")
        count = math.prod(sizes)
        reach = first + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
        if count and (count > len(self.elements) or reach >= len(self.elements)):
            raise ValueError(
                f"a tensor of shape {sizes}, strides {steps} and offset {first} "
                f"in a storage of {len(self.elements)}"
            )
        return np.lib.stride_tricks.as_strided(
            self.elements[first:],
            sizes,
            [step * self.elements.itemsize for step in steps],
            writeable=False,
        )


@dataclasses.dataclass
class Storages:
    """The storages that a pickle names.

    A storage is allocated when the pickle names it, and filled later, because a legacy file has the
    bytes after the pickle. `unclaimed` is the number of bytes in the file without a storage yet, so
    that a small file cannot allocate much memory.
    """

    unclaimed: int
    known: dict[str, Storage] = dataclasses.field(default_factory=dict)

    def find(self, identity: Any) -> Storage:
        """Returns the storage of a persistent id.

        Args:
          identity: "storage", its class, key, device and size; in legacy files also None, or the
            key, offset and size of a part.

        Raises:
          ValueError: the id is not a storage's, contradicts an earlier one, or is too large.
        """
        if type(identity) is not tuple or len(identity) not in (5, 6) or identity[0] != "storage":
            raise ValueError("a persistent id that is none of a storage")
        _, kind, key, _, size, *part = identity
        (count,) = _naturals((size,))
        if not isinstance(kind, StorageClass) or type(key) is not str:
            raise ValueError("a storage without a class and a key")
        if key not in self.known:
            self.known[key] = self._allocate(kind, count)
        storage = self.known[key]
        if storage.kind != kind or len(storage.elements) != count:
            raise ValueError(f"storage {key!r} of two classes or sizes")
        if part in ([], [None]):
            return storage
        _, offset, length = part[0]
        return storage.part(*_naturals((offset, length)))

    def _allocate(self, kind: StorageClass, count: int) -> Storage:
        size = count * kind.item_size
        if size > self.unclaimed:
            raise ValueError(f"a storage of {size} bytes, {self.unclaimed} left in the file")
        self.unclaimed -= size
        return Storage(kind, np.empty(count, kind.read))


def _widen(bfloat16: np.ndarray) -> np.ndarray:
    """Converts bfloat16, which is the upper half of a float32."""
    return (bfloat16.astype(np.uint32) << 16).view(np.float32)


def _naturals(values: Any) -> tuple[int, ...]:
    """Checks that sizes or offsets are a tuple of integers from 0, and returns them."""
    if type(values) is not tuple:
        raise ValueError("sizes or strides that are no tuple")
    if any(type(value) is not int or not 0 <= value < INT64_END for value in values):
        raise ValueError("a size, stride or offset that is no whole number from 0 to 2**63 - 1")
    return values
