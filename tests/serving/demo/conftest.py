"""One server with a model of each kind, and a page for each."""

import contextlib
import pathlib
from collections.abc import Iterator

import pytest

from serving.demo.card import Card
from serving.demo.responses import DemoOptions
from tests.serving import servers
from tests.serving.demo import pages
from tests.serving.demo.pages import Page

CARD = Card(
    model="df_gan",
    image_size=32,
    source="digits <b>& letters</b>",
    licence="BSD-3-Clause",
    example_captions=("the digit 3", "the digit 7"),
)
PICTURES = 4


@pytest.fixture(scope="session")
def served(export_dir: pathlib.Path, kinds_dir: pathlib.Path) -> Iterator[servers.Served]:
    models = {name: kinds_dir / name for name in ("unconditional", "joint")}
    with servers.serve({"caption": export_dir, **models}) as running:
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
    """The page of the caption model."""
    return page_by_kind["caption"]
