"""Limits of HTTP connections: number, time for a request, idle time, log lines."""

import asyncio
import dataclasses
import itertools
import resource
from typing import Any

import h11
from absl import logging
from uvicorn.protocols.http.h11_impl import H11Protocol

LOG_SECONDS = 1.0
# File descriptors for everything that is no connection of a client: libraries, models, log files.
OTHER_DESCRIPTORS = 128
_closed = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class ConnectionLimits:
    """The limits of the HTTP connections of a port.

    Attributes:
      request_seconds: time from the first byte of a request to its last byte; also the time in
        which a client must read some of its response.
      idle_seconds: time without a request, before the first one and between two.
      connections: most open connections; further ones get 503 and are closed.
    """

    request_seconds: float = 30.0
    idle_seconds: float = 75.0
    connections: int = 1000


def affordable(connections: int, *, ports: int = 1) -> int:
    """The number of connections per port for which the process has file descriptors.

    Args:
      connections: the number that the user allows.
      ports: number of ports that accept connections.
    """
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors == resource.RLIM_INFINITY:
        return connections
    return max(1, min(connections, (descriptors - OTHER_DESCRIPTORS) // ports))


class LimitedConnection(H11Protocol):
    """An HTTP connection with limits; uvicorn itself limits only the time between two requests.

    The connection has a timer while it is busy: a request has begun to arrive, or its response is
    not yet with the client. The application limits the time until it responds.
    """

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **named: Any) -> None:
        """Creates a connection; `H11Protocol` gets the other arguments."""
        super().__init__(*arguments, **named)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._unsent_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accepts the connection, or refuses it if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            log_closed(self._peer, f"more than {self._limits.connections} connections")
            self._end_with("503 Service Unavailable")
            return
        # A client may connect long before its first request.
        self.timeout_keep_alive_task = self.loop.call_later(
            self._limits.idle_seconds, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timer together with the connection."""
        self._stop_timer()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Starts the timer at the first byte of a request."""
        if self._timer is None:
            self._start_timer()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Stops the timer, unless the next request has begun or the response is not sent."""
        super().on_response_complete()
        self._stop_timer()
        if self._busy:
            self._start_timer()

    def send_400_response(self, msg: str) -> None:
        """Ends the connection of a client that does not send HTTP."""
        log_closed(self._peer, msg.rstrip("."))
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:  # A response has begun: no other one may follow.
            self.transport.close()

    @property
    def _peer(self) -> str:
        host, port = self.client or ("unknown", None)
        host = host.removeprefix("::ffff:")  # An IPv4 address at a port for IPv6.
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _busy(self) -> bool:
        return bool(
            self._answering
            or self.transport.get_write_buffer_size()
            or self.conn.their_state is h11.SEND_BODY
            or self.conn.trailing_data[0]
        )

    def _start_timer(self) -> None:
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self._timer = self.loop.call_later(self._limits.request_seconds, self._on_time)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self._timer = None
        unsent_bytes = self.transport.get_write_buffer_size()
        if unsent_bytes and unsent_bytes == self._unsent_bytes:
            log_closed(self._peer, "the client does not read its response")
            self.transport.abort()
        elif unsent_bytes or self._answering:
            self._start_timer()
        elif self._busy or self.timeout_keep_alive_task is None:
            log_closed(self._peer, "the request is not complete in time")
            if self.conn.our_state is h11.IDLE:
                self._end_with("408 Request Timeout")
            else:  # The body of an answered request.
                self.transport.close()

    def _end_with(self, status: str) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        self.transport.write(head.encode())
        self.transport.close()


def log_closed(peer: str, why: str) -> None:
    """Logs that a connection is closed because of its client; at most one line per second."""
    number = next(_closed)
    logging.log_every_n_seconds(
        logging.WARNING,
        "Closed the connection of %s: %s (number %d of such connections)",
        LOG_SECONDS,
        peer,
        why,
        number,
    )


def on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs an error of an event loop; at most one line per second if no connection is accepted.

    Without file descriptors, asyncio reports thousands of errors per second.
    """
    if isinstance(context.get("exception"), OSError) and "accept" in context["message"]:
        logging.log_every_n_seconds(
            logging.ERROR, "Cannot accept connections: %s", LOG_SECONDS, context["exception"]
        )
    else:
        loop.default_exception_handler(context)
