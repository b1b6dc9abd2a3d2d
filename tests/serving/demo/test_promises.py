"""Promises of the page: caching, limits, headers, errors of an absent or slow model."""

import pathlib
import re
from concurrent import futures

import grpc

from serving.client import Picture
from serving.demo.cache import ENTRY_BYTES, PictureCache
from serving.demo.limiting import RateLimit
from serving.demo.responses import PAGE, DemoOptions
from serving.server.lifecycle.model_config import ModelConfig
from tests.serving import servers
from tests.serving.demo import pages
from tests.serving.demo.pages import Page
from tests.serving.stub import Stub

SEVEN = "/text/seven?seed=1"
NOWHERE = "127.0.0.1:9"


def options(**changes: object) -> DemoOptions:
    return DemoOptions(**{"model": "stub", "gallery_pictures": 3, **changes})


def test_a_picture_is_drawn_once(stub: Stub, address: str) -> None:
    with pages.serve(address, options()) as page:
        gallery = page.gallery(caption="seven", seed="1").json["pictures"]
        for one in gallery:
            assert page.fetch(f"/{one['address']}").status == 200
        assert len(stub.requests) == 1
        page.gallery(caption="seven", seed="2")  # Two of its three pictures are cached.
        assert len(stub.requests) == 2
        page.fetch("/text/seven?seed=1&truncation=0.5")
        page.fetch("/text/eight?seed=1")
        assert len(stub.requests) == 4


def test_a_page_without_a_cache_draws_each_time(stub: Stub, address: str) -> None:
    with pages.serve(address, options(cache_bytes=0)) as page:
        assert page.fetch(SEVEN).content == page.fetch(SEVEN).content
        assert len(stub.requests) == 2


def test_cache_removes_the_least_recently_used_image() -> None:
    cache = PictureCache(3 * (ENTRY_BYTES + 10))
    picture = Picture(png=b"x" * 10, seed=1, unknown_words=0)
    for key in "abc":
        cache.put(key, picture)
    assert cache.get("a") is picture
    cache.put("d", picture)
    assert [key for key in "abcd" if cache.get(key) is None] == ["b"]
    assert cache.bytes_held == cache.bytes_limit
    cache.put("e", Picture(png=b"x" * cache.bytes_limit, seed=1, unknown_words=0))
    assert cache.get("e") is None


def test_page_loads_and_reports_a_dead_model() -> None:
    with pages.serve(NOWHERE, options()) as page:
        for answer in (page.fetch(SEVEN), page.fetch("/model"), page.gallery(caption="seven")):
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "5"
            assert answer.text == "the model does not answer at the moment; try again later\n"
        assert page.fetch("/text/%20").status == 400
        assert (page.fetch("/").status, page.fetch("/healthz").status) == (200, 200)


def test_slow_model_is_reported_within_the_deadline(stub: Stub, address: str) -> None:
    with pages.serve(address, options(timeout_seconds=0.3)) as page:
        assert page.fetch(SEVEN).status == 200
        stub.stuck = True
        answer = page.fetch("/text/other?seed=1")
        assert answer.status == 504
        assert answer.headers["Retry-After"] == "5"
        assert stub.remaining_seconds[-1] < 1  # gRPC rounds the deadline up.
        assert stub.given_up.wait(30)  # No client waits for the call any more.
        assert page.fetch(SEVEN).status == 200  # Cached.


def test_a_server_that_never_answers_is_a_message(stub: Stub, address: str) -> None:
    stub.silent = True
    with pages.serve(address, options(timeout_seconds=0.2)) as page:
        assert page.fetch("/model").status == 504
        assert page.fetch(SEVEN).status == 504
    stub.given_up.set()


def test_restarted_model_is_found(stub: Stub, address: str) -> None:
    with pages.serve(address, options()) as page:
        stub.fail(*[grpc.StatusCode.UNAVAILABLE] * 2)
        assert page.fetch(SEVEN).status == 503
        assert page.fetch(SEVEN).status == 200


