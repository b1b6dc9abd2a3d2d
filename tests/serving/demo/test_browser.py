"""The page in a real Chromium, by mouse and keyboard; `make test-browser` runs it."""

import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from serving.demo.responses import DemoOptions
from tests import browser
from tests.serving import stub as stubs
from tests.serving.demo import pages
from tests.serving.demo.conftest import PICTURES
from tests.serving.demo.pages import Page
from tests.serving.stub import Stub

pytestmark = pytest.mark.browser
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PATIENCE_MS = 120_000
DRAWN = "[data-grid] li:not(.waiting) img"
# A caption that is too wide would cause a scroll bar.
OVERFLOW = "() => document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser.chromium() as launched:
        yield launched


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page in a window of its own; its console must show no error."""
    contexts, errors = [], []

    def open_page(address: str, *, size: dict[str, int] = DESKTOP, **options: object) -> Any:
        context = chromium.new_context(viewport=size, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda line: line.type in ("error", "warning") and errors.append(line))
        tab.on("pageerror", lambda error: errors.append(error))
        tab.goto(address)
        return tab

    open_page.errors = errors
    yield open_page
    for context in contexts:
        context.close()
    assert [str(getattr(error, "text", error)) for error in errors] == []


def drawn(tab: Any, *, count: int = PICTURES) -> list[str]:
    """URLs of the pictures, after all have loaded."""
    tab.locator(DRAWN).nth(count - 1).wait_for()
    tab.locator("form[aria-busy=false]").first.wait_for()
    images = tab.locator(DRAWN).all()
    assert len(images) == count
    return [image.get_attribute("src") for image in images]


def draw(tab: Any, caption: str) -> list[str]:
    """Types a caption and presses GO."""
    before = tab.url
    tab.get_by_label("Caption", exact=True).fill(caption)
    tab.get_by_role("button", name="GO").click()
    tab.wait_for_url(lambda url: url != before)
    return drawn(tab)


def test_a_visitor_finds_pictures_of_an_example(visit: Callable[..., Any], page: Page) -> None:
    tab = visit(page.address)
    addresses = drawn(tab)
    assert addresses[0] == "text/the%20digit%203?seed=1"
    assert tab.title() == "the digit 3 · caption"
    assert tab.get_by_text("digits <b>& letters</b>").is_visible()
    tab.get_by_role("button", name="the digit 7").click()
    tab.get_by_role("heading", name="“the digit 7”").wait_for()


def test_a_caption_becomes_pictures(visit: Callable[..., Any], page: Page) -> None:
    tab = visit(page.address)
    drawn(tab)
    addresses = draw(tab, "a zebra seven")
    for image in tab.locator(DRAWN).all():
        assert image.evaluate(browser.COLOURS) > 1
    message = tab.get_by_role("status").text_content()
    assert message == f"{PICTURES} pictures. The model does not know 1 word of this caption."
    first = page.fetch(f"/{addresses[0]}").content
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Save the picture").first.click()
    assert download.value.suggested_filename.startswith("a_zebra_seven_seed_")
    assert download.value.path().read_bytes() == first
    tab.get_by_role("button", name="Again").first.click()
    tab.wait_for_url(lambda url: not url.endswith(addresses[0].partition("?")[2]))
    assert drawn(tab)[0] != addresses[0]
    tab.go_back()
    tab.locator(f'img[src="{addresses[0]}"]').wait_for()


def test_a_permalink_shows_the_same_pictures(visit: Callable[..., Any], page: Page) -> None:
    tab = visit(page.address)
    drawn(tab)
    tab.get_by_text("Options").click()
    tab.get_by_label("Truncation").fill("0.5")
    addresses = draw(tab, "the digit 7")
    assert addresses[0].endswith("&truncation=0.5")
    assert drawn(visit(tab.url)) == addresses
    # A picture's own permalink shows it first, there and in this tab.
    second = tab.get_by_role("link", name="show it first").nth(1)
    other = visit(urllib.parse.urljoin(page.address, second.get_attribute("href")))
    assert drawn(other)[0] == addresses[1]
    second.click()
    tab.wait_for_url(other.url)
    assert drawn(tab)[0] == addresses[1]


def test_the_slider_draws_between_two_captions(visit: Callable[..., Any], page: Page) -> None:
    tab = visit(page.address)
    drawn(tab)
    tab.get_by_label("From").fill("the digit 3")
    tab.get_by_label("To", exact=True).fill("the digit 7")
    tab.get_by_role("button", name="Mix").click()
    slider = tab.get_by_role("slider")
    slider.wait_for()
    slider.focus()
    middle = tab.locator("[data-mixed-picture]")
    tab.locator('[data-mixed-picture][src*="share=0.5&"]').wait_for()
    for key, share in (("ArrowRight", "0.55"), ("End", "1"), ("Home", "0")):
        slider.press(key)
        tab.locator(f'[data-mixed-picture][src*="share={share}&"]').wait_for()
        assert middle.evaluate(browser.COLOURS) > 1
    assert slider.get_attribute("aria-valuetext") == "100% “the digit 3”, 0% “the digit 7”"
    link = tab.locator("[data-mixed-link]").get_attribute("href")
    other = visit(urllib.parse.urljoin(page.address, link))
    other.locator(f'[data-mixed-picture][src="{middle.get_attribute("src")}"]').wait_for()
    assert other.get_by_label("To", exact=True).input_value() == "the digit 7"


def test_typed_markup_is_shown_as_text(visit: Callable[..., Any], page: Page) -> None:
    tab = visit(page.address)
    drawn(tab)
    attack = "<img src=x onerror=document.title=1><script>1</script>"
    draw(tab, attack)
    assert tab.get_by_role("heading", name=f"“{attack}”").is_visible()
    assert tab.locator("main script, main [onerror]").count() == 0
    assert tab.title().startswith("<img")


def test_page_can_be_used_by_keyboard_only(visit: Callable[..., Any], page: Page) -> None:
    tab = visit(page.address)
    drawn(tab)
    tab.keyboard.press("Tab")
    assert tab.locator(":focus").text_content() == "Skip to the pictures"
    outlined = "(element) => getComputedStyle(element).outlineStyle"
    assert tab.locator(":focus").evaluate(outlined) == "solid"
    for _ in range(2):
        tab.keyboard.press("Tab")
    assert tab.locator(":focus").get_attribute("id") == "caption"
    tab.keyboard.type("the digit 5")
    tab.keyboard.press("Enter")
    tab.get_by_role("heading", name="“the digit 5”").wait_for()
    addresses = drawn(tab)
    link = tab.get_by_role("link", name="show it first").nth(2)
    link.focus()
    tab.keyboard.press("Enter")
    tab.locator(f'[data-grid] li:first-child img[src="{addresses[2]}"]').wait_for()
    assert drawn(tab)[0] == addresses[2]
    # The focused element is gone; its picture has the focus now.
    assert "show it first" in tab.locator(":focus").get_attribute("aria-label")


def test_every_control_has_an_accessible_name(visit: Callable[..., Any], page: Page) -> None:
    tab = visit(page.address)
    drawn(tab)
    for role in ("button", "link", "textbox", "slider", "spinbutton", "heading"):
        for element in tab.get_by_role(role).all():
            assert element.evaluate(
                "(element) => element.labels?.length || element.ariaLabel ||"
                " element.textContent.trim()"
            ), element
    assert tab.get_by_role("status").count() == 1


def test_an_unconditional_model_has_no_text_box(
    visit: Callable[..., Any], page_by_kind: dict[str, Page]
) -> None:
    tab = visit(page_by_kind["unconditional"].address)
    addresses = drawn(tab)
    assert tab.get_by_role("textbox", name="Caption").count() == 0
    assert not tab.get_by_text("Between two captions").is_visible()
    tab.get_by_role("button", name="GO").click()
    tab.wait_for_url("**/?seed=*")
    assert drawn(tab)[0] != addresses[0]
    assert drawn(visit(tab.url)) == drawn(tab)


def test_page_of_a_joint_model_shows_the_generated_texts(
    visit: Callable[..., Any], page_by_kind: dict[str, Page]
) -> None:
    tab = visit(page_by_kind["joint"].address)
    drawn(tab)
    assert all(text.isdecimal() for text in tab.locator(".written").all_text_contents())
    draw(tab, "7")
    assert tab.locator(".written").all_text_contents() == ["7"] * PICTURES


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone(visit: Callable[..., Any], page: Page, scheme: str) -> None:
    tab = visit(page.address, size=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True)
    drawn(tab)
    draw(tab, "W" * 60)
    assert tab.evaluate(OVERFLOW) == 0
    for button in tab.get_by_role("button").all():
        if button.is_visible():
            assert button.bounding_box()["height"] >= 40


def test_page_reports_a_dead_model_and_waits_for_it(visit: Callable[..., Any]) -> None:
    stub = Stub()
    with stubs.serve(stub) as target:
        options = DemoOptions(model="stub", gallery_pictures=2, timeout_seconds=0.5)
        with pages.serve(target, options) as page:
            stub.silent = True
            tab = visit(page.address)
            alert = tab.get_by_role("alert").first
            alert.wait_for()
            assert alert.text_content().startswith("The model ")
            stub.silent = False
            stub.given_up.set()
            tab.get_by_text("version 3").wait_for()
            stub.given_up.clear()
            tab.get_by_label("Caption", exact=True).fill("seven")
            stub.stuck = True
            tab.get_by_role("button", name="GO").click()
            alert.wait_for()
            assert alert.text_content().startswith("The model did not draw within 0.5 seconds")
            stub.given_up.set()
            stub.stuck = False
            tab.get_by_role("button", name="GO").click()
            drawn(tab, count=2)
            alert.wait_for(state="hidden")
    # Chromium itself logs responses other than 200.
    visit.errors[:] = [line for line in visit.errors if "status of 50" not in line.text]
