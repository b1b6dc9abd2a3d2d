"""Detects failing training from the logs; each warning names the cause and a flag that helps."""

import dataclasses
import math
import statistics
from collections.abc import Mapping

from tfgan2.adversarial.gan import DiscriminatorStatistics

NON_FINITE = "non_finite"
SATURATED = "discriminator_saturated"
EXPLODING = "gradient_norm_exploding"
FALLING = "diversity_falling"

# Mean of (real logit - generated logit) over a window, in units of the logit. Healthy runs: up
# to 10.
SATURATED_GAP = 20.0
# Median of (loss / chance loss) over a window. Healthy runs: up to 1.
WORSE_THAN_CHANCE = 1.3
# Median of a window, relative to the median of the earlier windows; needs two earlier windows.
EXPLODING_RATIO, KNOWN_WINDOWS = 100.0, 2
# Warn below 35 % of the run's largest within-caption deviation (healthy runs: 65 % or more), or
# after step 100 below half a grey level of 255: the images look the same, as often at first.
FALLEN_FRACTION, SMALLEST_DEVIATION, FROM_STEP = 0.35, 0.5, 100


@dataclasses.dataclass(frozen=True)
class Notice:
    """A warning: its kind, and a line of text."""

    kind: str
    text: str


class Health:
    """Watches one start of a run; each warning is given once, until its cause has ended.

    Attributes:
      bad_value: name of the value that is not finite; empty if all are finite.
      bad_steps: number of steps up to the last one, in a row, with non-finite values.
    """

    def __init__(
        self,
        *,
        discriminator: DiscriminatorStatistics | None,
        scales_loss: bool,
        max_bad_steps: int,
    ) -> None:
        """Starts without any history.

        Args:
          discriminator: names of the discriminator statistics; None without a discriminator.
          scales_loss: whether the optimizer scales the loss (mixed_float16) and so skips a step
            that overflows.
          max_bad_steps: number of consecutive steps with non-finite values that ends the run.
        """
        self._discriminator, self._scales_loss = discriminator, scales_loss
        self._max_bad_steps = max_bad_steps
        self._skipped: dict[str, float] = {}
        self._gaps: list[float] = []
        self._losses: list[float] = []
        self._norms: dict[str, list[float]] = {}
        self._medians: dict[str, list[float]] = {}
        self._largest_deviation, self._small_deviations = 0.0, 0
        self._ongoing: set[str] = set()
        self.bad_value = ""
        self.bad_steps = 0

    def after_step(self, logs: Mapping[str, float], *, whole: bool, steps: int = 1) -> None:
        """Records the logs of a step.

        Args:
          logs: logs of the step.
          whole: whether all updates ran in the step; only such a step resets the bad steps.
          steps: number of steps that the logs cover.
        """
        self.bad_value = self._find_bad(logs)
        if self.bad_value:
            self.bad_steps += steps
            return
        if whole:
            self.bad_steps = 0
        names = self._discriminator
        if names is not None:
            self._gaps.append(logs[names.real_logit] - logs[names.fake_logit])
            ratios = [logs[name] / chance for name, chance in names.chance_losses.items()]
            self._losses.append(statistics.fmean(ratios))
        for name, value in logs.items():
            update, _, term = name.partition("/")
            if term == "gradient_norm" and value > 0.0:
                self._norms.setdefault(update, []).append(value)

    def bad_step(self) -> Notice | None:
        """Warning about non-finite values: at once, or with loss scaling at half the limit."""
        patience = self._max_bad_steps // 2 if self._scales_loss else 0
        if self.bad_steps <= patience:
            if not self.bad_steps:
                self._ongoing.discard(NON_FINITE)
            return None
        return self._once(
            NON_FINITE,
            f"{self.bad_value} is not finite; after {self._max_bad_steps} such steps in a row "
            "(--max_bad_steps) the run ends. A new run with --init_from starts with the last "
            "weights of this run: give it lower --discriminator_learning_rate and "
            "--generator_learning_rate, or --precision=float32",
        )

    @property
    def should_abort(self) -> bool:
        """Whether `max_bad_steps` steps in a row were bad."""
        return self.bad_steps >= self._max_bad_steps

    def after_window(self, step: int, deviation: float | None) -> Notice | None:
        """Checks the steps since the last call; the most serious warning hides the others.

        Args:
          step: step of the run.
          deviation: within-caption standard deviation, in grey levels of 255; None: unknown.
        """
        texts = {
            SATURATED: self._saturated(),
            EXPLODING: self._exploding(),
            FALLING: self._falling(step, deviation),
        }
        if self.bad_steps:
            return None
        for kind, text in texts.items():
            if text:
                return self._once(kind, text)
            self._ongoing.discard(kind)
        return None

    def remember(self, deviation: float) -> None:
        """Records a within-caption standard deviation of an earlier start of the run."""
        self._largest_deviation = max(self._largest_deviation, deviation)

    def _find_bad(self, logs: Mapping[str, float]) -> str:
        bad = ""
        for name, value in logs.items():
            if not math.isfinite(value):
                bad = bad or name
            elif name.endswith("/skipped_updates"):
                if value > self._skipped.get(name, value):
                    bad = bad or f"the gradient of {name.partition('/')[0]}"
                self._skipped[name] = value
        return bad

    def _saturated(self) -> str:
        """Warning if the discriminator of the window is saturated, else an empty text."""
        gaps, losses = self._gaps, self._losses
        self._gaps, self._losses = [], []
        if not gaps:
            return ""
        gap, loss = statistics.fmean(gaps), statistics.median(losses)
        if gap > SATURATED_GAP:
            lost = f"its logits of real images are {gap:.3g} above those of generated ones"
        elif loss > WORSE_THAN_CHANCE:
            lost = f"its loss is {loss:.3g} times that of guessing"
        else:
            return ""
        return (
            f"discriminator saturated: {lost}, and the generator learns little from it; lower "
            "--discriminator_learning_rate, raise --r1_weight, or try --discriminator_spectral_norm"
        )

    def _exploding(self) -> str:
        """Warning if the median gradient norm of an update exceeds the earlier median by far."""
        ratios = {}
        for update, norms in self._norms.items():
            if not norms:
                continue
            now, before = statistics.median(norms), self._medians.setdefault(update, [])
            if len(before) >= KNOWN_WINDOWS:
                ratios[update] = now / statistics.median(before)
            before.append(now)
            self._norms[update] = []
        update = max(ratios, key=lambda name: ratios[name], default="")
        if not update or ratios[update] <= EXPLODING_RATIO:
            return ""
        network = "generator" if update == "generator" else "discriminator"
        return (
            f"gradient norm exploding: that of the {update} update is {ratios[update]:.3g} "
            f"times what it was; lower --{network}_learning_rate, or raise --r1_weight"
        )

    def _falling(self, step: int, deviation: float | None) -> str:
        """Warning if the deviation was small in two windows in a row, else an empty text."""
        if deviation is None:
            return ""
        self.remember(deviation)
        largest = self._largest_deviation
        fallen = deviation < FALLEN_FRACTION * largest and largest > 2.0 * SMALLEST_DEVIATION
        none = deviation < SMALLEST_DEVIATION and step >= FROM_STEP
        self._small_deviations = self._small_deviations + 1 if fallen or none else 0
        if self._small_deviations < 2:
            return ""
        return (
            "within-caption diversity falling: pictures of one caption differ by "
            f"{deviation:.3g} grey levels of 255, and by {largest:.3g} at best; try "
            "--mode_seeking_weight, --minibatch_group=4, or --loss=relativistic with --r1_weight "
            "and --r2_weight"
        )

    def _once(self, kind: str, text: str) -> Notice | None:
        if kind in self._ongoing:
            return None
        self._ongoing.add(kind)
        return Notice(kind, text)
