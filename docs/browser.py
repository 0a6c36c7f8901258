"""A Chromium without a window that looks at TensorBoard: for the pictures, and for tests.

It needs Debian's packages chromium and chromium-driver, and the PyPI package selenium.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement

__all__ = ["Browser", "missing", "open_browser"]

WIDTH_PX = 1500
TIMEOUT_S = 90
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
)
# TensorBoard is made of web components: a plain selector does not look into their shadow trees.
FIND_ALL = """
const found = [];
const walk = (root) => {
  found.push(...root.querySelectorAll(arguments[0]));
  for (const element of root.querySelectorAll('*'))
    if (element.shadowRoot) walk(element.shadowRoot);
};
walk(document);
"""

WITHIN = """
const outer = found.slice();
return outer.map((element) => {
  const inside = [];
  const look = (root) => {
    inside.push(...root.querySelectorAll(arguments[1]));
    for (const e of root.querySelectorAll('*')) if (e.shadowRoot) look(e.shadowRoot);
  };
  look(element.shadowRoot || element);
  return inside.map((e) => ({
    text: e.textContent.trim().replace(/\\s+/g, ' '),
    className: e.getAttribute('class') || '',
    path: (e.getAttribute('d') || '').length,
    width: e.naturalWidth || 0,
  }));
});
"""

# A row holds slots, in which the cells stand.
ROWS = """
return found.flatMap((grid) => [...grid.shadowRoot.querySelectorAll('#items tr')]).filter(
  (row) => row.offsetHeight > 0).map((row) => [...row.querySelectorAll('slot')].map(
    (slot) => slot.assignedNodes().map((node) => node.textContent.trim()).join(' ')));
"""


def missing() -> str | None:
    """Return what is not installed, in words; None if a browser can be started."""
    absent = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if not absent:
        return None
    return f"{' and '.join(absent)} not installed (Debian: apt install chromium chromium-driver)"


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Run a Chromium with a profile of its own."""
    if (absent := missing()) is not None:
        raise SystemExit(f"This looks at TensorBoard with a browser: {absent}.")
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for option in (*OPTIONS, f"--user-data-dir={profile}"):
            options.add_argument(option)
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        driver.set_script_timeout(TIMEOUT_S)  # a script waits while the page computes
        try:
            yield Browser(driver)
        finally:
            driver.quit()


class Browser:
    """The one page that is open."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, url: str, height_px: int = 900) -> None:
        """Load an address anew, whatever was open before."""
        self.resize(height_px)
        self._driver.get("about:blank")  # else only the fragment changes
        self._driver.get(url)

    def resize(self, height_px: int) -> None:
        self._driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": WIDTH_PX, "height": height_px, "deviceScaleFactor": 1, "mobile": False},
        )

    def find(self, selector: str) -> list[WebElement]:
        """Return all elements, those in shadow trees too."""
        found: list[WebElement] = self._driver.execute_script(FIND_ALL + "return found;", selector)
        return found

    def texts(self, selector: str) -> list[str]:
        """Return the texts of all elements, of those out of sight too."""
        script = FIND_ALL + "return found.map((e) => e.textContent.trim().replace(/\\s+/g, ' '));"
        found: list[str] = self._driver.execute_script(script, selector)
        return found

    def within(self, selector: str, inner: str) -> list[list[dict[str, Any]]]:
        """Return, for all elements, what they and their shadow trees hold.

        Each has `text`, its own `className`, `path` (the length of its drawing commands) and
        `width` (of a picture that was loaded).
        """
        script = FIND_ALL + WITHIN
        found: list[list[dict[str, Any]]] = self._driver.execute_script(script, selector, inner)
        return found

    def rows(self, selector: str) -> list[list[str]]:
        """Return the texts of a grid's cells (of the element vaadin-grid), by row."""
        found: list[list[str]] = self._driver.execute_script(FIND_ALL + ROWS, selector)
        return found

    def click(self, selector: str, text: str = "") -> int:
        """Click on all elements with the text, and return how many."""
        elements = [
            e for e in self.find(selector)
            if text.upper() in str(e.get_property("textContent")).upper()
        ]  # fmt: skip
        for element in elements:
            # By script: an element outside of the window can't be clicked otherwise.
            self._driver.execute_script("arguments[0].click()", element)
        return len(elements)

    def wait(self, what: str, condition: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
        """Wait until the condition holds, and return what it returned."""
        deadline = time.monotonic() + timeout_s
        while True:
            seen = condition()
            if seen:
                return seen
            if time.monotonic() > deadline:
                raise TimeoutError(f"TensorBoard does not show {what} within {timeout_s:g} s.")
            time.sleep(0.25)

    def settle(self) -> None:
        """Let what moves come to rest: fonts and colours follow the elements, menus slide."""
        time.sleep(2)

    def save(self, target: Path, colours: int = 256) -> None:
        """Photograph the page."""
        picture = Image.open(io.BytesIO(self._driver.get_screenshot_as_png()))
        # 256 colours are plenty for tables and lines, and a third of the size.
        picture.convert("RGB").quantize(colours).save(target, optimize=True)
