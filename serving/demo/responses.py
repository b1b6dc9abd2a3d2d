"""The responses of the page's URLs."""

import dataclasses
import hashlib
import pathlib
import urllib.parse
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from serving.client.picture_request import MODEL_DEFAULT
from serving.demo import parameters
from serving.demo.cache import PictureCache
from serving.demo.card import Card
from serving.demo.gallery import Gallery
from serving.demo.limiting import RateLimit
from serving.demo.parameters import ParameterError, PictureParameters
from serving.demo.served import Kind, ServedModel, VersionedPicture

PAGE = pathlib.Path(__file__).parent / "page"


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """The options of the page.

    Attributes:
      model: name of the model on the server and on the page.
      card: facts about the model that the page shows.
      timeout_seconds: seconds until a picture or an error message.
      gallery_pictures: pictures to draw at once for a caption.
      caption_characters: longest caption, in characters.
      cache_bytes: size of the picture cache; 0 for no cache.
      max_age_seconds: how long browsers may cache a picture with a seed.
      pictures_per_minute: limit of pictures drawn for one client address; 0 for no limit.
      body_bytes: largest body of a request.
    """

    model: str
    card: Card = Card()  # noqa: RUF009  It is frozen.
    timeout_seconds: float = 20.0
    gallery_pictures: int = 9
    caption_characters: int = 500
    cache_bytes: int = 64 * 2**20
    max_age_seconds: int = 86_400
    pictures_per_minute: int = 0
    body_bytes: int = 16 * 2**10


