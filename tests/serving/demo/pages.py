"""Pages in the test's process."""

import contextlib
import dataclasses
import functools
import http.client
import json
import threading
from collections.abc import Iterator

from serving.client import AsyncClient, Retry
from serving.demo.app import make_app
from serving.demo.responses import DemoOptions
from serving.demo.web_server import WebServer


@dataclasses.dataclass(frozen=True)
class PageResponse:
    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def json(self) -> dict:
        return json.loads(self.content)


@dataclasses.dataclass(frozen=True)
class Page:
    """A running page, and requests to it."""

    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def fetch(
        self, path: str, *, method: str = "GET", body: object = None, **headers: str
    ) -> PageResponse:
        """Sends a path as it is; sends a body that is not bytes as JSON."""
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        ) as connection:
            connection.request(method, path, sent, named)
            response = connection.getresponse()
            return PageResponse(response.status, response.headers, response.read())

    def gallery(self, **body: object) -> PageResponse:
        return self.fetch("/gallery", method="POST", body=body)


@contextlib.contextmanager
def serve(
    target: str, options: DemoOptions, *, trusted_proxies: tuple[str, ...] = ()
) -> Iterator[Page]:
    """Opens the page of a model."""
    connect = functools.partial(
        AsyncClient,
        target,
        model=options.model,
        timeout_seconds=options.timeout_seconds,
        retry=Retry(attempts=2, first_seconds=0.01),
    )
    web = WebServer(
        make_app(options, connect),
        host="127.0.0.1",
        port=0,
        trusted_proxies=trusted_proxies,
    )
    thread = threading.Thread(target=web.run)
    thread.start()
    try:
        yield Page(web.port)
    finally:
        web.stop()
        thread.join()
