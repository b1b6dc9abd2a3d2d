"""Sample grids, and the animation of a run's sample grids."""

import io
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tfgan2.training import fonts, sample_grid
from tfgan2.training.sample_grid import animation, grid

GAP, LINE = sample_grid.GAP_PX, sample_grid.TEXT_HEIGHT_PX
DARK = 100


def opened(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture)


def test_sample_grid_has_a_row_per_caption_and_a_column_per_seed() -> None:
    images = np.zeros([2, 3, 32, 32, 1], np.uint8)
    images[1, 2] = 255
    picture = opened(grid(images, rows=["a black square", "x" * 500], columns=["0", "1", "2"]))
    height, width, _ = picture.shape
    assert width == GAP + 3 * (64 + GAP)
    assert height == LINE + 2 * (LINE + 64 + GAP)
    assert picture[2 * LINE + 32, GAP + 32].tolist() == [0, 0, 0]
    second = LINE + LINE + 64 + GAP
    assert picture[second + LINE + 32, GAP + 2 * 68 + 32].tolist() == [255, 255, 255]
    assert (picture[1:LINE] < DARK).any()  # The column titles,
    assert (picture[LINE + 1 : 2 * LINE - 2] < DARK).any()  # the first caption
    assert (picture[second + 1 : second + LINE - 2] < DARK).any()  # and the second caption.
    assert (picture[:, width - GAP :] == 255).all()  # A long caption is cut.


def test_characters_that_the_own_font_lacks_are_drawn_with_a_font_of_the_machine() -> None:
    images = np.zeros([1, 4, 64, 64, 3], np.uint8)
    first, second = (opened(grid(images, rows=[title]))[:LINE] for title in ("птица", "щенок"))
    assert (first < DARK).any()
    # Boxes of characters that a font lacks would be alike.
    assert first.tolist() != second.tolist()


def test_characters_that_no_font_has_are_named_once(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts, "files", lambda: ())
    fonts._with.cache_clear()
    fonts._warn_once.cache_clear()
    images = np.zeros([2, 2, 64, 64, 3], np.uint8)
    for _ in range(2):
        grid(images, rows=["bird 鳥", "犬"], columns=["0", "1"])
    fonts._with.cache_clear()
    rule = "no font of this machine has 犬 鳥 (the Noto fonts have them)"
    assert capsys.readouterr().err == f"warning: sample grids: {rule}\n"


def test_titles_of_all_fonts_stay_within_their_line() -> None:
    images = np.full([2, 3, 64, 64, 3], 255, np.uint8)
    picture = opened(grid(images, rows=["Ågj птица ჟ", "שָׁלוֹם"]))
    for row in range(2):
        top = row * (LINE + 64 + GAP)
        assert (picture[top : top + LINE] < DARK).any()
        assert (picture[top + LINE : top + LINE + 64] == 255).all()


def test_sample_grid_without_column_titles_has_no_line_for_them() -> None:
    images = np.zeros([1, 2, 64, 64, 3], np.uint8)
    picture = opened(grid(images, rows=["one"]))
    assert picture.shape == (LINE + 64 + GAP, GAP + 2 * (64 + GAP), 3)


def test_texts_are_below_their_images_and_cut_to_the_image_width() -> None:
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
def test_small_images_are_enlarged_by_an_integer_factor(size: int, side: int) -> None:
    picture = opened(grid(np.zeros([1, 1, size, size, 3], np.uint8), rows=[""]))
    assert picture.shape[1] == 2 * GAP + side


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> list[pathlib.Path]:
    """Sample grids, 40 px wide and 20 px high, of different greys."""
    made = []
    for number in range(140):
        made.append(tmp_path / f"step_{number:08d}.png")
        Image.new("RGB", (40, 20), (number, number, number)).save(made[-1])
    return made


def frames(gif: bytes) -> tuple[list[int], list[int]]:
    """Grey level and duration in milliseconds of every frame."""
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


def test_animation_shows_every_sample_grid_and_the_last_one_longer(
    paths: list[pathlib.Path],
) -> None:
    greys, durations = frames(animation(paths[:7]))
    assert greys == [*range(7)]
    assert durations == [200] * 6 + [3000]


def test_animation_of_a_long_run_has_100_frames_with_first_and_last_grid(
    paths: list[pathlib.Path],
) -> None:
    greys, durations = frames(animation(paths))
    assert len(greys) == len(set(greys)) == 100
    assert greys == sorted(greys)
    assert (greys[0], greys[-1]) == (0, 139)
    assert max(np.diff(greys)) == 2
    assert durations[-1] == 3000


def test_animation_of_one_sample_grid_has_one_frame(paths: list[pathlib.Path]) -> None:
    with Image.open(io.BytesIO(animation(paths[:1]))) as picture:
        assert picture.n_frames == 1
        assert picture.size == (40, 20)


@given(st.text(max_size=60), st.integers(0, 40))
def test_a_cut_text_is_the_longest_beginning_that_fits(text: str, most_px: int) -> None:
    found = sample_grid.cut(text, most_px, len)
    if len(text) <= most_px:
        assert found == text
        return
    assert found.endswith("…")
    assert text.startswith(found[:-1])
    assert len(found) <= max(1, most_px)
    longer = text[: len(found)].rstrip() + "…"
    assert len(longer) > most_px or longer == found or not text[len(found) - 1].strip()


def test_cutting_a_caption_of_any_length_measures_few_short_texts() -> None:
    measured: list[int] = []

    def length_px(text: str) -> float:
        measured.append(len(text))
        return 6.0 * len(text)

    assert sample_grid.cut("word " * 1_000_000, 500.0, length_px).startswith("word word")
    assert len(measured) < 20
    assert max(measured) <= sample_grid.MOST_CHARACTERS + 1
