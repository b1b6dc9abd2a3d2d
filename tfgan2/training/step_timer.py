"""Measures the time of training steps, for the summary of a run."""

import time
from collections.abc import Callable, Iterator

from tfgan2.adversarial import train_function
from tfgan2.adversarial.schedule import Phase
from tfgan2.adversarial.updates import GENERATOR
from tfgan2.training.callbacks import StepCallback

FEWEST_TIMED_STEPS, TRIED_STEPS = 100, 5


class StepTimer(StepCallback):
    """Measures the step time without other callbacks; must be the first callback."""

    def __init__(self, *, goal: int, batch_size: int, batches: Callable[[], Iterator]) -> None:
        """Measures all steps of this start except the first call, which builds the graph.

        Args:
          goal: goal of the run in steps; extra steps run only if the run has reached its goal.
          batch_size: size of the global batch, in images.
          batches: makes an iterator of batches, for the extra steps.
        """
        super().__init__()
        self._goal, self._batch_size, self._batches = goal, batch_size, batches
        self._start, self._began, self._call_began = 0, 0.0, 0.0
        self._calls, self._timed, self._seconds, self._waited = 0, 0, 0.0, 0.0
        self.summary = ""

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts the clock of the run."""
        super().on_train_begin(logs)
        self._start, self._began = self.step, time.monotonic()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Starts the clock of a call."""
        self._call_began = time.monotonic()

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Adds up the times; the logs are on the host, so the step has ended."""
        self._calls += 1
        if self._calls > 1:
            self._timed += self.step - before
            self._seconds += time.monotonic() - self._call_began
            self._waited += float(logs[train_function.INPUT_SECONDS]) * (self.step - before)

    def summarize(self) -> None:
        """Writes the summary. In a long run, times extra discriminator steps.

        The extra steps change the weights: call after saving.
        """
        seconds = time.monotonic() - self._began
        steps = f"{self.step - self._start} steps in {_in_words(seconds)}"
        if not self._timed:
            self.summary = steps
            return
        step, waited = self._seconds / self._timed, self._waited / self._timed
        parts = {"input": waited, **self._split_seconds(step - waited)}
        split = ", ".join(f"{name} {part:.3g}" for name, part in parts.items())
        rate = self._batch_size / step
        self.summary = f"{steps}, {rate:.3g} images/s, {step:.3g} seconds per step ({split})"

    def _split_seconds(self, seconds: float) -> dict[str, float]:
        names = [update.name for update in self.model.updates]
        if GENERATOR not in names:
            return {" and ".join(names): seconds}
        if self._timed < FEWEST_TIMED_STEPS or self.step < self._goal:
            return {"discriminator and generator": seconds}
        discriminator = min(self._discriminator_seconds(), seconds)
        return {"discriminator": discriminator, "generator": seconds - discriminator}

    def _discriminator_seconds(self) -> float:
        """Mean seconds of a step without the generator, with lazy regularization."""
        every = self.model.schedule.penalty_every
        penalized = self._seconds_of(Phase(updates_generator=False, penalty_factor=float(every)))
        if every == 1:
            return penalized
        plain = self._seconds_of(Phase(updates_generator=False, penalty_factor=0.0))
        return (penalized + (every - 1) * plain) / every

    def _seconds_of(self, phase: Phase) -> float:
        step, iterator, times = train_function.make_one(self.model, phase), self._batches(), []
        for _ in range(1 + TRIED_STEPS):
            began = time.monotonic()
            logs = {name: float(value) for name, value in step(iterator).items()}
            times.append(time.monotonic() - began - logs[train_function.INPUT_SECONDS])
        return sorted(times[1:])[TRIED_STEPS // 2]


def _in_words(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (hours + minutes > 0)
    return " ".join([*parts, f"{seconds} s"])
