"""Base class of all systems: ordered updates of a training step, precision, EMA, exact resume."""

import abc
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tfgan2.adversarial import spectral, train_function
from tfgan2.adversarial.accumulation import added, means, micro_batches, tensors_of
from tfgan2.adversarial.ema import EMA
from tfgan2.adversarial.noise import WHOLE, StepNoise
from tfgan2.adversarial.schedule import Phase, UpdateSchedule
from tfgan2.adversarial.update_guards import (
    equal_on_replicas,
    gradient_norm,
    moving_statistics,
    overflows,
    undo_unless,
)
from tfgan2.adversarial.updates import PART, Batch, Logs, LossInputs, Update, runs_in
from tfgan2.optimizers.differences import accepted_gradients, average_kept_by, build, state_of


class MultiUpdateModel(keras.Model, abc.ABC):
    """Model that `fit` trains by several ordered updates per batch.

    Attributes:
      reads: conditioning input: `captions`; `texts`, which the system also generates; or None.
    """

    reads: ClassVar[str | None] = "captions"
    train_function: Callable | None

    def __init__(
        self, *, name: str, seed: int, ema: EMA, schedule: UpdateSchedule | None = None
    ) -> None:
        """Creates the step counter, at 0.

        Args:
          name: name of the system.
          seed: seed of all noise in training steps.
          ema: EMA options.
          schedule: update schedule; None: everything runs in every step.
        """
        super().__init__(name=name)
        self.seed = seed
        self.ema = ema
        self.schedule = schedule or UpdateSchedule()
        self.accumulate_gradients = 1
        self.skipped_updates: dict[str, tf.Variable] = {}
        self.step = equal_on_replicas(0, name="step", dtype=tf.int64)

    @property
    @abc.abstractmethod
    def updates(self) -> tuple[Update, ...]:
        """Updates of a step in order; available after `compile`, which sets the optimizers."""

    @abc.abstractmethod
    def make_optimizers(self, images_per_epoch: int) -> dict[str, keras.optimizers.Optimizer]:
        """Creates the recipe's optimizers, keyed by the names that `updates` uses.

        Args:
          images_per_epoch: images per epoch; some learning rate schedules need this number.
        """

    @property
    def ema_pairs(self) -> tuple[tuple[keras.Model, keras.Model], ...]:
        """Pairs of networks: the float32 EMA, used for sampling, and the live network."""
        return ()

    def train_step(self, batch: Batch, phase: Phase | None = None) -> Logs:
        """Runs the updates of one step on this replica's rows.

        Args:
          batch: batch of the input pipeline, with token ids instead of strings.
          phase: phase of the step; None: everything runs.

        Returns:
          Logs: `update/term` scalars, means over the global batch.
        """
        logs: Logs = {}
        phase = phase or self.schedule.phases[0]
        parts = micro_batches(batch, self.accumulate_gradients)
        shared = self.start_step(parts)
        for updates in self._update_groups(phase):
            # Forward passes change the moving statistics of all live networks: save them.
            statistics = [(it, tf.identity(it)) for it in self._moving_statistics()]
            self._iterate_spectral_norm(updates)
            # Compute the gradients of simultaneous updates before a weight changes.
            computed = [self._mean_gradients(it, parts, phase, shared) for it in updates]
            # Apply the gradients and collect the logs.
            trained_statistics, any_applied = set(), tf.constant(False)
            for update, (gradients, terms) in zip(updates, computed, strict=True):
                terms_of_apply, applied = self._apply(update, gradients)
                trained_statistics |= self._trained_statistics(update)
                any_applied = tf.logical_or(any_applied, applied)
                terms |= terms_of_apply
                logs |= {f"{update.name}/{name}": value for name, value in terms.items()}
            # Restore the statistics of networks that these updates do not train, and all statistics
            # if no update was applied.
            for statistic, before in statistics:
                keeps = any_applied if statistic.ref() in trained_statistics else tf.constant(False)
                statistic.assign(tf.where(keeps, statistic, before))
        self._update_ema()
        # Average the logs over the replicas.
        context = tf.distribute.get_replica_context()
        logs = context.all_reduce(tf.distribute.ReduceOp.MEAN, logs)
        logs = self.finish_step(logs)
        self.step.assign_add(1)
        return logs

    def start_step(self, parts: Sequence[Batch]) -> Sequence[Any]:
        """Computes for each micro-batch what all updates of a step share; here nothing."""
        return [None] * len(parts)

    def _mean_gradients(
        self, update: Update, parts: Sequence[Batch], phase: Phase, shared: Sequence[Any]
    ) -> tuple[list[tf.Tensor], Logs]:
        """Gradients and loss terms of an update, means over the micro-batches.

        Args:
          update: the update.
          parts: micro-batches; the whole batch if there is one.
          phase: phase of the step.
          shared: result of `start_step`.
        """
        gradients, terms = self.loss_gradients(update, parts[0], phase, shared[0])
        if len(parts) == 1:
            return gradients, terms
        all_terms = [terms]
        for part, of_part in zip(parts[1:], shared[1:], strict=True):
            # A micro-batch waits for the one before, whose activations are then free.
            with tf.control_dependencies(tensors_of(gradients)):
                others, terms = self.loss_gradients(update, part, phase, of_part)
                gradients = added(gradients, others)
            all_terms.append(terms)
        return gradients, means(all_terms)

    def loss_gradients(
        self,
        update: Update,
        batch: Batch,
        phase: Phase,
        shared: Any,
        *,
        also: Sequence[tf.Tensor] = (),
    ) -> tuple[list[tf.Tensor], Logs]:
        """Gradients of an update's loss, scaled in float16, and the loss terms for the logs.

        Args:
          update: the update.
          batch: a micro-batch, or the whole batch.
          phase: phase of the step.
          shared: result of `start_step` for this micro-batch.
          also: further tensors; their gradients follow the gradients of the update's variables.
        """
        sources = [*update.variables, *also]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            loss, terms = update.loss(self.loss_inputs(update, batch, phase, shared))
            scaled = self.scaled_loss(loss, update)
        return tape.gradient(scaled, sources), terms

    def loss_inputs(self, update: Update, batch: Batch, phase: Phase, shared: Any) -> LossInputs:
        """Inputs of an update's loss, made under the tape; arguments as for `loss_gradients`."""
        return LossInputs(batch, self.noise(update.name, batch), phase)

    def finish_step(self, logs: Logs) -> Logs:
        """Returns the logs of a step, means over the replicas; here unchanged."""
        return logs

    def noise(self, scope: str, batch: Batch) -> StepNoise:
        """Noise of this step for the rows of a micro-batch; another scope has other noise."""
        return StepNoise(
            seed=self.seed,
            step=self.step.value(),
            scope=scope,
            batch_size=batch["image"].shape[0],
            part=batch.get(PART, WHOLE),
        )

    def scaled_loss(self, loss: tf.Tensor, update: Update) -> tf.Tensor:
        """Loss divided by the number of addends, times the loss scale in float16."""
        # Gradients are summed over the micro-batches, and optimizers sum them over the replicas.
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        loss /= replicas * self.accumulate_gradients
        if isinstance(update.optimizer, keras.mixed_precision.LossScaleOptimizer):
            return update.optimizer.get_scaled_loss(loss)
        return loss

    def loss_scale(self, optimizer_name: str) -> tf.Tensor | float:
        """Current loss scale of an optimizer; 1 unless the system trains in float16."""
        optimizer = self.optimizers[optimizer_name]
        if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
            return optimizer.loss_scale
        return 1.0

    def _apply(self, update: Update, gradients: list[tf.Tensor]) -> tuple[Logs, tf.Tensor]:
        """Applies the gradients; in float16, skips the update if any replica overflows.

        Returns:
          Logs of the update, and whether the update was applied.
        """
        optimizer, overflow = update.optimizer, tf.constant(0, tf.int64)
        logs: Logs = {}
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
            logs = {
                "loss_scale": optimizer.loss_scale,
                "skipped_updates": tf.cast(skipped.value(), tf.float32),
            }
        # Apply the gradients, and undo an inactive update.
        logs["gradient_norm"] = gradient_norm(gradients, overflow)
        gradients = accepted_gradients(optimizer, gradients)
        optimizer.apply_gradients(zip(gradients, update.variables, strict=True))
        if update.active_steps is not None:
            # An optimizer cannot run inside tf.cond in replica context: run it, then undo it.
            undo_unless(active, state, before)
        return logs, tf.logical_and(overflow == 0, active)

    def _update_groups(self, phase: Phase) -> list[list[Update]]:
        """Groups of the updates of a phase; a group computes its gradients at the same weights."""
        groups: list[list[Update]] = []
        for update in self.updates:
            if not runs_in(update.name, phase):
                continue
            if update.simultaneous and groups:
                groups[-1].append(update)
            else:
                groups.append([update])
        return groups

    def _iterate_spectral_norm(self, updates: list[Update]) -> None:
        """Runs a power iteration for the spectrally normalized kernels that the updates train."""
        for network in dict.fromkeys(it for update in updates for it in update.networks):
            spectral.iterate(network)

    def _moving_statistics(self) -> list[tf.Variable]:
        """Moving statistics of the live networks."""
        return [it for network in self._live_networks() for it in moving_statistics(network)]

    def _trained_statistics(self, update: Update) -> set[Any]:
        """References to the moving statistics of the networks that an update trains.

        The update also runs other networks; their statistics change only in their own updates.
        """
        return {it.ref() for network in update.networks for it in moving_statistics(network)}

    def _live_networks(self) -> list[keras.Model]:
        averages = [average for average, _ in self.ema_pairs]
        networks = [layer for layer in self.layers if isinstance(layer, keras.Model)]
        return [network for network in networks if not any(network is it for it in averages)]

    def initialize_ema(self) -> None:
        """Copies the live weights to the EMA networks."""
        for average, live in self.ema_pairs:
            average.set_weights(live.get_weights())

    def _update_ema(self) -> None:
        """Updates every weight of the EMA networks."""
        decay = self.ema.decay(self.step.value())

        def decayed(average: tf.Variable, live: tf.Tensor) -> tf.Operation:
            return average.assign(live + decay * (average - live))

        def copy(average: tf.Variable, source: tf.Tensor) -> tf.Operation:
            return average.assign(source)

        # Some optimizers of TensorFlow Addons keep averages of their own: copy these.
        optimizer_averages = {
            variable.ref(): average_kept_by(update.optimizer, variable)
            for update in self.updates
            for variable in update.variables
        }

        # The EMA update runs in cross-replica context, on all copies of a variable.
        def update_all(strategy: tf.distribute.Strategy) -> None:
            apply = functools.partial(strategy.extended.update, group=True)
            for network, live_network in self.ema_pairs:
                for average, live in zip(network.variables, live_network.variables, strict=True):
                    own = optimizer_averages.get(live.ref())
                    if own is not None:
                        apply(average, copy, args=(own,))
                    else:
                        apply(average, decayed, args=(live,))

        tf.distribute.get_replica_context().merge_call(update_all)

    def compile(
        self,
        *,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        steps_per_execution: int = 1,
        jit_compile: bool = False,
        run_eagerly: bool = False,
        accumulate_gradients: int = 1,
    ) -> None:
        """Sets the optimizer of every update; in mixed_float16 each optimizer scales its loss.

        Args:
          optimizers: optimizers by the names that `updates` uses; updates may share one.
          steps_per_execution: training steps per graph call.
          jit_compile: whether XLA compiles the step.
          run_eagerly: whether steps run without a graph, for debugging.
          accumulate_gradients: number of micro-batches of a replica's rows in a step.
        """
        self.accumulate_gradients = accumulate_gradients
        super().compile(
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            run_eagerly=run_eagerly,
        )
        if self.scales_loss:
            scale = keras.mixed_precision.LossScaleOptimizer
            optimizers = {name: scale(optimizer) for name, optimizer in optimizers.items()}
        self.optimizers = dict(optimizers)
        self.skipped_updates = self.skipped_updates or {
            name: equal_on_replicas(0, name=f"skipped_{name}_updates", dtype=tf.int64)
            for name in (update.name for update in self.updates)
        }
        for update in self.updates:
            build(update.optimizer, update.variables)

    @property
    def scales_loss(self) -> bool:
        """Whether losses are scaled and overflowing updates skipped: true in float16."""
        return any(network.compute_dtype == "float16" for network in self._live_networks())

    def make_train_function(self, force: bool = False) -> Callable:
        """Builds the train function that `fit` calls; `force` builds a new one."""
        if force or self.train_function is None:
            # Keras owns this variable, and lowers its value for the last call of an epoch.
            steps = self._steps_per_execution
            self.train_function = train_function.make_function(self, steps=steps)
        return self.train_function
