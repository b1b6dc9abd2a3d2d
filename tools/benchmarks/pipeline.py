"""Times the input pipeline, relative to the demand of the training step."""

from tools.benchmarks import timing
from tools.benchmarks.bench import Bench
from tools.benchmarks.results import Rate, Result

# Several batches per call, because of prefetching: one may be ready at once and the next late.
BATCHES = 8


def measure(bench: Bench) -> list[Result]:
    """Reads batches from the disk, decoded and tokenized."""
    demand = bench.steps.demand
    iterator = iter(bench.batches())

    def read() -> None:
        for _ in range(BATCHES):
            batch = next(iterator)
        batch["image"].numpy()

    times = timing.repeat(read, seconds=bench.seconds)
    rate = Rate.of_times(times, images=BATCHES * bench.recipe.batch_size)
    return [
        bench.result(
            "pipeline",
            rate,
            repetitions=len(times),
            ratio=rate.median / demand,
            ratio_to=f"the demand of the training step, {demand:.1f} images/s",
        )
    ]
