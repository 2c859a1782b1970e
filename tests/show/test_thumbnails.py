from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinsight.show.thumbnails import PLACEHOLDER, data_uri, thumbnail


def opened(uri: str) -> Image.Image:
    kind, _, data = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("size", [(640, 200), (200, 640), (300, 300), (20, 10)])
def test_the_shape_is_kept_and_nothing_is_enlarged(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "teal").save(tmp_path / "a.jpg")
    small = opened(thumbnail(str(tmp_path / "a.jpg"), side=100))
    assert max(small.size) == min(100, max(size))
    assert small.width / small.height == pytest.approx(size[0] / size[1], rel=0.03)


@pytest.mark.parametrize("limit", [9_000, 3_000, 900])
def test_noise_keeps_within_its_bytes(limit: int) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8))
    assert len(base64.b64decode(data_uri(noise, 144, limit).partition(",")[2])) <= limit


def test_what_cannot_be_read_has_a_placeholder(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    assert thumbnail(str(tmp_path / "b.jpg")) == PLACEHOLDER
    assert thumbnail(str(tmp_path / "missing.jpg")) == PLACEHOLDER
    assert thumbnail(str(tmp_path / "missing.zip/inner/a.jpg")) == PLACEHOLDER
