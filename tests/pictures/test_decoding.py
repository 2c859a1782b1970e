"""Every kind of picture that users have becomes upright RGB or a named UnreadablePicture."""

import io
import struct
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kinsight.errors import KinsightError
from kinsight.pictures.decoding import UnreadablePicture, open_picture
from shared_data import shared


def colourful(width: int = 48, height: int = 32) -> np.ndarray:
    """A smooth picture without any symmetry: red grows to the right, green downwards, a blue spot at the top left."""
    y, x = np.mgrid[0:height, 0:width]
    blue = 255 * np.exp(-((x - width / 5) ** 2 + (y - height / 5) ** 2) / (0.02 * width * height))
    return np.stack([40 + 200 * x / width, 30 + 200 * y / height, blue], axis=-1).astype(np.uint8)  # (H, W, 3)


def array(picture: Image.Image) -> np.ndarray:
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(int)


def difference(picture: Image.Image, wanted: np.ndarray) -> float:
    assert array(picture).shape == wanted.shape
    return float(np.abs(array(picture) - wanted).mean())


def grey_png(values: np.ndarray, bits: int) -> bytes:
    """A greyscale PNG written byte by byte, so that the test does not depend on what Pillow writes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = values.shape
    rows = values.astype(">u2" if bits == 16 else "u1")
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "ppm", "gif", "jpg"])
def test_common_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    options = {"webp": {"lossless": True}, "jpg": {"quality": 98}}.get(suffix, {})
    Image.fromarray(colourful()).save(path, **options)
    tolerance = {"gif": 8, "jpg": 2}.get(suffix, 0)
    for source in (path, str(path), Image.open(path)):
        assert difference(open_picture(source), colourful()) <= tolerance


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    # What a camera stores for each orientation (EXIF 2.3, tag 274), written as array operations on the upright picture.
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation](colourful())
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"picture.{suffix}"
    options = {"webp": {"lossless": True}, "jpg": {"quality": 98, "subsampling": 0}}.get(suffix, {})
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **options)
    assert difference(open_picture(path), colourful()) < 2
    assert difference(open_picture(Image.open(path)), colourful()) < 2
    assert difference(open_picture(path, box=(3, 5, 40, 20)), colourful()[5:20, 3:40]) < 2


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0MM\0*garbage", b"Exif\0\0" + b"\xff" * 40, b"no exif at all", b"Exif\0\0II*\0\xff\xff\xff\x7f"]
)
def test_damaged_exif_does_not_matter(tmp_path: Path, exif: bytes) -> None:
    path = tmp_path / "picture.jpg"
    Image.fromarray(colourful()).save(path, exif=exif, quality=98)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert difference(open_picture(path), colourful()) < 2


@pytest.mark.parametrize("profile", ["\nexif\n      99\nno numbers", "\nexif\n      4\n4d4d002a"])
def test_a_damaged_exif_text_in_a_png_does_not_matter(tmp_path: Path, profile: str) -> None:
    text = PngInfo()
    text.add_text("Raw profile type exif", profile)
    Image.fromarray(colourful()).save(tmp_path / "picture.png", pnginfo=text)
    assert difference(open_picture(tmp_path / "picture.png"), colourful()) == 0


def test_grey_and_one_bit(tmp_path: Path) -> None:
    grey = colourful()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert difference(open_picture(tmp_path / "grey.png"), np.stack([grey] * 3, -1)) == 0
    bits = Image.fromarray(((grey > 100) * 255).astype(np.uint8)).convert("1")
    bits.save(tmp_path / "bits.png")
    assert difference(open_picture(tmp_path / "bits.png"), np.stack([(grey > 100) * 255] * 3, -1)) == 0


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "palette with alpha", "RGB key", "RGBa"])
def test_transparent_places_show_white(tmp_path: Path, mode: str) -> None:
    full = Image.new("RGBA", (4, 1))
    full.putdata([(200, 200, 200, 255), (200, 200, 200, 0), (200, 200, 200, 128), (0, 0, 0, 255)])
    path = tmp_path / "picture.png"
    half = True
    if mode in ("RGBA", "LA"):
        full.convert(mode).save(path)
    elif mode == "P":
        half = False
        image = Image.new("P", (4, 1))
        image.putpalette([200, 200, 200, 200, 200, 200, 200, 200, 200, 0, 0, 0])
        image.putdata([0, 1, 2, 3])
        image.save(path, transparency=1)
    elif mode == "palette with alpha":
        image = Image.new("P", (4, 1))
        image.putpalette([200, 200, 200, 200, 200, 200, 200, 200, 200, 0, 0, 0])
        image.putdata([0, 1, 2, 3])
        image.save(path, transparency=bytes([255, 0, 128, 255]))
    elif mode == "RGB key":
        half = False
        image = Image.new("RGB", (4, 1))
        image.putdata([(200, 200, 200), (7, 7, 7), (200, 200, 200), (0, 0, 0)])
        image.save(path, transparency=(7, 7, 7))
    source = full.convert("RGBa") if mode == "RGBa" else path
    values = array(open_picture(source))[0, :, 0]
    assert values[[0, 1, 3]].tolist() == [200, 255, 0]
    assert abs(values[2] - (227 if half else 200)) <= 1


def test_cmyk_and_ycck_jpeg(tmp_path: Path) -> None:
    wanted = np.full((16, 16, 3), (200, 40, 90), np.uint8)
    Image.fromarray(wanted).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=98)
    Image.fromarray(wanted).convert("CMYK").save(tmp_path / "cmyk.tiff")
    for name in ("cmyk.jpg", "cmyk.tiff"):
        assert Image.open(tmp_path / name).mode == "CMYK"
        assert difference(open_picture(tmp_path / name), wanted) < 3
    # YCCK: the same file with the Adobe marker's transform set to 2; grey stays grey only when the transform is undone.
    Image.new("CMYK", (16, 16), (128, 128, 128, 0)).save(tmp_path / "grey.jpg", quality=98)
    data = (tmp_path / "grey.jpg").read_bytes()
    adobe = data.find(b"Adobe")
    assert adobe > 0
    (tmp_path / "ycck.jpg").write_bytes(data[: adobe + 11] + b"\x02" + data[adobe + 12 :])
    pixel = array(open_picture(tmp_path / "ycck.jpg"))[8, 8]
    assert np.abs(pixel - 127).max() < 8


@pytest.mark.parametrize("kind", ["png", "tiff", "big-endian", "I", "pgm", "I;16"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path: Path, kind: str) -> None:
    values = np.linspace(0, 65535, 64 * 4).reshape(4, 64).round().astype(np.uint16)
    wanted = np.rint(values / 257)
    source: Path | Image.Image = tmp_path / f"deep.{kind}"
    if kind == "png":
        source.write_bytes(grey_png(values, 16))
    elif kind == "pgm":
        source.write_bytes(b"P5 64 4 65535\n" + values.astype(">u2").tobytes())
    elif kind == "tiff":
        Image.fromarray(values).save(source)
    elif kind == "big-endian":
        source = Image.frombytes("I;16B", (64, 4), values.astype(">u2").tobytes())
    else:
        source = Image.fromarray(values.astype(np.int32)) if kind == "I" else Image.fromarray(values)
    result = open_picture(source)
    assert difference(result, np.stack([wanted] * 3, -1)) == 0
    assert len(np.unique(array(result))) > 200


def test_an_8_bit_png_of_the_same_writer_keeps_its_values(tmp_path: Path) -> None:
    values = np.arange(256).reshape(4, 64)
    (tmp_path / "grey.png").write_bytes(grey_png(values, 8))
    assert difference(open_picture(tmp_path / "grey.png"), np.stack([values] * 3, -1)) == 0


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_the_first_frame_of_an_animation(tmp_path: Path, suffix: str) -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    frames = [Image.new("RGB", (16, 12), colour) for colour in colours]
    path = tmp_path / f"moving.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50)
    assert Image.open(path).n_frames == 3
    assert difference(open_picture(path), np.full((12, 16, 3), colours[0])) < 3


def test_arrays() -> None:
    assert difference(open_picture(colourful()), colourful()) == 0
    assert difference(open_picture(colourful()[::2, ::-1]), colourful()[::2, ::-1]) == 0
    assert difference(open_picture(colourful()[..., 1]), np.stack([colourful()[..., 1]] * 3, -1)) == 0
    for wrong in (
        colourful() / 255.0,
        colourful().astype(np.int64),
        colourful()[..., :2],
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros(5, np.uint8),
        colourful()[:0],
    ):
        with pytest.raises(UnreadablePicture, match=r"an array of shape .*; "):
            open_picture(wrong)


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(colourful(160, 120)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def broken_files(jpeg: bytes) -> dict[str, bytes | None]:
    png, gif, tiff, webp = (io.BytesIO() for _ in range(4))
    for stream, kind in ((png, "PNG"), (gif, "GIF"), (tiff, "TIFF"), (webp, "WEBP")):
        Image.fromarray(colourful()).save(stream, kind)
    negative = io.BytesIO()
    Image.fromarray(np.array([[-5, 70000]], np.int32)).save(negative, "TIFF")
    floating = io.BytesIO()
    Image.fromarray(np.array([[0.5, 70.0]], np.float32)).save(floating, "TIFF")
    return {
        "missing.jpg": None,
        "empty.jpg": b"",
        "text.jpg": b"<html>404 not found</html>",
        "half.jpg": jpeg[: len(jpeg) // 2],
        "header.jpg": jpeg[:30],
        "half.png": png.getvalue()[: len(png.getvalue()) // 2],
        "flipped.png": png.getvalue()[:60] + bytes(~b & 255 for b in png.getvalue()[60:90]) + png.getvalue()[90:],
        "half.gif": gif.getvalue()[: len(gif.getvalue()) // 2],
        "half.tiff": tiff.getvalue()[: len(tiff.getvalue()) // 2],
        "half.webp": webp.getvalue()[: len(webp.getvalue()) // 2],
        "values.tiff": negative.getvalue(),
        "floating.tiff": floating.getvalue(),
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.jpg", "does not exist"),
        ("empty.jpg", "is empty"),
        ("text.jpg", "not a picture in a known format"),
        ("half.jpg", "truncated"),
        ("header.jpg", ""),
        ("half.png", ""),
        ("flipped.png", ""),
        ("half.gif", ""),
        ("half.tiff", ""),
        ("half.webp", ""),
        ("values.tiff", "from -5 to 70000"),
        ("floating.tiff", "floating-point"),
    ],
)
def test_unreadable_files_are_named_with_reason_and_repair(tmp_path: Path, jpeg: bytes, name: str, reason: str) -> None:
    content = broken_files(jpeg)[name]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadablePicture) as caught:
        open_picture(path)
    problem = caught.value
    assert isinstance(problem, KinsightError)
    assert problem.path == str(path)
    assert reason in problem.reason
    assert problem.reason
    assert problem.repair
    assert str(problem) == f"{path} {problem.reason}; {problem.repair}"
    if content:
        with pytest.raises(UnreadablePicture):
            open_picture(path, shorter_side=4)


def test_a_decompression_bomb_is_refused(tmp_path: Path, jpeg: bytes) -> None:
    path = tmp_path / "bomb.png"
    header = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + grey_png(np.zeros((1, 1)), 8)[33:]
    )
    with pytest.raises(UnreadablePicture, match=r"too large to be decoded safely.*fewer pixels"):
        open_picture(path)


@pytest.mark.long
def test_any_damage_is_an_unreadable_picture_or_a_picture(tmp_path: Path, jpeg: bytes) -> None:
    """Bytes changed at random places of every format: never another error."""
    random = np.random.default_rng(0)
    path = tmp_path / "damaged"
    refused = 0
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "ICO", "TGA", "JPEG2000"):
        stream = io.BytesIO()
        Image.fromarray(colourful()).save(stream, kind)
        for _ in range(40):
            data = np.frombuffer(stream.getvalue(), np.uint8).copy()
            places = random.integers(min(len(data), 400), size=random.integers(1, 12))
            data[places] = random.integers(256, size=len(places))
            path.write_bytes(data[: random.integers(1, len(data) + 1)].tobytes())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    assert open_picture(path, shorter_side=8).mode == "RGB"
                except UnreadablePicture:
                    refused += 1
    assert refused > 200


def test_a_picture_without_pixels_or_with_a_closed_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture, match="no pixels"):
        open_picture(Image.new("RGB", (0, 5)))
    Image.fromarray(colourful()).save(tmp_path / "a.png")
    image = Image.open(tmp_path / "a.png")
    image.close()
    with pytest.raises(UnreadablePicture, match=r"a\.png"):
        open_picture(image)


def test_boxes_are_cut_clipped_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(colourful()).save(path)
    assert difference(open_picture(path, box=(2, 3, 20, 9)), colourful()[3:9, 2:20]) == 0
    assert difference(open_picture(path, box=(-5, 20, 20, 900)), colourful()[20:, :20]) == 0
    for box in [(48, 0, 60, 10), (5, 5, 5, 10), (9, 5, 5, 10), (-9, 0, 0, 10)]:
        with pytest.raises(UnreadablePicture, match="48 pixels wide and 32 high"):
            open_picture(path, box=box)


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG of 4000 x 3000 pixels with fine and coarse structure."""
    random = np.random.default_rng(1)
    coarse = Image.fromarray(random.integers(0, 255, (30, 40, 3), np.uint8)).resize((4000, 3000))
    fine = Image.fromarray(random.integers(0, 255, (750, 1000, 3), np.uint8)).resize((4000, 3000))
    path = tmp_path_factory.mktemp("large") / "large.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.blend(coarse, fine, 0.3)
    picture.save(path, quality=90)
    picture.save(path.with_name("turned.jpg"), quality=90, exif=exif)
    return path


