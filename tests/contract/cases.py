"""The recipes that every promise is tested with, and how their steps run."""

import dataclasses

import pytest

from tests.tiny import TINY, VARIANTS
from tfgan2.runs.recipe import MATCHING_MODELS, Recipe, system_class

# A step has one of three shapes: updates one after the other, simultaneous updates after a warm-up,
# and one update without a generator.
SHAPES = ("df_gan-published", "auto_write", "damsm")
# Their steps differ in what a graph has to choose: the phase of a step, a warm-up.
VARIANTS_IN_GRAPHS = ("df_gan-remedies", "df_gan-unet")
# Every op of the product in one of them; XLA takes half a minute for a step.
COMPILED = ("df_gan-remedies", "df_gan-unet", "gan_cls-remedies", "stack_gan-stage_two")
LARGEST_IMAGE_PX = max(recipe.image_size for recipe in (*TINY.values(), *VARIANTS.values()))
# In this one all updates of the tiny recipes are active.
ACTIVE_STEP = 1


@dataclasses.dataclass(frozen=True)
class Case:
    """A recipe, and whether its steps run eagerly, which is sooner for a few steps."""

    recipe: Recipe
    run_eagerly: bool


def _param(name: str, *, run_eagerly: bool, marks: tuple = ()) -> object:
    recipe = TINY.get(name) or VARIANTS[name]
    execution = "eager" if run_eagerly else "graph"
    return pytest.param(Case(recipe, run_eagerly), id=f"{name}-{execution}", marks=marks)


GRAPHS = [_param(name, run_eagerly=False) for name in SHAPES]
OTHER_GRAPHS = [
    _param(name, run_eagerly=False, marks=(pytest.mark.contract,))
    for name in TINY
    if name not in SHAPES
]
# What a graph may get wrong.
GRAPH_CASES = [
    *GRAPHS,
    *OTHER_GRAPHS,
    *[_param(name, run_eagerly=False, marks=(pytest.mark.slow,)) for name in VARIANTS_IN_GRAPHS],
]
# What the mathematics of a system may get wrong too.
STEP_CASES = [
    *GRAPH_CASES,
    *[_param(name, run_eagerly=True) for name in ("img_txt", "gan_cls", "stack_gan")],
    *[
        _param(name, run_eagerly=True, marks=(pytest.mark.slow,))
        for name in VARIANTS
        if name not in (*SHAPES, *VARIANTS_IN_GRAPHS)
    ],
]
DRAWING_CASES = [
    case
    for case in STEP_CASES
    if case not in OTHER_GRAPHS and case.values[0].recipe.model not in MATCHING_MODELS
]
CAPTIONED_CASES = [
    case for case in DRAWING_CASES if system_class(case.values[0].recipe).reads == "captions"
]
COMPILED_CASES = [_param(name, run_eagerly=False) for name in (*TINY, *COMPILED) if name != "damsm"]
SYSTEMS = [pytest.param(recipe, id=name) for name, recipe in TINY.items()]
RECIPES = SYSTEMS + [
    pytest.param(recipe, id=name, marks=pytest.mark.slow) for name, recipe in VARIANTS.items()
]
