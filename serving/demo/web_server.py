"""Serves a web application on a port, until SIGTERM or SIGINT."""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence

import uvicorn
from starlette.types import ASGIApp

from serving import http_server
from serving.http_connections import ConnectionLimits, on_loop_error
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
        limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008  It is frozen.
    ) -> None:
        """Opens the port.

        Args:
          application: the application.
          host: address of the port.
          port: port number; 0 for a free one.
          drain_seconds: longest time to finish running requests at the shutdown.
          trusted_proxies: proxy addresses whose X-Forwarded-For header is trusted.
          limits: limits of the connections.

        Raises:
          UsageError: the port is in use, or the host is not an address of this machine.
        """
        try:
            self._socket = http_server.listen(host, port)
        except OSError as error:
            rule = "must be free, at an address of this machine"
            got = f"{port} at {host} ({error.strerror})"
            raise UsageError(f"--port: {rule}, got {got}") from error
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(
            http_server.configure(
                application,
                limits,
                lifespan="on",
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=list(trusted_proxies),
                timeout_graceful_shutdown=int(drain_seconds) + 1,
            )
        )

    def run(self) -> None:
        """Serves until `stop`, SIGTERM or SIGINT, then finishes the running requests."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        asyncio.get_running_loop().set_exception_handler(on_loop_error)
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Makes `run` return; any thread may call this."""
        self._server.should_exit = True


def end_quietly_on_signals() -> None:
    """Makes SIGTERM and SIGINT exit with code 0, after all `finally` blocks."""
    end: Callable[..., None] = lambda *_: sys.exit(0)  # noqa: E731
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
