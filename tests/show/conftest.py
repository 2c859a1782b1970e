"""The browser for the tests of pages, and the page of a made pair in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from browser import chromium, open_page, window
from kinsight.explanation import Pair
from kinsight.show.pair.page import pair_html
from show.made_pair import pair

__all__ = ["chromium", "open_page", "window"]


@pytest.fixture
def made() -> Pair:
    return pair()


@pytest.fixture
def page(open_page: Callable[..., Any], made: Pair) -> Any:
    return open_page(pair_html(made))
