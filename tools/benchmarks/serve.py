"""Times the embedded server under constant load, relative to the SavedModel in one process."""

import contextlib
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np

from serving.child_server import NotStartedError, child_server, free_port
from serving.client import Client
from tfgan2.program import Failure
from tools.benchmarks.bench import SAMPLING_PRECISION, Bench
from tools.benchmarks.exported import Exported
from tools.benchmarks.results import Result

CLIENTS = 16
WINDOWS = 8
WARM_UP_FRACTION = 0.2
MODEL = "benchmark"
# Same as serving/config/batching.config, which an installed package lacks.
BATCHING = """\
max_batch_size { value: 64 }
batch_timeout_micros { value: 0 }
max_enqueued_batches { value: 16 }
num_batch_threads { value: 2 }
"""


def measure(bench: Bench) -> list[Result]:
    """Serves the export; 16 clients request one image per call."""
    exported = bench.exported
    bound = (exported.best[1], exported.description)
    with _server(exported, bench.folder) as (target, process):
        rates = _measure_rates(target, exported, seconds=bench.seconds)
        memory_mb = _peak_memory_mb(process)
    return [
        bench.result(
            "serve",
            rates,
            bound=bound,
            rows=1,
            precision=SAMPLING_PRECISION,
            memory_mb=memory_mb,
        )
    ]


def _measure_rates(target: str, exported: Exported, *, seconds: float) -> np.ndarray:
    """Measures images per second in eight windows of time, after a warm-up."""
    ended = threading.Event()
    answer_times: list[float] = []
    errors: list[Exception] = []

    def draw(client: Client, number: int) -> None:
        caption = exported.captions[number % len(exported.captions)]
        captions = [caption] if exported.reads_captions else None
        try:
            while not ended.is_set():
                client.draw(captions, seeds=[number])
                answer_times.append(time.perf_counter())
        except Exception as error:
            errors.append(error)
            ended.set()

    with Client(target, model=MODEL) as client:
        threads = [threading.Thread(target=draw, args=(client, it)) for it in range(CLIENTS)]
        for thread in threads:
            thread.start()
        ended.wait(WARM_UP_FRACTION * seconds)
        began = time.perf_counter()
        ended.wait(seconds)
        end = time.perf_counter()
        ended.set()
        for thread in threads:
            thread.join()
    if errors:
        raise Failure(f"the server did not answer: {errors[0]}")
    counts, _ = np.histogram(answer_times, bins=WINDOWS, range=(began, end))
    return counts * WINDOWS / (end - began)


@contextlib.contextmanager
def _server(exported: Exported, folder: pathlib.Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """Serves the export on a free port; yields host:port and the process when it is ready."""
    batching = folder / "batching.config"
    batching.write_text(BATCHING, encoding="utf-8")
    log_file = folder / "server.log"
    port = free_port()
    command = [
        *(sys.executable, "-m", "serving.server"),
        *(f"--model_name={MODEL}", f"--port={port}"),
        f"--model_base_path={exported.version.parent.absolute()}",
        *("--enable_batching", f"--batching_parameters_file={batching}"),
    ]
    try:
        with log_file.open("w") as log, child_server(command, stderr=log) as server:
            yield f"localhost:{port}", server
    except NotStartedError as error:
        raise Failure(f"the server did not start: {log_file.read_text()[-1000:]}") from error


def _peak_memory_mb(process: subprocess.Popen) -> float:
    """Returns the peak memory of a process so far, in MiB; 0 if the system does not report it."""
    status = pathlib.Path(f"/proc/{process.pid}/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    peaks = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peaks[0]) / 1024 if peaks else 0.0
