"""One server with a model of each kind, and a page for each."""

import contextlib
import pathlib
from collections.abc import Iterator

import pytest

from serving.demo.answers import DemoOptions
from serving.demo.card import Card
from tests import kinds
from tests.serving import servers
from tests.serving.demo import pages
from tests.serving.demo.pages import Page
from tfgan2.export import saved_model

CARD = Card(
    model="df_gan",
    image_size=32,
    source="digits <b>& letters</b>",
    licence="BSD-3-Clause",
    example_captions=("the digit 3", "the digit 7"),
)
PICTURES = 4


@pytest.fixture(scope="session")
def served(
    export_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Served]:
    folder = tmp_path_factory.mktemp("exports")
    samplers = {"unconditional": kinds.unconditional(), "joint": kinds.joint(folder)}
    for name, sampler in samplers.items():
        saved_model.export(sampler, folder / name, captions=["7"], card={})
    models = {"caption": export_dir, **{name: folder / name for name in samplers}}
    with servers.serve(models) as running:
        yield running


@pytest.fixture(scope="session")
def page_by_kind(served: servers.Served) -> Iterator[dict[str, Page]]:
    with contextlib.ExitStack() as stack:
        yield {
            kind: stack.enter_context(
                pages.serve(
                    served.address,
                    DemoOptions(
                        model=kind, card=CARD, gallery_pictures=PICTURES, caption_characters=60
                    ),
                )
            )
            for kind in ("caption", "joint", "unconditional")
        }


@pytest.fixture
def page(page_by_kind: dict[str, Page]) -> Page:
    """That of a model of captions."""
    return page_by_kind["caption"]
