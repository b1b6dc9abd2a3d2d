"""The report page: its contents, no network requests, and broken files."""

import base64
import html.parser
import json
import pathlib
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests import browser, programs
from tools.reports import page, reading

RECIPE = {"model": "df_gan", "batch_size": 8, "loss": "hinge", "r1_weight": 0.5}
PROTOCOL = {"features": "domain classifier", "samples": 1000, "seed": 0, "versions": {"numpy": "2"}}
VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(html.parser.HTMLParser):
    """Elements with attributes, tables as rows of texts, and the resources a page would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.addresses: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        self.addresses += [found[name] or "" for name in ("src", "href", "action") if name in found]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data

    def images(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == "img"]


def make_run(
    path: pathlib.Path,
    *,
    recipe: dict | None = None,
    metrics: bytes | None = None,
    evaluations: list[dict] = (),
    sheets: int = 0,
) -> str:
    (path / "samples").mkdir(parents=True)
    data = {"source": "digits", "licence": "BSD", "example_captions": ["a seven", "<b>a nine</b>"]}
    config = {"recipe": recipe or RECIPE, "data": data, "versions": {"tfgan2": "0.1.0"}}
    (path / "config.json").write_text(json.dumps(config))
    if metrics is not None:
        (path / "metrics.jsonl").write_bytes(metrics)
    lines = "".join(json.dumps(line) + "\n" for line in evaluations)
    (path / "evaluations.jsonl").write_text(lines)
    for index in range(sheets):
        Image.new("L", (20, 10), index).save(path / "samples" / f"step_{100 * (index + 1):08d}.png")
    return str(path)


def metrics_lines(count: int, *, scale: float = 1.0) -> bytes:
    lines = [
        {"step": 50 * step, "generator/loss": scale * step, "images_per_second": 100.0 + step}
        for step in range(1, count + 1)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def evaluation(value: float, checkpoint: str, **protocol: object) -> dict:
    metrics = {"agreement": {"value": value, "low": value - 0.1, "high": value + 0.1}}
    return {"metrics": metrics, "protocol": {**PROTOCOL, "checkpoint": checkpoint, **protocol}}


def render(*paths: str, sheets: int = 6) -> Page:
    return Page(page.render(reading.read_runs(paths, grids=sheets)))


def charts(shown: Page) -> dict[str, ET.Element]:
    """Charts by their titles."""
    prefix = "data:image/svg+xml;base64,"
    return {
        (image["alt"] or "").partition(" over steps")[0]: ET.fromstring(
            base64.b64decode((image["src"] or "").removeprefix(prefix))
        )
        for image in shown.images()
        if (image["src"] or "").startswith(prefix)
    }


def rows_with(shown: Page, *cells: str) -> list[list[str]]:
    return [row for table in shown.tables for row in table if set(cells) <= set(row)]


@pytest.fixture
def two_runs(tmp_path: pathlib.Path) -> tuple[str, str]:
    return (
        make_run(
            tmp_path / "one",
            metrics=metrics_lines(4),
            evaluations=[evaluation(0.5, "ckpt-100"), evaluation(0.75, "ckpt-200")],
            sheets=9,
        ),
        make_run(
            tmp_path / "other",
            recipe={**RECIPE, "r1_weight": 2.0, "new_field": True},
            metrics=metrics_lines(3, scale=2.0),
            evaluations=[evaluation(0.625, "ckpt-150"), evaluation(0.25, "ckpt-150", seed=1)],
            sheets=2,
        ),
    )


def test_page_needs_no_network_and_forbids_it_to_the_browser(two_runs: tuple[str, str]) -> None:
    text = page.render(reading.read_runs(two_runs, grids=6))
    shown = Page(text)
    assert len(shown.images()) > 8
    assert all(address.startswith(("data:image/", "#")) for address in shown.addresses)
    assert "@import" not in text
    assert "url(" not in text
    policy = next(it for _, it in shown.elements if it.get("http-equiv"))
    assert (policy["content"] or "").startswith("default-src 'none'; img-src data:; style-src 'sha")
    assert not any(tag in ("script", "iframe", "object", "base") for tag, _ in shown.elements)
    assert not any("style" in attributes for _, attributes in shown.elements)


@pytest.mark.browser
def test_chromium_shows_curves_and_sample_grids(
    two_runs: tuple[str, str], tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text(page.render(reading.read_runs(two_runs, grids=6)), encoding="utf-8")
    errors: list[str] = []
    with browser.chromium() as launched:
        tab = launched.new_page()
        tab.on("console", lambda line: errors.append(line.text))
        tab.on("requestfailed", lambda request: errors.append(request.url[:80]))
        tab.goto(file.as_uri())
        images = tab.locator("img").all()
        colours = [image.evaluate(browser.COLOURS) for image in images]
        curves = [image for image in images if " over steps" in image.get_attribute("alt")]
        assert all(image.is_visible() for image in images)
    assert errors == []
    assert len(curves) >= 3
    assert len(images) >= len(curves) + 8
    assert all(colours)
    assert all(shown > 9 for image, shown in zip(images, colours, strict=True) if image in curves)


def test_images_have_alternative_texts_and_table_cells_have_headers(
    two_runs: tuple[str, str],
) -> None:
    shown = render(*two_runs)
    assert all(image["alt"] and image["width"] and image["height"] for image in shown.images())
    alternatives = [image["alt"] for image in shown.images()]
    assert (
        "generator/loss over steps. one: steps 50 to 200, from 1 to 4, lowest 1, highest 4. "
        "other: steps 50 to 150, from 2 to 6, lowest 2, highest 6."
    ) in alternatives
    headers = [attributes.get("scope") for tag, attributes in shown.elements if tag == "th"]
    assert set(headers) == {"row", "col"}


def test_curves_of_all_runs_are_in_one_chart(two_runs: tuple[str, str]) -> None:
    drawn = charts(render(*two_runs))
    texts = {"".join(it.itertext()).strip() for it in drawn["generator/loss"].iter()}
    assert {"one", "other", "step"} <= texts
    ids = [it.get("id", "") for it in drawn["generator/loss"].iter()]
    assert sum(name.startswith("line2d") for name in ids) > 4
    assert "images_per_second" in drawn


def test_differences_between_recipes_are_shown(two_runs: tuple[str, str]) -> None:
    shown = render(*two_runs)
    (head, *differing) = next(
        table for table in shown.tables if any(row[0] == "r1_weight" for row in table)
    )
    assert head == ["", "one", "other"]
    assert differing == [["r1_weight", "0.5", "2.0"], ["new_field", "absent", "true"]]
    assert ["loss", "hinge"] in shown.tables[-1]


def test_evaluations_of_two_protocols_are_in_separate_tables(two_runs: tuple[str, str]) -> None:
    shown = render(*two_runs)
    tables = [table for table in shown.tables if table[0][:2] == ["run", "checkpoint"]]
    assert [[row[:2] for row in table[1:]] for table in tables] == [
        [["one", "ckpt-100"], ["one", "ckpt-200"], ["other", "ckpt-150"]],
        [["other", "ckpt-150"]],
    ]
    assert tables[0][2][2] == "0.750  0.650..0.850"
    assert "Numbers of different protocols cannot be compared" in shown.text
    assert "agreement over steps. one: steps 100 to 200, from 0.5 to 0.75" in " ".join(
        image["alt"] or "" for image in shown.images()
    )


def test_shown_sample_grids_are_evenly_spaced_from_first_to_last(two_runs: tuple[str, str]) -> None:
    shown = render(*two_runs, sheets=3)
    steps = [alt for it in shown.images() if "Sample grid" in (alt := it["alt"] or "")]
    assert [alt.removeprefix("Sample grid of ") for alt in steps] == [
        *(f"one at step {step}" for step in (100, 500, 900)),
        *(f"other at step {step}" for step in (100, 200)),
    ]
    assert "9, of which 3 are shown" in shown.text


def test_warnings_are_listed_but_not_plotted(tmp_path: pathlib.Path) -> None:
    warning = {"step": 60, "warning": "saturated", "message": "lower <the rate>"}
    lines = metrics_lines(2) + json.dumps(warning).encode() + b"\n"
    shown = render(make_run(tmp_path / "run", metrics=lines))
    assert rows_with(shown, "60", "saturated", "lower <the rate>")
    assert set(charts(shown)) == {"generator/loss", "images_per_second"}


def test_captions_are_escaped(tmp_path: pathlib.Path) -> None:
    shown = render(make_run(tmp_path / "<i>run"))
    assert rows_with(shown, "data: example_captions", "a seven, <b>a nine</b>")
    assert not any(tag in ("b", "i") for tag, _ in shown.elements)


def test_run_without_metrics_has_a_page(tmp_path: pathlib.Path) -> None:
    shown = render(make_run(tmp_path / "run"))
    assert shown.images() == []
    assert "None yet: metrics.jsonl has no line." in shown.text
    assert rows_with(shown, "last step in metrics.jsonl", "none yet")


def test_broken_lines_and_images_are_left_out_and_reported(tmp_path: pathlib.Path) -> None:
    lines = metrics_lines(3) + b'{"step": 200, "generator/lo'
    path = pathlib.Path(make_run(tmp_path / "run", metrics=lines, sheets=2))
    (path / "samples" / "step_00000200.png").write_bytes(b"\x89PNG\r\n\x1a\n half")
    with (path / "evaluations.jsonl").open("a") as file:
        file.write('{"metrics": {"kid": 3}, "protocol": {}}\n')
    shown = render(str(path))
    assert "metrics.jsonl: 1 of its lines cannot be read" in shown.text
    assert "step_00000200.png is no picture that can be read" in shown.text
    assert "evaluations.jsonl: a line is no evaluation" in shown.text
    assert rows_with(shown, "last step in metrics.jsonl", "150")


def test_values_that_are_not_finite_leave_gaps(tmp_path: pathlib.Path) -> None:
    lines = metrics_lines(2) + b'{"step": 150, "generator/loss": NaN}\n'
    shown = render(make_run(tmp_path / "run", metrics=lines))
    (alternative,) = (it["alt"] for it in shown.images() if "generator/loss" in (it["alt"] or ""))
    assert "highest 2, 1 values are not finite" in (alternative or "")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["step", "warning", "metrics", "value", "a/b"]), inner)
    ),
    max_leaves=6,
)


@given(st.lists(st.binary(max_size=20) | json_values.map(lambda it: json.dumps(it).encode())))
def test_any_metrics_lines_are_read_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("any") / "run"
    make_run(path, metrics=b"\n".join(lines))
    (path / "evaluations.jsonl").write_bytes(b"\n".join(lines))
    (run,) = reading.read_runs([str(path)], grids=1)
    assert all(len(curve.steps) == len(curve.values) for curve in run.curves.values())


def test_runs_with_equal_names_are_named_with_their_folders(tmp_path: pathlib.Path) -> None:
    paths = [make_run(tmp_path / name / "run") for name in ("a", "b")]
    assert [run.name for run in reading.read_runs(paths, grids=1)] == ["a/run", "b/run"]


@pytest.mark.parametrize(
    ("count", "wanted", "indices"),
    [(0, 3, []), (2, 3, [0, 1]), (5, 3, [0, 2, 4]), (9, 1, [8]), (10, 4, [0, 3, 6, 9])],
)
def test_spread_indices_include_the_first_and_the_last(
    count: int, wanted: int, indices: list[int]
) -> None:
    assert reading.evenly_spaced(count, wanted) == indices


def test_program_writes_the_report_into_the_first_run(two_runs: tuple[str, str]) -> None:
    result = programs.run("tools.report", *(f"--run_dir={path}" for path in two_runs))
    assert result.returncode == 0, result.stderr
    assert Page((pathlib.Path(two_runs[0]) / "report.html").read_text(encoding="utf-8")).images()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "--run_dir: must be given, got nothing"),
        ("--run_dir={tmp}/none", "--run_dir: must be a run, with a config.json, got "),
        ("--run_dir={tmp}/bad", "config.json: must be the configuration of a run, got "),
        ("--run_dir={run} --run_dir={run}", "--run_dir: must name every run once, got "),
        ("--run_dir={run} --output={tmp}", "--output: must be a file or absent, got "),
        ("--run_dir={run} --sheets=0", "--sheets: "),
    ],
)
def test_user_error_is_one_line(options: str, message: str, tmp_path: pathlib.Path) -> None:
    run = make_run(tmp_path / "run")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text('{"recipe": 3')
    assert message in programs.error_of(
        "tools.report", *options.format(tmp=tmp_path, run=run).split()
    )
    assert not (tmp_path / "run" / "report.html").exists()
