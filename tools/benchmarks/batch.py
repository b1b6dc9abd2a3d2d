"""Times tools.generate in this process, relative to the SavedModel in one process."""

import contextlib
import io
import itertools
import time

from serving.batch import job_runner
from serving.batch.job import JobOptions
from tools.benchmarks.bench import SAMPLING_PRECISION, Bench
from tools.benchmarks.results import Result

REPETITIONS = 3
FEWEST_IMAGES, MOST_IMAGES = 16, 50_000
CAPTIONS = "captions.txt"


def measure(bench: Bench) -> list[Result]:
    """Draws a file of captions; times from reading the file to writing the manifest."""
    exported = bench.exported
    rows, rate_of_model = exported.best
    wanted = int(rate_of_model * bench.seconds / REPETITIONS)
    images = min(max(wanted, FEWEST_IMAGES), MOST_IMAGES)
    captions = bench.folder / CAPTIONS
    lines = itertools.islice(itertools.cycle(exported.captions), images)
    captions.write_text("".join(f"{it}\n" for it in lines), encoding="utf-8")
    times = []
    for number in range(REPETITIONS):
        request = job_runner.JobRequest(
            source=str(exported.version),
            captions=str(captions) if exported.reads_captions else None,
            output_dir=str(bench.folder / f"generated_{number}"),
            options=JobOptions(
                seed=0,
                truncation=0.0,
                images_per_caption=1 if exported.reads_captions else images,
                format="png",
                batch_size=rows,
                shards=None,
            ),
        )
        with contextlib.redirect_stderr(io.StringIO()):  # Hides the progress bar.
            began = time.perf_counter()
            job_runner.run(request)
            times.append(time.perf_counter() - began)
    rates = [images / it for it in times]
    bound = (rate_of_model, f"{exported.description}; {images} images a job")
    precision = SAMPLING_PRECISION
    return [bench.result("batch", rates, bound=bound, rows=rows, precision=precision)]
