"""Runs the phases from a folder to an export, and remembers which are done."""

import dataclasses
import json

from tfgan2 import program
from tools import commands
from tools.starting import choice as choices
from tools.starting import devices as machine
from tools.starting import estimates, looking, phases, rules, state
from tools.starting.estimates import Estimate
from tools.starting.phases import Phase, Places
from tools.starting.state import State

RATE_FIELD = "images_per_second"


def start(
    places: Places, *, hours: float, image_size: int | None = None, dry_run: bool = False
) -> None:
    """Prepares, trains, evaluates and exports; skips the phases that are done.

    Args:
      places: input directory and output directory.
      hours: hours of training.
      image_size: side of the generated pictures in px; None: chosen.
      dry_run: print the choice, the estimate and the commands, and run nothing.

    Raises:
      UsageError: the folder is not usable, or the output directory holds other files.
      SystemExit: a command failed or was stopped.
    """
    # Look at the folder and the devices; an earlier call with a data set has made the choice.
    earlier = state.read(places.output_dir)
    found, devices = looking.look(places.input_dir), machine.find()
    if earlier is None or not earlier.done:
        rule = rules.choose(found, devices, hours=hours, image_size=image_size)
        choice = choices.make(rule, found, hours=hours, cores=devices.cores)
        current = State(choice, found.checksum, found.pictures)
    else:
        current = earlier
        rule = rules.row(current.choice.recipe, current.choice.image_size)
        _check_unchanged(current, image_size=image_size)
        if current.folder_checksum != found.checksum:
            program.warn(
                f"--input_dir: has changed ({current.pictures} pictures then, {found.pictures} "
                f"now): {places.output_dir} keeps its data set; a run on the new one can "
                "start with these networks (--init_from, docs/fine_tuning.md)"
            )
    # Print what is to be expected.
    estimate = estimates.estimate(
        rule,
        current.choice,
        found,
        devices,
        hours=hours,
        measured_images_per_second=current.images_per_second,
    )
    print(f"{places.input_dir}: {found}")
    print(f"this machine: {devices}")
    print(f"choice: {current.choice}")
    print(f"estimate: {estimate}", flush=True)
    shortage = rules.shortage(current.pictures, images_shown=estimate.images_shown, hours=hours)
    for caution in (*rules.cautions(rule, found, devices), *shortage):
        program.warn(caution)
    if dry_run:
        _print_commands(current, places, estimate)
    else:
        _run_all(current, places, estimate, hours=hours)


def _check_unchanged(current: State, *, image_size: int | None) -> None:
    if image_size not in (None, current.choice.image_size):
        rule = f"must stay {current.choice.image_size} for this --output_dir"
        raise program.UsageError("--image_size", rule, image_size)


def _run_all(current: State, places: Places, estimate: Estimate, *, hours: float) -> None:
    choice = current.choice
    state.write(places.output_dir, current)
    for phase in phases.before_training(choice, places):
        current = _run(phase, current, places)
    # The first steps of the training measure its rate, which sets the goal.
    every = phases.log_every(choice, images_per_second=estimate.images_per_second)
    rate = current.images_per_second
    measures = rate is None
    if rate is None:
        current = _run(phases.measurement(choice, places, every=every), current, places)
        rate = _measured_rate(places) or estimate.images_per_second
        current = dataclasses.replace(current, images_per_second=rate)
    steps = estimates.steps_in(hours, images_per_second=rate, batch_size=choice.batch_size)
    steps = max(steps, phases.INTERVALS * every, current.steps)
    print(f"\n{rate:.0f} images/s: {steps:,} steps in {hours:g} hours", flush=True)
    if measures:
        shown = steps * choice.batch_size
        for line in rules.shortage(current.pictures, images_shown=shown, hours=hours):
            program.warn(line)
    current = dataclasses.replace(current, steps=steps)
    state.write(places.output_dir, current)
    training = phases.training(choice, places, steps=steps)
    current = _run(training, current, places)
    for phase in phases.after_training(choice, places, steps=steps):
        current = _run(phase, current, places)
    _print_end(places)


def _run(phase: Phase, current: State, places: Places) -> State:
    """Runs a phase unless it is done, and returns the state with the phase done."""
    if phase.name in current.done:
        print(f"\n{phase.name}: done before", flush=True)
        return current
    commands.run(phase.module, *phase.options)
    current = dataclasses.replace(current, done=(*current.done, phase.name))
    state.write(places.output_dir, current)
    return current


def _measured_rate(places: Places) -> float | None:
    """Returns the last measured images per second of the run; None if there is none."""
    if not places.metrics.exists():
        return None
    lines = map(json.loads, places.metrics.read_text(encoding="utf-8").splitlines())
    rates = [line[RATE_FIELD] for line in lines if RATE_FIELD in line]
    return rates[-1] if rates else None


def _print_commands(current: State, places: Places, estimate: Estimate) -> None:
    choice = current.choice
    steps = max(estimate.steps, current.steps)
    every = phases.log_every(choice, images_per_second=estimate.images_per_second)
    for phase in (
        *phases.before_training(choice, places),
        phases.measurement(choice, places, every=every),
        phases.training(choice, places, steps=steps),
        *phases.after_training(choice, places, steps=steps),
    ):
        done = "  # done" if phase.name in current.done else ""
        print(f"\n$ {commands.as_typed(phase.module, *phase.options)}{done}")
    print(f"\nThe page:\n\n  {_page(places)}")


def _print_end(places: Places) -> None:
    grid = max(places.run.glob("samples/step_*.png"))
    print(f"\nSample grid: {grid}\nModel: {places.export}\nThe page:\n\n  {_page(places)}")


def _page(places: Places) -> str:
    return commands.as_typed("serving.demo", "--quickstart", f"--exports_dir={places.exports}")
