"""The commands from a folder to an export, in order."""

import dataclasses
import pathlib

from tools.starting.choice import Choice

SAMPLES = 500
# Seconds of training whose rate is measured, and steps between two measurements.
MEASURED_SECONDS, MEASURED_STEPS = 10.0, (2, 50)
# Logged intervals of the measurement: the first ones include tracing.
INTERVALS = 3


@dataclasses.dataclass(frozen=True)
class Phase:
    """A command.

    Attributes:
      name: name of the phase; a phase of another goal has another name.
      module: module of the program.
      options: flags of the program.
    """

    name: str
    module: str
    options: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Places:
    """Folders of one output directory.

    Attributes:
      input_dir: folder of the user's images and captions.
      output_dir: folder of everything that is written.
    """

    input_dir: pathlib.Path
    output_dir: pathlib.Path

    @property
    def data(self) -> pathlib.Path:
        """Data set."""
        return self.output_dir / "data"

    @property
    def run(self) -> pathlib.Path:
        """Run directory of the generator."""
        return self.output_dir / "run"

    @property
    def metrics(self) -> pathlib.Path:
        """Logged losses and rates of the run."""
        return self.run / "metrics.jsonl"

    @property
    def text_encoder(self) -> pathlib.Path:
        """Run directory of the text encoder that the generator uses."""
        return self.output_dir / "text_encoder"

    @property
    def matching(self) -> pathlib.Path:
        """Run directory of the matching model of the evaluation."""
        return self.output_dir / "matching"

    @property
    def exports(self) -> pathlib.Path:
        """Folder with the folder of the exported model."""
        return self.output_dir / "exports"

    @property
    def export(self) -> pathlib.Path:
        """Folder of the versions; its name is the name of the model."""
        return self.exports / self.output_dir.resolve().name


def log_every(choice: Choice, *, images_per_second: float) -> int:
    """Steps between two measurements of the rate, from its estimate."""
    steps = round(MEASURED_SECONDS * images_per_second / choice.batch_size)
    return min(max(steps, MEASURED_STEPS[0]), MEASURED_STEPS[1])


def before_training(choice: Choice, places: Places) -> list[Phase]:
    """Phases that need no rate: the data set, and the text encoder if the recipe uses one."""
    prepare = Phase(
        "prepare",
        "tools.prepare",
        (
            *("--source=folder", f"--input_dir={places.input_dir}", f"--output_dir={places.data}"),
            *(f"--image_size={choice.image_size}", f"--resize={choice.resize}"),
        ),
    )
    if not choice.text_encoder:
        return [prepare]
    return [prepare, _encoder(choice, places, places.text_encoder, seed=1)]


def measurement(choice: Choice, places: Places, *, every: int) -> Phase:
    """The first steps of training, which measure the rate."""
    options = (*_training(choice, places), f"--steps={INTERVALS * every}", f"--log_every={every}")
    return Phase("measure the rate", "tfgan2.train", options)


def training(choice: Choice, places: Places, *, steps: int) -> Phase:
    """Training to a number of steps."""
    options = (*_training(choice, places), f"--steps={steps}")
    return Phase(f"train to step {steps}", "tfgan2.train", options)


def after_training(choice: Choice, places: Places, *, steps: int) -> list[Phase]:
    """Evaluation with a matching model that training has not used, and the export."""
    evaluate = (
        *(f"--run_dir={places.run}", f"--data_dir={places.data}", f"--matching={places.matching}"),
        *("--split=train", "--metrics=r_precision,kid", f"--samples={SAMPLES}"),
        "--pictures_per_caption=1",
    )
    export = (f"--run_dir={places.run}", f"--export_dir={places.export}")
    return [
        _encoder(choice, places, places.matching, seed=2),
        Phase(f"evaluate step {steps}", "tools.evaluate", evaluate),
        Phase(f"export step {steps}", "tools.export", export),
    ]


def _training(choice: Choice, places: Places) -> tuple[str, ...]:
    encoder = (f"--text_encoder={places.text_encoder}",) if choice.text_encoder else ()
    mode_seeking = ("--feature_matching_weight=0", "--mode_seeking_weight=0.03")
    losses = mode_seeking if choice.mode_seeking else ()
    return (
        *(f"--recipe={choice.recipe}", f"--image_size={choice.image_size}"),
        *(f"--batch_size={choice.batch_size}",),
        f"--augment_translation_px={choice.translation_px}",
        *losses,
        *(f"--data_dir={places.data}", f"--run_dir={places.run}", *encoder),
    )


def _encoder(choice: Choice, places: Places, run_dir: pathlib.Path, *, seed: int) -> Phase:
    options = (
        *("--kind=damsm", f"--data_dir={places.data}", f"--run_dir={run_dir}"),
        *(f"--image_size={choice.encoder_px}", f"--batch_size={choice.encoder_batch_size}"),
        *(
            f"--epochs={choice.encoder_passes}",
            f"--augment_translation_px={choice.encoder_px // 20}",
        ),
        f"--seed={seed}",
    )
    return Phase(run_dir.name.replace("_", " "), "tools.train_text_encoder", options)
