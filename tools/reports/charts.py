"""Draws curves as inline SVG: text stays text, and has the colours of the page."""

import base64
import dataclasses
import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tools.reports.reading import Curve, finite

# Distinct on white and on black; distinct by their dashes without colours.
STYLES = (
    ("#3a7fc1", "-"),
    ("#d0622a", "--"),
    ("#2f9968", "-."),
    ("#b05bb5", ":"),
    ("#b08a1e", (0, (5, 1, 1, 1))),
    ("#7c828a", (0, (1, 1))),
)
WIDTH_INCHES, HEIGHT_INCHES, PIXELS_PER_INCH = 4.6, 2.9, 100
# Placeholder colour in the SVG, replaced by the text colour of the page.
INK = "#010203"
SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.parse_math": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.alpha": 0.2,
    "grid.color": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
COLOURS = (
    "<style>svg{color:#1c1c1c}text{font-family:system-ui,sans-serif}"
    "@media (prefers-color-scheme:dark){svg{color:#e4e4e4}}</style>"
)


@dataclasses.dataclass(frozen=True)
class Line:
    """A curve of a chart.

    Attributes:
      label: name of the run.
      style: index of its colour and dashes.
      curve: values over steps.
      interval: lower and upper ends around the values, or None.
    """

    label: str
    style: int
    curve: Curve
    interval: tuple[list[float], list[float]] | None = None


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart: its title, a data URL of the image, and a description in words."""

    title: str
    address: str
    words: str
    width: int = round(WIDTH_INCHES * PIXELS_PER_INCH)
    height: int = round(HEIGHT_INCHES * PIXELS_PER_INCH)


def draw(title: str, lines: Sequence[Line], *, named: bool) -> Chart:
    """Draws curves over steps; `named` adds a legend; non-finite values leave gaps."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), layout="constrained")
        axes = figure.add_subplot()
        for line in lines:
            colour, dashes = STYLES[line.style % len(STYLES)]
            marker = "o" if len(line.curve.steps) < 20 else None
            axes.plot(
                line.curve.steps,
                [value if math.isfinite(value) else math.nan for value in line.curve.values],
                color=colour,
                linestyle=dashes,
                linewidth=1.4,
                marker=marker,
                markersize=3.5,
                label=line.label,
            )
            if line.interval is not None:
                axes.fill_between(
                    line.curve.steps, *line.interval, color=colour, alpha=0.18, linewidth=0
                )
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(visible=True)
        if named:
            axes.legend(frameon=False, fontsize=8)
        data = base64.b64encode(svg(figure).encode()).decode()
    return Chart(
        title=title,
        address=f"data:image/svg+xml;base64,{data}",
        words=". ".join(_words(line) for line in lines),
    )


def svg(figure: Figure) -> str:
    """Returns a figure drawn with SETTINGS as SVG, in the colours of a light or dark page."""
    picture = io.StringIO()
    FigureCanvasSVG(figure).print_svg(picture, metadata={"Date": None, "Creator": None})
    text = picture.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    start = text.index(">") + 1
    return text[:start] + COLOURS + text[start:]


def _words(line: Line) -> str:
    values, steps = line.curve.values, line.curve.steps
    known = finite(values)
    if not known:
        return f"{line.label}: no finite value at steps {steps[0]} to {steps[-1]}"
    gaps = len(values) - len(known)
    left_out = f", {gaps} values are not finite" if gaps else ""
    return (
        f"{line.label}: steps {steps[0]} to {steps[-1]}, from {known[0]:.3g} to {known[-1]:.3g}, "
        f"lowest {min(known):.3g}, highest {max(known):.3g}{left_out}"
    )