def test_a_refusal_of_the_server_is_no_picture(stub: Stub, address: str) -> None:
    with pages.serve(address, options()) as page:
        for code, status, text in (
            (grpc.StatusCode.INTERNAL, 502, "the model cannot draw this (INTERNAL)\n"),
            (grpc.StatusCode.DEADLINE_EXCEEDED, 504, "the model took too long to draw this; "),
            (grpc.StatusCode.NOT_FOUND, 503, "the model does not answer at the moment; "),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, 503, "the model does not answer at the moment; "),
        ):
            stub.fail(code)
            answer = page.fetch(SEVEN)
            assert answer.status == status
            assert answer.text.startswith(text)


def test_another_version_has_other_tags(painted_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "1").symlink_to(painted_dir / "1")
    models = [ModelConfig(name="stub", base_path=str(tmp_path))]
    with servers.serve(models) as served, pages.serve(served.address, options()) as page:
        first = page.fetch(SEVEN)
        (tmp_path / "2").symlink_to(painted_dir / "1")
        served.manager.configure(models)
        servers.until(lambda: servers.states(served.manager, "stub").get(2) == "AVAILABLE")
        page.fetch("/text/eight?seed=1")  # The response has the new version.
        second = page.fetch(SEVEN, If_None_Match=first.headers["ETag"])
        assert (second.status, second.headers["Model-Version"]) == (200, "2")
        assert second.headers["ETag"] != first.headers["ETag"]


def test_an_address_may_have_only_so_many_pictures(stub: Stub, address: str) -> None:
    with pages.serve(address, options(pictures_per_minute=3)) as page:
        assert page.gallery(caption="seven", seed="1").status == 200
        refused = page.fetch("/text/eight?seed=1")
        assert refused.status == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 20
        assert page.fetch(SEVEN).status == 200  # Cached pictures do not count.
        # An untrusted address is ignored.
        assert page.fetch("/text/eight?seed=1", X_Forwarded_For="10.0.0.9").status == 429
    trusting = {"trusted_proxies": ("127.0.0.1",)}
    with pages.serve(address, options(pictures_per_minute=3), **trusting) as page:
        for client in ("10.0.0.8", "10.0.0.9"):
            statuses = [page.fetch("/text/a", X_Forwarded_For=client).status for _ in range(4)]
            assert statuses == [200, 200, 200, 429]


def test_a_bucket_fills_steadily() -> None:
    now_seconds = [100.0]
    limit = RateLimit(60, clock_seconds=lambda: now_seconds[0])
    assert [limit.take("a", 60), limit.take("a", 3), limit.take("b", 1)] == [0.0, 3.0, 0.0]
    now_seconds[0] += 2.5
    assert [limit.take("a", 3), limit.take("a", 2)] == [0.5, 0.0]
    now_seconds[0] += 1000
    assert [limit.take("a", 61), limit.take("a", 60)] == [1.0, 0.0]


def test_a_large_body_is_refused(stub: Stub, address: str) -> None:
    with pages.serve(address, options(body_bytes=1000)) as page:
        assert page.gallery(caption="x" * 1000).status == 413
        assert page.gallery(caption="x" * 400).status == 200


def test_every_response_has_the_security_headers(page: Page) -> None:
    statuses = {"/": 200, "/model": 200, "/page/main.js": 200, SEVEN: 200, "/text/": 400}
    statuses |= dict.fromkeys(("/nowhere", "/page/../responses.py", "/page/..%2fresponses.py"), 404)
    for path, status in (statuses | {"/gallery": 405}).items():
        answer = page.fetch(path)
        assert answer.status == status, path
        policy = answer.headers["Content-Security-Policy"].split("; ")
        assert "default-src 'none'" in policy
        assert {"script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(policy)
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_page_loads_only_its_own_files() -> None:
    for path in PAGE.iterdir():
        text = path.read_text()
        own = text.replace("http://www.w3.org/2000/svg", "")
        assert "//" not in own.replace("// ", ""), path  # Nothing from other sites.
        if path.suffix == ".html":
            assert "style=" not in text
            assert not re.search(r"<[^>]*\son\w+=", text)
            assert text.count("<script") == text.count('<script type="module" src="page/') == 1
        if path.suffix == ".js":
            for unsafe in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("):
                assert unsafe not in text, path


def test_many_concurrent_requests_are_answered(stub: Stub, address: str) -> None:
    with pages.serve(address, options()) as page, futures.ThreadPoolExecutor(20) as threads:
        answers = threads.map(page.fetch, [f"/text/a?seed={number}" for number in range(20)])
    assert [answer.status for answer in answers] == [200] * 20
