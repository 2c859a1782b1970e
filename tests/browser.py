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


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The running browser, one for all tests."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        _missing(f"no browser is here: install one of {', '.join(NAMES)}")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("Playwright is not here: pip install playwright")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def open_page(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open an HTML text, or the file that holds it: `open_page(html, width=1280, height=900, **options of the browser's context)`."""
    contexts, problems, requested = [], [], []

    def opened(html: str | Path, *, width: int = 1280, height: int = 900, **options: Any) -> Any:
        file = html if isinstance(html, Path) else tmp_path / f"page-{len(contexts)}.html"
        if not isinstance(html, Path):
            file.write_text(html, encoding="utf-8")
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requested.append(request.url))
        page.goto(file.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []
    outside = [url for url in requested if not url.startswith(("file://", "data:", "about:srcdoc"))]
    assert outside == []
    assert len([url for url in requested if url.startswith("file://")]) == len(contexts)
