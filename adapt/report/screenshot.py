"""Renders a report with headless Chromium: to a picture, or to the document that its scripts have made."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from adapt.errors import AdaptError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_PATIENCE = 120.0
"""A browser that takes longer, in [s], is stopped."""
_PAGE_TIME = 6000
"""How much of the page's own time may pass before the picture, in [ms]."""


def find_browser() -> str | None:
    """The first Chromium on PATH, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def screenshot(
    page: Path, png: Path, width: int = 1280, height: int | None = None, fragment: str = ""
) -> Path:
    """Takes a picture of a page and returns its path.

    Args:
        page: the HTML file.
        png: the picture to write.
        width: of the window in [px]; narrow phones included.
        height: of the window in [px]; None takes in the whole page.
        fragment: what follows `#` in the address, such as `robot=3&t=2.5`.

    Raises:
        AdaptError: there is no browser on PATH, or it failed.
    """
    if height is None:
        drawn = re.search(r'data-height="(\d+)"', dump_dom(page, width, fragment=fragment))
        height = int(drawn[1]) if drawn else 900
    png.unlink(missing_ok=True)
    _browse(page, width, height, fragment, f"--screenshot={png.resolve()}")
    if not png.is_file():
        raise AdaptError(f"{page}: the browser wrote no picture to {png}")
    return png


def dump_dom(page: Path, width: int = 1280, height: int = 900, fragment: str = "") -> str:
    """The page's document after its scripts have run, as HTML; arguments and errors as of `screenshot`."""
    return _browse(page, width, height, fragment, "--dump-dom")


def _browse(page: Path, width: int, height: int, fragment: str, *task: str) -> str:
    browser = find_browser()
    if browser is None:
        raise AdaptError(f"no browser on PATH: install Chromium (looked for {', '.join(BROWSERS)})")
    address = page.resolve(strict=True).as_uri() + (f"#{fragment}" if fragment else "")
    # A plain window cannot be narrower than 500 px; one that fills its screen can.
    size = (f"--screen-info={{{width}x{height}}}", "--start-fullscreen", f"--window-size={width},{height}")
    with tempfile.TemporaryDirectory(prefix="report-browser-", ignore_cleanup_errors=True) as profile:
        options = (*_FLAGS, f"--user-data-dir={profile}", *size, f"--virtual-time-budget={_PAGE_TIME}")
        return _run([browser, *options, *task, address])


def _run(command: list[str]) -> str:
    """Runs a browser in its own process group, so that its helpers end with it."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            output, trouble = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise AdaptError(f"{command[0]}: not done after {_PATIENCE:g} s: {command[-1]}") from error
        finally:
            _end(process.pid)
    if process.returncode:
        raise AdaptError(f"{command[0]}: ended with {process.returncode}: {trouble[-500:]}")
    return output


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
