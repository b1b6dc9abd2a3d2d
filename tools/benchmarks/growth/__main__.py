r"""Measures the growth of time and memory, and fits straight lines.

Example:
  python -m tools.benchmarks.growth --json=growth.json --plot=growth.svg
  python -m tools.benchmarks.growth --what=memory --memory_model=digits_df_gan \
    --data_dir=data/digits --steps=5000 --plot=memory.svg
"""

import dataclasses
import pathlib
import tempfile

from absl import flags

from tfgan2 import program
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tools.benchmarks import systems
from tools.benchmarks.growth.series import Series, to_json

WHATS = ("batch_size", "image_size", "memory", "prepare", "generate")
FEWEST_SIZES = 2
FEWEST_MEASUREMENTS = 3
MEMORY_IMAGES = 512
TEST_IMAGES = 16

FLAGS = flags.FLAGS
flags.DEFINE_list("what", list(WHATS), f"measurements to run: {','.join(WHATS)}")
flags.DEFINE_string(
    "model",
    "df_gan",
    f"system of the steps and of tools.generate: {', '.join(systems.SYSTEMS)}, a recipe of "
    "tfgan2/recipes/ by name, or a flagfile of tfgan2.train",
)
flags.DEFINE_list(
    "batch_sizes", ["4", "8", "16", "32"], "batch sizes of the steps, with images of --image_size"
)
flags.DEFINE_list(
    "image_sizes", ["32", "64", "128"], "image sides in pixels of the steps, with --batch_size"
)
flags.DEFINE_integer("image_size", 64, "image side in pixels, if it does not vary", 1)
flags.DEFINE_integer("batch_size", 16, "images per step, if the batch size does not vary", 2)
flags.DEFINE_enum(
    "precision", None, recipes.PRECISIONS, "precision of the steps; default: the recipe's, or auto"
)
flags.DEFINE_float("seconds", 20.0, "seconds of timing steps of one size, after the warm-up", 0.1)
flags.DEFINE_string(
    "memory_model", "digits_df_gan", "system to train for the memory; given like --model"
)
flags.DEFINE_string("data_dir", None, "data set of --memory_model; default: synthetic images")
flags.DEFINE_integer("steps", 5000, "training steps of --memory_model", 1)
flags.DEFINE_integer("log_every", 100, "steps between two measurements of memory", 1)
flags.DEFINE_integer("images", 1000, "N: tools.prepare reads N, 2 N and 4 N images", 1)
flags.DEFINE_integer("captions", 256, "N: tools.generate draws N, 2 N and 4 N captions", 1)
flags.DEFINE_integer("repetitions", 3, "runs of tools.prepare and tools.generate per size", 1)
flags.DEFINE_string("json", None, "file for the machine, the measurements and the lines")
flags.DEFINE_string(
    "plot", None, ".svg file for a plot of measurements and lines; needs the extra report"
)
HELP_GROUPS = {
    "What is measured": ["what", "model", "precision", "seconds"],
    "Steps": ["batch_sizes", "image_sizes", "image_size", "batch_size"],
    "Memory": ["memory_model", "data_dir", "steps", "log_every"],
    "Programs": ["images", "captions", "repetitions"],
    "Output": ["json", "plot"],
}


def main() -> None:
    """Runs the measurements; after each one, writes the files with all results so far."""
    _check_flags()
    sizes = {name: _sizes(name) for name in ("batch_sizes", "image_sizes")}
    path = systems.flagfile(FLAGS.model, flag="--model")
    memory_path = systems.flagfile(FLAGS.memory_model, flag="--memory_model")
    # Imported here, so that wrong flags are reported without waiting for TensorFlow.
    from tfgan2.training import checks, runtime

    runtime.quieten_tensorflow()
    recipe = recipes.from_flagfile(path)
    recipe = dataclasses.replace(
        recipe,
        image_size=FLAGS.image_size,
        batch_size=FLAGS.batch_size,
        precision=FLAGS.precision or recipe.precision,
    )
    checks.check_foreign_options(recipe)
    for side in sizes["image_sizes"]:
        dataclasses.replace(recipe, image_size=side).check()
    precision = runtime.resolve_precision(recipe.precision)
    recipe = dataclasses.replace(recipe, precision=precision)
    measured: list[Series] = []
    for what in FLAGS.what:
        with tempfile.TemporaryDirectory(prefix="tfgan2_growth_") as folder:
            measured.append(
                _measure(what, recipe, path, memory_path, sizes, folder=pathlib.Path(folder))
            )
        print(measured[-1], flush=True)
        _write(measured)


