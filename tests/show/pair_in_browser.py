"""Reading and moving over a pair page in a real browser."""

from __future__ import annotations

from typing import Any

import numpy as np

from kinsight.explanation import Pair


def surface(page: Any, side: str) -> Any:
    return page.locator(f"[data-side={side}] .surface")


def hover(page: Any, side: str, down: float, right: float) -> tuple[float, float]:
    """Move the mouse to a share of the picture's height and width; gives that place on the screen."""
    surface(page, side).scroll_into_view_if_needed()
    box = surface(page, side).bounding_box()
    at = (box["x"] + right * box["width"], box["y"] + down * box["height"])
    page.mouse.move(*at)
    return at


def state(page: Any) -> dict[str, Any]:
    return page.evaluate("kinsight.state()")


def shown(page: Any, side: str) -> np.ndarray | None:
    found = page.evaluate("side => kinsight.map(side)", side)
    return None if found is None else np.array(found)


def settled(page: Any) -> Any:
    """The page, drawn: it otherwise waits for the next frame, which a busy machine may leave for later."""
    page.evaluate("kinsight.state()")
    return page


def painted(page: Any, side: str) -> np.ndarray:
    found = page.evaluate("side => kinsight.pixels(side)", side)
    return np.array(found["values"]).reshape(found["size"])


def canvas(page: Any, side: str) -> np.ndarray:
    """(H, W, 4), the colours on the canvas over a picture."""
    read = """node => [node.height, node.width, [...node.getContext("2d").getImageData(0, 0, node.width, node.height).data]]"""
    height, width, values = page.locator(f"[data-side={side}] canvas").evaluate(read)
    return np.array(values).reshape(height, width, 4)


def same(found: np.ndarray | None, expected: np.ndarray, step: float, places: float = 1.0) -> None:
    """Equal to the resolution at which the tensor travels: half a step for each place that was pointed at."""
    assert found is not None
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 0.501 * step * max(places, 1) + 1e-9


def number(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-"))


def text(value: float) -> str:
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def shows_overall(page: Any, made: Pair, *, bias: bool = False) -> None:
    for side in ("query", "other"):
        np.testing.assert_allclose(shown(page, side), made.overall(side, bias=bias), rtol=1e-6, atol=1e-8)
