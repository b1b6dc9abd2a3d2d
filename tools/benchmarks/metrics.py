"""Times an evaluation without drawing, relative to drawing the same images."""

import contextlib
import io

import numpy as np

from tfgan2.adversarial.sampler import Samples
from tfgan2.metrics import evaluate
from tfgan2.metrics.extraction import EvaluationModels
from tfgan2.metrics.features import Classifier
from tfgan2.metrics.protocol import Protocol
from tools.benchmarks import timing
from tools.benchmarks.bench import SAMPLING_PRECISION, Bench
from tools.benchmarks.results import Result

METRICS = ("kid", "fid", "precision", "recall", "density", "coverage")
SAMPLES = 256


def measure(bench: Bench) -> list[Result]:
    """Evaluates images in memory against as many real images, or fewer."""
    real = bench.examples(SAMPLES)
    models = EvaluationModels(
        classifier=Classifier(
            image_size=bench.recipe.image_size,
            image_channels=bench.manifest.channels,
            labels=max(2, len(bench.manifest.label_names)),
        )
    )
    rows = np.arange(SAMPLES) % len(real.label)
    pictures = real.image[rows][:, ::-1]
    protocol = Protocol(samples=SAMPLES, seed=0, truncation=0.0, pictures_per_caption=1)

    def sample(captions: object, seeds: np.ndarray, truncation: float) -> Samples:
        return Samples(pictures[seeds])

    def evaluate_once() -> None:
        with contextlib.redirect_stderr(io.StringIO()):  # Progress bars.
            evaluate.evaluate(sample, real, models, metrics=METRICS, protocol=protocol, reads=None)

    rates = timing.rates(evaluate_once, images=SAMPLES, seconds=bench.seconds)
    bound = (bench.exported.best[1], f"drawing them by {bench.exported.description}")
    precision = SAMPLING_PRECISION
    return [bench.result("metrics", rates, bound=bound, rows=SAMPLES, precision=precision)]
