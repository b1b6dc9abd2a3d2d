"""Measures the command-line programs as users start them, each in its own process."""

import itertools
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from PIL import Image

from tfgan2.program import Failure
from tfgan2.runs.directory import RunDirectory
from tools.benchmarks import synthetic_data
from tools.benchmarks.exported import Exported
from tools.benchmarks.growth.series import Series

# Multiples of the smallest number of items.
MULTIPLES = (1, 2, 4)
# Side of the source images, relative to the side of the data set: real images rarely fit.
SIDE_OF_SOURCES = 2
CAPTION = "a drawn picture, number {number}"
# Fraction of the training steps that the line of the memory leaves out: traces, caches and buffers
# grow first.
SETTLING = 0.2
MEMORY_FIELD = "resident_mib"


def run(module: str, *options: str) -> float:
    """Runs a program; its progress goes to stderr.

    Returns:
      Wall time of the process, in seconds.

    Raises:
      Failure: the program failed.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", module, *options]
    code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    if code:
        raise Failure(f"{module} ended with code {code}")
    return time.perf_counter() - began


def memory(
    flagfile: pathlib.Path,
    folder: pathlib.Path,
    *,
    data_dir: str | os.PathLike,
    steps: int,
    log_every: int,
) -> Series:
    """Trains a recipe with checkpoints, sample grids and logs; returns the memory that it logs.

    Args:
      flagfile: flagfile of the recipe.
      folder: empty folder.
      data_dir: data set.
      steps: number of training steps.
      log_every: steps between two measurements.

    Raises:
      Failure: training failed.
    """
    directory = RunDirectory(folder / "run")
    run(
        "tfgan2.train",
        *(f"--flagfile={flagfile}", f"--data_dir={data_dir}", f"--run_dir={directory.path}"),
        *(f"--steps={steps}", f"--log_every={log_every}"),
    )
    lines = map(json.loads, directory.metrics_file.read_text(encoding="utf-8").splitlines())
    points = [(line["step"], line[MEMORY_FIELD]) for line in lines if MEMORY_FIELD in line]
    title = f"training by {flagfile.stem}"
    return Series("memory", title, "steps", "resident memory, MiB", points, SETTLING * steps)


def prepare(folder: pathlib.Path, *, images: int, image_size: int, repetitions: int) -> Series:
    """Times tools.prepare on folders of captioned images with twice the side of the data set.

    Args:
      folder: empty folder.
      images: number of images in the smallest folder.
      image_size: image side of the data set, in pixels.
      repetitions: runs per folder.

    Raises:
      Failure: the program failed.
    """
    counts = [multiple * images for multiple in MULTIPLES]
    sources = {count: folder / f"images_{count}" for count in counts}
    for source in sources.values():
        source.mkdir()
    for number in range(max(counts)):
        side = SIDE_OF_SOURCES * image_size
        image = Image.fromarray(synthetic_data.draw(number, image_size=side, channels=3))
        for count, source in sources.items():
            if number < count:
                image.save(source / f"{number}.png")
                caption = CAPTION.format(number=number)
                (source / f"{number}.txt").write_text(caption, encoding="utf-8")

    def once(count: int, output_dir: pathlib.Path) -> float:
        return run(
            "tools.prepare",
            *("--source=folder", f"--image_size={image_size}"),
            *(f"--input_dir={sources[count]}", f"--output_dir={output_dir}"),
        )

    points = _alternate(once, counts, folder=folder, repetitions=repetitions)
    sides = f"{SIDE_OF_SOURCES * image_size} px to {image_size} px"
    return Series("prepare", f"tools.prepare, {sides}", "images", "seconds", points)


def generate(
    exported: Exported, folder: pathlib.Path, *, title: str, captions: int, repetitions: int
) -> Series:
    """Times tools.generate on files of captions.

    Args:
      exported: the export.
      folder: empty folder.
      title: name of the export in the title.
      captions: number of captions in the shortest file.
      repetitions: runs per file.

    Raises:
      Failure: the program failed.
    """

    def once(count: int, output_dir: pathlib.Path) -> float:
        items = f"--count={count}"
        if exported.reads_captions:
            file = folder / f"{output_dir.name}.txt"
            captions_of_file = itertools.islice(itertools.cycle(exported.captions), count)
            file.write_text("".join(f"{it}\n" for it in captions_of_file), encoding="utf-8")
            items = f"--captions={file}"
        export_dir = f"--export_dir={exported.version}"
        return run("tools.generate", export_dir, items, f"--output_dir={output_dir}")

    counts = [multiple * captions for multiple in MULTIPLES]
    points = _alternate(once, counts, folder=folder, repetitions=repetitions)
    return Series("generate", f"tools.generate, {title}", "pictures", "seconds", points)


def _alternate(
    once: Callable[[int, pathlib.Path], float],
    counts: Sequence[int],
    *,
    folder: pathlib.Path,
    repetitions: int,
) -> list[tuple[float, float]]:
    """Returns (count, seconds); counts alternate, because the machine's speed may drift."""
    return [
        (count, once(count, folder / f"output_{count}_{repetition}"))
        for repetition in range(repetitions)
        for count in counts
    ]
