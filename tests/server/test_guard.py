"""Who may ask: names, other pages, tokens; and what every answer says to a browser."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from kinsight.server.guard import COOKIE, is_local, own_names
from server.conftest import client

TOKEN = "a long word"


async def _said(request: object) -> PlainTextResponse:
    return PlainTextResponse("said")


APP = Starlette(routes=[Route(path, _said, methods=["GET", "POST"]) for path in ("/", "/api/search")])
HERE = client(APP)


def status(made: TestClient, path: str = "/", method: str = "GET", **headers: str) -> int:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return made.request(method, path, headers=given, follow_redirects=False).status_code


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost:1", 200),
        ("LOCALHOST.", 200),
        ("[::1]:8765", 200),
        ("127.8.8.8", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("192.168.1.20:8765", 421),
        ("localhost@evil.example", 421),
        ("evil.example#localhost", 421),
        ("[::1", 421),
        ("", 421),
        ("127.0.0.1.evil.example", 421),
        ("2130706433", 421),
    ],
)
def test_only_names_of_this_machine_are_answered(host: str, found: int) -> None:
    assert status(HERE, host=host) == found


def test_a_server_for_the_network_answers_to_every_address_but_to_no_foreign_name() -> None:
    network = client(APP, any_address=True)
    assert [status(network, host=host) for host in ("192.168.1.20:80", "[fe80::1]", "evil.example")] == [200, 200, 421]


def test_two_hosts_are_refused() -> None:
    answer = HERE.get("/", headers=[("host", "localhost"), ("host", "evil.example")])
    assert answer.status_code == 421


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:8765"}, 200),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({"sec_fetch_site": "none"}, 200),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_dest": "document"}, 403),
    ],
)
def test_other_pages_cannot_ask(headers: dict[str, str], found: int) -> None:
    assert status(HERE, "/api/search", "POST", **headers) == found
    assert status(HERE, "/api/search", "GET", **headers) == found


def test_a_link_to_the_page_may_be_followed_but_not_framed() -> None:
    assert status(HERE, sec_fetch_site="cross-site", sec_fetch_dest="document") == 200
    assert status(HERE, sec_fetch_site="cross-site", sec_fetch_dest="iframe") == 403


def test_every_answer_and_refusal_tells_browsers_what_is_allowed() -> None:
    for answer in (HERE.get("/"), HERE.get("/", headers={"host": "evil.example"}), HERE.get("/nothing")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert "unsafe" not in policy
        assert "access-control-allow-origin" not in answer.headers


def test_with_a_token_nobody_else_is_answered() -> None:
    made = client(APP, token=TOKEN)
    assert status(made, "/api/search") == status(made, "/static/app.js") == status(made) == 401
    assert status(made, "/api/search", authorization=f"Bearer {TOKEN}") == 200
    for wrong in (f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}"):
        assert status(made, "/api/search", authorization=wrong) == 401
    assert made.get("/api/search", headers=[(b"authorization", b"Bearer \xff")]).status_code == 401
    assert status(made, "/api/search", cookie=f"{COOKIE}={TOKEN}") == 401  # the cookie is not the token itself
    assert made.get("/?token=wrong").status_code == made.get(f"/?token={TOKEN}&token=x").status_code == 401
    assert "not the token" in made.get("/?token=wrong").text


def test_the_token_in_the_address_becomes_a_cookie_that_scripts_cannot_read() -> None:
    made = client(APP, token=TOKEN)
    answer = made.get("/", params={"token": TOKEN}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert status(made, "/api/search") == 200  # the client has kept it


def test_names_of_the_machine_are_for_the_network_alone() -> None:
    assert own_names("127.0.0.1") == {"localhost", "127.0.0.1"}
    assert len(own_names("0.0.0.0")) > 2
    assert [is_local(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "192.168.1.2", "x")] == [
        True
    ] * 3 + [False] * 3
