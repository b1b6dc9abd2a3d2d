"""Outputs beside the checkpoints: a failed write is a warning, and training continues."""

import contextlib
import pathlib
import sys
from collections.abc import Iterator

import tensorflow as tf
from tqdm import tqdm


@contextlib.contextmanager
def optional_output(name: str) -> Iterator[None]:
    """Context of writes that a run can do without; a failure is one line on stderr.

    Args:
      name: name of the output, for the warning.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = str(error).partition("\n")[0]
        # Print above the progress bar, not in its line.
        tqdm.write(f"warning: {name} cannot be written: {reason}", file=sys.stderr)


def event_file(folder: pathlib.Path) -> tf.summary.SummaryWriter:
    """Opens a TensorBoard event file; a writer without a file if the folder cannot be written."""
    with optional_output(f"the event file in {folder}"):
        return tf.summary.create_file_writer(str(folder))
    return tf.summary.create_noop_writer()
