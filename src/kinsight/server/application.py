"""What the server answers to which address."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from kinsight.errors import KinsightError
from kinsight.server.desk import Desk
from kinsight.server.gallery import Gallery
from kinsight.server.guard import refused
from kinsight.server.names import without_paths
from kinsight.server.openapi import described
from kinsight.server.questions import MOST_HITS, judgement_of, number_of, question_of
from kinsight.server.refusals import Busy, Missing, TooLarge, WrongKind
from kinsight.server.searching import Searching
from kinsight.server.uploads import MOST_BYTES, MOST_PIXELS, TYPES

MOST_JSON = 2**20  # bytes
_PATIENCE = 60.0  # seconds for a body to arrive
_EXAMPLES = 12
_LONGEST_NAME = 200
# A pair page stands in a frame without an origin: it cannot reach the server, whatever the names in it say.
_PAIR_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-scripts"
)
_PAGE = files("kinsight.server").joinpath("page")
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_STATUS = {Busy: 503, Missing: 404, TooLarge: 413, WrongKind: 415}
_FOREVER = {"cache-control": "private, max-age=86400, immutable"}  # a number never changes its picture
logger = logging.getLogger(__name__)

Answer = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass
class Server:
    """What answers.

    Attributes:
        name: of the index.
        searching: the index with its model, and `desk`, the thread in which it is used.
        gallery: its pictures, and `shelf`, their thread: pictures are shown while the model works.
        secrets: paths that no answer may hold.
    """

    name: str
    searching: Searching
    desk: Desk
    gallery: Gallery
    shelf: Desk
    secrets: tuple[str, ...] = ()

    async def about(self, request: Request) -> Response:
        """What is searched."""
        known = await self.shelf.do(self.gallery.about, _EXAMPLES)
        limits = {"bytes": MOST_BYTES, "pixels": MOST_PIXELS, "types": list(TYPES), "top": MOST_HITS}
        model = self.searching.index.model.digest()[:12]
        meaning = self.searching.meaning.plain()
        return _json(
            {
                "name": self.name,
                **known,
                "model": model,
                "places": self.searching.index.store.about.places is not None,
                "calibration": meaning,
                "limits": limits,
                "version": version("kinsight"),
            }
        )

    async def send(self, request: Request) -> Response:
        """Take a picture to search with."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in TYPES:
            raise WrongKind(f"a picture is sent as its bytes with the type {', '.join(TYPES)}; this was another type")
        data = await _body(request, MOST_BYTES)
        name = "".join(filter(str.isprintable, request.query_params.get("name", "")))[:_LONGEST_NAME]
        return _json(await self.desk.do(self.searching.sent, data, name or "a picture"), 201)

    async def sent(self, request: Request) -> Response:
        """A picture that was sent, to be shown."""
        handle = request.path_params["query"]
        return Response(await self.desk.do(self.searching.preview, handle), media_type="image/jpeg")

    async def search(self, request: Request) -> Response:
        """Answer a question."""
        return _json(await self.desk.do(self.searching.search, question_of(await _json_body(request))))

    async def picture(self, request: Request) -> Response:
        """A picture of the index."""
        return await self._picture(request, "picture")

    async def thumbnail(self, request: Request) -> Response:
        """A small one."""
        return await self._picture(request, "thumbnail")

    async def pair(self, request: Request) -> Response:
        """The page that shows why a picture was found."""
        given = request.query_params
        handle, of = given.get("query"), given.get("of")
        if (handle is None) == (of is None):
            raise KinsightError(
                "write one of query (of a picture that was sent) and of (the number of one of the index)"
            )
        number = None if of is None else number_of(of, "of")
        page = await self.desk.do(self.searching.pair, handle, number, number_of(given.get("picture", ""), "picture"))
        allowed = {"content-security-policy": _PAIR_POLICY, "x-frame-options": "SAMEORIGIN"}
        return HTMLResponse(page.encode("utf-8", "replace"), headers=allowed)

    async def judgements(self, request: Request) -> Response:
        """Keep a judgement, or say what was judged."""
        if request.method == "POST":
            return _json(await self.desk.do(self.searching.judge, judgement_of(await _json_body(request))))
        return _json(await self.desk.do(self.searching.judged))

    async def _picture(self, request: Request, kind: str) -> Response:
        number = number_of(request.path_params["picture"], "picture")
        return Response(
            await self.shelf.do(self.gallery.picture, number, kind), headers=_FOREVER, media_type="image/jpeg"
        )


