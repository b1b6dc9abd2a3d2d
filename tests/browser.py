"""Debian's Chromium, for the tests of `make test-browser`."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

# Chromium runs as root in CI, and sends no requests to other machines.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# JavaScript that counts the colors of an image.
COLOURS = """(image) => {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Starts Chromium without a window."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM", shutil.which("chromium"))
    assert path, "Debian's package chromium has to be installed"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        launched.close()
