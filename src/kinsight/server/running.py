"""kinsight.serve: the page on which people search an index."""

from __future__ import annotations

import errno
import logging
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kinsight.api.indexed_model import GivenModel
from kinsight.api.opened_index import open_index
from kinsight.errors import KinsightError
from kinsight.retrieval.qdrant_store import is_server

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

PORT = 8765
SHORTEST_TOKEN = 8
_GRACE = 3  # seconds for answers that are under way when the server is stopped
_ASKING = 512  # connections at a time


def serve(
    index: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    model: GivenModel | None = None,
    approximate: bool = False,
    stream: str | None = None,
    opened: Callable[[str], object] | None = None,
) -> None:
    """Serve the page on which an index is searched, until Ctrl-C.

    Args:
        index: the file that `kinsight.index` wrote.
        host: the address to listen at; `0.0.0.0`: all of this machine, so that others on the network reach it.
        port: where; 0: one that is free.
        token: a word that whoever opens the page must know; where others on the network reach it, one is made up if none is given.
        model: the model, or its folder, where it is not at the place that the index names; of a foreign one its `Explainer`.
        approximate: compare only the pictures that lists say may be near (of an index for which they were built).
        stream: of a model of two streams: of which view pictures are that are sent, where not of that of the index's pictures.
        opened: called with the address of the page once it can be opened.

    Raises:
        KinsightError: starlette and uvicorn are not installed, the index or its model cannot be opened, or the port is taken.
    """
    token = _token(host, token)
    with listening(host, port) as heard:
        server = made_server(
            guarded(made_application(index, model=model, approximate=approximate, stream=stream), host, token)
        )
        heard.listen()  # who comes now waits until it runs
        if opened is not None:
            opened(_address(host, heard.getsockname()[1], token))
        with suppress(KeyboardInterrupt):  # how it is meant to end
            server.run(sockets=[heard])


def made_server(app: ASGIApp) -> uvicorn.Server:
    """What speaks HTTP for an application, within bounds."""
    uvicorn = _installed()
    config = uvicorn.Config(
        app,
        access_log=False,  # addresses may hold the token
        log_level=logging.WARNING,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        http="h11",
        limit_concurrency=_ASKING,
        timeout_graceful_shutdown=_GRACE,
    )
    return uvicorn.Server(config)


def _installed() -> Any:
    """uvicorn, if it and starlette are there."""
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as problem:
        raise KinsightError(
            f"serving needs starlette and uvicorn, and {problem.name} is not installed; install them with pip install 'kinsight[serve]'"
        ) from None
    return uvicorn


def _token(host: str, token: str | None) -> str | None:
    """The token that is asked for, before anything slow."""
    _installed()
    from kinsight.server.guard import is_local

    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise KinsightError(
            f"the token has {len(token)} characters or others than letters, digits and signs; write at least {SHORTEST_TOKEN}, or leave "
            "it out where the page is for this machine alone"
        )
    return secrets.token_urlsafe(12) if token is None and not is_local(host) else token


def guarded(app: ASGIApp, host: str, token: str | None) -> ASGIApp:
    """An application behind its guard."""
    from kinsight.server.guard import Guard, is_local, own_names

    return Guard(app, names=own_names(host), any_address=not is_local(host), token=token)


def made_application(
    index: str | Path, *, model: GivenModel | None = None, approximate: bool = False, stream: str | None = None
) -> ASGIApp:
    """The application that answers for an index, without its guard.

    Raises:
        KinsightError: the index or its model cannot be opened, it stands on a server, or has no lists for approximate search.
    """
    if is_server(index):
        raise KinsightError(f"{index} stands on a server, and the page is for index files alone; give a file, NAME.kin")
    from kinsight.server.application import Server, application
    from kinsight.server.desk import Desk
    from kinsight.server.gallery import Gallery
    from kinsight.server.judgements import Judgements
    from kinsight.server.searching import Searching

    desk, shelf = Desk(), Desk(waiting=256)
    try:
        judgements = Judgements(index)

        def searching() -> Searching:
            return Searching(open_index(index, model=model), judgements, approximate=approximate, stream=stream)

        where = Path(index).absolute()
        hidden = (str(where), str(index), str(where.parent))
        made = Server(where.name, desk.now(searching), desk, shelf.now(Gallery, index), shelf, hidden)
        return application(made)
    except BaseException:
        desk.close()
        shelf.close()
        raise


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        KinsightError: there is no such address, or the port is taken.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, OverflowError, UnicodeError):
        raise KinsightError(
            f"there is no address {host!r} to listen at; write 127.0.0.1 for this machine alone, or 0.0.0.0 for the whole network"
        ) from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        return made
    except (OSError, OverflowError) as problem:
        made.close()
        taken = isinstance(problem, OSError) and problem.errno == errno.EADDRINUSE
        why = "is taken by another program" if taken else "cannot be listened at"
        raise KinsightError(
            f"port {port} of {host} {why}; choose another with port (--port), 0 for one that is free"
        ) from None


def _address(host: str, port: int, token: str | None) -> str:
    """What to open in a browser; of a server on all addresses the one that the network knows."""
    shown = _own_address() if host in ("0.0.0.0", "::") else host
    shown = f"[{shown}]" if ":" in shown else shown
    return f"http://{shown}:{port}/{f'?token={quote(token)}' if token else ''}"


def _own_address() -> str:
    """The address of this machine on its network; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(
                ("192.0.2.1", 9)
            )  # documentation's own address (RFC 5737): a datagram socket only looks up the way
            return str(asking.getsockname()[0])
        except OSError:
            return "127.0.0.1"
