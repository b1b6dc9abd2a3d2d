"""Builds a run from a recipe and a data set, and calls `fit`."""

import contextlib
import dataclasses
import os

import numpy as np
import tf_keras as keras

from tfgan2.adversarial.multi_update import MultiUpdateModel
from tfgan2.adversarial.update_guards import normalizes_batches
from tfgan2.data import pipeline, records
from tfgan2.models.matching.model import Matching
from tfgan2.program import warn
from tfgan2.runs import label_texts, pretrained
from tfgan2.runs import recipe as recipes
from tfgan2.runs.checkpoint import Checkpoints, find
from tfgan2.runs.directory import RunDirectory
from tfgan2.runs.sampling import make_tokenizer
from tfgan2.runs.source import load_source
from tfgan2.text.tokenizers import Tokenizer
from tfgan2.training import (
    callbacks,
    checks,
    initialization,
    inputs,
    runtime,
    sample_captions,
    workers,
)
from tfgan2.training.periodic import GeneratorWork, MatchingWork
from tfgan2.training.run_monitor import RunMonitor
from tfgan2.training.step_timer import StepTimer
from tfgan2.training.tensorboard import TensorBoardWriter


@dataclasses.dataclass(frozen=True)
class Goal:
    """Goal of a run: a number of steps, or of passes over the train split."""

    steps: int | None = None
    epochs: float | None = None

    def in_steps(self, *, images: int, batch_size: int) -> int:
        """Returns the goal in steps, for a train split of `images` images."""
        if self.steps is not None:
            return self.steps
        return max(1, round((self.epochs or 0.0) * images / batch_size))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Result of a start of a run: its step, its goal, the last checkpoint, a timing summary."""

    step: int
    goal: int
    checkpoint: str | None
    summary: str = ""

    def __str__(self) -> str:
        state = "done" if self.step >= self.goal else f"left before step {self.goal}"
        lines = [f"{state}: step {self.step}, checkpoint {self.checkpoint}", self.summary]
        return "\n".join(line for line in lines if line)


def train(
    recipe: recipes.Recipe,
    schedule: recipes.Schedule,
    *,
    data_dir: str | os.PathLike,
    run_dir: str | os.PathLike,
    goal: Goal,
    strategy: str,
    text_encoder: str | os.PathLike | None = None,
    stage1_run_dir: str | os.PathLike | None = None,
    inception_weights: str | None = None,
    word_vectors: str | None = None,
    captions: str | None = None,
    init_from: str | os.PathLike | None = None,
) -> Outcome:
    """Trains to the goal, from the newest checkpoint if there is one.

    Args:
      recipe: options that define the run; `auto` precision keeps the precision of an earlier start.
      schedule: intervals of logs, checkpoints, sample grids and evaluations.
      data_dir: data set, as tools.prepare writes it.
      run_dir: absent, empty, or a run of the same recipe.
      goal: goal of the run; may differ from the goal of an earlier start.
      strategy: `auto`, `one_device`, `mirrored` or `multi_worker`.
      text_encoder: run whose text encoder a new run starts with.
      stage1_run_dir: run of StackGAN's stage I; a new run of stage II starts with its generator
        and text encoder.
      inception_weights: initial Inception-v3 weights of a new matching model: a file, or
        `imagenet`.
      word_vectors: word vectors of a new matching model with `--text_encoder_kind=word_vectors`: a
        file, or `wordllama`.
      captions: captions of the sample grids of this start: a file, or captions separated by |;
        None: those of the first start.
      init_from: run of the same system; a new run starts with its networks.

    Raises:
      UsageError: the data set, a run directory or an option is not valid, or another process
        trains in the run directory.
      Failure: too many steps in a row had non-finite values, or another worker is lost.
    """
    # Check the flags against the data set, the devices and the runs to start with.
    runtime.quieten_tensorflow()
    group = workers.from_strategy(runtime.make_strategy(strategy))
    manifest = records.load_manifest(data_dir)
    run = RunDirectory.at(run_dir)
    recipe, encoder, stage_one = _load_pretrained(recipe, text_encoder, stage1_run_dir)
    source = None
    if init_from:
        checks.check_alone(
            text_encoder=text_encoder,
            stage1_run_dir=stage1_run_dir,
            inception_weights=inception_weights,
        )
        if not find(run.checkpoints):
            source = load_source(init_from, recipe)
            recipe = initialization.with_text_encoder_of(recipe, source.config.recipe)
    recipe = initialization.with_word_rules(
        run, recipe, manifest, source=source, text_encoder=encoder
    )
    checks.check_start(
        recipe,
        schedule,
        is_new=not run.config_file.exists(),
        manifest=manifest,
        replicas=group.strategy.num_replicas_in_sync,
        text_encoder=encoder,
        inception_weights=inception_weights,
        word_vectors=word_vectors,
        has_source=source is not None,
    )
    # Write the configuration of a new run, or check that of an earlier start.
    texts = label_texts.label_texts(recipe, manifest)
    recipe, vectors = initialization.load_word_vectors(
        run, recipe, manifest, word_vectors, source=source
    )
    samples = sample_captions.of_start(
        captions,
        run,
        recipe,
        manifest,
        data_dir=data_dir,
        texts=texts,
        text_encoder=encoder,
    )
    new_run = initialization.NewRun(
        samples=samples,
        texts=texts,
        text_encoder=encoder,
        stage_one=stage_one,
        word_vectors=vectors,
        init_from=str(init_from) if init_from else None,
        source=source,
    )
    inception = None
    new_inception = recipe.image_encoder == "inception_v3" and source is None
    if new_inception and not find(run.checkpoints):
        inception = initialization.read_inception(inception_weights)
    with contextlib.ExitStack() as stack:
        if group.chief:
            stack.enter_context(run.locked())
            recipe = initialization.begin_or_join(run, recipe, manifest, new_run)
        group.wait()
        if not group.chief:
            recipe = initialization.begin_or_join(run, recipe, manifest, new_run)
        steps = goal.in_steps(images=manifest.records("train"), batch_size=recipe.batch_size)

        # Build the model, and restore the newest checkpoint.
        tokenizer = make_tokenizer(run, recipe)
        with group.strategy.scope():
            gan = _make_model(
                run, recipe, schedule, manifest, tokenizer, new_run=new_run, inception=inception
            )
        if schedule.accumulate_gradients > 1 and normalizes_batches(gan):
            rows = recipe.batch_size // group.strategy.num_replicas_in_sync
            rows //= schedule.accumulate_gradients
            warn(
                f"--accumulate_gradients: batch normalization uses the {rows} rows of a micro-batch"
            )
        saved = Checkpoints(gan, run.checkpoints, keep=schedule.keep_checkpoints)
        checkpoint = saved.restore()
        start = int(gan.step.numpy())
        if checkpoint is None and group.chief and any(run.metrics()):
            warn(
                f"--run_dir: {run.checkpoints} has no checkpoint, so training starts anew; "
                f"{run.metrics_file.name} loses its lines, and other files stay"
            )
        if start >= steps:
            return Outcome(start, steps, checkpoint)
        group.wait()
        # Build the input pipeline and the callbacks, and train.
        bar = callbacks.Progress(goal=steps, batch_size=recipe.batch_size)
        leave = callbacks.LeaveOnSignal(group.any)
        stack.enter_context(group.reporting_lost_workers())
        stack.enter_context(contextlib.closing(bar))
        stack.enter_context(contextlib.closing(leave))
        own_run = stack.enter_context(group.writable(run))
        writer = stack.enter_context(contextlib.closing(TensorBoardWriter(own_run)))
        checkpoints = Checkpoints(gan, own_run.checkpoints, keep=schedule.keep_checkpoints)
        checkpoints.remove_unfinished()
        batches = pipeline.batches(
            data_dir,
            manifest,
            split="train",
            batch_size=recipe.batch_size,
            view=recipes.view(recipe),
            seed=recipe.seed,
            start_step=start,
            captions_per_image=recipe.captions_per_image,
            mismatch_other_class=recipe.mismatch_other_class,
            cache_mb=schedule.cache_mb,
        )
        work: GeneratorWork | MatchingWork
        if isinstance(gan, Matching) and tokenizer is not None:
            work = MatchingWork(own_run, writer, gan, tokenizer, recipe, data_dir)
        else:
            work = GeneratorWork(
                own_run, writer, gan, tokenizer, recipe, schedule, data_dir, samples
            )
        cut = make_tokenizer(run, recipe, for_training=True)
        dataset = inputs.distributed(inputs.tokenized(batches, cut, texts=texts), group.strategy)
        timer = StepTimer(goal=steps, batch_size=recipe.batch_size, batches=lambda: iter(dataset))
        log = callbacks.MetricsLog(
            own_run, log_every=schedule.log_every, batch_size=recipe.batch_size
        )
        monitor = RunMonitor(
            own_run, writer, log, max_bad_steps=schedule.max_bad_steps, deviation=work.deviation
        )

        def save(step: int) -> None:
            if not monitor.weights_invalid:
                checkpoints.save()

        def write_histograms(step: int) -> None:
            writer.histograms(gan.trainable_variables, step=step)

        def finish(logs: dict | None) -> None:
            work.finish(timer.step)
            timer.summarize()  # Changes the weights: after saving.

        gan.fit(
            dataset,
            steps_per_epoch=steps - start,
            epochs=1,
            verbose=0,
            callbacks=[
                timer,
                bar,
                monitor,
                log,
                # A checkpoint does not wait for a sample grid.
                callbacks.Every(save, every=schedule.checkpoint_every),
                callbacks.Every(work.draw_grid, every=schedule.sample_every),
                callbacks.Every(work.evaluate, every=schedule.evaluate_every),
                callbacks.Every(write_histograms, every=schedule.histogram_every),
                keras.callbacks.LambdaCallback(on_train_end=finish),
                leave,
            ],
        )
        group.wait()  # Wait until the chief has saved.
    return Outcome(timer.step, steps, next(iter(saved.paths), None), timer.summary)


def _make_model(
    run: RunDirectory,
    recipe: recipes.Recipe,
    schedule: recipes.Schedule,
    manifest: records.Manifest,
    tokenizer: Tokenizer | None,
    *,
    new_run: initialization.NewRun,
    inception: list[np.ndarray] | None,
) -> MultiUpdateModel:
    """Builds and compiles the model, with the first weights of a run without a checkpoint."""
    keras.utils.set_random_seed(recipe.seed)
    earlier = run.read_config().init_from or {"images": 0}
    model = recipes.build_model(
        recipe,
        image_channels=manifest.channels,
        vocabulary_size=0 if tokenizer is None else tokenizer.vocabulary_size,
        dtype=recipe.precision,
        earlier_images=earlier["images"],
    )
    if not find(run.checkpoints):
        initialization.load_initial_weights(model, new_run, inception)
    # After the initial weights are set: some optimizers copy them.
    model.compile(
        optimizers=model.make_optimizers(manifest.records("train")),
        steps_per_execution=schedule.steps_per_execution,
        jit_compile=schedule.jit_compile,
        accumulate_gradients=schedule.accumulate_gradients,
    )
    return model


def _load_pretrained(
    recipe: recipes.Recipe,
    text_encoder: str | os.PathLike | None,
    stage1_run_dir: str | os.PathLike | None,
) -> tuple[
    recipes.Recipe, pretrained.PretrainedTextEncoder | None, pretrained.PretrainedStageOne | None
]:
    """Loads text encoder and stage-I generator of other runs; the recipe gets their options."""
    checks.check_other_runs(recipe, text_encoder=text_encoder, stage1_run_dir=stage1_run_dir)
    encoder, stage_one = None, None
    if stage1_run_dir:
        stage_one = pretrained.load_pretrained_stage_one(stage1_run_dir, recipe)
        encoder = pretrained.load_pretrained_text_encoder(stage1_run_dir, flag="--stage1_run_dir")
    elif text_encoder:
        encoder = pretrained.load_pretrained_text_encoder(text_encoder)
    if checks.is_stage_two(recipe):
        recipe = dataclasses.replace(recipe, freeze_text_encoder=True)
    if encoder is not None:
        recipe = dataclasses.replace(recipe, **encoder.options.of_encoder())
    return recipe, encoder, stage_one
