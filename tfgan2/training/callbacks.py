"""What happens beside the steps: progress, logs, sheets, checkpoints, leaving when asked to."""

import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tqdm import tqdm

from tfgan2 import program
from tfgan2.runs.directory import RunDirectory, append_line
from tfgan2.training import runtime


class StepCallback(keras.callbacks.Callback):
    """A callback that knows the step of the run, over all its starts."""

    def __init__(self) -> None:
        super().__init__()
        self.step = 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Takes up the step from which the run goes on."""
        self.step = int(self.model.step.numpy())

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Counts; one call may stand for several steps."""
        before, self.step = self.step, int(self.model.step.numpy())
        self.after_steps(before, logs or {})

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Called after steps `before` + 1 to `self.step`."""

    def seen(self, logs: dict[str, float]) -> dict[str, float]:
        """What a step logs, without the updates that it has left out, for which 0 stands."""
        turn = self.model.rhythm.turn(self.step - 1)
        return {
            name: float(value)
            for name, value in logs.items()
            if self.model.plays(name.partition("/")[0], turn)
        }

    def passed(self, before: int, every: int) -> bool:
        """Whether a multiple of `every` lies among the steps just done."""
        return self.step // every > before // every


class Progress(StepCallback):
    """Shows the rate in images a second and the time left."""

    def __init__(self, *, goal: int, batch_size: int) -> None:
        """Counts up to `goal` steps of `batch_size` images."""
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
        """Moves the bar."""
        assert self._bar is not None
        self._bar.set_description_str(self._label(), refresh=False)
        self._bar.update((self.step - before) * self._batch_size)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Closes the bar."""
        self.close()

    def close(self) -> None:
        """Ends the bar's line, so that an error has one of its own."""
        if self._bar is not None:
            self._bar.close()

    def _label(self) -> str:
        return f"step {self.step}/{self._goal}"


class MetricsLog(StepCallback):
    """Writes means of all losses to metrics.jsonl and TensorBoard."""

    def __init__(self, run: RunDirectory, *, log_every: int, batch_size: int) -> None:
        """Writes a line every `log_every` steps."""
        super().__init__()
        self._run, self._log_every, self._batch_size = run, log_every, batch_size
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._first_step, self._since = 0, 0.0
        self._writer: tf.summary.SummaryWriter

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Opens the event file, and takes back what a lost stretch of the run had logged."""
        super().on_train_begin(logs)
        self._run.drop_metrics_after(self.step)
        self._writer = tf.summary.create_file_writer(str(self._run.tensorboard))
        self._start()

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Adds up; writes when it is time."""
        for name, value in self.seen(logs).items():
            self.note(name, value)
        if self.passed(before, self._log_every):
            self._write()

    def note(self, name: str, value: float) -> None:
        """Adds a value to the mean that the next line has."""
        self._sums[name] = self._sums.get(name, 0.0) + value
        self._counts[name] = self._counts.get(name, 0) + 1

    def on_train_end(self, logs: dict | None = None) -> None:
        """Closes the event file."""
        self._writer.close()

    def _start(self) -> None:
        self._sums, self._counts = {}, {}
        self._first_step, self._since = self.step, time.monotonic()

    def _write(self) -> None:
        seconds = time.monotonic() - self._since
        images = (self.step - self._first_step) * self._batch_size
        values = {name: total / self._counts[name] for name, total in self._sums.items()}
        values["images_per_second"] = images / seconds
        values["resident_mib"] = runtime.resident_mib()
        append_line(self._run.metrics_file, {"step": self.step, **values})
        with self._writer.as_default(step=self.step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._start()


class Every(StepCallback):
    """Does something at every multiple of a number of steps, and at the end unless just done."""

    def __init__(self, action: Callable[[int], object], *, every: int) -> None:
        """Calls `action(step)` after steps that pass a multiple of `every`; never if that is 0."""
        super().__init__()
        self._action, self._every, self._done_at = action, every, -1

    def on_train_begin(self, logs: dict | None = None) -> None:
        """What was done at the step it goes on from is not done again."""
        super().on_train_begin(logs)
        self._done_at = self.step

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Acts when it is time."""
        if self._every and self.passed(before, self._every):
            self._act()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Acts a last time."""
        if self._every and self._done_at != self.step:
            self._act()

    def _act(self) -> None:
        self._action(self.step)
        self._done_at = self.step


class AtEnd(StepCallback):
    """Does something when training ends."""

    def __init__(self, action: Callable[[int], object]) -> None:
        """Calls `action(step)` after the last step."""
        super().__init__()
        self._action = action

    def on_train_end(self, logs: dict | None = None) -> None:
        """Acts."""
        self._action(self.step)


class LeaveOnSignal(StepCallback):
    """Ends training at the next step when SIGTERM or SIGINT comes, so that the state is saved."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, agree: Callable[[bool], bool]) -> None:
        """Stops when `agree` says, asked whether this process got a signal, that one did."""
        super().__init__()
        self.received: signal.Signals | None = None
        self._agree = agree
        self._previous: dict[signal.Signals, Any] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Takes over the signals."""
        super().on_train_begin(logs)
        self._previous = {number: signal.signal(number, self._note) for number in self.SIGNALS}

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Stops `fit` if a signal came."""
        if self._agree(self.received is not None):
            self.model.stop_training = True

    def on_train_end(self, logs: dict | None = None) -> None:
        """Gives the signals back."""
        self.close()

    def close(self) -> None:
        """Gives the signals back, if it has them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
