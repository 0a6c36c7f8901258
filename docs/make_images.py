"""Take the pictures of TensorBoard and of the plots that the pages show.

They are screenshots of a real run in a real TensorBoard, as a user sees it: run this after every
change of what is written for TensorBoard, and look at the pictures. It needs Chromium, its
chromedriver (Debian's packages chromium and chromium-driver) and the PyPI package selenium.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from docs.browser import Browser, open_browser
from docs.pictured_search import run_pictured_search
from sparkexp.results.result import Result
from sparkexp.runs import open_run
from sparkexp.tracking import start_tensorboard

IMAGES = Path(__file__).parent / "images"
# TensorBoard's table: the header above the rows, and one row.
TABLE_HEAD_PX, ROW_PX = 200, 36
MAX_ROWS = 24
TABLE_CELLS = "vaadin-grid-cell-content"
PARALLEL_LINES = "g.foreground path"
MAX_IMAGE_KB = 300
CHARTS = "tf-custom-scalar-multi-line-chart-card, tf-custom-scalar-margin-chart-card"


class Photographer:
    """Takes the pictures of one run.

    Parameters
    ----------
    browser : Browser
        The browser.
    result : Result
        The run.
    links : dict of str
        Addresses by the titles that the command prints.
    target : Path
        Directory for the pictures.
    """

    def __init__(
        self, browser: Browser, result: Result, links: dict[str, str], target: Path
    ) -> None:
        self._browser = browser
        self._links = links
        self._target = target
        # A trial whose result was reused did not run: it has no event files.
        self._run = [trial for trial in result.trials if trial.reused_from is None]
        self._best = result.best.id

    def overview(self) -> Path:
        self._browser.open(self._links["how the search went"], 860)

        def drawn() -> bool:
            charts = self._browser.within(CHARTS, "path.line")
            return len(charts) > 5 and all(any(p["path"] > 60 for p in c) for c in charts[:6])

        self._browser.wait("the evolution's charts", drawn)
        return self._save("evolution")

    def table(self) -> Path:
        n_rows = min(len(self._run), MAX_ROWS)
        self._browser.open(
            self._links["all trials: table, parallel coordinates"],
            TABLE_HEAD_PX + ROW_PX * n_rows,
        )

        def rows() -> int:
            return sum(text.startswith("trial-") for text in self._browser.texts(TABLE_CELLS))

        self._browser.wait(f"{n_rows} rows", lambda: rows() >= n_rows)
        return self._save("hparams")

    def parallel_coordinates(self, log_scales: list[str]) -> Path:
        """After the table: both are tabs of one page."""
        n_lines = sum(trial.value is not None for trial in self._run)
        self._browser.resize(880)
        self._browser.click("paper-tab", "PARALLEL COORDINATES VIEW")
        self._wait_for_lines(n_lines)
        for name in log_scales:
            self._browser.click(f'[id="logScaleButton_{name}"]')
        self._wait_for_lines(n_lines)
        return self._save("parallel")

    def distributions(self) -> Path:
        self._browser.open(self._links["distributions by generation"], 620)

        def drawn() -> bool:
            charts = self._browser.within("vz-distribution-chart", "path")
            return len(charts) > 2 and all(sum(p["path"] > 60 for p in c) > 6 for c in charts)

        self._browser.wait("distributions", drawn)
        return self._save("distributions")

    def leaderboard(self) -> Path:
        self._browser.open(self._links["leaderboard and summary"], 760)

        def shown() -> bool:
            loaders = self._browser.within("tf-text-loader", "td")
            return any(cell["text"] == self._best for loader in loaders for cell in loader)

        self._browser.wait("the leaderboard", shown)
        return self._save("leaderboard")

    def pictures(self) -> Path:
        self._browser.open(self._links["pictures"], 900)

        def loaded() -> bool:
            images = self._browser.within("tf-image-loader", "img")
            return sum(i["width"] > 0 for image in images for i in image) >= 2

        self._browser.wait("pictures", loaded)
        return self._save("pictures")

    def report(self, page: Path) -> Path:
        self._browser.open(page.as_uri(), 1400)
        self._browser.wait("the report", lambda: self._browser.find("table"))
        return self._save("report", prefix="")

    def _wait_for_lines(self, n_lines: int) -> None:
        self._browser.wait(
            f"{n_lines} lines", lambda: len(self._browser.find(PARALLEL_LINES)) == n_lines
        )

    def _save(self, name: str, prefix: str = "tensorboard-") -> Path:
        self._browser.settle()
        picture = self._target / f"{prefix}{name}.png"
        self._browser.save(picture)
        return picture


def take_pictures(logdir: str, target: Path, log_scales: list[str]) -> list[Path]:
    """Photograph what a run shows.

    Parameters
    ----------
    logdir : str
        Log directory of a finished evolutionary search.
    target : Path
        Directory for the pictures.
    log_scales : list of str
        Parameters that get a logarithmic axis.
    """
    from sparkexp.results.report import render_report

    run = open_run(logdir)
    target.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        start_tensorboard(logdir) as server,
        open_browser() as browser,
    ):
        page = Path(folder, "report.html")
        page.write_text(render_report(run), encoding="utf-8")
        links = {link.title: link.url for link in server.links}
        _wait_until_read(server.url)
        photographer = Photographer(browser, Result.of_run(run), links, target)
        return [
            photographer.overview(),
            photographer.table(),
            photographer.parallel_coordinates(log_scales),
            photographer.distributions(),
            photographer.leaderboard(),
            photographer.pictures(),
            photographer.report(page),
        ]


def _wait_until_read(url: str) -> None:
    """Wait until no page loads its data anew."""
    while True:
        with urllib.request.urlopen(url + "sparkexp/last-change") as answer:
            if answer.read().endswith(b"True"):
                return
        time.sleep(1)


def main() -> int:
    """Run what the command line says; fail if a picture is too large for the repository."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "logdir", nargs="?", metavar="LOGDIR", help="a finished search; runs one by default"
    )
    parser.add_argument("--target", type=Path, default=IMAGES, help="default: %(default)s")
    parser.add_argument(
        "--log-scale", nargs="*", default=["learning_rate"], help="default: %(default)s"
    )
    arguments = parser.parse_args()
    logdir = arguments.logdir
    if logdir is None:
        logdir = str(Path(tempfile.mkdtemp(prefix="sparkexp-images-"), "digits"))
        print(run_pictured_search(logdir), flush=True)
    too_large = False
    for picture in take_pictures(logdir, arguments.target, arguments.log_scale):
        size_kb = picture.stat().st_size / 1000
        too_large |= size_kb > MAX_IMAGE_KB
        print(f"{picture}: {size_kb:.0f} kB")
    return int(too_large)


if __name__ == "__main__":
    sys.exit(main())
