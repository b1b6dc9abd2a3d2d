"""Evaluations over time, for TensorBoard."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfgan2.runs.directory import RunDirectory


def write(run: RunDirectory, metrics: Mapping[str, Mapping[str, Any]], *, step: int) -> None:
    """Adds a point to the curve of each metric.

    Args:
      run: whose event files they are.
      metrics: by name, with their values.
      step: of the run.
    """
    # Beside the losses, not among them: TensorBoard leaves a file as soon as it sees a newer one.
    writer = tf.summary.create_file_writer(str(run.tensorboard / "evaluation"))
    with writer.as_default(step=step):
        for name, result in metrics.items():
            tf.summary.scalar(name, result["value"])
    writer.close()
