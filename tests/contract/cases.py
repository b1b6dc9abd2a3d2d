"""Recipes of the contract tests, and how their steps run."""

import dataclasses
from collections.abc import Iterable

import pytest

from tests.tiny import QUICK, TINY, VARIANTS
from tfgan2.runs.recipe import MATCHING_MODELS, Recipe, system_class

# A step has one of three shapes: updates one after the other, simultaneous updates after a warm-up,
# and one update without a generator.
SHAPES = {"paired_gan": QUICK, "auto_write": TINY["auto_write"], "damsm": TINY["damsm"]}
# Their graphs choose the phase of a step or a warm-up.
VARIANTS_IN_GRAPHS = ("df_gan-stabilizers", "df_gan-unet")
# Their steps, state or loss scales differ most from the tiny recipes.
VARIANTS_OF_STEPS = (
    "auto_write-stabilizers",
    "img_txt-stabilizers",
    "gan_cls-stabilizers",
    "df_gan-2020",
    "stack_gan-stage_two-pytorch",
)
# Their generators or their inputs differ from the generators of the tiny recipes.
VARIANTS_OF_DRAWINGS = (
    "df_gan-2020",
    "df_gan-imagan",
    "df_gan-rdn",
    "df_gan-char_cnn_rnn_birds",
    "auto_write-joint",
    "auto_write-faithful",
    "img_txt-faithful",
    "img_txt-captions",
    "gan_cls-torch-no_text",
    "gan_cls-torch_int",
    "stack_gan-pytorch",
    "stack_gan-rdn",
    "stack_gan-stage_two",
    "stack_gan-stage_two-pytorch",
)
LARGEST_IMAGE_PX = max(recipe.image_size for recipe in (*TINY.values(), *VARIANTS.values()))
# All updates of the tiny recipes are active in this step.
ACTIVE_STEP = 1


@dataclasses.dataclass(frozen=True)
class Case:
    """A recipe, and whether its steps run eagerly, which is faster for a few steps."""

    recipe: Recipe
    run_eagerly: bool


def _param(name: str, *, run_eagerly: bool, marks: tuple = ()) -> object:
    recipe = TINY.get(name) or VARIANTS[name]
    execution = "eager" if run_eagerly else "graph"
    return pytest.param(Case(recipe, run_eagerly), id=f"{name}-{execution}", marks=marks)


def _eager_variants(names: Iterable[str]) -> list:
    return [_param(name, run_eagerly=True, marks=(pytest.mark.slow,)) for name in names]


GRAPHS = [
    pytest.param(Case(recipe, run_eagerly=False), id=f"{name}-shape")
    for name, recipe in SHAPES.items()
]
OTHER_GRAPHS, OTHERS_EAGERLY = (
    [
        _param(name, run_eagerly=run_eagerly, marks=(pytest.mark.contract,))
        for name, recipe in TINY.items()
        if recipe not in SHAPES.values()
    ]
    for run_eagerly in (False, True)
)
# Cases for errors that a graph can introduce.
GRAPH_CASES = [
    *GRAPHS,
    *OTHER_GRAPHS,
    *[_param(name, run_eagerly=False, marks=(pytest.mark.slow,)) for name in VARIANTS_IN_GRAPHS],
]
# Replicas and precisions are the engine's; `make test` runs a step of each shape.
STEP_CASES = [*GRAPH_CASES, *_eager_variants(VARIANTS_OF_STEPS)]
# Cases for errors in the state or the outputs of a system.
EAGER = [_param(name, run_eagerly=True) for name in TINY if name not in SHAPES]
RUN_CASES = [*STEP_CASES, *EAGER]
DRAWING_CASES = [
    case
    for case in [*GRAPHS, *EAGER, *_eager_variants(VARIANTS_OF_DRAWINGS)]
    if case.values[0].recipe.model not in MATCHING_MODELS
]
CAPTIONED_CASES = [
    case for case in DRAWING_CASES if system_class(case.values[0].recipe).reads == "captions"
]
# XLA takes half a minute for a step; the trainer refuses DAMSM with it.
COMPILED_CASES = [_param(name, run_eagerly=False) for name in TINY if name != "damsm"]
SYSTEMS = [pytest.param(recipe, id=name) for name, recipe in TINY.items()]
RECIPES = SYSTEMS + [
    pytest.param(recipe, id=name, marks=pytest.mark.slow) for name, recipe in VARIANTS.items()
]
