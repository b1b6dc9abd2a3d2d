"""The programs of this package as users start them, each in a process of its own."""

import itertools
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from PIL import Image

from tfgan2.program import Failure
from tools.benchmarks import drawn_data
from tools.benchmarks.exported import Exported
from tools.benchmarks.growth.series import Series

# Of the smallest number of items.
MULTIPLES = (1, 2, 4)
# A user's images are rarely of the size that is asked for.
SIDE_OF_SOURCES = 2
CAPTION = "a drawn picture, number {number}"


def run(module: str, *options: str) -> float:
    """Runs a program, whose progress goes to stderr.

    Returns:
      The seconds from its start to its end.

    Raises:
      Failure: it failed.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", module, *options]
    code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    if code:
        raise Failure(f"{module} ended with code {code}")
    return time.perf_counter() - began


def prepare(folder: pathlib.Path, *, images: int, image_size: int, repetitions: int) -> Series:
    """Prepares folders of images with captions beside them, of twice the side that is asked for.

    Args:
      folder: empty.
      images: of the smallest folder.
      image_size: side in pixels of what is prepared.
      repetitions: how often each is prepared.

    Raises:
      Failure: the program failed.
    """
    counts = [multiple * images for multiple in MULTIPLES]
    sources = {count: folder / f"images_{count}" for count in counts}
    for source in sources.values():
        source.mkdir()
    for number in range(max(counts)):
        side = SIDE_OF_SOURCES * image_size
        image = Image.fromarray(drawn_data.draw(number, image_size=side, channels=3))
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

    points = _in_turn(once, counts, folder=folder, repetitions=repetitions)
    sides = f"{SIDE_OF_SOURCES * image_size} px to {image_size} px"
    return Series("prepare", f"tools.prepare, {sides}", "images", "seconds", points)


def generate(
    exported: Exported, folder: pathlib.Path, *, title: str, captions: int, repetitions: int
) -> Series:
    """Draws files of captions.

    Args:
      exported: what draws.
      folder: empty.
      title: says what that is.
      captions: of the shortest file.
      repetitions: how often each is drawn.

    Raises:
      Failure: the program failed.
    """

    def once(count: int, output_dir: pathlib.Path) -> float:
        asked = f"--count={count}"
        if exported.takes_captions:
            file = folder / f"{output_dir.name}.txt"
            drawn = itertools.islice(itertools.cycle(exported.captions), count)
            file.write_text("".join(f"{it}\n" for it in drawn), encoding="utf-8")
            asked = f"--captions={file}"
        export_dir = f"--export_dir={exported.version}"
        return run("tools.generate", export_dir, asked, f"--output_dir={output_dir}")

    counts = [multiple * captions for multiple in MULTIPLES]
    points = _in_turn(once, counts, folder=folder, repetitions=repetitions)
    return Series("generate", f"tools.generate, {title}", "pictures", "seconds", points)


def _in_turn(
    once: Callable[[int, pathlib.Path], float],
    counts: Sequence[int],
    *,
    folder: pathlib.Path,
    repetitions: int,
) -> list[tuple[float, float]]:
    """Counts and seconds; not the same count twice in a row, as the machine may change."""
    return [
        (count, once(count, folder / f"output_{count}_{repetition}"))
        for repetition in range(repetitions)
        for count in counts
    ]
