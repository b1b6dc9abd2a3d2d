"""Plots series and their fitted lines as one SVG; axes start at 0, so slopes look right."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tools.benchmarks.growth.series import Series
from tools.reports import charts

COLUMNS = 2
WIDTH_INCHES, HEIGHT_INCHES = 4.6, 3.2
MARGIN = 1.05
TICKS = 6


def draw(measured: Sequence[Series]) -> bytes:
    """Draws a chart per series; the SVG group of its points has the id `points-WHAT`."""
    columns = min(COLUMNS, len(measured))
    rows = -(-len(measured) // columns)
    with mpl.rc_context(charts.SETTINGS):
        size = (columns * WIDTH_INCHES, rows * HEIGHT_INCHES)
        figure = Figure(figsize=size, layout="constrained")
        for number, series in enumerate(measured, start=1):
            axes = figure.add_subplot(rows, columns, number)
            x, y = zip(*series.points, strict=True)
            colour, line_colour = charts.STYLES[0][0], charts.STYLES[1][0]
            axes.plot(
                x, y, "o", color=colour, markersize=3.5, gid=f"points-{series.what}", clip_on=False
            )
            fit = series.fit
            ends = [series.fitted_from, max(x)]
            axes.plot(
                ends,
                [fit.offset + fit.slope * end for end in ends],
                color=line_colour,
                linewidth=1.2,
                label=f"{fit.offset:.3g} + {fit.slope:.3g} x, R² {fit.r_squared:.3f}",
            )
            axes.set(title=series.title, xlabel=series.x, ylabel=series.y)
            axes.set_xlim(0, MARGIN * max(x))
            axes.set_ylim(min(0.0, fit.offset), MARGIN * max(y))
            axes.xaxis.set_major_locator(MaxNLocator(TICKS))
            axes.grid(visible=True)
            axes.legend(frameon=False, fontsize=8, loc="lower right")
        return charts.svg(figure).encode()
