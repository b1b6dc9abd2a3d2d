"""Estimates time and memory of the phases."""

import dataclasses

from tools.starting import choice as choices
from tools.starting import rules
from tools.starting.choice import Choice
from tools.starting.devices import Devices
from tools.starting.looking import Found
from tools.starting.rules import Rule

# Images per second that tools.prepare converts on two cores.
PREPARED_PER_SECOND = 200.0
# Start of a program: imports, tracing of the graph.
START_SECONDS = 30.0
EVALUATION_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Estimated time and memory of all phases.

    Attributes:
      images_per_second: rate of training.
      origin: how the rate is known.
      steps: training steps.
      images_shown: images that training shows to the model, each pass counted.
      minutes: minutes by phase.
      memory_mib: main memory of training in MiB.
    """

    images_per_second: float
    origin: str
    steps: int
    images_shown: int
    minutes: dict[str, float]
    memory_mib: int

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {minutes:.0f} min" for name, minutes in self.minutes.items())
        return (
            f"{parts}; in all {sum(self.minutes.values()):.0f} min\n"
            f"{self.images_per_second:.0f} images/s ({self.origin}): {self.steps:,} steps; "
            f"about {self.memory_mib:,} MiB of main memory"
        )


def steps_in(hours: float, *, images_per_second: float, batch_size: int) -> int:
    """Training steps in some hours, at least one."""
    return max(1, round(hours * 3600 * images_per_second / batch_size))


def estimate(
    rule: Rule,
    choice: Choice,
    found: Found,
    devices: Devices,
    *,
    hours: float,
    measured_images_per_second: float | None,
) -> Estimate:
    """Estimates time and memory.

    Args:
      rule: the chosen row of the table.
      choice: options of the commands.
      found: content of the folder.
      devices: devices of the machine.
      hours: hours of training.
      measured_images_per_second: rate of training that has been measured here, or None.
    """
    rate, origin = rules.images_per_second(rule, devices), rules.origin(rule, devices)
    if measured_images_per_second is not None:
        rate, origin = measured_images_per_second, "measured here"
    steps = steps_in(hours, images_per_second=rate, batch_size=choice.batch_size)
    speed = devices.cores / rules.TABLE_CORES
    encoder = choice.encoder_passes * found.pictures / choices.ENCODER_IMAGES_PER_SECOND / speed
    seconds = {"prepare": START_SECONDS + found.pictures / PREPARED_PER_SECOND / speed}
    if choice.text_encoder:
        seconds["text encoder"] = START_SECONDS + encoder
    seconds["train"] = START_SECONDS + 3600 * hours
    seconds["evaluate"] = START_SECONDS + encoder + EVALUATION_SECONDS
    seconds["export"] = START_SECONDS
    return Estimate(
        images_per_second=rate,
        origin=origin,
        steps=steps,
        images_shown=steps * choice.batch_size,
        minutes={name: it / 60 for name, it in seconds.items()},
        memory_mib=rule.memory_mib,
    )
