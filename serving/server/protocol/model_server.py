"""The gRPC and REST ports of a manager's models, with a graceful shutdown."""

import asyncio
import contextlib
import dataclasses
import errno
import functools
import socket
import threading
from collections.abc import Sequence
from typing import NoReturn

import grpc
import uvicorn
from absl import logging
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving import http_server
from serving.http_connections import ConnectionLimits, on_loop_error
from serving.program import UsageError
from serving.server.execution.runner import Runner
from serving.server.lifecycle.manager import Manager
from serving.server.monitoring import Metrics
from serving.server.protocol import reflecting
from serving.server.protocol.draining import CallTracker
from serving.server.protocol.parsing import QuietServices
from serving.server.protocol.predicting import UNKNOWN_MODEL, Predictor
from serving.server.protocol.rest import RestApplication, RestOptions
from serving.server.protocol.services import ModelService, PredictionService
from serving.server.server_flags import MOST_REPEATED_BYTES

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
ALL_ADDRESSES, ALL_IPV4_ADDRESSES = "::", "0.0.0.0"
DRAIN_SECONDS = 30.0
# Seconds for clients to learn that the server accepts no more calls.
SETTLE_SECONDS = 0.1
# Seconds before calls without an end are cancelled, such as the Watch call of a health check.
GRACE_SECONDS = 1.0
# Milliseconds for a gRPC client to say that it speaks HTTP/2, and for TLS.
HANDSHAKE_MS = 20_000
HEALTH_NAMES = ("", "ModelService", "PredictionService")


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """The ports of a server, and the options of gRPC and REST.

    Attributes:
      host: address of the ports.
      port: gRPC port; 0 for a free one, None for none.
      socket_path: path of a unix socket for gRPC; empty for none.
      rest_port: REST port; 0 for a free one, None for none.
      rest: options of the REST interface.
      rest_limits: limits of the connections of the REST port.
      grpc_connections: most open connections of the gRPC port, and as many of the socket.
      credentials: TLS credentials of the gRPC port; None for plain text.
      channel_arguments: (name, value) arguments of gRPC's core.
      health: serves grpc.health.v1.Health.
      as_content: sends numbers as packed bytes instead of value by value.
      most_repeated_bytes: most bytes of a gRPC input that leaves out repeated values.
    """

    host: str = ALL_IPV4_ADDRESSES
    port: int | None = 8500
    socket_path: str = ""
    rest_port: int | None = None
    rest: RestOptions = dataclasses.field(default_factory=RestOptions)
    rest_limits: ConnectionLimits = ConnectionLimits()  # noqa: RUF009  It is frozen.
    grpc_connections: int = 1000
    credentials: grpc.ServerCredentials | None = None
    channel_arguments: Sequence[tuple[str, int | str]] = ()
    health: bool = False
    as_content: bool = False
    most_repeated_bytes: int = MOST_REPEATED_BYTES


