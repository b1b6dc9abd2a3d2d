"""Every optimizer of TensorFlow Addons, on the line that has them."""

import importlib.util

import pytest
import tensorflow as tf
import tf_keras as keras

from tfgan2.optimizers.differences import accepted_gradients, average_kept_by, build, state_of
from tfgan2.optimizers.named import check, make
from tfgan2.optimizers.options import OptimizerOptions
from tfgan2.program import UsageError

if not importlib.util.find_spec("tensorflow_addons"):
    pytest.skip("only `make test-addons` has them", allow_module_level=True)

SETTINGS = {
    "options": OptimizerOptions(adam_beta1=0.5),
    "learning_rate": 0.01,
    "flag": "--it",
}
MOVING = (
    "addons.AdaBelief",
    "addons.AdamW(weight_decay=0.001)",
    "addons.COCOB",
    "addons.ConditionalGradient",
    "addons.LAMB",
    "addons.LazyAdam",
    "addons.NovoGrad",
    "addons.ProximalAdagrad",
    "addons.RectifiedAdam",
    "addons.SGDW(weight_decay=0.001, momentum=0.5)",
    "addons.Yogi",
)
WRAPPERS = ("Lookahead", "MovingAverage", "SWA")
AROUND = [
    f"addons.{wrapper}({inner})"
    for wrapper in WRAPPERS
    for inner in ("adam", "sgd", "addons.LAMB", "addons.AdamW(weight_decay=0.001)")
]


def trained(optimizer: keras.optimizers.Optimizer, steps: int) -> list[tf.Variable]:
    """A dense variable and a table with looked-up rows, after some steps of an optimizer."""
    dense, table = tf.Variable(tf.ones([3, 2])), tf.Variable(tf.ones([4, 3]))
    build(optimizer, [dense, table])
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(tf.gather(table, [1, 3, 1]) @ dense))
        gradients = tape.gradient(loss, [dense, table])
        assert isinstance(gradients[1], tf.IndexedSlices)
        gradients = accepted_gradients(optimizer, gradients)
        optimizer.apply_gradients(zip(gradients, [dense, table], strict=True))
    return [dense, table]


@pytest.mark.parametrize("name", [*MOVING, *AROUND])
def test_every_optimizer_trains_dense_and_sparse_variables(name: str) -> None:
    variables = trained(make(name, **SETTINGS), 3)
    assert all(bool(tf.reduce_all(tf.math.is_finite(it))) for it in variables)
    assert not bool(tf.reduce_any(variables[0] == 1.0))
    assert not bool(tf.reduce_any(tf.gather(variables[1], [1, 3]) == 1.0))


def test_every_optimizer_of_addons_is_tested() -> None:
    with pytest.raises(UsageError) as refused:
        make("addons.Nothing", **SETTINGS)
    named = {name.partition("(")[0] for name in MOVING}
    listed = str(refused.value).partition("must be one of ")[2].partition(", got")[0].split(", ")
    assert set(listed) == named | {f"addons.{name}" for name in (*WRAPPERS, "MultiOptimizer")}


def test_settings_in_the_name_override_those_of_the_recipe() -> None:
    lamb = make("addons.LAMB(epsilon=0.5, weight_decay=0.25)", **SETTINGS)
    config = lamb.get_config()
    assert config["learning_rate"] == 0.01
    assert (config["beta_1"], config["beta_2"]) == (0.5, 0.9)
    assert (config["epsilon"], config["weight_decay"]) == (0.5, 0.25)
    yogi = make("addons.Yogi", **SETTINGS).get_config()
    assert (yogi["beta1"], yogi["beta2"], yogi["epsilon"]) == (0.5, 0.9, 1e-8)


def test_schedule_uses_the_steps_of_the_wrapped_optimizer() -> None:
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.1, 0.0])
    settings = {"options": OptimizerOptions(), "learning_rate": schedule, "flag": "--it"}
    for name in ("addons.LAMB", "addons.Lookahead(addons.LAMB)", "addons.MovingAverage(adam)"):
        after = [trained(make(name, **settings), steps)[0].numpy() for steps in (2, 3, 5)]
        assert (after[0] != after[1]).all()
        assert (after[1] == after[2]).all(), name


def test_lookahead_interpolates_half_way_after_each_sync_period() -> None:
    plain = trained(make("sgd", **SETTINGS), 2)[0].numpy()
    ahead = make("addons.Lookahead(sgd, sync_period=2)", **SETTINGS)
    assert trained(ahead, 2)[0].numpy() == pytest.approx((1.0 + plain) / 2.0)


def test_moving_average_is_part_of_the_optimizer_state() -> None:
    optimizer = make("addons.MovingAverage(sgd, average_decay=0.75)", **SETTINGS)
    dense, table = trained(optimizer, 1)
    average = average_kept_by(optimizer, dense)
    assert average.numpy() == pytest.approx(0.75 + 0.25 * dense.numpy())
    assert any(average is it for it in state_of(optimizer))
    assert average_kept_by(make("addons.LAMB", **SETTINGS), table) is None


def test_state_includes_that_of_the_wrapped_optimizer() -> None:
    alone = make("addons.LAMB", **SETTINGS)
    ahead = make("addons.Lookahead(addons.LAMB)", **SETTINGS)
    trained(alone, 1)
    trained(ahead, 1)
    assert len(state_of(ahead)) == len(state_of(alone)) + 2  # The slow weights of two variables.


def test_swa_is_refused_for_two_replicas() -> None:
    check("addons.SWA(adam)", flag="--it", replicas=1)
    check("addons.MovingAverage(adam)", flag="--it", replicas=2)
    with pytest.raises(UsageError, match=r"--it: must not be addons\.SWA with 2 replicas, got"):
        check("addons.SWA(adam)", flag="--it", replicas=2)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("addons.AdamW", r"must have weight_decay, as addons.AdamW\(weight_decay=...\)"),
        ("addons.Lookahead", r"must have in parentheses .*, as addons.Lookahead\(adam\)"),
        ("addons.Lookahead(addons.SWA(adam))", "must have one wrapper at most"),
        ("addons.LAMB(adam)", "must have nothing put into addons.LAMB"),
        ("addons.LAMB(weight_decoy=1)", "must set nothing but .*weight_decay.* of addons.LAMB"),
        ("addons.LAMB(learning_rate=1)", "must not set learning_rate"),
        ("addons.SWA(adam, start_averaging=5)", "must not set start_averaging"),
        ("addons.SWA(adam, average_period=0)", "must be what addons.SWA takes"),
        ("addons.LAMB(weight_decay='much')", "must have a number for weight_decay of addons.LAMB"),
        ("addons.MultiOptimizer", "must be what addons.MultiOptimizer takes"),
        ("addons.Lookahead(lion)", "must be one of adadelta, .*sgd"),
        ("addons.lamb", "must be one of addons.AdaBelief, "),
    ],
)
def test_invalid_optimizer_is_refused_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(UsageError, match=f"--it: {rule}.*, got "):
        make(text, **SETTINGS)
