"""Multi-worker training: the chief writes, and all workers agree on decisions."""

import contextlib
import dataclasses
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator

import tensorflow as tf

from tfgan2.program import Failure, UsageError
from tfgan2.runs.directory import RunDirectory

VARIABLE = "TF_CONFIG"


@dataclasses.dataclass(frozen=True)
class ProcessGroup:
    """The role of this process among the workers of a run.

    Attributes:
      strategy: the distribution strategy.
      chief: whether this process writes the run directory. The other workers do the same work and
        discard their files, because reading variables may need all workers.
      single: whether there is only one process.
    """

    strategy: tf.distribute.Strategy
    chief: bool = True
    single: bool = True

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; all processes must call this."""
        if self.single:
            return flag
        return bool(_total(self.strategy, tf.constant(float(flag))) > 0.0)

    def wait(self) -> None:
        """Waits until all processes have called this."""
        self.any(False)

    @contextlib.contextmanager
    def reporting_lost_workers(self) -> Iterator[None]:
        """Context of code that needs all processes.

        Raises:
          Failure: another process has ended or is unreachable.
        """
        try:
            yield
        except tf.errors.OpError as error:
            if self.single:
                raise
            reason = str(error).partition("\n")[0]
            raise Failure(
                "another worker has ended or cannot be reached; start all of them again, and they "
                f"go on from the last checkpoint ({reason})"
            ) from error

    @contextlib.contextmanager
    def writable(self, run: RunDirectory) -> Iterator[RunDirectory]:
        """Yields the directory that this process writes to: the run's, or a temporary one."""
        if self.chief:
            yield run
            return
        with tempfile.TemporaryDirectory(prefix="tfgan2-worker-") as folder:
            yield RunDirectory(pathlib.Path(folder))


def in_cluster() -> bool:
    """Whether TF_CONFIG names a cluster of several workers.

    Raises:
      UsageError: TF_CONFIG does not have TensorFlow's format.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return False
    try:
        config = json.loads(text)
        workers = sum(len(config["cluster"].get(kind, ())) for kind in ("chief", "worker"))
        kind, index = config["task"]["type"], int(config["task"]["index"])
        known = index < len(config["cluster"][kind])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        rule = 'must be {"cluster": {"worker": [HOST:PORT, ]}, "task": {"type", "index"}}'
        raise UsageError(VARIABLE, rule, text[:200]) from error
    if kind not in ("chief", "worker") or not known:
        raise UsageError(VARIABLE, "must have a task that its cluster names", f"{kind} {index}")
    return workers > 1


def from_strategy(strategy: tf.distribute.Strategy) -> ProcessGroup:
    """Makes the process group of a strategy."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return ProcessGroup(strategy)
    task = strategy.cluster_resolver
    chiefs = "chief" in task.cluster_spec().jobs
    chief = task.task_type == "chief" or (not chiefs and task.task_id == 0)
    return ProcessGroup(strategy, chief=chief, single=False)


@tf.function(autograph=False)
def _total(strategy: tf.distribute.Strategy, value: tf.Tensor) -> tf.Tensor:
    """Sums a number over all replicas of all processes."""
    values = strategy.run(lambda: value)
    return strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)