def _measure(
    what: str,
    recipe: recipes.Recipe,
    path: pathlib.Path,
    memory_path: pathlib.Path,
    sizes: dict[str, list[int]],
    *,
    folder: pathlib.Path,
) -> Series:
    from tools.benchmarks import synthetic_data
    from tools.benchmarks.bench import SAMPLING_PRECISION, Bench
    from tools.benchmarks.growth import programs, step_times

    name = FLAGS.model if FLAGS.model in systems.SYSTEMS else path.stem
    if what == "prepare":
        return programs.prepare(
            folder,
            images=FLAGS.images,
            image_size=FLAGS.image_size,
            repetitions=FLAGS.repetitions,
        )
    if what == "generate":
        channels = systems.image_channels(path)
        bench = Bench(recipe, name=name, folder=folder, seconds=FLAGS.seconds, channels=channels)
        title = f"{name}, {recipe.image_size} px, {SAMPLING_PRECISION}"
        return programs.generate(
            bench.exported,
            folder,
            title=title,
            captions=FLAGS.captions,
            repetitions=FLAGS.repetitions,
        )
    data_dir = folder / "data"
    if what == "memory":
        if FLAGS.data_dir is None:
            synthetic_data.prepare(
                data_dir,
                image_size=recipes.view(recipes.from_flagfile(memory_path)).resized,
                channels=systems.image_channels(memory_path),
                train=MEMORY_IMAGES,
                test=TEST_IMAGES,
            )
        return programs.memory(
            memory_path,
            folder,
            data_dir=FLAGS.data_dir or data_dir,
            steps=FLAGS.steps,
            log_every=FLAGS.log_every,
        )
    largest = max(recipe.image_size, *sizes["image_sizes"])
    synthetic_data.prepare(
        data_dir,
        image_size=recipes.view(dataclasses.replace(recipe, image_size=largest)).resized,
        channels=systems.image_channels(path),
        train=max(recipe.batch_size, *sizes["batch_sizes"]),
        test=TEST_IMAGES,
    )
    return step_times.measure(
        recipe,
        what,
        sizes[f"{what}s"],
        name=name,
        data_dir=data_dir,
        folder=folder,
        seconds=FLAGS.seconds,
    )


def _check_flags() -> None:
    for what in FLAGS.what or [""]:
        if what not in WHATS:
            raise UsageError("--what", f"must be out of {','.join(WHATS)}", what or "nothing")
    if "generate" in FLAGS.what:
        program.require("apache_beam")
    if FLAGS.plot is not None:
        program.require("matplotlib")
    if FLAGS.plot is not None and not FLAGS.plot.endswith(".svg"):
        raise UsageError("--plot", "must end in .svg", FLAGS.plot)
    for name in ("json", "plot"):
        path = FLAGS[name].value
        if path is not None and pathlib.Path(path).is_dir():
            raise UsageError(f"--{name}", "must be a file or absent", path)
    if "memory" in FLAGS.what and FLAGS.steps < FEWEST_MEASUREMENTS * FLAGS.log_every:
        rule = f"must be at least {FEWEST_MEASUREMENTS} times --log_every"
        raise UsageError("--steps", rule, FLAGS.steps)


def _sizes(name: str) -> list[int]:
    """Returns the sizes of a flag."""
    texts: list[str] = FLAGS[name].value or []
    invalid = [it for it in texts if not it.isdecimal() or int(it) < 2]
    if invalid or len(set(texts)) < FEWEST_SIZES:
        rule = f"must be {FEWEST_SIZES} numbers or more with commas between, each 2 or more"
        raise UsageError(f"--{name}", rule, ",".join(texts) or "nothing")
    return [int(it) for it in texts]


def _write(measured: list[Series]) -> None:
    from tools.benchmarks import machine

    if FLAGS.json is not None:
        program.write_file(pathlib.Path(FLAGS.json), to_json(machine.describe(), measured))
    if FLAGS.plot is not None:
        from tools.benchmarks.growth import plot

        program.write_file(pathlib.Path(FLAGS.plot), plot.draw(measured))


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
