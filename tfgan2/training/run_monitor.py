"""Warns about failing training, and ends a run of non-finite values."""

import sys
from collections.abc import Callable

from tqdm import tqdm

from tfgan2.adversarial.gan import GAN
from tfgan2.program import Failure
from tfgan2.runs.checkpoint import find
from tfgan2.runs.directory import RunDirectory, append_line
from tfgan2.training.callbacks import MetricsLog, StepCallback
from tfgan2.training.health import Health, Notice
from tfgan2.training.optional_output import optional_output
from tfgan2.training.tensorboard import TensorBoardWriter

WINDOW_STEPS = 50
DEVIATION = "within_caption_spread"


class RunMonitor(StepCallback):
    """Warns on stderr, in metrics.jsonl and in TensorBoard; ends a run of non-finite values."""

    def __init__(
        self,
        run: RunDirectory,
        writer: TensorBoardWriter,
        log: MetricsLog,
        *,
        max_bad_steps: int,
        deviation: Callable[[], float] | None,
    ) -> None:
        """Monitors from the first step.

        Args:
          run: the run directory.
          writer: TensorBoard writer of the warnings.
          log: log that gets the within-caption standard deviation.
          max_bad_steps: number of consecutive steps with non-finite values that ends the run.
          deviation: measures the within-caption standard deviation in grey levels of 255, every 50
            steps; None: the model draws no images.
        """
        super().__init__()
        self._run, self._writer, self._log = run, writer, log
        self._max_bad_steps, self._deviation = max_bad_steps, deviation
        self._health: Health

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Reads the within-caption standard deviations of earlier starts."""
        super().on_train_begin(logs)
        model = self.model
        self._health = Health(
            discriminator=model.discriminator_statistics if isinstance(model, GAN) else None,
            scales_loss=self.model.scales_loss,
            max_bad_steps=self._max_bad_steps,
        )
        for _, fields in self._run.metrics():
            self._health.remember(fields.get(DEVIATION, 0.0))

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Checks the logs of the steps.

        Raises:
          Failure: too many steps in a row had non-finite values.
        """
        health, phase = self._health, self.model.schedule.phase(self.step - 1)
        health.after_step(
            self.without_skipped(logs),
            whole=phase.runs_everything,
            steps=self.step - before,
        )
        self._warn(health.bad_step())
        if health.should_abort:
            path = next(iter(find(self._run.checkpoints)), None)
            good = f"the last good checkpoint is {path}" if path else "there is no checkpoint yet"
            raise Failure(
                f"{health.bad_value} was not finite in {health.bad_steps} steps in a row, up to "
                f"step {self.step}: --max_bad_steps={self._max_bad_steps}; {good}"
            )
        if self.passed(before, WINDOW_STEPS):
            deviation = None
            if self._deviation is not None and not health.bad_steps:
                deviation = self._deviation()
                self._log.note(DEVIATION, deviation)
            self._warn(health.after_window(self.step, deviation))

    @property
    def weights_invalid(self) -> bool:
        """Whether the weights may be non-finite; False with loss scaling, which skips bad steps."""
        return self._health.bad_steps > 0 and not self.model.scales_loss

    def _warn(self, notice: Notice | None) -> None:
        if notice is None:
            return
        # Print above the progress bar, not in its line.
        tqdm.write(f"warning: step {self.step}: {notice.text}", file=sys.stderr)
        fields = {"step": self.step, "warning": notice.kind, "message": notice.text}
        with optional_output(str(self._run.metrics_file)):
            append_line(self._run.metrics_file, fields)
        self._writer.text(notice.kind, notice.text, step=self.step)
