"""A data set of synthetic images, which the trainings of the report read."""

import sys

from tools.gpu_checks import running
from tools.gpu_checks.outcome import Outcome, Setting

TRAIN_IMAGES, TEST_IMAGES = 512, 32


def check(setting: Setting, *, seconds: float) -> Outcome:
    """Writes the data set."""
    folder, size = setting.folder / "data", str(setting.training_px)
    log = setting.folder / "data_set.log"
    ended = running.run("tools.gpu_checks.data_set", str(folder), size, seconds=seconds, log=log)
    return ended.outcome(f"{TRAIN_IMAGES} synthetic images of {size} px")


def _main(folder: str, size: str) -> None:
    from tools.benchmarks import synthetic_data

    synthetic_data.prepare(
        folder, image_size=int(size), channels=3, train=TRAIN_IMAGES, test=TEST_IMAGES
    )


if __name__ == "__main__":
    _main(*sys.argv[1:])
