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
from serving.demo.gallery import TooManyError
from serving.demo.headers import SecureHeaders
from serving.demo.parameters import AskingError
from serving.demo.responses import PAGE, Answers, DemoOptions
from serving.demo.served import ModelError, ServedModel

RETRY_SECONDS = 5


class _AnyText(PathConvertor):
    """A path with any characters; Starlette's own convertor stops at a line feed."""

    regex = r"[\s\S]*"


register_url_convertor("any_text", _AnyText())


class _State(TypedDict):
    answers: Answers


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
            following = asyncio.create_task(model.follow())
            try:
                yield {"answers": Answers(model, options)}
            finally:
                following.cancel()

    application = Starlette(
        routes=[
            _route("/", Answers.page),
            _route("/healthz", Answers.alive),
            _route("/model", Answers.model),
            _route("/gallery", Answers.gallery, method="POST"),
            _route("/text/{caption:any_text}", Answers.text),
            _route("/picture", Answers.picture),
            _route("/mix", Answers.mix),
            Mount("/page", StaticFiles(directory=PAGE)),
        ],
        exception_handlers={
            AskingError: _mistaken,
            ModelError: _away,
            TooManyError: _too_many,
        },
        lifespan=lifespan,
        max_body_size=options.body_bytes,
    )
    return SecureHeaders(application)


def _route(
    path: str, answer: Callable[[Answers, Request], Awaitable[Response]], method: str = "GET"
) -> Route:
    async def within_time(request: Request) -> Response:
        answers: Answers = request.state.answers
        timeout_seconds = answers.options.timeout_seconds
        try:
            return await asyncio.wait_for(answer(answers, request), timeout_seconds)
        except asyncio.TimeoutError as error:
            text = f"the model did not draw within {timeout_seconds:g} seconds; try again later"
            raise ModelError(504, text) from error

    return Route(path, within_time, methods=[method])


async def _mistaken(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", status_code=400)


async def _away(request: Request, error: Exception) -> Response:
    assert isinstance(error, ModelError)
    headers = {"Retry-After": str(RETRY_SECONDS)} if error.status in (503, 504) else None
    return PlainTextResponse(f"{error.text}\n", status_code=error.status, headers=headers)


async def _too_many(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooManyError)
    wait_seconds = math.ceil(error.wait_seconds)
    text = f"enough pictures for now: more in {wait_seconds} seconds\n"
    return PlainTextResponse(text, status_code=429, headers={"Retry-After": str(wait_seconds)})
