"""Every optimizer of TensorFlow Addons moves what it must; its line alone has them."""

import importlib.util

import pytest
import tensorflow as tf
import tf_keras as keras

from tfgan2.optimizers.differences import accepted_gradients, average_kept_by, build, state_of
from tfgan2.optimizers.named import Numbers, check, make
from tfgan2.program import UsageError

if not importlib.util.find_spec("tensorflow_addons"):
    pytest.skip("only `make test-addons` has them", allow_module_level=True)

NUMBERS = Numbers(learning_rate=0.01, beta1=0.5, beta2=0.9, epsilon=1e-8)
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


def moved(optimizer: keras.optimizers.Optimizer, steps: int) -> list[tf.Variable]:
    """A dense variable and the rows of a table that some ids look up, after some steps."""
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
def test_every_optimizer_moves_dense_and_sparse_variables(name: str) -> None:
    variables = moved(make(name, NUMBERS, flag="--it"), 3)
    assert all(bool(tf.reduce_all(tf.math.is_finite(it))) for it in variables)
    assert not bool(tf.reduce_any(variables[0] == 1.0))
    assert not bool(tf.reduce_any(tf.gather(variables[1], [1, 3]) == 1.0))


def test_no_optimizer_of_addons_is_left_out() -> None:
    with pytest.raises(UsageError) as seen:
        make("addons.Nothing", NUMBERS, flag="--it")
    named = {name.partition("(")[0] for name in MOVING}
    listed = str(seen.value).partition("must be one of ")[2].partition(", got")[0].split(", ")
    assert set(listed) == named | {f"addons.{name}" for name in (*WRAPPERS, "MultiOptimizer")}


def test_the_recipe_s_numbers_reach_the_class_and_settings_come_first() -> None:
    lamb = make("addons.LAMB(epsilon=0.5, weight_decay=0.25)", NUMBERS, flag="--it")
    config = lamb.get_config()
    assert config["learning_rate"] == 0.01
    assert (config["beta_1"], config["beta_2"]) == (0.5, 0.9)
    assert (config["epsilon"], config["weight_decay"]) == (0.5, 0.25)
    yogi = make("addons.Yogi", NUMBERS, flag="--it").get_config()
    assert (yogi["beta1"], yogi["beta2"], yogi["epsilon"]) == (0.5, 0.9, 1e-8)


def test_a_schedule_is_read_at_the_steps_of_the_wrapped_optimizer() -> None:
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.1, 0.0])
    numbers = Numbers(learning_rate=schedule, beta1=0.0, beta2=0.9, epsilon=1e-8)
    for name in ("addons.LAMB", "addons.Lookahead(addons.LAMB)", "addons.MovingAverage(adam)"):
        after = [moved(make(name, numbers, flag="--it"), steps)[0].numpy() for steps in (2, 3, 5)]
        assert (after[0] != after[1]).all()
        assert (after[1] == after[2]).all(), name


def test_lookahead_goes_half_the_way_every_so_many_steps() -> None:
    plain = moved(make("sgd", NUMBERS, flag="--it"), 2)[0].numpy()
    ahead = make("addons.Lookahead(sgd, sync_period=2)", NUMBERS, flag="--it")
    assert moved(ahead, 2)[0].numpy() == pytest.approx((1.0 + plain) / 2.0)


def test_the_average_is_kept_and_counts_as_state() -> None:
    optimizer = make("addons.MovingAverage(sgd, average_decay=0.75)", NUMBERS, flag="--it")
    dense, table = moved(optimizer, 1)
    average = average_kept_by(optimizer, dense)
    assert average.numpy() == pytest.approx(0.75 + 0.25 * dense.numpy())
    assert any(average is it for it in state_of(optimizer))
    assert average_kept_by(make("addons.LAMB", NUMBERS, flag="--it"), table) is None


def test_the_state_of_what_is_wrapped_counts_too() -> None:
    alone = make("addons.LAMB", NUMBERS, flag="--it")
    ahead = make("addons.Lookahead(addons.LAMB)", NUMBERS, flag="--it")
    moved(alone, 1)
    moved(ahead, 1)
    assert len(state_of(ahead)) == len(state_of(alone)) + 2  # Of two variables, the slow weights.


def test_what_averages_one_replica_alone_is_refused_for_two() -> None:
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
def test_a_mistake_is_told_with_its_rule(text: str, rule: str) -> None:
    with pytest.raises(UsageError, match=f"--it: {rule}.*, got "):
        make(text, NUMBERS, flag="--it")