class ModelServer:
    """Serves from its own thread, from the constructor until `stop`."""

    def __init__(
        self, manager: Manager, runner: Runner, metrics: Metrics, options: ServerOptions
    ) -> None:
        """Opens the ports.

        Args:
          manager: holds the loaded models.
          runner: runs the models.
          metrics: record the requests; REST serves them as text.
          options: ports and options.

        Raises:
          UsageError: a port or a socket is in use.
        """
        self._manager, self._metrics, self._options = manager, metrics, options
        self._loop = asyncio.new_event_loop()
        self._predictor = Predictor(manager, runner, metrics, self._loop)
        self._stopping, self._calls = asyncio.Event(), CallTracker()
        self._opened: threading.Event = threading.Event()
        self._health: health.aio.HealthServicer | None = None
        self._failure: BaseException | None = None
        self.port = self.rest_port = 0
        self._thread = threading.Thread(target=self._run, name="server")
        self._thread.start()
        self._opened.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self) -> None:
        """Refuses new calls, finishes the running calls and closes the ports."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.set_exception_handler(on_loop_error)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            if self._opened.is_set():
                raise  # The program ends; see `threading.excepthook`.
            self._failure = error
        finally:
            self._loop.close()
            self._opened.set()

    async def _serve(self) -> None:
        # Open the ports: gRPC, and REST if it is configured.
        web, sockets = self._web(), self._rest_sockets()
        server = await self._grpc()
        await server.start()
        serving = None if web is None else asyncio.create_task(web.serve(sockets))
        while web is not None and serving is not None and not (web.started or serving.done()):
            await asyncio.sleep(0.01)
        if serving is not None and serving.done():
            await _raise_end(serving)
        self._opened.set()
        # Serve until `stop`, then drain both servers.
        stopping = asyncio.create_task(self._stopping.wait())
        tasks = [stopping] if serving is None else [stopping, serving]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if serving is not None and not stopping.done():
            await _raise_end(serving)
        if web is not None:
            await _stop_accepting(web, sockets)
        await self._end(server)
        if web is not None and serving is not None:
            web.should_exit = True
            await serving

    async def _end(self, server: grpc.aio.Server) -> None:
        """Closes the gRPC server when the running calls are answered and clients have read them.

        gRPC closes a connection together with its last response. A client that writes at this
        moment, for example a ping that estimates the bandwidth, loses a response that it has not
        read yet.
        """
        if self._health is not None:
            await self._health.enter_graceful_shutdown()
        # Refuse new calls, end the reloads that wait for models, and wait for the running calls.
        self._calls.refuse_new()
        self._manager.end_waits()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._calls.wait_ended(), DRAIN_SECONDS)
        await self._calls.wait_quiet()
        # Close the server, then end the held calls as UNAVAILABLE.
        ended = asyncio.create_task(server.stop(GRACE_SECONDS))
        await asyncio.sleep(SETTLE_SECONDS)
        self._calls.release_held()
        await ended
        logging.info(
            "Stopped after %d calls, %d refused", self._calls.accepted, self._calls.refused
        )

    async def _grpc(self) -> grpc.aio.Server:
        # Register the services.
        options = self._options
        arguments = [
            *UNLIMITED,
            ("grpc.so_reuseport", 0),
            ("grpc.max_allowed_incoming_connections", options.grpc_connections),
            ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
            *options.channel_arguments,
        ]
        server = grpc.aio.server(options=arguments)
        count = self._metrics.request_count.add
        services = QuietServices(server, functools.partial(count, UNKNOWN_MODEL, "INTERNAL"))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(
                self._manager,
                self._predictor,
                calls=self._calls,
                as_content=options.as_content,
                most_repeated_bytes=options.most_repeated_bytes,
            ),
            services,
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self._manager, calls=self._calls), services
        )
        others = []
        if options.health:
            self._health = health.aio.HealthServicer()
            for name in HEALTH_NAMES:
                await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
            health_pb2_grpc.add_HealthServicer_to_server(self._health, services)
            others.append(health.SERVICE_NAME)
        reflecting.enable(server, others)
        # Open the TCP port and the unix socket.
        if options.port is not None:
            self.port = self._listen(server, f"{options.host}:{options.port}")
        if options.socket_path:
            address = f"unix:{options.socket_path}"
            try:
                server.add_insecure_port(address)
            except RuntimeError as error:
                rule = "must be a path where a socket can be made"
                text = f"--grpc_socket_path: {rule}, got {options.socket_path}"
                raise UsageError(text) from error
        return server

    def _listen(self, server: grpc.aio.Server, address: str) -> int:
        credentials, rule = self._options.credentials, "must be free"
        try:
            if credentials is None:
                return server.add_insecure_port(address)
            rule += ", with a key and a certificate in --ssl_config_file that fit each other"
            return server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise UsageError(f"--port: {rule}, got {self._options.port}") from error

    def _web(self) -> uvicorn.Server | None:
        if self._options.rest_port is None:
            return None
        application = RestApplication(
            self._manager,
            self._predictor,
            self._metrics,
            self._options.rest,
            calls=self._calls,
        )
        return uvicorn.Server(
            http_server.configure(
                application,
                self._options.rest_limits,
                lifespan="off",
                timeout_graceful_shutdown=int(GRACE_SECONDS),
            )
        )

    def _rest_sockets(self) -> list[socket.socket]:
        if self._options.rest_port is None:
            return []
        try:
            listening = _listen(self._options.host, self._options.rest_port)
        except OSError as error:
            text = f"--rest_api_port: must be free, got {self._options.rest_port}"
            raise UsageError(text) from error
        self.rest_port = listening.getsockname()[1]
        return [listening]


async def _raise_end(serving: asyncio.Task) -> NoReturn:
    """Raises the error of a REST server that has ended before it was stopped."""
    await serving
    raise RuntimeError("The REST server has ended")


async def _stop_accepting(web: uvicorn.Server, sockets: Sequence[socket.socket]) -> None:
    """Closes the ports of a web server; its connections stay open."""
    for listening in sockets:
        asyncio.get_running_loop().remove_reader(listening)
    # Closing loses connections that asyncio has accepted and not yet handed to the server.
    await asyncio.sleep(0)
    for listener in web.servers:
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    """Opens the REST port; for all addresses, as TensorFlow Serving, it accepts IPv6 too."""
    if host == ALL_IPV4_ADDRESSES and socket.has_dualstack_ipv6():
        try:
            return http_server.listen(ALL_ADDRESSES, port, also_ipv4=True)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:  # Else IPv6 is switched off.
                raise
    return http_server.listen(host, port)