class Responses:
    """The responses; one method per URL."""

    def __init__(self, model: ServedModel, options: DemoOptions) -> None:
        """Creates the responses for one model."""
        self._model, self.options = model, options
        self._page = (PAGE / "index.html").read_bytes()
        limit = RateLimit(options.pictures_per_minute)
        self._gallery = Gallery(model, PictureCache(options.cache_bytes), limit)

    async def page(self, request: Request) -> Response:
        """The HTML page, the same for all models."""
        return HTMLResponse(self._page)

    async def alive(self, request: Request) -> Response:
        """Always answers "ok": this program runs, even if the model server does not."""
        return PlainTextResponse("ok\n")

    async def model(self, request: Request) -> Response:
        """The facts about the model that the page needs, as JSON."""
        abilities, options = await self._model.abilities(), self.options
        return JSONResponse(
            {
                "name": options.model,
                "version": str(abilities.version),
                "kind": abilities.kind,
                "mixes": abilities.mixes,
                "caption_characters": options.caption_characters,
                "timeout_seconds": options.timeout_seconds,
                "card": dataclasses.asdict(options.card),
            }
        )

    async def gallery(self, request: Request) -> Response:
        """Draws several pictures with consecutive seeds; returns their URLs as JSON."""
        body = await _body(request)
        truncation = parameters.truncation(body.get("truncation"))
        seeds = parameters.consecutive_seeds(
            parameters.seed(body.get("seed")), self.options.gallery_pictures
        )
        kind = (await self._model.abilities()).kind
        caption = self._caption_for(kind, body.get("caption"))
        wanted = [PictureParameters(caption, seed, truncation) for seed in seeds]
        shown = await self._gallery.show(wanted, address=_address(request))
        return JSONResponse(
            {
                "unknown_words": shown[0].picture.unknown_words,
                "pictures": [
                    {
                        "seed": str(each.seed),
                        "address": _picture_address(each),
                        "text": one.picture.text,
                    }
                    for each, one in zip(wanted, shown, strict=True)
                ],
            }
        )

    async def text(self, request: Request) -> Response:
        """The picture of a caption, as PNG."""
        caption = self._caption(request.path_params["caption"])
        wanted = _with_query(request, PictureParameters(caption, seed=0))
        if (await self._model.abilities()).kind == "unconditional":
            raise HTTPException(404, "this model draws without captions: /picture")
        return await self._picture(request, wanted)

    async def picture(self, request: Request) -> Response:
        """A picture of a model that needs no caption, as PNG."""
        wanted = _with_query(request, PictureParameters(None, seed=0))
        kind = (await self._model.abilities()).kind
        if kind == "caption":
            raise HTTPException(404, "this model draws captions: /text/<caption>")
        caption = self._caption_for(kind, None)
        return await self._picture(request, dataclasses.replace(wanted, caption=caption))

    async def mix(self, request: Request) -> Response:
        """A picture between two captions (linear interpolation), as PNG."""
        query = request.query_params
        mixed = PictureParameters(
            caption=self._caption(query.get("from"), name="from"),
            seed=0,
            towards=self._caption(query.get("to"), name="to"),
            share=parameters.fraction(query.get("share"), name="share"),
        )
        wanted = _with_query(request, mixed)
        if not (await self._model.abilities()).mixes:
            raise HTTPException(404, "this model cannot draw between two captions")
        return await self._picture(request, wanted)

    def _caption(self, sent: Any, *, name: str = "caption") -> str:
        return parameters.caption(sent, name=name, longest=self.options.caption_characters)

    def _caption_for(self, kind: Kind, sent: Any) -> str | None:
        blank = sent is None or (isinstance(sent, str) and not sent.strip())
        if blank and kind != "caption":
            return "" if kind == "joint" else None
        if kind == "unconditional":
            rule = "must be left out, the model draws without"
            raise ParameterError(f"caption: {rule}, got {parameters.shown(sent)}")
        return self._caption(sent)

    async def _picture(self, request: Request, wanted: PictureParameters) -> Response:
        (shown,) = await self._gallery.show([wanted], address=_address(request))
        headers = _picture_headers(shown)
        if "seed" not in request.query_params:
            again = [*request.query_params.multi_items(), ("seed", str(wanted.seed))]
            headers["Content-Location"] = f"?{urllib.parse.urlencode(again)}"
            headers["Cache-Control"] = "no-store"
        else:
            headers["Cache-Control"] = f"public, max-age={self.options.max_age_seconds}"
            # The version number is not enough: another export folder starts again at 1.
            checksum = hashlib.sha256(shown.picture.png).hexdigest()
            headers["ETag"] = f'"{shown.version}-{checksum[:16]}"'
            if headers["ETag"] in request.headers.get("If-None-Match", ""):
                return Response(status_code=304, headers=headers)
        return Response(shown.picture.png, media_type="image/png", headers=headers)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"body: must be JSON, got something else ({error})") from error
    if not isinstance(body, dict):
        raise ParameterError(f"body: must be a JSON object, got {parameters.shown(body)}")
    return body


def _with_query(request: Request, wanted: PictureParameters) -> PictureParameters:
    query = request.query_params
    return dataclasses.replace(
        wanted,
        seed=parameters.seed(query.get("seed")),
        truncation=parameters.truncation(query.get("truncation")),
    )


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _picture_address(wanted: PictureParameters) -> str:
    """The URL of a picture, relative to the page."""
    query = {"seed": str(wanted.seed)}
    if wanted.truncation != MODEL_DEFAULT:
        query["truncation"] = str(wanted.truncation)
    # Browsers resolve "." and ".." as path segments. White space around a caption is ignored.
    padded = f"{wanted.caption} " if wanted.caption in (".", "..") else wanted.caption
    path = f"text/{urllib.parse.quote(padded, safe='')}" if padded else "picture"
    return f"{path}?{urllib.parse.urlencode(query)}"


def _picture_headers(shown: VersionedPicture) -> dict[str, str]:
    """The response headers of a picture; the text of a joint model is percent-encoded UTF-8."""
    picture = shown.picture
    headers = {
        "Seed": str(picture.seed),
        "Unknown-Words": str(picture.unknown_words),
        "Model-Version": str(shown.version),
    }
    if picture.text is not None:
        headers["Text"] = urllib.parse.quote(picture.text)
    return headers
