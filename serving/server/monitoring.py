"""The server's metrics, with the names and text format of TensorFlow Serving's exporter.

The library prometheus-client cannot write these names: it appends `_total` to names of counters.
"""

import bisect
import re
import threading
from collections.abc import Sequence

# Bucket bounds in microseconds: 10, 18, 32.4, ... about 25 minutes.
MICROSECONDS = [10.0 * 1.8**power for power in range(33)]
EXAMPLES = [float(2**power) for power in range(13)]
_Labels = tuple[str, ...]


class Counter:
    """A sum that only grows, per combination of labels."""

    kind = "counter"

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        """Creates a counter with a name such as /tensorflow/serving/request_count."""
        self.name, self.labels = name, tuple(labels)
        self._values: dict[_Labels, int] = {}
        self._lock = threading.Lock()

    def add(self, *labels: str, by: int = 1) -> None:
        """Adds `by` to the sum of these labels."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0) + by

    def total(self, *labels: str) -> int:
        """The sum of these labels."""
        with self._lock:
            return self._values.get(labels, 0)

    def lines(self) -> list[str]:
        """The series in Prometheus' text format."""
        with self._lock:
            values = sorted(self._values.items())
        return [f"{_series(self.name, self.labels, key)} {value}" for key, value in values]


class Histogram:
    """Counts of values in buckets, per combination of labels."""

    kind = "histogram"

    def __init__(self, name: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        """Creates a histogram; `bounds` are the upper bounds of all buckets but the last."""
        self.name, self.labels, self._bounds = name, tuple(labels), list(bounds)
        self._counts: dict[_Labels, list[int]] = {}
        self._sums: dict[_Labels, float] = {}
        self._lock = threading.Lock()

    def observe(self, value: float, *labels: str) -> None:
        """Counts a value."""
        place = bisect.bisect_left(self._bounds, value)
        with self._lock:
            counts = self._counts.setdefault(labels, [0] * (len(self._bounds) + 1))
            counts[place] += 1
            self._sums[labels] = self._sums.get(labels, 0.0) + value

    def lines(self) -> list[str]:
        """The series in Prometheus' text format, with cumulative buckets."""
        with self._lock:
            all_counts = sorted((key, list(counts)) for key, counts in self._counts.items())
            sums = dict(self._sums)
        lines = []
        for key, counts in all_counts:
            below = 0
            for bound, count in zip([*self._bounds, None], counts, strict=True):
                below += count
                shown = "+Inf" if bound is None else f"{bound:.6g}"
                series = _series(f"{self.name}_bucket", (*self.labels, "le"), (*key, shown))
                lines.append(f"{series} {below}")
            lines.append(f"{_series(f'{self.name}_sum', self.labels, key)} {sums[key]}")
            lines.append(f"{_series(f'{self.name}_count', self.labels, key)} {below}")
        return lines


class Metrics:
    """All metrics of the server."""

    def __init__(self) -> None:
        """Creates empty metrics."""
        serving = "/tensorflow/serving/"
        self.request_count = Counter(f"{serving}request_count", ["model_name", "status"])
        self.request_latency = Histogram(
            f"{serving}request_latency", ["model_name", "API", "entrypoint"], MICROSECONDS
        )
        self.runtime_latency = Histogram(
            f"{serving}runtime_latency", ["model_name", "API", "runtime"], MICROSECONDS
        )
        self.request_example_counts = Histogram(
            f"{serving}request_example_counts", ["model"], EXAMPLES
        )
        self.queuing_latency = Histogram(
            f"{serving}batching_session/queuing_latency", [], MICROSECONDS
        )
        self.wrapped_run_count = Counter(f"{serving}batching_session/wrapped_run_count", [])
        self.batch_size = Histogram(
            f"{serving}batching/processed_batch_size", ["model_name"], EXAMPLES
        )
        self.model_warmup_latency = Histogram(
            f"{serving}model_warmup_latency", ["model_path", "status"], MICROSECONDS
        )
        self.model_warmup_records_read = Counter(
            f"{serving}model_warmup_records_read", ["model_path"]
        )

    def text(self) -> str:
        """All metrics in Prometheus' text format."""
        lines = []
        for metric in vars(self).values():
            lines += [f"# TYPE {_prometheus(metric.name)} {metric.kind}", *metric.lines()]
        return "\n".join([*lines, ""])


def _prometheus(name: str) -> str:
    return re.sub("[^A-Za-z0-9_]", ":", name)


def _series(name: str, labels: _Labels, values: _Labels) -> str:
    pairs = ",".join(
        f'{label}="{_escaped(value)}"' for label, value in zip(labels, values, strict=True)
    )
    return f"{_prometheus(name)}{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
