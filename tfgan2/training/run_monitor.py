"""Run monitor: warns about failing training, and measures the step time."""

import json
import sys
import time
from collections.abc import Callable, Iterator

from tqdm import tqdm

from tfgan2.adversarial import train_function
from tfgan2.adversarial.remedies import Turn
from tfgan2.adversarial.updates import GENERATOR
from tfgan2.program import Failure
from tfgan2.runs.checkpoint import find
from tfgan2.runs.directory import RunDirectory, append_line
from tfgan2.training.callbacks import MetricsLog, StepCallback
from tfgan2.training.health import Health, Notice
from tfgan2.training.tensorboard import Board

WINDOW_STEPS = 50
SPREAD = "within_caption_spread"
FEWEST_TIMED_STEPS, TRIED_STEPS = 100, 5


class Watch(StepCallback):
    """Warns on stderr, in metrics.jsonl and in TensorBoard; ends a run of non-finite values."""

    def __init__(
        self,
        run: RunDirectory,
        board: Board,
        log: MetricsLog,
        *,
        max_bad_steps: int,
        spread: Callable[[], float] | None,
    ) -> None:
        """Monitors from the first step.

        Args:
          run: the run directory.
          board: TensorBoard writer of the warnings.
          log: log that gets the within-caption standard deviation.
          max_bad_steps: number of consecutive steps with non-finite values that ends the run.
          spread: measures the within-caption standard deviation in grey levels of 255, every 50
            steps; None: the model draws no images.
        """
        super().__init__()
        self._run, self._board, self._log = run, board, log
        self._max_bad_steps, self._spread = max_bad_steps, spread
        self._health: Health

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Reads the within-caption standard deviations of earlier starts."""
        super().on_train_begin(logs)
        self._health = Health(
            judging=self.model.judging,
            scales_loss=self.model.scales_loss,
            max_bad_steps=self._max_bad_steps,
        )
        if self._run.metrics_file.exists():
            for line in self._run.metrics_file.read_text(encoding="utf-8").splitlines():
                self._health.remember(json.loads(line).get(SPREAD, 0.0))

    def after_steps(self, before: int, logs: dict[str, float]) -> None:
        """Checks the logs of the steps.

        Raises:
          Failure: too many steps in a row had non-finite values.
        """
        health, turn = self._health, self.model.rhythm.turn(self.step - 1)
        health.after_step(self.seen(logs), whole=turn == Turn(), steps=self.step - before)
        self._say(health.bad_step())
        if health.is_hopeless:
            kept = next(iter(find(self._run.checkpoints)), None)
            good = f"the last good checkpoint is {kept}" if kept else "there is no checkpoint yet"
            raise Failure(
                f"{health.bad_part} was not finite in {health.bad_steps} steps in a row, up to "
                f"step {self.step}: --max_bad_steps={self._max_bad_steps}; {good}"
            )
        if self.passed(before, WINDOW_STEPS):
            spread = None
            if self._spread is not None and not health.bad_steps:
                spread = self._spread()
                self._log.note(SPREAD, spread)
            self._say(health.after_window(self.step, spread))

    @property
    def spoiled(self) -> bool:
        """Whether the weights may be non-finite; False with loss scaling, which skips bad steps."""
        return self._health.bad_steps > 0 and not self.model.scales_loss

    def _say(self, notice: Notice | None) -> None:
        if notice is None:
            return
        # Print above the progress bar, not in its line.
        tqdm.write(f"warning: step {self.step}: {notice.text}", file=sys.stderr)
        fields = {"step": self.step, "warning": notice.kind, "message": notice.text}
        append_line(self._run.metrics_file, fields)
        self._board.text(notice.kind, notice.text, step=self.step)


class Stopwatch(StepCallback):
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
        taken = f"{self.step - self._start} steps in {_spoken(seconds)}"
        if not self._timed:
            self.summary = taken
            return
        step, waited = self._seconds / self._timed, self._waited / self._timed
        shares = {"input": waited, **self._shares_of(step - waited)}
        split = ", ".join(f"{name} {share:.3g}" for name, share in shares.items())
        rate = self._batch_size / step
        self.summary = f"{taken}, {rate:.3g} images/s, {step:.3g} seconds per step ({split})"

    def _shares_of(self, seconds: float) -> dict[str, float]:
        players = [update.name for update in self.model.updates]
        if GENERATOR not in players:
            return {" and ".join(players): seconds}
        if self._timed < FEWEST_TIMED_STEPS or self.step < self._goal:
            return {"discriminator and generator": seconds}
        alone = min(self._discriminator_seconds(), seconds)
        return {"discriminator": alone, "generator": seconds - alone}

    def _discriminator_seconds(self) -> float:
        """Mean seconds of a step without the generator, with lazy regularization."""
        every = self.model.rhythm.penalty_every
        penalized = self._seconds_of(Turn(generates=False))
        if every == 1:
            return penalized
        plain = self._seconds_of(Turn(generates=False, penalizes=False))
        return (penalized + (every - 1) * plain) / every

    def _seconds_of(self, turn: Turn) -> float:
        step, iterator, times = train_function.make_one(self.model, turn), self._batches(), []
        for _ in range(1 + TRIED_STEPS):
            began = time.monotonic()
            parts = {name: float(value) for name, value in step(iterator).items()}
            times.append(time.monotonic() - began - parts[train_function.INPUT_SECONDS])
        return sorted(times[1:])[TRIED_STEPS // 2]


def _spoken(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (hours + minutes > 0)
    return " ".join([*parts, f"{seconds} s"])
