"""Serves a web application on a port, until SIGTERM or SIGINT."""

import signal
import socket
import sys
from collections.abc import Callable, Sequence

import uvicorn
from starlette.types import ASGIApp

from serving.program import UsageError


class WebServer:
    """A web server; the constructor opens the port, and `run` answers requests."""

    def __init__(
        self,
        application: ASGIApp,
        *,
        host: str,
        port: int,
        drain_seconds: float = 25.0,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        """Opens the port.

        Args:
          application: the application.
          host: address of the port.
          port: port number; 0 for a free one.
          drain_seconds: longest time to finish running requests at the shutdown.
          trusted_proxies: proxy addresses whose X-Forwarded-For header is trusted.

        Raises:
          UsageError: the port is in use, or the host is not an address of this machine.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            rule = "must be free, at an address of this machine"
            got = f"{port} at {host} ({error.strerror})"
            raise UsageError(f"--port: {rule}, got {got}") from error
        # Connections inherit TCP_NODELAY. Without it, a small response waits 40 ms for an
        # acknowledgement: asyncio sets it only on sockets created with the protocol number of TCP.
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
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=list(trusted_proxies),
                timeout_graceful_shutdown=int(drain_seconds) + 1,
            )
        )

    def run(self) -> None:
        """Serves until `stop`, SIGTERM or SIGINT, then finishes the running requests."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Makes `run` return; any thread may call this."""
        self._server.should_exit = True


def end_quietly_on_signals() -> None:
    """Makes SIGTERM and SIGINT exit with code 0, after all `finally` blocks."""
    end: Callable[..., None] = lambda *_: sys.exit(0)  # noqa: E731
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
