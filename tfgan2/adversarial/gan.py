"""The game, whoever plays it: the updates of a step in their order, precision, averages."""

import abc
import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, TypeAlias

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial.noise import StepNoise
from tfgan2.adversarial.optimizers import as_taken_by, average_kept_by, build, state_of
from tfgan2.adversarial.spectral import SpectralConvolution, SpectralDense

Batch: TypeAlias = dict[str, Any]
Parts: TypeAlias = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Update:
    """One player's move.

    Attributes:
      name: of the player.
      loss: from a batch and the fakes to a scalar and its named parts, means over the rows.
      draws: whether there are fakes; the loss has the update's noise in their place if not.
      variables: what moves.
      optimizer: how it moves.
      active_steps: from a step's number, from 0 on, to whether the update moves anything in it;
        None: in every step.
      simultaneous: whether its gradients are taken where those of the update before it are, before
        either moves anything.
    """

    name: str
    loss: Callable[[Batch, Any], tuple[tf.Tensor, Parts]]
    variables: list[tf.Variable]
    optimizer: keras.optimizers.Optimizer
    draws: bool = True
    active_steps: Callable[[tf.Tensor], tf.Tensor] | None = None
    simultaneous: bool = False


@dataclasses.dataclass(frozen=True)
class Averaging:
    """How the exponential moving average of what is sampled follows the live weights.

    Attributes:
      half_life_images: after so many real images a weight counts half; 0 takes the live weights.
      ramp_up: the half-life is at most this share of the images seen so far.
      batch_size: rows of a global batch.
    """

    half_life_images: float
    ramp_up: float
    batch_size: int

    def decay(self, step: tf.Tensor) -> tf.Tensor:
        """Weight of the average against the live value after step number `step`, from 0 on."""
        images = tf.cast(step + 1, tf.float32) * self.batch_size
        half_life = tf.minimum(float(self.half_life_images), images * self.ramp_up)
        return tf.pow(0.5, self.batch_size / half_life)


