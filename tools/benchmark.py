r"""Measures the speed of this package on this machine, as ratios to an upper bound.

Example:
  python -m tools.benchmark --what=pipeline,train,generate --model=df_gan --image_size=64
  python -m tools.benchmark --what=serve,batch,metrics --seconds=30 --json=figures.json
  python -m tools.benchmark --what=train --against=my_pytorch_code:make_step
  python -m tools.benchmark --what= --against_generation=my_pytorch_code:make_drawer

The other implementation's function is called with image_size, batch_size and precision, and returns
a function that runs one training step, or draws one batch. Its calls alternate with ours.
"""

import dataclasses
import functools
import importlib
import itertools
import pathlib
import tempfile
from typing import Any

from absl import flags

from tfgan2 import program
from tfgan2.program import UsageError
from tfgan2.runs import recipe as recipes
from tools.benchmarks import WHATS, results, systems
from tools.benchmarks.systems import SYSTEMS

# Sizes of a system that is given by its name.
IMAGE_SIZE_PX, BATCH_SIZE = 64, 16
# Packages that show whether the extra of a benchmark is installed.
PACKAGES = {"serve": "uvicorn", "batch": "apache_beam"}

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "what", ["pipeline", "train", "generate"], f"benchmarks to run: {','.join(WHATS)}"
)
flags.DEFINE_string(
    "model",
    "df_gan",
    f"system with its published recipe: {', '.join(SYSTEMS)}; or a recipe of tfgan2/recipes/ by "
    "name; or a flagfile of tfgan2.train",
)
flags.DEFINE_integer(
    "image_size",
    None,
    f"image side in pixels; default: {IMAGE_SIZE_PX} for a system, else the recipe's",
    1,
)
flags.DEFINE_integer(
    "batch_size",
    None,
    f"images per training step; default: {BATCH_SIZE} for a system, else the recipe's",
    2,
)
flags.DEFINE_enum(
    "precision",
    None,
    recipes.PRECISIONS,
    "precision of training; drawing is in float32; default: the recipe's, or auto",
)
flags.DEFINE_float(
    "seconds", 20.0, "approximate seconds of each measurement, without the warm-up", 0.1
)
flags.DEFINE_string(
    "data_dir", None, "data set, as tools.prepare writes it; default: synthetic images"
)
flags.DEFINE_integer(
    "cache_mb", 0, "memory for decoded images in MiB; 0, or too little for all of them: no cache", 0
)
flags.DEFINE_string(
    "against", None, "MODULE:FUNCTION of another implementation, whose training step is timed too"
)
flags.DEFINE_string(
    "against_generation",
    None,
    "MODULE:FUNCTION of another implementation, whose drawing is timed beside our export's",
)
flags.DEFINE_string("json", None, "file to which the machine and the results are written")
HELP_GROUPS = {
    "What is measured": ["what", "model", "against", "against_generation"],
    "Sizes and precision": ["image_size", "batch_size", "precision"],
    "Execution": ["seconds", "data_dir", "cache_mb", "json"],
}


def main() -> None:
    """Runs the benchmarks, and prints a table."""
    _check_flags()
    path = systems.flagfile(FLAGS.model, flag="--model")
    recipe = recipes.from_flagfile(path)
    # Imported here, so that wrong flags are reported without waiting for TensorFlow.
    from tfgan2.training import checks, runtime
    from tools.benchmarks import against, machine
    from tools.benchmarks.bench import Bench

    others = [
        functools.partial(measure, make=against.load(name, what=what), name=name)
        for what, measure in against.MEASURES.items()
        if (name := FLAGS[what].value) is not None
    ]
    runtime.quieten_tensorflow()
    recipe = _with_flags(recipe)
    checks.check_foreign_options(recipe)
    recipe.check()
    recipe = dataclasses.replace(recipe, precision=runtime.resolve_precision(recipe.precision))
    measured: list[results.Result] = []
    with tempfile.TemporaryDirectory(prefix="tfgan2_benchmark_") as folder:
        bench = Bench(
            recipe,
            name=FLAGS.model if FLAGS.model in SYSTEMS else path.stem,
            folder=pathlib.Path(folder),
            seconds=FLAGS.seconds,
            channels=systems.image_channels(path),
            data_dir=FLAGS.data_dir,
            cache_mb=FLAGS.cache_mb,
        )
        print(results.header(), flush=True)
        # Each module is loaded just before its benchmark, so that memory counts no later module.
        ours = (importlib.import_module(f"tools.benchmarks.{what}").measure for what in FLAGS.what)
        for measure in itertools.chain(ours, others):
            for result in measure(bench):
                print(result, flush=True)
                measured.append(result)
    if FLAGS.json is not None:
        peaks = {precision: peak / 1e9 for precision, peak in bench.peaks.items()}
        described = {**machine.describe(), "matrix_multiply_gflops": peaks}
        program.write_file(pathlib.Path(FLAGS.json), results.to_json(described, measured))


def _check_flags() -> None:
    for what in FLAGS.what:
        if what not in WHATS:
            raise UsageError("--what", f"must be out of {','.join(WHATS)}", what)
        if what in PACKAGES:
            program.require(PACKAGES[what])
    if not FLAGS.what and FLAGS.against is None and FLAGS.against_generation is None:
        raise UsageError("--what", f"must be out of {','.join(WHATS)}", "nothing")
    if FLAGS.json is not None and pathlib.Path(FLAGS.json).is_dir():
        raise UsageError("--json", "must be a file or absent", FLAGS.json)


def _with_flags(recipe: recipes.Recipe) -> recipes.Recipe:
    """Returns the recipe with the sizes and the precision of the flags."""
    given: dict[str, Any] = {}
    if FLAGS.model in SYSTEMS:
        sizes = recipes.OPTIONS[recipe.model].image_sizes_px
        given["batch_size"] = BATCH_SIZE
        given["image_size"] = IMAGE_SIZE_PX if IMAGE_SIZE_PX in sizes else recipe.image_size
    for name in ("image_size", "batch_size", "precision"):
        if FLAGS[name].value is not None:
            given[name] = FLAGS[name].value
    return dataclasses.replace(recipe, **given)


if __name__ == "__main__":
    program.run(main, help_groups=HELP_GROUPS)
