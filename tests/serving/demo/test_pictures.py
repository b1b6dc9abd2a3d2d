"""URLs of pictures: of a caption, between two captions, without captions."""

import urllib.parse

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serving.client import Client
from tests.serving import servers
from tests.serving.demo.conftest import PICTURES
from tests.serving.demo.pages import Page

THREE = "/text/the%20digit%203"
PNG = b"\x89PNG\r\n\x1a\n"


def test_an_address_is_the_picture_that_the_model_draws(page: Page, served: servers.Served) -> None:
    answer = page.fetch(f"{THREE}?seed=5&truncation=0.5")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    with Client(served.address, model="caption") as client:
        (drawn,) = client.draw(["the digit 3"], seeds=[5], truncation=0.5)
        (plain,) = client.draw(["the digit 3"], seeds=[5])
    assert answer.content == drawn.png
    assert page.fetch(f"{THREE}?seed=5").content == plain.png
    assert plain.png != drawn.png


def test_a_picture_with_a_seed_may_be_kept(page: Page) -> None:
    first = page.fetch(f"{THREE}?seed=1")
    assert first.headers["Cache-Control"] == "public, max-age=86400"
    again = page.fetch(f"{THREE}?seed=1", If_None_Match=first.headers["ETag"])
    assert (again.status, again.content) == (304, b"")
    assert page.fetch(f"{THREE}?seed=1", If_None_Match='"other"').content == first.content
    assert page.fetch(f"{THREE}?seed=2").headers["ETag"] != first.headers["ETag"]


def test_image_without_a_seed_is_new_and_names_its_permanent_url(page: Page) -> None:
    answers = [page.fetch(f"{THREE}?truncation=0.5") for _ in range(2)]
    assert answers[0].content != answers[1].content
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers
        where = urllib.parse.urljoin(THREE, answer.headers["Content-Location"])
        again = page.fetch(where)
        assert again.content == answer.content
        assert again.headers["Seed"] == answer.headers["Seed"]


def test_words_that_the_model_does_not_know_are_counted(page: Page) -> None:
    assert page.fetch(f"{THREE}?seed=1").headers["Unknown-Words"] == "0"
    assert page.fetch("/text/the%20zebra%20xylophone?seed=1").headers["Unknown-Words"] == "2"
    assert page.gallery(caption="the zebra").json["unknown_words"] == 1


def test_white_space_around_a_caption_counts_nothing(page: Page) -> None:
    plain = page.fetch(f"{THREE}?seed=1")
    assert page.fetch("/text/%20the%20digit%203%0A?seed=1").content == plain.content


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/text/", "caption: must be text that is not blank, got ''"),
        ("/text/%20%09%0A", "caption: must be text that is not blank, got ' \\t\\n'"),
        ("/text/%E3%80%80", "caption: must be text that is not blank, got '\\u3000'"),
        (f"/text/{'x' * 61}", "caption: must be at most 60 characters, got 61"),
        (f"{THREE}?seed=", "seed: must be a whole number from -2^63 to 2^63-1, got ''"),
        (f"{THREE}?seed=1.5", "seed: must be a whole number from -2^63 to 2^63-1, got '1.5'"),
        (f"{THREE}?seed=9223372036854775808", "seed: must be a whole number from -2^63 to 2^63-1"),
        (f"{THREE}?seed=%D9%A3", "seed: must be a whole number from -2^63 to 2^63-1"),
        (f"{THREE}?seed=1&truncation=1.01", "truncation: must be a number from 0 to 1, got '1.01'"),
        (f"{THREE}?seed=1&truncation=-0.1", "truncation: must be a number from 0 to 1"),
        (f"{THREE}?seed=1&truncation=nan", "truncation: must be a number from 0 to 1, got 'nan'"),
        (f"{THREE}?seed=1&truncation=", "truncation: must be a number from 0 to 1, got ''"),
        ("/mix?from=a&share=0.5", "to: must be text that is not blank, got none"),
        ("/mix?from=%20&to=b&share=0.5", "from: must be text that is not blank, got ' '"),
        ("/mix?from=a&to=b", "share: must be a number from 0 to 1, got none"),
        ("/mix?from=a&to=b&share=2", "share: must be a number from 0 to 1, got '2'"),
    ],
)
def test_bad_request_is_refused_with_the_rule(page: Page, path: str, message: str) -> None:
    answer = page.fetch(path)
    assert (answer.status, answer.text.startswith(message)) == (400, True), answer.text
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("seed", [-(2**63), 2**63 - 1])
def test_the_largest_seeds_are_drawn(page: Page, seed: int) -> None:
    assert page.fetch(f"{THREE}?seed={seed}").headers["Seed"] == str(seed)
    seeds = [int(one["seed"]) for one in page.gallery(caption="a", seed=str(seed)).json["pictures"]]
    assert seeds[0] == seed
    assert len(set(seeds)) == PICTURES


