"""The full state of a game on disk: networks, averages, optimizers, loss scales, step."""

import tensorflow as tf

from tfgan2.adversarial.gan import GAN
from tfgan2.program import UsageError
from tfgan2.runs.directory import RunDirectory


class Checkpoints:
    """The checkpoints of a run."""

    def __init__(self, gan: GAN, run: RunDirectory, *, keep: int) -> None:
        """Opens the folder.

        Args:
          gan: what is saved and restored.
          run: where.
          keep: how many of the newest are kept.
        """
        self._gan = gan
        self._run = run
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(gan=gan), str(run.checkpoints), max_to_keep=keep
        )

    @property
    def latest(self) -> str | None:
        """Path of the newest checkpoint, or None."""
        return self._manager.latest_checkpoint

    def save(self) -> str:
        """Saves the state as it is after the present step, and returns the path."""
        return self._manager.save(checkpoint_number=int(self._gan.step.numpy()))

    def restore(self) -> bool:
        """Takes up the newest checkpoint, all of it, and says whether there was one."""
        if self.latest is None:
            return False
        self._manager.checkpoint.restore(self.latest).assert_existing_objects_matched()
        return True

    def restore_for_sampling(self) -> str:
        """Takes up what sampling needs of the newest checkpoint, and returns its path.

        Raises:
          UsageError: the run has no checkpoint yet.
        """
        if self.latest is None:
            raise UsageError("--run_dir", "must hold a checkpoint", self._run.path)
        status = self._manager.checkpoint.restore(self.latest)
        status.expect_partial().assert_existing_objects_matched()
        return self.latest
