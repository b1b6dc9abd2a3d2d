"""tools.benchmarks.growth: line fits, the chart, output files and errors."""

import json
import pathlib
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tests import flags, programs
from tests.tiny import QUICK
from tools.benchmarks.growth import plot
from tools.benchmarks.growth.series import Fit, Series

SVG = "{http://www.w3.org/2000/svg}"


def growth(*options: str) -> programs.Ended:
    return programs.run("tools.benchmarks.growth", *options)


def points_in(picture: bytes) -> dict[str, int]:
    """Number of points of each series in a chart."""
    groups = {it.get("id") or "": it for it in ET.fromstring(picture).iter(f"{SVG}g")}
    return {
        name.removeprefix("points-"): len(list(group.iter(f"{SVG}use")))
        for name, group in groups.items()
        if name.startswith("points-")
    }


def test_fit_recovers_a_line() -> None:
    fit = Fit.of([(x, 3.0 + 0.25 * x) for x in (1.0, 2.0, 8.0)])
    assert (fit.slope, fit.offset) == pytest.approx((0.25, 3.0))
    assert fit.r_squared == pytest.approx(1.0)


def test_fit_of_a_curve_has_a_lower_r_squared() -> None:
    x = np.arange(8.0)
    y = (-1.0) ** x
    fit = Fit.of(list(zip(x, y, strict=True)))
    assert fit.r_squared == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    assert fit.r_squared < 0.1


def test_constant_values_fit_a_flat_line() -> None:
    fit = Fit.of([(0.0, 5.0), (1.0, 5.0), (2.0, 5.0)])
    assert (fit.slope, fit.offset, fit.r_squared) == (pytest.approx(0.0), pytest.approx(5.0), 1.0)


def test_fit_starts_after_the_values_settle() -> None:
    points = [(0.0, 0.0), (10.0, 50.0), (20.0, 50.0), (30.0, 50.0)]
    series = Series("memory", "a run", "steps", "MiB", points, fitted_from=10.0)
    assert series.fit.slope == pytest.approx(0.0)
    assert len(series.points) == 4


def test_chart_has_a_point_for_every_measurement() -> None:
    few = Series("prepare", "tools.prepare", "images", "seconds", [(1.0, 2.0), (2.0, 2.5)])
    many = Series("memory", "a run", "steps", "MiB", [(float(x), 7.0) for x in range(1, 51)])
    picture = plot.draw([few, many, few])
    texts = "".join(ET.fromstring(picture).itertext())
    for label in (few.title, few.x, few.y, many.title, many.x, many.y):
        assert label in texts
    assert points_in(plot.draw([few, many])) == {"prepare": 2, "memory": 50}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--what=batch_size,shoes", "--what: must be out of batch_size,image_size,memory,prepare"),
        ("--what=", "--what: must be out of"),
        ("--model=nope", "--model: must be one of df_gan, paired_gan"),
        ("--memory_model=nope", "--memory_model: must be one of df_gan, paired_gan"),
        ("--batch_sizes=8", "--batch_sizes: must be 2 numbers or more with commas between"),
        ("--batch_sizes=8,x", "--batch_sizes: must be 2 numbers or more with commas between"),
        ("--image_sizes=32,48", "--image_size: must be one of 32, 64, 128, 256 for df_gan"),
        ("--plot=growth.png", "--plot: must end in .svg, got growth.png"),
        ("--json={folder}", "--json: must be a file or absent"),
        ("--steps=250", "--steps: must be at least 3 times --log_every, got 250"),
    ],
)
def test_user_error_is_one_line(options: str, message: str, tmp_path: pathlib.Path) -> None:
    error = programs.error_of("tools.benchmarks.growth", *options.format(folder=tmp_path).split())
    assert error.startswith(message)


@pytest.mark.slow
def test_growth_is_measured_for_every_quantity(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    flagfile = tmp_path / "tiny.flags"
    flagfile.write_text("\n".join(flags.of(QUICK)))
    ended = growth(
        *(f"--model={flagfile}", f"--memory_model={flagfile}", f"--data_dir={data_dir}"),
        *("--batch_sizes=4,8", "--image_sizes=32,64", "--image_size=32", "--batch_size=4"),
        *("--seconds=0.1", "--steps=8", "--log_every=2"),
        *("--images=4", "--captions=4", "--repetitions=1"),
        *(f"--json={tmp_path / 'growth.json'}", f"--plot={tmp_path / 'growth.svg'}"),
    )
    assert ended.returncode == 0, ended.stderr
    results = json.loads((tmp_path / "growth.json").read_text())
    assert results["machine"]["cores"] >= 1
    over = {it["what"]: [x for x, _ in it["points"]] for it in results["growth"]}
    assert over == {
        "batch_size": [4, 8],
        "image_size": [32**2, 64**2],
        "memory": [2, 4, 6, 8],
        "prepare": [4, 8, 16],
        "generate": [4, 8, 16],
    }
    assert len(ended.stdout.splitlines()) == len(over)
    assert all(y > 0 for it in results["growth"] for _, y in it["points"])
    assert all(set(it["fit"]) == {"slope", "offset", "r_squared"} for it in results["growth"])
    memory = results["growth"][2]
    assert memory["fitted_from"] == pytest.approx(1.6)
    assert min(mebibytes for _, mebibytes in memory["points"]) > 100
    drawn = points_in((tmp_path / "growth.svg").read_bytes())
    assert drawn == {what: len(points) for what, points in over.items()}
