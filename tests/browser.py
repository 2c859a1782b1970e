"""A real browser for the tests of pages: Chromium, driven by Playwright.

Without the package or the browser the tests that need them are skipped and say so; with KINSIGHT_REQUIRE_BROWSER=1 they fail instead.
Every page opened here must load nothing but itself and write no complaint; that is looked at when its test ends.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _missing(reason: str) -> Any:
    if os.environ.get("KINSIGHT_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


_running: list[Any] = []


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The running browser, one for all tests, also where several folders of tests take this fixture in: Playwright runs once a process."""
    if _running:
        yield _running[0]
        return
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        _missing(f"no browser is here: install one of {', '.join(NAMES)}")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("Playwright is not here: pip install playwright")
    with sync_playwright() as playwright:
        _running.append(playwright.chromium.launch(executable_path=program, args=FLAGS))
        yield _running[0]
        _running.pop().close()


@pytest.fixture(scope="session")
def window(chromium: Any) -> Any:
    """A page of the browser that the tests use one after the other: to make one takes twice as long as to open a file in it."""
    return chromium.new_context().new_page()


@pytest.fixture
def open_page(chromium: Any, window: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open an HTML text, or the file that holds it: `open_page(html, width=1280, height=900, **options of the browser's context)`."""
    pages, own, problems, requested = [], [], [], []
    listeners = {
        "console": lambda message: problems.append(f"{message.type}: {message.text}"),
        "pageerror": lambda error: problems.append(str(error)),
        "request": lambda request: requested.append(request.url),
    }

    def opened(html: str | Path, *, width: int = 1280, height: int = 900, **options: Any) -> Any:
        file = html if isinstance(html, Path) else tmp_path / f"page-{len(pages)}.html"
        if not isinstance(html, Path):
            file.write_text(html, encoding="utf-8")
        size = {"width": width, "height": height}
        if options or pages:
            own.append(chromium.new_context(viewport=size, **options))
            page = own[-1].new_page()
        else:
            page = window
            page.goto("about:blank")
            page.mouse.move(0, 0)
            page.emulate_media(media="null", color_scheme="null", reduced_motion="null")
            page.set_viewport_size(size)
        pages.append(page)
        page.set_default_timeout(10_000)
        for event, listener in listeners.items():
            page.on(event, listener)
        page.goto(file.as_uri())
        return page

    yield opened
    for page in pages:
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
    for context in own:
        context.close()
    assert problems == []
    outside = [url for url in requested if not url.startswith(("file://", "data:", "about:srcdoc"))]
    assert outside == []
    assert len([url for url in requested if url.startswith("file://")]) == len(pages)
