"""An open port over an application, until SIGTERM or SIGINT."""

import dataclasses
import signal
import socket
import sys
from collections.abc import Callable, Sequence

import uvicorn
from starlette.types import ASGIApp

from serving.program import UsageError


@dataclasses.dataclass(frozen=True)
class WebOptions:
    """Where the page is.

    Attributes:
      host: address that the port is opened at.
      port: 0 for a free one.
      drain_seconds: of what has begun when the program is told to end.
      trusted_proxies: addresses that may tell, by X-Forwarded-For, whom they ask for.
    """

    host: str = "0.0.0.0"
    port: int = 8888
    drain_seconds: float = 25.0
    trusted_proxies: Sequence[str] = ()


class WebServer:
    """A port that is open from the construction on, and answers while `run` lasts."""

    def __init__(self, application: ASGIApp, options: WebOptions) -> None:
        """Opens the port.

        Raises:
          UsageError: it is taken, or the host is not one of this machine.
        """
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        try:
            self._socket = socket.create_server((options.host, options.port), family=family)
        except OSError as error:
            rule = "must be free, at an address of this machine"
            got = f"{options.port} at {options.host} ({error.strerror})"
            raise UsageError(f"--port: {rule}, got {got}") from error
        # Connections inherit it. Without it a small answer waits 40 ms for an acknowledgement:
        # asyncio sets it only on sockets that were made with the number of TCP.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                http="h11",
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=bool(options.trusted_proxies),
                forwarded_allow_ips=list(options.trusted_proxies),
                timeout_graceful_shutdown=int(options.drain_seconds) + 1,
            )
        )

    def run(self) -> None:
        """Answers until `stop`, SIGTERM or SIGINT, and ends what has begun."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Lets `run` come to its end; from any thread."""
        self._server.should_exit = True


def end_quietly_on_signals() -> None:
    """Lets SIGTERM and SIGINT end the program with exit code 0, after all `finally`."""
    end: Callable[..., None] = lambda *_: sys.exit(0)  # noqa: E731
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
