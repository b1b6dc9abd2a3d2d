"""Times the input pipeline, relative to the demand of the training step."""

from tools.benchmarks import timing
from tools.benchmarks.bench import Bench
from tools.benchmarks.results import Result

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

    images = BATCHES * bench.recipe.batch_size
    rates = timing.rates(read, images=images, seconds=bench.seconds)
    bound = (demand, f"the demand of the training step, {demand:.1f} images/s")
    return [bench.result("pipeline", rates, bound=bound)]
