"""Take the pictures of TensorBoard that the README shows.

They are screenshots of a real run in a real TensorBoard, as a user sees it: run this after every
change of what is written for TensorBoard, and look at the pictures. It needs Chromium, its
chromedriver (Debian's packages chromium and chromium-driver) and the PyPI package selenium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from sparkexp.result import Result
from sparkexp.storage import RunDirectory
from sparkexp.tracking import start_tensorboard

IMAGES = Path(__file__).parent / "images"
WIDTH_PX = 1500
# TensorBoard's table: the header above the rows, and one row.
TABLE_HEAD_PX, ROW_PX = 200, 36
PARALLEL_HEIGHT_PX = 840
TABLE_CELLS = "vaadin-grid-cell-content"
PARALLEL_LINES = "g.foreground path"
MAX_IMAGE_KB = 300
TIMEOUT_S = 60
CHROMIUM_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
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
return found;
"""


class Page:
    """The HParams page of a TensorBoard in a browser."""

    def __init__(self, browser: webdriver.Chrome, url: str, result: Result) -> None:
        # A trial whose result was reused did not run: it has no event files.
        ran = [trial for trial in result.trials if trial.reused_from is None]
        self._browser = browser
        self._n_rows = len(ran)
        # TensorBoard draws a line only for what has a value on every axis.
        self._n_lines = sum(trial.value is not None for trial in ran)
        self._resize(TABLE_HEAD_PX + ROW_PX * self._n_rows)
        browser.get(f"{url}#hparams")

    def table(self, target: Path) -> None:
        """Photograph the table once it has a row for every trial."""
        self._wait_for(self._n_rows, "rows", TABLE_CELLS, "trial-")
        self._save(target)

    def parallel_coordinates(self, target: Path, log_scales: list[str]) -> None:
        """Photograph the parallel coordinates once they have a line for every value."""
        self._resize(PARALLEL_HEIGHT_PX)
        self._click("paper-tab", "PARALLEL COORDINATES VIEW")
        self._wait_for(self._n_lines, "lines", PARALLEL_LINES)
        for name in log_scales:
            self._click(f'[id="logScaleButton_{name}"]')
        self._wait_for(self._n_lines, "lines", PARALLEL_LINES)
        self._save(target)

    def _save(self, target: Path) -> None:
        picture = Image.open(io.BytesIO(self._browser.get_screenshot_as_png()))
        # 256 colours are plenty for a table and some lines, and a third of the size.
        picture.convert("RGB").quantize(256).save(target, optimize=True)

    def _resize(self, height_px: int) -> None:
        self._browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": WIDTH_PX, "height": height_px, "deviceScaleFactor": 1, "mobile": False},
        )

    def _find_all(self, selector: str, text: str = "") -> list[WebElement]:
        found = self._browser.execute_script(FIND_ALL, selector)
        return [e for e in found if text.upper() in e.get_property("textContent").upper()]

    def _wait_for(self, n: int, what: str, selector: str, text: str = "") -> None:
        def all_there(_: object) -> bool:
            return len(self._find_all(selector, text)) == n

        try:
            WebDriverWait(self._browser, TIMEOUT_S).until(all_there)
        except TimeoutException:
            n_shown = len(self._find_all(selector, text))
            raise SystemExit(
                f"TensorBoard shows {n_shown} {what} after {TIMEOUT_S} s, and not {n}."
            ) from None
        time.sleep(1)  # fonts and colours follow the elements

    def _click(self, selector: str, text: str = "") -> None:
        for element in self._find_all(selector, text):
            # By script: an element outside of the window can't be clicked otherwise.
            self._browser.execute_script("arguments[0].click()", element)


@contextmanager
def open_browser() -> Iterator[webdriver.Chrome]:
    """Run a Chromium without a window, with a profile of its own."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise SystemExit("This needs chromium and chromedriver (Debian's chromium-driver).")
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for option in (*CHROMIUM_OPTIONS, f"--user-data-dir={profile}"):
            options.add_argument(option)
        browser = webdriver.Chrome(options=options, service=Service(driver))
        try:
            yield browser
        finally:
            browser.quit()


def evolution_of_demo() -> str:
    """Run the demo, and return the log directory of its evolutionary search."""
    from sparkexp.demo.search import run_demo

    root = tempfile.mkdtemp(prefix="sparkexp-images-")
    print(run_demo(logdir=root), flush=True)
    return str(Path(root, "evolution"))


def take_pictures(logdir: str, target: Path, log_scales: list[str]) -> list[Path]:
    """Photograph TensorBoard's table and parallel coordinates of a run.

    Parameters
    ----------
    logdir : str
        Log directory of a finished search.
    target : Path
        Directory for the pictures.
    log_scales : list of str
        Parameters that get a logarithmic axis.
    """
    result = Result.of_run(RunDirectory.open(logdir))
    table = target / "tensorboard-hparams.png"
    parallel = target / "tensorboard-parallel.png"
    target.mkdir(parents=True, exist_ok=True)
    with start_tensorboard(logdir) as server, open_browser() as browser:
        page = Page(browser, server.url, result)
        page.table(table)
        page.parallel_coordinates(parallel, log_scales)
    return [table, parallel]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "logdir", nargs="?", metavar="LOGDIR", help="a finished search; runs the demo by default"
    )
    parser.add_argument("--target", type=Path, default=IMAGES, help="default: %(default)s")
    parser.add_argument(
        "--log-scale", nargs="*", default=["learning_rate"], help="default: %(default)s"
    )
    arguments = parser.parse_args()
    logdir = arguments.logdir or evolution_of_demo()
    too_large = False
    for picture in take_pictures(logdir, arguments.target, arguments.log_scale):
        size_kb = picture.stat().st_size / 1000
        too_large |= size_kb > MAX_IMAGE_KB
        print(f"{picture}: {size_kb:.0f} kB")
    return int(too_large)


if __name__ == "__main__":
    sys.exit(main())
