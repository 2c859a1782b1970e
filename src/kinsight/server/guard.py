"""Who may ask: this machine's names only, no other page's scripts, and where there is a token whoever knows it.

* **Names** (DNS rebinding): a page of an attacker whose name suddenly means this machine still says that name in `Host`.
* **Other pages** (cross-site requests): browsers say in `Origin` and `Sec-Fetch-Site` where a request comes from.
* **A token**, once in the address, then in a cookie that no script and no other site has; programs send it as `Authorization: Bearer`.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import ipaddress
import json
import socket
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "kinsight"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": PAGE_POLICY,
    "cache-control": "no-store",
}
_LONGEST_QUERY = 4096  # characters behind the question mark


class Guard:
    """Lets through what may ask, and says in every answer what a browser may do with it.

    Args:
        app: what answers.
        names: names in `Host` that are this server, beside addresses.
        any_address: whether every address may be it, or only those of this machine itself.
        token: who asks must know it; None: everybody may.
    """

    def __init__(self, app: ASGIApp, *, names: Iterable[str], any_address: bool, token: str | None) -> None:
        self.app = app
        self.names, self.any_address = {name.lower() for name in names}, any_address
        self.token = token
        self._cookie = (
            None if token is None else hmac.new(token.encode(), b"kinsight cookie", hashlib.sha256).hexdigest()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse in a sentence."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, receive, sending)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1 or not self._is_this(headers["host"]):
            return refused(421, "this server is not called so; open it under the address that `kinsight serve` printed")
        if not _same_site(scope, headers):
            return refused(403, "requests of other pages are refused; open the page of `kinsight serve` itself")
        if len(scope.get("query_string", b"")) > _LONGEST_QUERY:
            return refused(414, "this address is too long")
        return self._without_token(scope, headers)

    def _is_this(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if any(character in host for character in "@/?#\\ "):
            return False
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name.rstrip(".") in self.names
        return self.any_address or address.is_loopback or str(address) in self.names

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        if self.token is None or self._cookie is None:
            return None
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _equal(bearer.strip(), self.token):
            return None
        if any(_equal(value, self._cookie) for value in _cookies(headers)):
            return None
        if scope["path"] != "/":
            return refused(401, "this server asks for a token; open the address that `kinsight serve` printed", _ASKS)
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [])
        if len(given) != 1:
            return HTMLResponse(_asking(""), 401)
        if not _equal(given[0], self.token):
            return HTMLResponse(_asking("This is not the token."), 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, self._cookie, httponly=True, samesite="strict", path="/")
        return answer


def refused(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """A refusal as JSON."""
    body = json.dumps({"error": sentence}, ensure_ascii=False)
    return Response(body.encode("utf-8", "replace"), status, headers, "application/json")


def own_names(host: str) -> set[str]:
    """The names under which a server on `host` is met."""
    names = {"localhost", host.lower()}
    if not is_local(host):
        own = socket.gethostname().lower()
        names |= {own, f"{own.partition('.')[0]}.local"}
    return names


def is_local(host: str) -> bool:
    """Whether only this machine itself reaches a server on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _same_site(scope: Scope, headers: Headers) -> bool:
    origins = headers.getlist("origin")
    if origins and (len(origins) > 1 or urlsplit(origins[0]).netloc.lower() != headers["host"].lower()):
        return False
    site = headers.get("sec-fetch-site", "none")
    if site in ("none", "same-origin"):
        return True
    # Somebody may follow a link to the page; nothing else is for other pages.
    return scope["method"] == "GET" and scope["path"] == "/" and headers.get("sec-fetch-dest") == "document"


def _cookies(headers: Headers) -> list[str]:
    found = []
    for line in headers.getlist("cookie"):
        for part in line.split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE:
                found.append(value)
    return found


def _equal(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())


def _asking(why: str) -> str:
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'>"
        "<meta name=color-scheme content='light dark'><title>Kinsight search</title><h1>Kinsight search</h1>"
        f"<p>{html.escape(why)} This server asks for a token: the one behind <code>token=</code> in the address that "
        "<code>kinsight serve</code> printed.</p><form><label>Token <input name=token type=password required autofocus></label> "
        "<button>Open</button></form>"
    )


_ASKS = {"www-authenticate": "Bearer"}
