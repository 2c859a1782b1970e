"""The page of an atlas in a real browser: how long it takes to write and to open, how large it is, and frame times while one walks.

Pictures are made up: a colour and stripes for each class, with noise, 160 pixels square. Their places are groups as t-SNE makes them.
Frame times are the differences between animation frames while a drag, the wheel or both move the map in every frame; the browser draws
without a GPU.

    python benchmarks/atlas.py [--pictures 10000] [--classes 200] [--width 1280] [--height 900] [--ratio 1]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from kinsight.files import write_text
from kinsight.show.atlas.page import atlas_html
from kinsight.show.atlas.result import Atlas

FRAMES = 180
# Moves in each animation frame, as a person does with the mouse; gives the milliseconds between frames.
WALK = """([move, frames]) => new Promise(done => {
  const canvas = document.querySelector("canvas"), box = canvas.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2], deltas = [];
  const at = (k) => [x + 0.25 * box.width * Math.sin(k / 20), y + 0.25 * box.height * Math.sin(k / 13)];
  canvas.setPointerCapture = () => {};
  const mouse = (k) => ({clientX: at(k)[0], clientY: at(k)[1], pointerId: 1, pointerType: "mouse", bubbles: true});
  const point = (type, k) => canvas.dispatchEvent(new PointerEvent(type, mouse(k)));
  const wheel = (k) => ({deltaY: k <= frames / 2 ? -20 : 20, clientX: x, clientY: y, cancelable: true});
  let k = 0, before = 0;
  if (move.pan) point("pointerdown", 0);
  requestAnimationFrame(function step(now) {
    if (before) deltas.push(now - before);
    before = now;
    if (++k > frames) { if (move.pan) point("pointerup", k); return done(deltas); }
    if (move.hover || move.pan) point("pointermove", k);
    if (move.zoom) canvas.dispatchEvent(new WheelEvent("wheel", wheel(k)));
    requestAnimationFrame(step);
  });
})"""
WALKS = {
    "pan, the whole map": (0, {"pan": True}),
    "zoom in and out": (0, {"zoom": True}),
    "zoom and pan at once": (0, {"pan": True, "zoom": True}),
    "pan, 4 times nearer": (4, {"pan": True}),
    "pan, 16 times nearer": (16, {"pan": True}),
    "point, the whole map": (0, {"hover": True}),
}


def main() -> None:
    """Print seconds, megabytes and frame times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=200)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--ratio", type=float, default=1, help="device pixels for each CSS pixel")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = made(Path(folder), options.pictures, options.classes)
        started = time.perf_counter()
        page = Path(folder) / "atlas.html"
        write_text(page, atlas_html(found))
        seconds = time.perf_counter() - started
        print(
            f"{options.pictures:,} pictures of {options.classes} classes: {page.stat().st_size / 1e6:.1f} MB, written in {seconds:.1f} s"
        )
        walk(page, options)


def walk(file: Path, options: Any) -> None:
    """Open the page and print frame times."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(
            viewport={"width": options.width, "height": options.height}, device_scale_factor=options.ratio
        )
        started = time.perf_counter()
        page.goto(file.as_uri())
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        print(
            f"opened in {time.perf_counter() - started:.1f} s ({browser.version}, {options.width} x {options.height} at {options.ratio:g})"
        )
        page.wait_for_timeout(1500)
        for name, (nearer, move) in WALKS.items():
            page.locator("canvas").focus()
            page.keyboard.press("Escape")
            page.keyboard.press("0")
            for _ in range(round(np.log(max(nearer, 1)) / np.log(1.6))):
                page.keyboard.press("+")
            page.wait_for_timeout(500)
            deltas = np.array(page.evaluate(WALK, [move, FRAMES]))
            median, most = np.percentile(deltas, [50, 95])
            print(
                f"{name:24} frame median {median:5.1f} ms, 95 % within {most:5.1f} ms, longest {deltas.max():5.1f} ms"
            )
        browser.close()


def made(folder: Path, count: int, classes: int) -> Atlas:
    """Pictures and their places."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % classes
    colours, middles = random.integers(40, 216, (classes, 3)), random.uniform(0, 1, (classes, 2)) * [40, 30]
    paths = []
    stripes = np.sin(np.arange(160) / 4)[None, :, None]
    for number, label in enumerate(labels.tolist()):
        noise = np.asarray(Image.fromarray(random.integers(0, 80, (20, 20, 3), dtype=np.uint8)).resize((160, 160)))
        pixels = colours[label] + 30 * stripes * (1 + label % 3) / 2 + noise - 40
        paths.append(str(folder / f"{number}.jpg"))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(paths[-1])
    return Atlas(
        source="made up",
        ids=np.array([f"{number}.jpg" for number in range(count)]),
        labels=np.array([f"class {label:03d}" for label in labels]),
        places=middles[labels] + random.normal(0, 0.8, (count, 2)),
        paths=paths,
        boxes=None,
        layout="t-SNE",
        split="",
        drawn_from=count,
        classes_drawn_from=classes,
    )


if __name__ == "__main__":
    main()
