"""Names without folders, pictures from strangers, judgements, memory with an end, and a queue with one."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from kinsight.data.judged import JudgedPicture
from kinsight.errors import KinsightError
from kinsight.server import judgements as room
from kinsight.server.desk import Desk
from kinsight.server.judgements import Judgements
from kinsight.server.names import shown, shown_columns, without_paths
from kinsight.server.refusals import Busy
from kinsight.server.remembered import Remembered
from kinsight.server.uploads import KINDS, jpeg, uploaded_picture
from server.conftest import photograph


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("images/wren/1.jpg", "images/wren/1.jpg"),
        ("/home/me/pictures/wren/1.jpg", "wren/1.jpg"),
        ("C:\\Users\\me\\wren\\1.jpg", "wren/1.jpg"),
        ("/", ""),
        ("wren / robin", "wren / robin"),
    ],
)
def test_ids_are_shown_without_the_folders_of_the_machine(text: str, found: str) -> None:
    assert shown(text) == found
    assert shown_columns({"x": text, "n": 3}) == {"x": found, "n": 3}


def test_sentences_lose_their_paths() -> None:
    said = without_paths(
        "/a b/c d/x.jpg does not exist (the archive /data/y.zip has no member z/w.jpg)", "/a b/c d/x.jpg"
    )
    assert said == "x.jpg does not exist (the archive y.zip has no member z/w.jpg)"
    assert without_paths("it is wrong; see /api/openapi.json") == "it is wrong; see /api/openapi.json"
    assert without_paths("open 'C:\\me\\x.kin' at http://127.0.0.1/api") == "open 'x.kin' at http://127.0.0.1/api"


def test_columns_hold_what_json_holds() -> None:
    assert shown_columns({"a": float("inf"), "b": None, "c": 1.5}) == {"a": "inf", "b": None, "c": 1.5}


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8_001, 10_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(KinsightError, match=r"million pixels|damaged"):
        uploaded_picture(bomb(*size))


def test_what_is_no_picture_is_refused_in_a_sentence() -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'
    for data in (b"", b"no picture", svg, photograph()[:40], photograph(kind="TIFF")[:60], bomb(30, 30)):
        with pytest.raises(KinsightError) as refused:
            uploaded_picture(data)
        assert "/" not in str(refused.value)
        assert "BytesIO" not in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_of_the_list_is_read(kind: str) -> None:
    assert uploaded_picture(photograph(kind=kind)).size == (60, 40)


def test_formats_outside_the_list_are_not_even_tried() -> None:
    for kind in ("PPM", "TGA", "ICO", "PDF"):
        with pytest.raises(KinsightError, match="no picture that can be read"):
            uploaded_picture(photograph(kind=kind))


def test_a_photograph_of_a_phone_stands_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    assert uploaded_picture(photograph(60, 40, kind="JPEG", exif=turned)).size == (40, 60)
    assert Image.open(io.BytesIO(jpeg(Image.new("RGB", (300, 100)), 30))).size == (30, 10)


A, B = JudgedPicture("a.jpg", "/pictures/a.jpg"), JudgedPicture('b, "2".jpg', "/pictures/b.jpg", (1, 2, 30, 40))


def judged(folder: Path) -> Judgements:
    return Judgements(folder / "birds.kin")


def test_judgements_outlive_the_server_and_are_read_by_pandas(tmp_path: Path) -> None:
    table = judged(tmp_path)
    table.add(True, A, B, score=0.5, regions='{"regions":[{"box":[1,2,3,4]}]}', model="digest")
    table.add(False, B, A, score=None, regions="", model="digest")  # the same pair, the other way round
    table.add(True, A, A, score=1.0, regions="", model="digest")
    again = judged(tmp_path)
    assert again.same(A.id, B.id) is again.same(B.id, A.id) is False
    assert list(again.pairs()) == list(table.pairs()) == [(A.id, B.id, False), (A.id, A.id, True)]
    frame = pd.read_csv(tmp_path / "birds.judgements.csv")
    assert tuple(frame.columns) == room.COLUMNS
    assert frame["same"].tolist() == [1, 0, 1]
    assert frame["other"].tolist() == [B.id, A.id, A.id]


def test_a_judgement_is_withdrawn_and_a_line_cut_short_is_passed_over(tmp_path: Path) -> None:
    table = judged(tmp_path)
    table.add(True, A, B, score=0.5, regions="", model="digest")
    with (tmp_path / "birds.judgements.csv").open("a") as stream:
        stream.write("2026-01-01,1,c.jpg")  # killed while it wrote
    again = judged(tmp_path)
    again.add(None, A, B, score=0.5, regions="", model="digest")
    again.add(True, A, A, score=0.5, regions="", model="digest")
    assert list(judged(tmp_path).pairs()) == [(A.id, A.id, True)]


def test_somebody_elses_table_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "birds.judgements.csv").write_text("path,label\nx,1\n")
    with pytest.raises(KinsightError, match="no table of judgements"):
        judged(tmp_path)


def test_pictures_that_were_judged_are_kept_once_and_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = judged(tmp_path)
    data = photograph()
    kept = table.sent(data)
    table.keep(kept, data)
    table.keep(kept, data)
    assert Path(kept.path).read_bytes() == data
    assert kept.id.startswith("birds.judged/")
    assert kept.id.endswith(".png")
    monkeypatch.setattr(room, "MOST_BYTES", len(data) + 10)
    other = photograph(seed=1)
    with pytest.raises(KinsightError, match="fill"):
        judged(tmp_path).keep(table.sent(other), other)


def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    kept: Remembered[str] = Remembered(10)
    kept.keep("a", "A", 4)
    kept.keep("b", "B", 4)
    assert kept.get("a") == "A"
    kept.keep("c", "C", 4)
    assert (kept.get("a"), kept.get("b"), kept.get("c"), kept.size) == ("A", None, "C", 8)
    kept.keep("d", "D", 11)
    assert (len(kept), kept.size) == (0, 0)


def test_a_queue_has_an_end_and_patience_too() -> None:
    desk = Desk(waiting=2, seconds=0.05)
    go = threading.Event()

    async def several() -> list[object]:
        return await asyncio.gather(*(desk.do(go.wait, 5) for _ in range(3)), return_exceptions=True)

    with ThreadPoolExecutor(1) as elsewhere:  # a browser of other tests may have this thread's loop
        found = elsewhere.submit(asyncio.run, several()).result()
    go.set()
    assert [type(one) for one in found] == [Busy] * 3
    assert "waiting" in str(found[2])
    assert "longer than" in str(found[0])
    assert desk.now(lambda: 3) == 3
    desk.close()
