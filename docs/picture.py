"""Draw the picture on README's first screen, from the page that `make demo` ends with: `python docs/picture.py runs/demo/matches.html`."""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=sys.argv[2] if len(sys.argv) > 2 else "/usr/bin/chromium")
    page = browser.new_page(viewport={"width": 1280, "height": 990})
    page.goto(Path(sys.argv[1]).resolve().as_uri())
    page.wait_for_timeout(1000)
    shot = Image.open(io.BytesIO(page.screenshot()))
    shot.save(Path(__file__).with_name("matches.webp"), quality=80, method=6)
    browser.close()
