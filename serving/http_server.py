"""Opens a port for HTTP, and configures uvicorn with limits of its connections."""

import functools
import socket
from typing import Any

import uvicorn

from serving.http_connections import ConnectionLimits, LimitedConnection


def listen(host: str, port: int, *, also_ipv4: bool = False) -> socket.socket:
    """Opens a port.

    Args:
      host: an address of this machine.
      port: port number; 0 for a free one.
      also_ipv4: accepts IPv4 connections too, where `host` is `::`.

    Raises:
      OSError: the port is in use, or the host is no address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, dualstack_ipv6=also_ipv4)
    # Connections inherit TCP_NODELAY. Without it, a small response waits 40 ms for an
    # acknowledgement: asyncio sets it only on sockets created with the protocol number of TCP.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def configure(application: Any, limits: ConnectionLimits, **options: Any) -> uvicorn.Config:
    """The configuration of a uvicorn server.

    Args:
      application: an ASGI application; its responses must begin within a limited time.
      limits: limits of the connections.
      **options: further options of `uvicorn.Config`.
    """
    # uvicorn's annotations are narrower than its code.
    connection: Any = functools.partial(LimitedConnection, limits=limits)
    idle_seconds: Any = limits.idle_seconds
    return uvicorn.Config(
        application,
        http=connection,
        ws="none",
        log_config=None,
        log_level="error",  # Warnings are about clients; `http_connections` logs those.
        access_log=False,
        server_header=False,
        timeout_keep_alive=idle_seconds,
        **options,
    )
