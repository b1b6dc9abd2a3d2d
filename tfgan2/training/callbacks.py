"""Keras callbacks: progress bar, logs, periodic actions, stop on a signal."""

import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tqdm import tqdm

from tfgan2 import program
from tfgan2.adversarial.updates import runs_in
from tfgan2.runs import environment
from tfgan2.runs.directory import RunDirectory, append_line
from tfgan2.training.optional_output import event_file, optional_output


class StepCallback(keras.callbacks.Callback):
    """A callback that counts the steps of the run, over all its starts."""

    def __init__(self) -> None:
        super().__init__()
        self.step = 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Reads the step from which the run resumes."""
        self.step = int(self.model.step.numpy())

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Updates the step; one call may run several steps."""
        before, self.step = self.step, int(self.model.step.numpy())
        self.after_steps(before, logs or {})

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Called after the steps `before` + 1 to `self.step`."""

    def without_skipped(self, logs: dict[str, float]) -> dict[str, float]:
        """Logs without skipped updates, which report 0."""
        phase = self.model.schedule.phase(self.step - 1)
        return {
            name: float(value)
            for name, value in logs.items()
            if runs_in(name.partition("/")[0], phase)
        }

    def passed(self, before: int, every: int) -> bool:
        """Whether the steps since `before` include a multiple of `every`."""
        return self.step // every > before // every


class Progress(StepCallback):
    """Progress bar with the rate in images per second and the time left."""

    def __init__(self, *, goal: int, batch_size: int) -> None:
        """Counts to `goal` steps of `batch_size` images."""
        super().__init__()
        self._goal, self._batch_size = goal, batch_size
        self._bar: tqdm | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Opens the bar."""
        super().on_train_begin(logs)
        self._bar = program.progress_bar(
            total=self._goal * self._batch_size,
            initial=self.step * self._batch_size,
            desc=self._label(),
            unit=" images",
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}, {rate_fmt}",
        )

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Advances the bar."""
        assert self._bar is not None
        self._bar.set_description_str(self._label(), refresh=False)
        self._bar.update((self.step - before) * self._batch_size)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Closes the bar."""
        self.close()

    def close(self) -> None:
        """Ends the line of the bar, so that an error message starts on a new line."""
        if self._bar is not None:
            self._bar.close()

    def _label(self) -> str:
        return f"step {self.step}/{self._goal}"


class MetricsLog(StepCallback):
    """Writes the mean of each logged value to metrics.jsonl and TensorBoard."""

    def __init__(self, run: RunDirectory, *, log_every: int, batch_size: int) -> None:
        """Writes a line every `log_every` steps."""
        super().__init__()
        self._run, self._log_every, self._batch_size = run, log_every, batch_size
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._first_step, self._since = 0, 0.0
        self._writer: tf.summary.SummaryWriter

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Opens the event file, and drops lines of metrics.jsonl after the restored step."""
        super().on_train_begin(logs)
        with optional_output(str(self._run.metrics_file)):
            self._run.drop_metrics_after(self.step)
        self._writer = event_file(self._run.tensorboard)
        self._start()

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Adds the logs to the sums; writes a line every `log_every` steps."""
        for name, value in self.without_skipped(logs).items():
            self.note(name, value)
        if self.passed(before, self._log_every):
            self._write()

    def note(self, name: str, value: float) -> None:
        """Adds a value to its mean in the next line."""
        self._sums[name] = self._sums.get(name, 0.0) + value
        self._counts[name] = self._counts.get(name, 0) + 1

    def on_train_end(self, logs: dict | None = None) -> None:
        """Closes the event file."""
        with optional_output(f"the event file in {self._run.tensorboard}"):
            self._writer.close()

    def _start(self) -> None:
        self._sums, self._counts = {}, {}
        self._first_step, self._since = self.step, time.monotonic()

    def _write(self) -> None:
        seconds = time.monotonic() - self._since
        images = (self.step - self._first_step) * self._batch_size
        values = {name: total / self._counts[name] for name, total in self._sums.items()}
        values["images_per_second"] = images / seconds
        values["resident_mib"] = environment.resident_mib()
        with optional_output(str(self._run.metrics_file)):
            append_line(self._run.metrics_file, {"step": self.step, **values})
        with (
            optional_output(f"the event file in {self._run.tensorboard}"),
            self._writer.as_default(step=self.step),
        ):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._start()


class Every(StepCallback):
    """Runs an action every `every` steps, and at the end unless the last step has just run it."""

    def __init__(self, action: Callable[[int], object], *, every: int) -> None:
        """Runs `action(step)` after steps that pass a multiple of `every`; 0: never."""
        super().__init__()
        self._action, self._every, self._done_at = action, every, -1

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Marks the restored step as done."""
        super().on_train_begin(logs)
        self._done_at = self.step

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Runs the action if a multiple of `every` has passed."""
        if self._every and self.passed(before, self._every):
            self._act()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Runs the action once more, if the last step has not run it."""
        if self._every and self._done_at != self.step:
            self._act()

    def _act(self) -> None:
        self._action(self.step)
        self._done_at = self.step


class LeaveOnSignal(StepCallback):
    """Stops training at the next step after SIGTERM or SIGINT, so that the state is saved."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, agree: Callable[[bool], bool]) -> None:
        """Stops when any process got a signal.

        Args:
          agree: gets whether this process got a signal; returns whether any process did.
        """
        super().__init__()
        self.received: signal.Signals | None = None
        self._agree = agree
        self._previous: dict[signal.Signals, Any] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Installs the signal handlers."""
        super().on_train_begin(logs)
        self._previous = {number: signal.signal(number, self._note) for number in self.SIGNALS}

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Stops `fit` if any process got a signal."""
        if self._agree(self.received is not None):
            self.model.stop_training = True

    def on_train_end(self, logs: dict | None = None) -> None:
        """Restores the previous signal handlers."""
        self.close()

    def close(self) -> None:
        """Restores the previous signal handlers, if they are replaced."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
