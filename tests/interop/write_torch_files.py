"""Writes the committed files that test_torch_files.py reads; needs only PyTorch.

python tests/interop/write_torch_files.py DIR
"""

import pathlib
import sys
from typing import Any

import torch
from torch import nn

DTYPES = (
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
)


def count_up(*shape: int) -> torch.Tensor:
    """0, 1, 2 and so on, in float32."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)


def training() -> dict[str, Any]:
    """A training checkpoint after one step of Adam."""
    generator = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(generator.parameters(), lr=0.5, betas=(0.5, 0.75))
    for parameter in generator.parameters():
        parameter.grad = count_up(*parameter.shape)
    optimizer.step()
    for parameter in generator.parameters():
        parameter.data = count_up(*parameter.shape) / 4
    return {
        "model": {"netG": generator.state_dict()},
        "optimizers": {"optimizer_G": optimizer.state_dict()},
        "epoch": 3,
    }


def tensors() -> dict[str, Any]:
    """Every kind of tensor and of plain value."""
    base = count_up(3, 4)
    return {
        "dtypes": {str(dtype): torch.tensor([0, 1, 100]).to(dtype) for dtype in DTYPES},
        "fractions": {
            "half": torch.tensor([-0.5, 65504.0], dtype=torch.float16),
            "bfloat16": torch.tensor([-0.5, 3.0e38, float("inf")], dtype=torch.bfloat16),
        },
        "base": base,
        "view": base[1:, 1:3].t(),
        "parameter": nn.Parameter(count_up(2, 2)),
        "scalar": torch.tensor(7),
        "empty": torch.zeros(0, 3),
        "plain": [None, True, False, -1, 2**40, 2.5, "caf\xe9", (1, (2,)), (), torch.Size([2, 3])],
        "dtype": torch.float16,
        5: "a number as key",
    }


def main(folder: pathlib.Path) -> None:
    """Writes every file in every format."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in {"training": training(), "tensors": tensors()}.items():
        torch.save(value, folder / f"{name}_zip.pth")
        torch.save(value, folder / f"{name}_zip_protocol_5.pth", pickle_protocol=5)
        torch.save(value, folder / f"{name}_legacy.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