@given(st.text(max_size=80))
@example("<script>alert(1)</script>")
@example("a/b?c#d%20&e")
@example("..")
@settings(max_examples=25)
def test_any_caption_is_drawn_or_refused_and_is_escaped_in_html(
    page_by_kind: dict[str, Page], text: str
) -> None:
    page = page_by_kind["caption"]
    answer = page.gallery(caption=text, seed="1")
    assert answer.status in (200, 400)
    assert answer.headers["Content-Type"].split(";")[0] in ("application/json", "text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if answer.status == 200:
        shown = page.fetch(f"/{answer.json['pictures'][0]['address']}")
        assert (shown.status, shown.content[:8]) == (200, PNG)


def test_gallery_returns_the_urls_of_its_images(page: Page) -> None:
    answer = page.gallery(caption=" the digit 3 ", seed="7", truncation="0.5").json
    assert [one["seed"] for one in answer["pictures"]] == ["7", "8", "9", "10"]
    addresses = [one["address"] for one in answer["pictures"]]
    assert addresses[0] == "text/the%20digit%203?seed=7&truncation=0.5"
    pictures = {page.fetch(f"/{address}").content for address in addresses}
    assert len(pictures) == PICTURES
    assert page.fetch(f"{THREE}?seed=8&truncation=0.5").content in pictures
    fresh = [page.gallery(caption="a").json["pictures"][0]["seed"] for _ in range(2)]
    assert fresh[0] != fresh[1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "body: must be JSON, got something else"),
        (b"[" * 10_000, "body: must be JSON, got something else"),
        (b"\xff", "body: must be JSON, got something else"),
        ([], "body: must be a JSON object, got []"),
        ({}, "caption: must be text that is not blank, got none"),
        ({"caption": 7}, "caption: must be text that is not blank, got 7"),
        ({"caption": "\ud800"}, "caption: must be text that UTF-8 can hold"),
        ({"caption": "a", "seed": True}, "seed: must be a whole number"),
        ({"caption": "a", "truncation": [1]}, "truncation: must be a number from 0 to 1"),
        ({"caption": "a", "truncation": float("nan")}, "truncation: must be a number from 0 to 1"),
    ],
)
def test_bad_gallery_request_is_refused_with_the_rule(
    page: Page, body: object, message: str
) -> None:
    answer = page.fetch("/gallery", method="POST", body=body)
    assert (answer.status, answer.text.startswith(message)) == (400, True), answer.text


def test_a_mixture_is_of_both_sentences(page: Page, served: servers.Served) -> None:
    query = {"from": "the digit 3", "to": "the digit 7", "seed": "1", "truncation": "0.9"}
    shares = {
        share: page.fetch(f"/mix?{urllib.parse.urlencode({**query, 'share': share})}")
        for share in ("0", "0.25", "1")
    }
    assert shares["0"].content == page.fetch(f"{THREE}?seed=1&truncation=0.9").content
    seven = page.fetch("/text/the%20digit%207?seed=1&truncation=0.9")
    assert shares["1"].content == seven.content
    assert shares["0"].content != shares["1"].content
    captions = np.array([b"the digit 3", b"the digit 7"], object)
    with Client(served.address, model="caption") as client:
        first, second = client.predict("embed", {"caption": captions})["sentence"]
        mixed = {
            "sentence": (0.75 * first + 0.25 * second)[None].astype(np.float32),
            "seed": np.array([1], np.int64),
            "truncation": np.array([0.9], np.float32),
        }
        (drawn,) = client.predict("draw", mixed)["image_bytes"]
    assert shares["0.25"].content == drawn
    assert shares["0.25"].headers["Cache-Control"] == "public, max-age=86400"


def test_a_joint_model_draws_with_and_without_a_caption(page_by_kind: dict[str, Page]) -> None:
    page = page_by_kind["joint"]
    assert page.fetch("/text/7?seed=1").headers["Text"] == "7"
    written = page.fetch("/picture?seed=1")
    assert (written.status, written.headers["Text"].isdecimal()) == (200, True)
    gallery = page.gallery(caption="  ", seed="1").json["pictures"]
    assert gallery[0]["address"] == "picture?seed=1"
    assert gallery[0]["text"] == written.headers["Text"]
    assert page.fetch("/mix?from=1&to=2&share=0.5").status == 404


def test_an_unconditional_model_takes_no_caption(page_by_kind: dict[str, Page]) -> None:
    page = page_by_kind["unconditional"]
    first = page.fetch("/picture?seed=1")
    assert first.content[:8] == PNG
    assert page.gallery(seed="1").json["pictures"][0]["address"] == "picture?seed=1"
    assert page.fetch("/text/seven").status == 404
    refused = page.gallery(caption="seven")
    assert refused.text == "caption: must be left out, the model draws without, got 'seven'\n"


def test_a_model_of_captions_draws_nothing_without(page: Page) -> None:
    assert page.fetch("/picture?seed=1").status == 404


def test_model_facts_of_the_page(page_by_kind: dict[str, Page]) -> None:
    models = {kind: page.fetch("/model").json for kind, page in page_by_kind.items()}
    assert {kind: model["kind"] for kind, model in models.items()} == {
        kind: kind for kind in models
    }
    assert [kind for kind, model in models.items() if model["mixes"]] == ["caption"]
    assert (models["caption"]["name"], models["caption"]["version"]) == ("caption", "1")
    assert models["caption"]["card"]["licence"] == "BSD-3-Clause"