def application(server: Server) -> Starlette:
    """The addresses."""
    texts = _texts()

    async def page(request: Request) -> Response:
        return HTMLResponse(texts["index.html"])

    async def part(request: Request) -> Response:
        name = request.path_params["name"]
        kind = _KINDS.get("." + name.rpartition(".")[2])
        if name not in texts or kind is None:
            raise HTTPException(404)
        return Response(texts[name], media_type=kind, headers={"cache-control": "no-cache"})

    async def openapi(request: Request) -> Response:
        return _json(described())

    def route(path: str, answer: Answer, *methods: str) -> Route:
        return Route(path, _answering(answer, server.secrets), methods=list(methods) or ["GET"])

    return Starlette(
        routes=[
            route("/", page),
            route("/static/{name}", part),
            route("/api/openapi.json", openapi),
            route("/api/about", server.about),
            route("/api/queries", server.send, "POST"),
            route("/api/queries/{query}", server.sent),
            route("/api/search", server.search, "POST"),
            route("/api/pictures/{picture}", server.picture),
            route("/api/pictures/{picture}/thumbnail", server.thumbnail),
            route("/api/pair", server.pair),
            route("/api/judgements", server.judgements, "GET", "POST"),
        ],
        exception_handlers={HTTPException: _http_problem},
    )


def _answering(answer: Answer, secrets: tuple[str, ...]) -> Answer:
    """An answer whose problems are sentences, too."""

    async def answering(request: Request) -> Response:
        try:
            return await answer(request)
        except KinsightError as problem:
            status = _STATUS.get(type(problem), 400)
            waits = {"retry-after": "2"} if status == 503 else None
            return refused(status, without_paths(str(problem), *secrets), waits)
        except HTTPException:
            raise
        except Exception:
            logger.exception("a request could not be answered")
            return refused(500, "this is a fault of the server; its terminal says more")

    return answering


async def _http_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    said = {
        404: "there is nothing at this address; see /api/openapi.json",
        405: "this address is not asked so; see /api/openapi.json",
    }
    return refused(problem.status_code, said.get(problem.status_code, str(problem.detail)), dict(problem.headers or {}))


async def _json_body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise WrongKind("a question is sent as JSON, with the type application/json; this was another type")
    return await _body(request, MOST_JSON)


async def _body(request: Request, most: int) -> bytes:
    """What was sent, never more in memory than `most` bytes."""
    too_large = TooLarge(f"more than {most / 2**20:g} MB were sent; send less")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > most:
        raise too_large

    async def read() -> bytes:
        found = bytearray()
        async for piece in request.stream():
            found += piece
            if len(found) > most:
                raise too_large
        return bytes(found)

    try:
        return await asyncio.wait_for(read(), _PATIENCE)
    except (TimeoutError, asyncio.TimeoutError):
        raise KinsightError(f"nothing more came for {_PATIENCE:g} seconds; send it again") from None


def _json(value: Any, status: int = 200) -> Response:
    body = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    return Response(body, status, media_type="application/json")


def _texts() -> dict[str, str]:
    """The page, its scripts and styles, by name."""
    found = {entry.name: entry.read_text(encoding="utf-8") for entry in _PAGE.iterdir() if entry.is_file()}
    found["style.css"] = files("kinsight.show").joinpath("style.css").read_text(encoding="utf-8")
    return found
