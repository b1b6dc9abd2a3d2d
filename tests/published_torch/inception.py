"""torchvision's Inception-v3 in PyTorch, its tensors under torchvision's names."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE_PX = 299
CLASSES = 1000
# Branches: a convolution has a name, channels, height and width of its kernel, a stride, and 1 with
# padding (a stride of 2 has none); a list has convolutions side by side.
STEM = [
    [("Conv2d_1a_3x3", 32, 3, 3, 2), ("Conv2d_2a_3x3", 32, 3, 3, 1, 0)],
    [("Conv2d_2b_3x3", 64, 3, 3), "maximum"],
    [("Conv2d_3b_1x1", 80, 1, 1), ("Conv2d_4a_3x3", 192, 3, 3, 1, 0), "maximum"],
]


def block_a(pooled: int) -> list:
    return [
        [("branch1x1", 64, 1, 1)],
        [("branch5x5_1", 48, 1, 1), ("branch5x5_2", 64, 5, 5)],
        [("branch3x3dbl_1", 64, 1, 1), *((f"branch3x3dbl_{it}", 96, 3, 3) for it in (2, 3))],
        ["average", ("branch_pool", pooled, 1, 1)],
    ]


def block_c(width: int) -> list:
    long = [(7, 1), (1, 7), (7, 1)]
    return [
        [("branch1x1", 192, 1, 1)],
        [("branch7x7_1", width, 1, 1), ("branch7x7_2", width, 1, 7), ("branch7x7_3", 192, 7, 1)],
        [
            ("branch7x7dbl_1", width, 1, 1),
            *((f"branch7x7dbl_{it}", width, *kernel) for it, kernel in enumerate(long, start=2)),
            ("branch7x7dbl_5", 192, 1, 7),
        ],
        ["average", ("branch_pool", 192, 1, 1)],
    ]


BLOCK_B = [
    [("branch3x3", 384, 3, 3, 2)],
    [("branch3x3dbl_1", 64, 1, 1), ("branch3x3dbl_2", 96, 3, 3), ("branch3x3dbl_3", 96, 3, 3, 2)],
    ["maximum"],
]
BLOCK_D = [
    [("branch3x3_1", 192, 1, 1), ("branch3x3_2", 320, 3, 3, 2)],
    [
        *(("branch7x7x3_1", 192, 1, 1), ("branch7x7x3_2", 192, 1, 7)),
        *(("branch7x7x3_3", 192, 7, 1), ("branch7x7x3_4", 192, 3, 3, 2)),
    ],
    ["maximum"],
]
BLOCK_E = [
    [("branch1x1", 320, 1, 1)],
    [("branch3x3_1", 384, 1, 1), [("branch3x3_2a", 384, 1, 3), ("branch3x3_2b", 384, 3, 1)]],
    [
        *(("branch3x3dbl_1", 448, 1, 1), ("branch3x3dbl_2", 384, 3, 3)),
        [("branch3x3dbl_3a", 384, 1, 3), ("branch3x3dbl_3b", 384, 3, 1)],
    ],
    ["average", ("branch_pool", 192, 1, 1)],
]
BLOCKS = {
    "Mixed_5b": (block_a(32), 256),
    "Mixed_5c": (block_a(64), 288),
    "Mixed_5d": (block_a(64), 288),
    "Mixed_6a": (BLOCK_B, 768),
    "Mixed_6b": (block_c(128), 768),
    "Mixed_6c": (block_c(160), 768),
    "Mixed_6d": (block_c(160), 768),
    "Mixed_6e": (block_c(192), 768),
    "Mixed_7a": (BLOCK_D, 1280),
    "Mixed_7b": (BLOCK_E, 2048),
    "Mixed_7c": (BLOCK_E, 2048),
}


class Convolution(nn.Module):
    """A convolution, batch normalization and a ReLU."""

    def __init__(self, inputs: int, outputs: int, *shape: int) -> None:
        super().__init__()
        height, width, stride, padded = (*shape, *(1, 1)[len(shape) - 2 :])
        padding = (height // 2, width // 2) if padded and stride == 1 else 0
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(features)))


class Block(nn.Module):
    """Branches side by side."""

    def __init__(self, inputs: int, branches: list) -> None:
        super().__init__()
        self.branches = branches
        for branch in branches:
            add_convolutions(self, inputs, branch)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([run(self, branch, features) for branch in self.branches], dim=1)


class Inception(nn.Module):
    """Images [B, 3, 299, 299], scaled to about [-1, 1], to features and class probabilities."""

    def __init__(self) -> None:
        super().__init__()
        channels = 3
        for branch in STEM:
            channels = add_convolutions(self, channels, branch)
        for name, (branches, outputs) in BLOCKS.items():
            self.add_module(name, Block(channels, branches))
            channels = outputs
        self.AuxLogits = nn.ModuleDict({"conv0": Convolution(768, 128, 1, 1)})
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = images
        for branch in STEM:
            features = run(self, branch, features)
        for name in BLOCKS:
            features = self.get_submodule(name)(features)
        features = features.mean(dim=(2, 3))
        return features, torch.softmax(self.fc(features), dim=1)


def add_convolutions(module: nn.Module, inputs: int, branch: list) -> int:
    """Adds the convolutions of a branch to a module, and returns the channels of the branch."""
    for step in branch:
        side_by_side = step if isinstance(step, list) else [step]
        for name, outputs, *shape in (it for it in side_by_side if it not in POOLS):
            module.add_module(name, Convolution(inputs, outputs, *shape))
        if side_by_side[0] not in POOLS:
            inputs = sum(outputs for _, outputs, *_ in side_by_side)
    return inputs


def run(module: nn.Module, branch: list, features: Tensor) -> Tensor:
    """Runs a branch of a module."""
    for step in branch:
        if isinstance(step, list):
            features = torch.cat([run(module, [it], features) for it in step], dim=1)
        elif isinstance(step, str):
            features = POOLS[step](features)
        else:
            features = module.get_submodule(step[0])(features)
    return features


def average(features: Tensor) -> Tensor:
    """Averages of 3x3 values; the padding counts."""
    return functional.avg_pool2d(features, 3, stride=1, padding=1)


def maximum(features: Tensor) -> Tensor:
    return functional.max_pool2d(features, 3, stride=2)


POOLS: dict[Any, Any] = {"average": average, "maximum": maximum}
MEANS, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def as_in_df_gan(images: Tensor) -> Tensor:
    """Resizes images [B, 3, H, W] of 256 levels, and scales them as DF-GAN's code does."""
    unit = functional.interpolate(
        images / 255, size=(SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False
    )
    means, deviations = (torch.tensor(it)[:, None, None] for it in (MEANS, DEVIATIONS))
    return unit * (deviations / 0.5) + (means - 0.5) / 0.5
