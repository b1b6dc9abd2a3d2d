r"""Measures how good a run's pictures are, against held-out real images.

Example:
  python -m tools.evaluate --run_dir=runs/digits --data_dir=data/digits \
    --metrics=agreement,diversity,kid --samples=1000
"""

from absl import flags

from tfgan2 import program
from tfgan2.metrics import evaluate
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import CHECKPOINTS, load_sampler
from tfgan2.training import evaluation

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "the run", required=True)
flags.DEFINE_string("data_dir", None, "a data set that tools.prepare wrote", required=True)
flags.DEFINE_enum("checkpoint", "latest", CHECKPOINTS, "which; best: what --keep_best has kept")
flags.DEFINE_list(
    "metrics", None, f"out of {','.join(evaluate.METRICS)}; default: what the data set allows"
)
flags.DEFINE_string(
    "matching",
    None,
    "the run of a matching model, of tools.train_text_encoder, that was not used in training: for "
    "r_precision, and for features where the data have no labels",
)
flags.DEFINE_enum("split", "test", ["test", "train"], "whose captions and images")
flags.DEFINE_integer("samples", 1000, "pictures drawn", 2)
flags.DEFINE_integer("pictures_per_caption", 10, "at least so many; then fewer captions", 1)
flags.DEFINE_integer("seed", 0, "of the first picture; the others count on", 0, 2**31 - 1)
flags.DEFINE_float("truncation", 0.0, "of the latents, up to 1; 0: the recipe's", 0.0, 1.0)


def main() -> None:
    """Prints a table, and appends a line to evaluations.jsonl."""
    for name in FLAGS.metrics or ():
        if name not in evaluate.METRICS:
            rule = f"must be out of {','.join(evaluate.METRICS)}"
            raise program.UsageError("--metrics", rule, name)
    run = RunDirectory.existing(FLAGS.run_dir)
    sampler, config, checkpoint = load_sampler(run, checkpoint=FLAGS.checkpoint)
    judge = evaluation.load_judge(FLAGS.matching, config) if FLAGS.matching else None
    line = evaluation.evaluate_run(
        run,
        sampler,
        checkpoint=checkpoint,
        recipe=config.recipe,
        data_dir=FLAGS.data_dir,
        metrics=FLAGS.metrics,
        protocol=evaluate.Protocol(
            samples=FLAGS.samples,
            seed=FLAGS.seed,
            truncation=FLAGS.truncation,
            pictures_per_caption=FLAGS.pictures_per_caption,
        ),
        split=FLAGS.split,
        judge=judge,
    )
    if judge is not None and judge.used_in_training:
        program.warn(f"--matching: {FLAGS.matching} was used in training, and flatters the run")
    print(f"{line['protocol']['checkpoint']}, {FLAGS.samples} samples")
    for name, result in line["metrics"].items():
        interval = f"  {result['low']:.3f}..{result['high']:.3f}" if "low" in result else ""
        print(f"{name:>25}  {result['value']:.3f}{interval}")


if __name__ == "__main__":
    program.run(main)
