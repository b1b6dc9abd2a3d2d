"""The REST interface: predict, status, metadata and metrics."""

import asyncio
import contextlib
import dataclasses
import json
import re
import urllib.parse
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import grpc
from absl import logging
from google.protobuf import json_format, message
from tensorflow_serving.apis import model_pb2

from serving.server.execution.servable import DEFAULT_SIGNATURE, RunPlan, Servable
from serving.server.lifecycle.manager import Manager
from serving.server.monitoring import Metrics
from serving.server.protocol import model_info, rest_json
from serving.server.protocol.draining import CallTracker
from serving.server.protocol.predicting import Predictor, in_thread_if_large
from serving.server.status import StatusError, from_exception, invalid_argument

_HTTP_CODES = {
    "OK": 200,
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_MODEL = r"/v1/models/([^/:]+)(?:/(?:versions/(\d{1,19})|labels/([^/:]+)))?"
_PREDICT = re.compile(rf"{_MODEL}:(predict|classify|regress)", re.IGNORECASE)
_STATUS = re.compile(rf"{_MODEL}(/metadata)?", re.IGNORECASE)
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
JSON, TEXT = "application/json", "text/plain"
_Event = Mapping[str, Any]
_Receive = Callable[[], Awaitable[_Event]]
_Send = Callable[[_Event], Awaitable[None]]


@dataclasses.dataclass(frozen=True)
class RestOptions:
    """The options of the REST interface.

    Attributes:
      timeout_seconds: longest time from a request's headers to its response.
      cors: allows web pages of other sites to send requests.
      metrics_path: path of the Prometheus metrics; None for no metrics.
    """

    timeout_seconds: float = 30.0
    cors: bool = False
    metrics_path: str | None = None


@dataclasses.dataclass(frozen=True)
class _Reply:
    code: int
    body: bytes
    content_type: str = JSON


class RestApplication:
    """The REST interface as an ASGI application."""

    def __init__(
        self,
        manager: Manager,
        predictor: Predictor,
        metrics: Metrics,
        options: RestOptions,
        *,
        calls: CallTracker,
    ) -> None:
        """Serves the models of a manager; `calls` counts the calls."""
        self._manager, self._predictor, self._metrics = manager, predictor, metrics
        self._options, self._calls = options, calls

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: _Receive,
        send: _Send,
    ) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        # The undecoded path: a model name may contain an escaped slash.
        path = scope["raw_path"].decode("ascii", "replace").partition("?")[0]
        with self._calls.running() if _is_call(path) else contextlib.nullcontext():
            await self._respond(scope, path, receive, send)

    async def _respond(
        self,
        scope: Mapping[str, Any],
        path: str,
        receive: _Receive,
        send: _Send,
    ) -> None:
        try:
            reply = await self._answer(scope, path, receive)
        except Exception as error:
            if not isinstance(error, StatusError):
                logging.exception("%s %s failed", scope["method"], path)
            reply = _error_reply(from_exception(error))
        # Send the reply.
        headers = {"Content-Type": reply.content_type, "Content-Length": str(len(reply.body))}
        headers |= _CORS if self._options.cors else {}
        if self._calls.refusing:  # The client sends its next request to another server.
            headers["Connection"] = "close"
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.code, "headers": encoded})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(
        self,
        scope: Mapping[str, Any],
        path: str,
        receive: _Receive,
    ) -> _Reply:
        method = scope["method"]
        if method == "GET" and path == self._options.metrics_path:
            return _Reply(200, self._metrics.text().encode(), TEXT)
        if not _is_call(path):
            return _Reply(404, b"Not Found", TEXT)
        if self._options.cors and method == "OPTIONS":
            return _Reply(200, b"")
        if method == "GET" and path.rstrip("/").lower() == "/v1/models":
            raise invalid_argument("Missing model name in request.")
        predict_call, status_call = _PREDICT.fullmatch(path), _STATUS.fullmatch(path)
        if method == "POST" and predict_call:
            *names, verb = predict_call.groups()
            if verb.lower() != "predict":
                text = f"{verb} is not offered by the embedded server; ask by predict"
                raise StatusError(grpc.StatusCode.UNIMPLEMENTED, text)
            spec = _spec(*names)
            with self._predictor.counted(spec.name, "REST"):
                try:
                    return await asyncio.wait_for(
                        self._predict(spec, scope, receive), self._options.timeout_seconds
                    )
                except asyncio.TimeoutError as error:
                    text = "Timed out waiting for notification"
                    raise StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, text) from error
        if method == "GET" and status_call:
            *names, metadata = status_call.groups()
            answer = self._metadata if metadata else self._status
            return _Reply(200, answer(_spec(*names)))
        raise invalid_argument(f"Malformed request: {method} {path}")

    async def _predict(
        self,
        spec: model_pb2.ModelSpec,
        scope: Mapping[str, Any],
        receive: _Receive,
    ) -> _Reply:
        body = await _read(receive)
        if _is_packed(scope["headers"]):
            body = await asyncio.to_thread(rest_json.unpack, body)
        request = await in_thread_if_large(len(body), lambda: rest_json.parse_object(body))
        signature = request.get("signature_name", "")
        if not isinstance(signature, str):
            raise invalid_argument("'signature_name' key must be a string value.")
        signature = signature or DEFAULT_SIGNATURE

        def plan(servable: Servable) -> RunPlan:
            if signature not in servable.signatures:
                raise invalid_argument(
                    f'Serving signature name: "{signature}" not found in signature def'
                )
            inputs = rest_json.read_inputs(request, servable.signatures[signature])
            return servable.plan(signature, inputs, [])

        prediction = await self._predictor.predict(spec, plan, size_bytes=len(body))
        size = sum(100 * array.size for array in prediction.outputs.values())
        rows = "instances" in request
        written = await in_thread_if_large(
            size, lambda: rest_json.write_outputs(prediction.outputs, rows=rows)
        )
        return _Reply(200, written)

    def _status(self, spec: model_pb2.ModelSpec) -> bytes:
        if spec.WhichOneof("version_choice") == "version_label":
            lease = self._manager.acquire(spec)
            lease.release()
            spec.version.value = lease.servable.version
        return json.dumps(_as_dict(model_info.status(self._manager, spec)), indent=1).encode()

    def _metadata(self, spec: model_pb2.ModelSpec) -> bytes:
        name, version, signatures = model_info.metadata(
            self._manager, spec, [model_info.SIGNATURES_FIELD]
        )
        model = {"name": name, "signature_name": "", "version": str(version)}
        metadata = {model_info.SIGNATURES_FIELD: _as_dict(signatures)}
        return json.dumps({"model_spec": model, "metadata": metadata}, indent=1).encode()


def _is_call(path: str) -> bool:
    return path.lower().startswith("/v1/")


def _as_dict(proto: message.Message) -> dict[str, Any]:
    return json_format.MessageToDict(
        proto, always_print_fields_with_no_presence=True, preserving_proto_field_name=True
    )


async def _read(receive: _Receive) -> bytes:
    parts, more = [], True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            text = "The client has closed the connection"
            raise StatusError(grpc.StatusCode.CANCELLED, text)
        parts.append(event.get("body", b""))
        more = event.get("more_body", False)
    return b"".join(parts)


def _is_packed(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-encoding" and b"gzip" in value.lower() for name, value in headers)


def _spec(name: str, version: str | None, label: str | None) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=urllib.parse.unquote(name))
    if version is not None:
        if int(version) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    elif label is not None:
        spec.version_label = urllib.parse.unquote(label)
    return spec


def _error_reply(error: StatusError) -> _Reply:
    text = json.dumps(error.text, ensure_ascii=False)
    body = f'{{\n    "error": {text}\n}}'.encode("utf-8", "replace")
    return _Reply(_HTTP_CODES.get(error.code.name, 500), body)
