"""Times training steps with the input pipeline, relative to the machine's peak."""

from tools.benchmarks import timing
from tools.benchmarks.bench import Bench
from tools.benchmarks.results import Result


def measure(bench: Bench) -> list[Result]:
    """Runs steps as the trainer does, without checkpoints, sample grids and logs."""
    steps = bench.steps
    rates = timing.rates(steps.from_disk, images=steps.images, seconds=bench.seconds)
    precision = bench.recipe.precision
    bound = bench.peak_rate(steps.operations, images=steps.images, precision=precision)
    return [bench.result("train", rates, bound=bound)]
