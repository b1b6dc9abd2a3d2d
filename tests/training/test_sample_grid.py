"""Sample sample_grid, and the animation of a run's sheets."""

import io
import pathlib

import numpy as np
import pytest
from PIL import Image

from tfgan2.training import sample_grid
from tfgan2.training.sample_grid import animation, grid

GAP, LINE = sample_grid.GAP_PX, sample_grid.TEXT_HEIGHT_PX
DARK = 100


def opened(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture)


def test_a_sheet_has_a_row_for_each_caption_and_a_column_for_each_seed() -> None:
    images = np.zeros([2, 3, 32, 32, 1], np.uint8)
    images[1, 2] = 255
    picture = opened(grid(images, rows=["a black square", "x" * 500], columns=["0", "1", "2"]))
    height, width, _ = picture.shape
    assert width == GAP + 3 * (64 + GAP)
    assert height == LINE + 2 * (LINE + 64 + GAP)
    assert picture[2 * LINE + 32, GAP + 32].tolist() == [0, 0, 0]
    second = LINE + LINE + 64 + GAP
    assert picture[second + LINE + 32, GAP + 2 * 68 + 32].tolist() == [255, 255, 255]
    assert (picture[1:LINE] < DARK).any()  # What is above the columns,
    assert (picture[LINE + 1 : 2 * LINE - 2] < DARK).any()  # the first caption,
    assert (picture[second + 1 : second + LINE - 2] < DARK).any()  # and the second.
    assert (picture[:, width - GAP :] == 255).all()  # It is cut.


def test_without_columns_there_is_no_line_for_them() -> None:
    images = np.zeros([1, 2, 64, 64, 3], np.uint8)
    picture = opened(grid(images, rows=["one"]))
    assert picture.shape == (LINE + 64 + GAP, GAP + 2 * (64 + GAP), 3)


def test_texts_stand_below_their_own_images_and_are_cut_to_their_width() -> None:
    images = np.zeros([2, 3, 28, 28, 1], np.uint8)
    texts = ["", "", "", "", "w" * 100, ""]
    picture = opened(grid(images, rows=["", ""], texts=texts))
    side = 56
    row_height = LINE + side + LINE + GAP
    assert picture.shape == (2 * row_height, GAP + 3 * (side + GAP), 3)
    below = picture[row_height + LINE + side : 2 * row_height - GAP]
    left = GAP + (side + GAP)
    assert (below[:, left : left + side] < DARK).any()
    assert (below[:, : left - 1] == 255).all()
    assert (below[:, left + side + 1 :] == 255).all()
    assert (picture[LINE + side : row_height] == 255).all()  # The first row has no texts.


@pytest.mark.parametrize(("size", "side"), [(16, 48), (28, 56), (47, 94), (48, 48), (256, 256)])
def test_small_images_are_enlarged_by_a_whole_number(size: int, side: int) -> None:
    picture = opened(grid(np.zeros([1, 1, size, size, 3], np.uint8), rows=[""]))
    assert picture.shape[1] == 2 * GAP + side


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> list[pathlib.Path]:
    """Sheets that are 40 px wide, 20 high, and of different greys."""
    made = []
    for number in range(140):
        made.append(tmp_path / f"step_{number:08d}.png")
        Image.new("RGB", (40, 20), (number, number, number)).save(made[-1])
    return made


def frames(gif: bytes) -> tuple[list[int], list[int]]:
    """The grey and the milliseconds of every frame."""
    greys, durations = [], []
    with Image.open(io.BytesIO(gif)) as picture:
        assert picture.format == "GIF"
        assert picture.info["loop"] == 0
        for number in range(picture.n_frames):
            picture.seek(number)
            assert picture.size == (40, 20)
            durations.append(picture.info["duration"])
            greys.append(int(np.asarray(picture.convert("RGB"))[5, 5, 0]))
    return greys, durations


def test_an_animation_shows_every_sheet_and_the_last_one_longer(paths: list[pathlib.Path]) -> None:
    greys, durations = frames(animation(paths[:7]))
    assert greys == [*range(7)]
    assert durations == [200] * 6 + [3000]


def test_a_long_run_is_shown_in_a_hundred_sheets_from_the_first_to_the_last(
    paths: list[pathlib.Path],
) -> None:
    greys, durations = frames(animation(paths))
    assert len(greys) == len(set(greys)) == 100
    assert greys == sorted(greys)
    assert (greys[0], greys[-1]) == (0, 139)
    assert max(np.diff(greys)) == 2
    assert durations[-1] == 3000


def test_one_sheet_is_an_animation_too(paths: list[pathlib.Path]) -> None:
    with Image.open(io.BytesIO(animation(paths[:1]))) as picture:
        assert picture.n_frames == 1
        assert picture.size == (40, 20)
