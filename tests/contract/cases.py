"""The recipes that every promise is tested with."""

import pytest

from tests.tiny import TINY, VARIANTS
from tfgan2.runs.recipe import MATCHING_MODELS, system_class

SYSTEMS = [pytest.param(recipe, id=name) for name, recipe in TINY.items()]
CASES = SYSTEMS + [
    pytest.param(recipe, id=name, marks=pytest.mark.slow) for name, recipe in VARIANTS.items()
]
DRAWING_CASES = [case for case in CASES if case.values[0].model not in MATCHING_MODELS]
CAPTIONED_CASES = [
    case for case in DRAWING_CASES if system_class(case.values[0]).reads == "captions"
]
LARGEST_IMAGE_PX = max(case.values[0].image_size for case in CASES)
# In this one all updates of the tiny recipes are active.
ACTIVE_STEP = 1
