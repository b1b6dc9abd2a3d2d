"""Optimizers by name on every line; tests/addons tests those of TensorFlow Addons."""

import importlib.util

import pytest
import tf_keras as keras
from hypothesis import given
from hypothesis import strategies as st

from tfgan2.optimizers.fused_adam import FusedAdam, PyTorchAdam
from tfgan2.optimizers.named import make
from tfgan2.optimizers.options import OptimizerOptions
from tfgan2.program import UsageError

SETTINGS = {
    "options": OptimizerOptions(adam_beta1=0.25, adam_beta2=0.75, adam_epsilon=1e-5),
    "learning_rate": 0.01,
    "flag": "--it",
}
HAS_ADDONS = importlib.util.find_spec("tensorflow_addons") is not None


def test_adam_is_a_keras_adam_with_the_settings_of_the_recipe() -> None:
    adam = make("adam", **SETTINGS)
    assert type(adam) is FusedAdam
    assert isinstance(adam, keras.optimizers.Adam)
    assert adam.get_config()["learning_rate"] == pytest.approx(0.01)
    assert (adam.beta_1, adam.beta_2, adam.epsilon) == (0.25, 0.75, 1e-5)


def test_pytorch_adam_has_the_settings_of_the_recipe_and_none_that_differ_in_keras() -> None:
    adam = make("pytorch_adam(global_clipnorm=2.0)", **SETTINGS)
    assert type(adam) is PyTorchAdam
    assert (adam.beta_1, adam.beta_2, adam.epsilon) == (0.25, 0.75, 1e-5)
    assert adam.global_clipnorm == 2.0
    for setting in ("amsgrad=True", "weight_decay=0.1"):
        with pytest.raises(UsageError, match=r"must set nothing but .* of pytorch_adam"):
            make(f"pytorch_adam({setting})", **SETTINGS)


def test_settings_in_the_name_override_those_of_the_recipe() -> None:
    sgd = make("sgd(momentum=0.5, nesterov=True)", **SETTINGS)
    assert (type(sgd), sgd.momentum, sgd.nesterov) == (keras.optimizers.SGD, 0.5, True)
    assert make("lion(beta_1=0.5)", **SETTINGS).beta_1 == 0.5
    assert make("adam(global_clipnorm=2.0)", **SETTINGS).global_clipnorm == 2.0


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be a name such as adam"),
        ("adam(", "must be a name such as adam"),
        ("adam(momentum=open('/'))", "must be a name such as adam"),
        ("adam(**{})", "must be a name such as adam"),
        ("sgd(adam, adam)", "must be a name such as adam"),
        ("madam", "must be one of adadelta, .*, adam, .*sgd"),
        ("Adam", "must be one of adadelta, .*, adam, .*sgd"),
        ("adam(sgd)", "must have nothing put into adam but name=value"),
        ("adam(momentum=0.5)", "must set nothing but .*amsgrad.* of adam"),
        ("adam(learning_rate=1.0)", "must not set learning_rate"),
        ("adam(use_ema=True)", "must not set use_ema"),
        ("adam(amsgrad=1)", "must have True or False for amsgrad of adam"),
        ("adam(global_clipnorm=[1])", "must have a number for global_clipnorm of adam"),
        ("sgd(momentum=2.0)", "must be what sgd takes"),
    ],
)
def test_invalid_optimizer_is_refused_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(UsageError, match=f"--it: {rule}.*, got "):
        make(text, **SETTINGS)


@given(st.text(alphabet="adm.()=,*[]{}'0 \n\0\ud800", max_size=12))
def test_any_text_makes_an_optimizer_or_a_usage_error(text: str) -> None:
    try:
        optimizer = make(text, **SETTINGS)
    except UsageError:
        return
    assert isinstance(optimizer, keras.optimizers.Optimizer)


@pytest.mark.skipif(HAS_ADDONS, reason="this line has them")
@pytest.mark.parametrize("text", ["addons.LAMB", "addons.Lookahead(adam)", "addons.Nothing"])
def test_line_without_addons_names_the_line_that_has_them(text: str) -> None:
    with pytest.raises(UsageError, match=r"--it: .* on the TensorFlow Addons line .*, got addons"):
        make(text, **SETTINGS)
