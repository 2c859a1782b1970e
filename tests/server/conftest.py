"""An index of the shared tiny run's pictures, and the application that answers for it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import kinsight
from kinsight.server.guard import Guard
from kinsight.server.running import made_application
from tiny_run import finished, pictures

__all__ = ["finished", "pictures"]

HERE = "http://127.0.0.1:8765"


def client(app: Any, *, token: str | None = None, any_address: bool = False, **options: Any) -> TestClient:
    return TestClient(Guard(app, names={"localhost"}, any_address=any_address, token=token), base_url=HERE, **options)


def photograph(width: int = 60, height: int = 40, *, seed: int = 0, kind: str = "PNG", **options: Any) -> bytes:
    """A picture as somebody sends it."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture(scope="session")
def birds(tmp_path_factory: pytest.TempPathFactory, finished: Path, pictures: Path) -> Path:
    """An index of all pictures of the table, with their places; judgements of all tests come to lie beside it."""
    path = tmp_path_factory.mktemp("index of birds") / "birds.kin"
    kinsight.index(finished, pictures, out=path, workers=0, places=True).close()
    return path


@pytest.fixture(scope="session")
def app(birds: Path) -> Any:
    return made_application(birds)


@pytest.fixture(scope="session")
def asking(app: Any) -> Iterator[TestClient]:
    """Somebody on this machine."""
    with client(app) as made:
        yield made


@pytest.fixture(scope="session")
def sent(asking: TestClient) -> str:
    """The handle of a picture that was sent; 60 pixels wide and 40 high."""
    answer = asking.post("/api/queries?name=mine.png", content=photograph(), headers={"content-type": "image/png"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["query"])
