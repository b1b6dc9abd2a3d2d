"""Checkpoints of the full training state: networks, EMA, optimizers, loss scales, step."""

import functools
import pathlib
import re
import shutil

import tensorflow as tf
from tensorflow.python.checkpoint.checkpoint_management import update_checkpoint_state_internal

from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.program import UsageError, warn

PREFIX = "ckpt"
INDEX_NAME = "checkpoint"
# TensorFlow raises its own errors or Python's, depending on which part of a file is damaged.
UNREADABLE = (tf.errors.OpError, IndexError, ValueError, RuntimeError)
# TensorFlow's words for a variable of another size, in a ValueError.
OTHER_SHAPE = "incompatible tensor"
OF_ANOTHER_MODEL = "must be a checkpoint of this recipe and version"


class Checkpoints:
    """Saves and restores checkpoints in a folder."""

    def __init__(
        self, gan: MultiUpdateModel | tf.Module, folder: pathlib.Path, *, keep: int
    ) -> None:
        """Opens the folder.

        Args:
          gan: system to save and restore, or a module with a part of a system, only to restore.
          folder: folder of the checkpoints; need not exist.
          keep: number of newest checkpoints to keep.
        """
        self._gan = gan
        self._folder = folder
        self._keep = keep
        self._checkpoint = tf.train.Checkpoint(gan=gan)

    @property
    def paths(self) -> list[str]:
        """Paths of all checkpoints, newest first."""
        return find(self._folder)

    @functools.cached_property
    def _manager(self) -> tf.train.CheckpointManager:
        """Manager of the checkpoints that are in the folder.

        TensorFlow reads their names from the file `checkpoint`, which may be missing or damaged.
        """
        earlier = self.paths[::-1]
        if earlier:
            # The manager counts only checkpoints with a time after the last one kept for ever.
            update_checkpoint_state_internal(
                str(self._folder),
                earlier[-1],
                earlier,
                all_model_checkpoint_timestamps=[float(n) for n, _ in enumerate(earlier, start=1)],
                last_preserved_timestamp=0.0,
            )
        else:
            (self._folder / INDEX_NAME).unlink(missing_ok=True)
        return tf.train.CheckpointManager(
            self._checkpoint, str(self._folder), max_to_keep=self._keep, checkpoint_name=PREFIX
        )

    def save(self) -> str:
        """Saves the state after the current step; returns the path.

        Raises:
          UsageError: the checkpoint cannot be written; earlier checkpoints stay.
        """
        step = int(self._gan.step.numpy())
        try:
            return self._manager.save(checkpoint_number=step)
        except (OSError, tf.errors.OpError) as error:
            self.remove_unfinished()
            first_line = str(error).partition("\n")[0]
            rule = f"must have room for the checkpoint of step {step} and be writable"
            raise UsageError("--run_dir", rule, first_line) from error

    def remove_unfinished(self) -> None:
        """Removes the files of an unfinished save."""
        for path in self._folder.glob(f"{PREFIX}-*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif not path.with_suffix(".index").exists() or ".tempstate" in path.name:
                path.unlink(missing_ok=True)

    def restore(self) -> str | None:
        """Restores the full state from the newest readable checkpoint.

        Returns:
          Path of the checkpoint; None if there is no checkpoint.

        Raises:
          UsageError: there are checkpoints, but none can be read or the newest does not fit.
        """
        return self._restore(for_sampling=False)

    def restore_for_sampling(self, *, flag: str = "--run_dir") -> str:
        """Restores the weights for sampling from the newest readable checkpoint.

        Args:
          flag: flag that names the run, for error messages.

        Returns:
          Path of the checkpoint.

        Raises:
          UsageError: there is no readable checkpoint, or the newest does not fit.
        """
        path = self._restore(for_sampling=True, flag=flag)
        if path is None:
            raise UsageError(flag, "must hold a checkpoint", self._folder)
        return path

    def _restore(self, *, for_sampling: bool, flag: str = "--run_dir") -> str | None:
        paths = self.paths
        for path in paths:
            try:
                status = self._checkpoint.restore(path)
                if for_sampling:
                    status.expect_partial()
                status.assert_existing_objects_matched()
            except UNREADABLE as error:
                first_line = str(error).partition("\n")[0]
                if OTHER_SHAPE in first_line:
                    raise UsageError(path, OF_ANOTHER_MODEL, first_line) from error
                warn(f"{path} cannot be read, and the one before it is taken: {first_line}")
            except AssertionError as error:
                first_line = str(error).partition("\n")[0]
                raise UsageError(path, OF_ANOTHER_MODEL, first_line) from error
            else:
                return path
        if paths:
            raise UsageError(flag, "must hold a checkpoint that can be read", self._folder)
        return None


def find(folder: pathlib.Path) -> list[str]:
    """Paths of the checkpoints in a folder, without suffix, newest first."""
    steps = {
        int(match[1])
        for path in folder.glob(f"{PREFIX}-*.index")
        if (match := re.fullmatch(rf"{PREFIX}-(\d+)\.index", path.name))
    }
    return [str(folder / f"{PREFIX}-{step}") for step in sorted(steps, reverse=True)]
