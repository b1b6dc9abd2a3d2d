"""Base class of all systems: ordered updates of a training step, precision, EMA."""

import abc
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import spectral, train_function
from tfgan2.adversarial.adaptive import AdaptiveProbability
from tfgan2.adversarial.augment import Augmentation
from tfgan2.adversarial.ema import Averaging
from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.options import StabilizerOptions
from tfgan2.adversarial.remedies import Rhythm, Turn
from tfgan2.adversarial.update_guards import (
    gradient_norm,
    moving_statistics,
    overflows,
    take_back_unless,
)
from tfgan2.adversarial.updates import GENERATOR, PENALTY, Batch, Drawing, Judging, Parts, Update
from tfgan2.optimizers.differences import as_taken_by, average_kept_by, build, state_of


class GAN(keras.Model, abc.ABC):
    """Base of every system; `fit` runs the system's updates on each batch.

    Attributes:
      reads: conditioning input: `captions`; `texts`, which the system also generates; or None.
    """

    reads: ClassVar[str | None] = "captions"
    train_function: Callable | None

    def __init__(
        self,
        *,
        name: str,
        seed: int,
        averaging: Averaging,
        remedies: StabilizerOptions | None = None,
    ) -> None:
        """Creates the step counter, at 0, and the update schedule.

        Args:
          name: name of the system.
          seed: seed of all noise in training steps.
          averaging: EMA options.
          remedies: stabilizer options; None without a discriminator.
        """
        super().__init__(name=name)
        self.seed = seed
        self.averaging = averaging
        self.rhythm, self.turn = Rhythm(), Turn()
        self.augmentation = Augmentation()
        self.augment_probability = 1.0
        self.adaptive: AdaptiveProbability | None = None
        if remedies is not None:
            self._take(remedies)
        self.skipped_updates: dict[str, tf.Variable] = {}
        self.step = tf.Variable(
            0,
            dtype=tf.int64,
            trainable=False,
            name="step",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    @abc.abstractmethod
    def generate(self, batch: Batch, noise: StepNoise) -> Any:
        """Runs the generator on a batch with the update's noise; returns the generated batch."""

    @property
    @abc.abstractmethod
    def updates(self) -> tuple[Update, ...]:
        """Updates of a step in order; available after `compile`, which sets the optimizers."""

    @property
    @abc.abstractmethod
    def averages(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """Pairs of networks: the float32 EMA, used for sampling, and the live network."""

    @property
    def draws_once(self) -> bool:
        """Whether both updates share one generated batch; otherwise each update generates its own.

        A shared generated batch must have a field `image`.
        """
        return False

    @property
    def judging(self) -> Judging | None:
        """Names of the discriminator statistics in the logs; None without a discriminator."""
        return None

    @abc.abstractmethod
    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """Creates the recipe's optimizers, keyed by the names that `updates` uses.

        Args:
          images_per_epoch: images per epoch; some learning rate schedules need this number.
        """

    def start_averages(self) -> None:
        """Copies the live weights to the EMA networks."""
        for average, live in self.averages:
            average.set_weights(live.get_weights())

    def compile(
        self,
        *,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        steps_per_execution: int = 1,
        jit_compile: bool = False,
        run_eagerly: bool = False,
    ) -> None:
        """Sets the optimizer of every update; in mixed_float16 each optimizer scales its loss.

        Args:
          optimizers: optimizers by the names that `updates` uses; updates may share one.
          steps_per_execution: training steps per graph call.
          jit_compile: whether XLA compiles the step.
          run_eagerly: whether steps run without a graph, for debugging.
        """
        super().compile(
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            run_eagerly=run_eagerly,
        )
        scaled = {
            name: keras.mixed_precision.LossScaleOptimizer(optimizer)
            if self.scales_loss
            else optimizer
            for name, optimizer in optimizers.items()
        }
        self.optimizers = scaled
        self.skipped_updates = self.skipped_updates or {
            update.name: tf.Variable(
                0,
                dtype=tf.int64,
                trainable=False,
                name=f"skipped_{update.name}_updates",
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
            for update in self.updates
        }
        for update in self.updates:
            build(update.optimizer, update.variables)

    def make_train_function(self, force: bool = False) -> Callable:
        """Builds the train function that `fit` calls; `force` builds a new one."""
        if force or self.train_function is None:
            # Keras owns this variable, and lowers its value for the last call of an epoch.
            count = self._steps_per_execution
            self.train_function = train_function.make_function(self, count=count)
        return self.train_function

    @contextlib.contextmanager
    def taking(self, turn: Turn) -> Iterator[None]:
        """Context in which `train_step` runs the phase `turn`; outside, a step runs everything."""
        self.turn = turn
        try:
            yield
        finally:
            self.turn = Turn()

    def plays(self, update_name: str, turn: Turn) -> bool:
        """Whether an update runs in the step phase `turn`."""
        in_turn = {GENERATOR: turn.generates, PENALTY: turn.penalizes}
        return in_turn.get(update_name, True)

    @property
    def penalty_factor(self) -> float:
        """Factor of the gradient penalties in this step; 0 in a step without penalties."""
        return float(self.rhythm.penalty_every) if self.turn.penalizes else 0.0

    def augmented(
        self,
        image: tf.Tensor,
        noise: StepNoise,
        name: str,
        *,
        darkest: float = -1.0,
        every: int = 1,
    ) -> tf.Tensor:
        """Augments images for the discriminator; for the arguments see `Augmentation.__call__`."""
        probability: float | tf.Tensor = self.augment_probability
        if self.adaptive is not None:
            probability = self.adaptive.probability.value()
        return self.augmentation(
            image,
            noise,
            name=name,
            probability=probability,
            darkest=darkest,
            every=every,
        )

    def loss_scale(self, optimizer_name: str) -> tf.Tensor | float:
        """Current loss scale of an optimizer; 1 unless the system trains in float16."""
        optimizer = self.optimizers[optimizer_name]
        if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
            return optimizer.loss_scale
        return 1.0

    def train_step(self, batch: Batch) -> Parts:
        """Runs the updates of one step on this replica's rows.

        Args:
          batch: batch of the input pipeline, with ids instead of strings.

        Returns:
          Logs: `update/part` scalars, means over the global batch.
        """
        parts: Parts = {}
        drawing = self._draw(batch) if self.draws_once else None
        for updates in self._moves():
            # Forward passes change the moving statistics of all live networks: save them.
            statistics = [(it, tf.identity(it)) for it in self._statistics()]
            self._iterate(updates)
            # Compute the gradients of simultaneous updates before a weight changes.
            taken = [self._differentiate(update, batch, drawing) for update in updates]
            # Apply the gradients and collect the logs.
            own, any_moved = set(), tf.constant(False)
            for update, (gradients, named) in zip(updates, taken, strict=True):
                applied, moved = self._apply(update, gradients)
                own |= self._own_statistics(update)
                any_moved = tf.logical_or(any_moved, moved)
                named |= applied
                parts |= {f"{update.name}/{name}": value for name, value in named.items()}
            # Restore all statistics but those of the networks that these updates train; restore
            # these too if no update was applied.
            for statistic, before in statistics:
                keeps = any_moved if statistic.ref() in own else tf.constant(False)
                statistic.assign(tf.where(keeps, statistic, before))
        self._move_averages()
        # Average the logs over the replicas.
        context = tf.distribute.get_replica_context()
        parts = context.all_reduce(tf.distribute.ReduceOp.MEAN, parts)
        # Adapt the augmentation probability (ADA).
        signs = [value for name, value in parts.items() if name.endswith("/real_sign")]
        if self.adaptive is not None and signs:
            self.adaptive.observe(signs[0], self.step.value())
            parts["augment/probability"] = self.adaptive.probability.value()
        self.step.assign_add(1)
        return parts

    def _take(self, remedies: StabilizerOptions) -> None:
        self.rhythm = Rhythm(
            discriminator_steps=remedies.discriminator_steps,
            penalty_every=remedies.penalty_every,
        )
        self.augmentation = Augmentation(
            color=remedies.augment_color,
            translation_px=remedies.augment_translation_px,
            cutout=remedies.augment_cutout,
        )
        self.augment_probability = remedies.augment_probability
        if remedies.ada_target:
            self.adaptive = AdaptiveProbability(
                target=remedies.ada_target,
                images=remedies.ada_images,
                batch_size=self.averaging.batch_size,
            )

    def _moves(self) -> list[list[Update]]:
        """Updates of this step, grouped: one group computes its gradients at the same weights."""
        moves: list[list[Update]] = []
        for update in self.updates:
            if not self.plays(update.name, self.turn):
                continue
            if update.simultaneous and moves:
                moves[-1].append(update)
            else:
                moves.append([update])
        return moves

    def _iterate(self, updates: list[Update]) -> None:
        """Runs a power iteration for the spectrally normalized kernels that these updates train."""
        moved = {id(it): it for update in updates for it in self._moved_by(update)}
        for network in moved.values():
            for layer in spectral.divided_layers(network):
                layer.iterate()

    def _noise(self, scope: str, batch: Batch) -> StepNoise:
        return StepNoise(
            seed=self.seed,
            step=self.step.value(),
            scope=scope,
            batch_size=batch["image"].shape[0],
        )

    def _draw(self, batch: Batch) -> Drawing:
        with tf.GradientTape() as tape:
            fakes = self.generate(batch, self._noise("drawing", batch))
        return Drawing(fakes, tape)

    def _differentiate(
        self, update: Update, batch: Batch, drawing: Drawing | None
    ) -> tuple[list[tf.Tensor], Parts]:
        """Gradients of an update's loss, scaled in float16, and the loss terms for the logs."""
        noise = self._noise(update.name, batch)
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(update.variables)
            fakes: Any = noise
            if update.draws and drawing is not None:
                fakes = dataclasses.replace(drawing.fakes, noise=noise)
                tape.watch(fakes.image)
            elif update.draws:
                fakes = self.generate(batch, noise)
            loss, named = update.loss(batch, fakes)
            # Optimizers sum the gradients over the replicas.
            scaled = self._scaled(loss / replicas, update.optimizer)
        if drawing is not None and update.name == GENERATOR:
            return drawing.gradients(tape, scaled, update.variables), named
        return tape.gradient(scaled, update.variables), named

    def _statistics(self) -> list[tf.Variable]:
        """Moving statistics of the live networks."""
        return [it for network in self._live_networks() for it in moving_statistics(network)]

    def _own_statistics(self, update: Update) -> set[Any]:
        """References to the moving statistics of the networks that an update trains.

        The update also runs other networks; their statistics change only in their own updates.
        """
        return {it.ref() for network in self._moved_by(update) for it in moving_statistics(network)}

    def _moved_by(self, update: Update) -> list[keras.Model]:
        own = {variable.ref() for variable in update.variables}
        return [
            network
            for network in self._live_networks()
            if not own.isdisjoint(variable.ref() for variable in network.trainable_variables)
        ]

    def _scaled(self, loss: tf.Tensor, optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
        if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
            return optimizer.get_scaled_loss(loss)
        return loss

    def _apply(self, update: Update, gradients: list[tf.Tensor]) -> tuple[Parts, tf.Tensor]:
        """Applies the gradients; in float16, skips the update if any replica overflows.

        Returns:
          Logs of the update, and whether the update was applied.
        """
        optimizer, overflow = update.optimizer, tf.constant(0, tf.int64)
        parts: Parts = {}
        # Save the state of an update that is inactive in some steps.
        active = tf.constant(True)
        if update.active_steps is not None:
            active = update.active_steps(self.step.value())
        state = [*update.variables, *state_of(optimizer)]
        before = [tf.identity(variable) for variable in state] if update.active_steps else []
        # In float16: unscale the gradients and count skipped updates.
        if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
            gradients = optimizer.get_unscaled_gradients(gradients)
            skipped = self.skipped_updates[update.name]
            overflow = overflows(gradients)
            skipped.assign_add(overflow * tf.cast(active, tf.int64))
            parts = {
                "loss_scale": optimizer.loss_scale,
                "skipped_updates": tf.cast(skipped.value(), tf.float32),
            }
        # Apply the gradients, and undo an inactive update.
        parts["gradient_norm"] = gradient_norm(gradients, overflow)
        gradients = as_taken_by(optimizer, gradients)
        optimizer.apply_gradients(zip(gradients, update.variables, strict=True))
        if update.active_steps is not None:
            # An optimizer cannot run inside tf.cond in replica context: run it, then undo it.
            take_back_unless(active, state, before)
        return parts, tf.logical_and(overflow == 0, active)

    def _move_averages(self) -> None:
        decay = self.averaging.decay(self.step.value())

        def move(average: tf.Variable, live: tf.Tensor) -> tf.Operation:
            return average.assign(live + decay * (average - live))

        def take(average: tf.Variable, kept: tf.Tensor) -> tf.Operation:
            return average.assign(kept)

        kept = self._averages_kept_by_optimizers()

        # The EMA update runs in cross-replica context, on all copies of a variable.
        def move_all(strategy: tf.distribute.Strategy) -> None:
            update = functools.partial(strategy.extended.update, group=True)
            for network, live_network in self.averages:
                for average, live in zip(network.variables, live_network.variables, strict=True):
                    if live.ref() in kept:
                        update(average, take, args=(kept[live.ref()],))
                    else:
                        update(average, move, args=(live,))

        tf.distribute.get_replica_context().merge_call(move_all)

    def _averages_kept_by_optimizers(self) -> dict[Any, tf.Variable]:
        """Averages that optimizers keep, by references to the live variables."""
        kept = {}
        for update in self.updates:
            for variable in update.variables:
                average = average_kept_by(update.optimizer, variable)
                if average is not None:
                    kept[variable.ref()] = average
        return kept

    def _live_networks(self) -> list[keras.Model]:
        averages = [average for average, _ in self.averages]
        networks = [layer for layer in self.layers if isinstance(layer, keras.Model)]
        return [network for network in networks if not any(network is it for it in averages)]

    @property
    def scales_loss(self) -> bool:
        """Whether losses are scaled and overflowing updates skipped: true in float16."""
        return any(network.compute_dtype == "float16" for network in self._live_networks())