def test_a_large_jpeg_is_decoded_reduced_and_nearly_the_same(photograph: Path) -> None:
    whole, reduced = open_picture(photograph), open_picture(photograph, shorter_side=256)
    assert whole.size == (4000, 3000)
    assert reduced.size == (500, 375)  # 1/8: the next step would be below 256
    assert open_picture(photograph, shorter_side=376).size == (1000, 750)
    assert open_picture(photograph, shorter_side=1501).size == (4000, 3000)
    size = (341, 256)
    one, other = (np.asarray(p.resize(size, Image.Resampling.BILINEAR)).astype(int) for p in (whole, reduced))
    assert np.abs(one - other).mean() < 2.5
    assert np.abs(one - other).mean() < 0.1 * np.abs(one - one.mean()).mean()


@pytest.mark.parametrize("name", ["large.jpg", "turned.jpg"])
def test_a_box_is_scaled_with_a_reduced_jpeg(photograph: Path, name: str) -> None:
    path = photograph.with_name(name)
    box = (816, 403, 2016, 1603)
    whole, reduced = open_picture(path, box=box), open_picture(path, box=box, shorter_side=200)
    assert whole.size == (1200, 1200)
    assert reduced.size == (300, 300)  # 1/4: at 1/8 the box would have only 150
    one, other = (np.asarray(p.resize((200, 200), Image.Resampling.BILINEAR)).astype(int) for p in (whole, reduced))
    assert np.abs(one - other).mean() < 4
    with pytest.raises(UnreadablePicture, match=r"(4000|3000) pixels wide and (3000|4000) high"):
        open_picture(path, box=(5000, 0, 7000, 2000), shorter_side=100)


def test_real_pictures_inside_a_zip() -> None:
    archive = shared("data/orl_faces.zip")
    name = next(n for n in zipfile.ZipFile(archive).namelist() if "/images/" in n and not n.endswith("/"))
    assert open_picture(f"{archive}/{name}").size == (92, 112)
    with pytest.raises(UnreadablePicture, match="no member"):
        open_picture(f"{archive}/{name}.missing")
