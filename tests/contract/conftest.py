"""Every promise is tested against every system."""

import pytest

from tests.tiny import TINY, VARIANTS
from tfgan2.runs.recipe import Recipe

CASES = [pytest.param(recipe, id=name) for name, recipe in TINY.items()] + [
    pytest.param(recipe, id=name, marks=pytest.mark.slow) for name, recipe in VARIANTS.items()
]


@pytest.fixture(params=CASES)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return request.param
