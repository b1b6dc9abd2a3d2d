"""The web application: URLs, responses and error responses."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypedDict

from starlette.applications import Starlette
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from serving.client import AsyncClient
from serving.demo.gallery import RateLimitError
from serving.demo.headers import SecureHeaders
from serving.demo.parameters import ParameterError
from serving.demo.responses import PAGE, DemoOptions, Responses
from serving.demo.served import ModelError, ServedModel

RETRY_SECONDS = 5


class _AnyText(PathConvertor):
    """A path with any characters; Starlette's own convertor stops at a line feed."""

    regex = r"[\s\S]*"


register_url_convertor("any_text", _AnyText())


class _State(TypedDict):
    responses: Responses


def make_app(options: DemoOptions, connect: Callable[[], AsyncClient]) -> ASGIApp:
    """Builds the application.

    Args:
      options: options of the page.
      connect: creates the client of the model; called in the event loop that serves.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[_State]:
        async with connect() as client:
            model = ServedModel(client)
            refreshing = asyncio.create_task(model.follow())
            try:
                yield {"responses": Responses(model, options)}
            finally:
                refreshing.cancel()

    application = Starlette(
        routes=[
            _route("/", Responses.page),
            _route("/healthz", Responses.alive),
            _route("/model", Responses.model),
            _route("/gallery", Responses.gallery, method="POST"),
            _route("/text/{caption:any_text}", Responses.text),
            _route("/picture", Responses.picture),
            _route("/mix", Responses.mix),
            Mount("/page", StaticFiles(directory=PAGE)),
        ],
        exception_handlers={
            ParameterError: _on_parameter_error,
            ModelError: _on_model_error,
            RateLimitError: _on_rate_limit,
        },
        lifespan=lifespan,
        max_body_size=options.body_bytes,
    )
    return SecureHeaders(application)


def _route(
    path: str, respond: Callable[[Responses, Request], Awaitable[Response]], method: str = "GET"
) -> Route:
    async def within_time(request: Request) -> Response:
        responses: Responses = request.state.responses
        timeout_seconds = responses.options.timeout_seconds
        try:
            return await asyncio.wait_for(respond(responses, request), timeout_seconds)
        except asyncio.TimeoutError as error:
            text = f"the model did not draw within {timeout_seconds:g} seconds; try again later"
            raise ModelError(504, text) from error

    return Route(path, within_time, methods=[method])


async def _on_parameter_error(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", status_code=400)


async def _on_model_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ModelError)
    headers = {"Retry-After": str(RETRY_SECONDS)} if error.status in (503, 504) else None
    return PlainTextResponse(f"{error.text}\n", status_code=error.status, headers=headers)


async def _on_rate_limit(request: Request, error: Exception) -> Response:
    assert isinstance(error, RateLimitError)
    wait_seconds = math.ceil(error.wait_seconds)
    text = f"enough pictures for now: more in {wait_seconds} seconds\n"
    return PlainTextResponse(text, status_code=429, headers={"Retry-After": str(wait_seconds)})