class GAN(keras.Model, abc.ABC):
    """Base of every system: `fit` runs its updates on batches of the global batch's rows.

    Attributes:
      options_class: dataclass of what defines the system; its fields are fields of the recipe.
      image_sizes_px: sides of the images that the system can draw.
      reads: `captions`; `texts`, which it writes too; or None.
    """

    options_class: ClassVar[type]
    image_sizes_px: ClassVar[tuple[int, ...]]
    reads: ClassVar[str | None] = "captions"

    def __init__(self, *, name: str, seed: int, averaging: Averaging) -> None:
        """Starts at step 0.

        Args:
          name: of the system.
          seed: of all randomness of the training steps.
          averaging: how fast the averages follow.
        """
        super().__init__(name=name)
        self.seed = seed
        self.averaging = averaging
        self.skipped_updates: dict[str, tf.Variable] = {}
        self.step = tf.Variable(
            0,
            dtype=tf.int64,
            trainable=False,
            name="step",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    @classmethod
    def allowed(cls, options: Any) -> Mapping[str, Collection[Any]]:
        """What fields of the recipe may be for this system; `options` is of `options_class`."""
        return {"image_size": cls.image_sizes_px}

    @abc.abstractmethod
    def generate(self, batch: Batch, noise: StepNoise) -> Any:
        """Draws what the losses judge, from a batch and this update's noise."""

    @property
    @abc.abstractmethod
    def updates(self) -> tuple[Update, ...]:
        """The updates of a step in their order; their optimizers are there once it is compiled."""

    @property
    @abc.abstractmethod
    def averages(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """Pairs of networks: the float32 average that is sampled, and the live one it follows."""

    @abc.abstractmethod
    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """Makes the optimizers that the recipe describes, by the names that `updates` uses.

        Args:
          images_per_epoch: of a pass over the data, by which some learning rates fall.
        """

    def start_averages(self) -> None:
        """Sets the averages to the live weights."""
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
        """Gives every update its optimizer, with a loss scale of its own in mixed_float16.

        Args:
          optimizers: by the names that `updates` uses; updates may share one.
          steps_per_execution: steps that one call into the graph runs.
          jit_compile: whether XLA compiles the step.
          run_eagerly: whether steps run outside a graph, to be debugged.
        """
        super().compile(
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            run_eagerly=run_eagerly,
        )
        scaled = {
            name: keras.mixed_precision.LossScaleOptimizer(optimizer)
            if self._needs_loss_scale()
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

    def loss_scale(self, optimizer_name: str) -> tf.Tensor | float:
        """The factor by which an optimizer's gradients are scaled now; 1 unless in float16."""
        optimizer = self.optimizers[optimizer_name]
        if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
            return optimizer.loss_scale
        return 1.0

    def train_step(self, batch: Batch) -> Parts:
        """Runs the updates of one step on this replica's rows.

        Args:
          batch: what the pipeline yields, with ids in the place of strings.

        Returns:
          `update/part` scalars, means over the global batch.
        """
        parts: Parts = {}
        for updates in self._moves():
            statistics = [(it, tf.identity(it)) for it in self._statistics()]
            taken = [self._differentiate(update, batch) for update in updates]
            own, any_moved = set(), tf.constant(False)
            for update, (gradients, named) in zip(updates, taken, strict=True):
                applied, moved = self._apply(update, gradients)
                own |= self._own_statistics(update)
                any_moved = tf.logical_or(any_moved, moved)
                named |= applied
                parts |= {f"{update.name}/{name}": value for name, value in named.items()}
            for statistic, before in statistics:
                keeps = any_moved if statistic.ref() in own else tf.constant(False)
                statistic.assign(tf.where(keeps, statistic, before))
        self._move_averages()
        self.step.assign_add(1)
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.MEAN, parts)

    def _moves(self) -> list[list[Update]]:
        """The updates, those together whose gradients are taken at the same weights."""
        moves: list[list[Update]] = []
        for update in self.updates:
            if update.simultaneous:
                moves[-1].append(update)
            else:
                moves.append([update])
        return moves

    def _differentiate(self, update: Update, batch: Batch) -> tuple[list[tf.Tensor], Parts]:
        """Gradients of an update's loss, scaled in float16, and the named parts of the loss."""
        noise = StepNoise(
            seed=self.seed,
            step=self.step.value(),
            scope=update.name,
            batch_size=batch["image"].shape[0],
        )
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(update.variables)
            fakes = self.generate(batch, noise) if update.draws else noise
            loss, named = update.loss(batch, fakes)
            # Optimizers add up the gradients of the replicas.
            scaled = self._scaled(loss / replicas, update.optimizer)
        return tape.gradient(scaled, update.variables), named

    def _statistics(self) -> list[tf.Variable]:
        """Moving statistics of the networks that learn."""
        return [statistic for network in self._live_networks() for statistic in _moving(network)]

    def _own_statistics(self, update: Update) -> set[Any]:
        """References to the moving statistics of the networks that an update moves.

        Others run in it too, but theirs are to move in their own updates alone.
        """
        own = {variable.ref() for variable in update.variables}
        return {
            statistic.ref()
            for network in self._live_networks()
            if not own.isdisjoint(variable.ref() for variable in network.trainable_variables)
            for statistic in _moving(network)
        }

    def _scaled(self, loss: tf.Tensor, optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
        if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
            return optimizer.get_scaled_loss(loss)
        return loss

    def _apply(self, update: Update, gradients: list[tf.Tensor]) -> tuple[Parts, tf.Tensor]:
        """Moves the variables; in float16, not where a gradient overflows on any replica.

        Returns:
          What is logged of it, and whether the variables moved.
        """
        optimizer, parts, overflow = update.optimizer, {}, tf.constant(0, tf.int64)
        active = tf.constant(True)
        if update.active_steps is not None:
            active = update.active_steps(self.step.value())
        state = [*update.variables, *state_of(optimizer)]
        before = [tf.identity(variable) for variable in state] if update.active_steps else []
        if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
            gradients = optimizer.get_unscaled_gradients(gradients)
            skipped = self.skipped_updates[update.name]
            overflow = _overflow(gradients)
            skipped.assign_add(overflow * tf.cast(active, tf.int64))
            parts = {
                "loss_scale": optimizer.loss_scale,
                "skipped_updates": tf.cast(skipped.value(), tf.float32),
            }
        gradients = as_taken_by(optimizer, gradients)
        optimizer.apply_gradients(zip(gradients, update.variables, strict=True))
        if update.active_steps is not None:
            # Not tf.cond: optimizers cannot be run in one by a replica.
            _take_back_unless(active, state, before)
        return parts, tf.logical_and(overflow == 0, active)

    def _move_averages(self) -> None:
        decay = self.averaging.decay(self.step.value())

        def move(average: tf.Variable, live: tf.Tensor) -> tf.Operation:
            return average.assign(live + decay * (average - live))

        def take(average: tf.Variable, kept: tf.Tensor) -> tf.Operation:
            return average.assign(kept)

        kept = self._averages_kept_by_optimizers()

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
        """Averages that come from optimizers, by references to the live variables."""
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

    def _needs_loss_scale(self) -> bool:
        return any(network.compute_dtype == "float16" for network in self._live_networks())


def _moving(network: keras.Model) -> list[tf.Variable]:
    """Moving statistics of a network's normalizations."""
    statistics: list[tf.Variable] = []
    for layer in network.submodules:
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            statistics += [layer.moving_mean, layer.moving_variance]
        elif isinstance(layer, SpectralConvolution | SpectralDense) and layer.trainable:
            statistics += layer.statistics
    return statistics


def _take_back_unless(active: tf.Tensor, state: list[tf.Variable], before: list[tf.Tensor]) -> None:
    """Sets variables back to earlier values where `active` is false; to be called by a replica."""

    def take_back(variable: tf.Variable, active: tf.Tensor, value: tf.Tensor) -> tf.Operation:
        return variable.assign(tf.where(active, variable, value))

    def take_all_back(
        strategy: tf.distribute.Strategy, active: Any, before: list[tf.Tensor]
    ) -> None:
        for variable, value in zip(state, before, strict=True):
            strategy.extended.update(variable, take_back, args=(active, value), group=True)

    tf.distribute.get_replica_context().merge_call(take_all_back, args=(active, before))


def _overflow(gradients: list[tf.Tensor]) -> tf.Tensor:
    """1 if a gradient is not finite on any replica, else 0: int64 scalar."""
    finite = [tf.reduce_all(tf.math.is_finite(_values(gradient))) for gradient in gradients]
    here = tf.cast(tf.logical_not(tf.reduce_all(finite)), tf.int64)
    context = tf.distribute.get_replica_context()
    return tf.minimum(context.all_reduce(tf.distribute.ReduceOp.SUM, here), 1)


def _values(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
