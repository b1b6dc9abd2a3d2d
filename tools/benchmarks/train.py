"""Times training steps with the input pipeline, relative to the machine's peak."""

from tools.benchmarks import timing
from tools.benchmarks.bench import Bench
from tools.benchmarks.results import Rate, Result


def measure(bench: Bench) -> list[Result]:
    """Runs steps as the trainer does, without checkpoints, sample grids and logs."""
    steps = bench.steps
    times = timing.repeat(steps.from_disk, seconds=bench.seconds)
    rate = Rate.of_times(times, images=steps.images)
    ratio, bound = bench.fraction_of_peak(
        rate, steps.operations, images=steps.images, precision=bench.recipe.precision
    )
    return [bench.result("train", rate, repetitions=len(times), ratio=ratio, ratio_to=bound)]
