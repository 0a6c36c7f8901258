"""TensorBoard's process: the server as it is, and a page that follows a search by itself.

TensorBoard's page loads its data once, and again when its user presses a button; its settings are
forgotten with the port. It opens on a page without any run where there are many, and has no
setting for what its parallel coordinates show at first. A few lines of script in the page do that.
They come from the server itself, as TensorBoard's security policy demands. Where TensorBoard has
changed and the script finds nothing to press, the page is TensorBoard's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from sparkexp.runs.changes import last_change
from sparkexp.tracking.tensorboard.links import list_board_links

__all__ = ["add_page_script", "run_tensorboard"]

SCRIPT_PATH, CHANGE_PATH = "/sparkexp/page.js", "/sparkexp/last-change"
POLL_S = 3
# TensorBoard reads what was there at its start, or was written later, within this time.
READ_S = 10
_TAG = f'<script src="{SCRIPT_PATH.lstrip("/")}"></script>'.encode()
SCRIPT = """\
// The address without a page opens the overview.
if (!location.hash && !location.search) history.replaceState(null, '', 'START');

// Whole curves: TensorBoard would cut off the first generations, which lie far from the last ones.
try {
  const key = '_ignoreYOutliers';
  if (localStorage.getItem(key) === null) localStorage.setItem(key, 'false');
} catch (error) { /* no storage in this frame */ }

// Presses TensorBoard's own button when the search has written something, one round later, when
// the server has read it too; never while somebody is at work on the page.
(() => {
  let touched = 0, pressed = 0, shown = null, before = null;
  for (const kind of ['pointerdown', 'keydown', 'wheel'])
    addEventListener(kind, () => { touched = Date.now(); }, {capture: true, passive: true});
  const follow = async () => {
    const written = before;
    before = await (await fetch('CHANGE_PATH')).text();
    if (shown === null) shown = before;
    const rest = Date.now() - Math.max(touched, pressed);
    const idle = document.visibilityState === 'visible' && rest > 1.9 * POLL_MS;
    const button = document.querySelector('app-header-reload button');
    if (written === null || written === shown || !idle || !button || button.disabled) return;
    shown = written;
    pressed = Date.now();
    button.click();
  };
  const ask = () => follow().catch(() => {});
  ask();
  setInterval(ask, POLL_MS);
})();

// The table of trials: columns narrow enough that the objective is in sight, and no logarithms
// beside what they are of. Parallel coordinates, when they are first opened: the parameters and
// the objectives, logarithmic where a parameter is.
(() => {
  const find = (selector, root = document) => {
    const found = [...root.querySelectorAll(selector)];
    for (const element of root.querySelectorAll('*'))
      if (element.shadowRoot) found.push(...find(selector, element.shadowRoot));
    return found;
  };
  const text = (element) => element.textContent.trim();
  const logs = new Set();
  let arranged = false;
  const arrangeTable = () => {
    for (const column of find('vaadin-grid-column'))
      if (column.width === '10em' && column.flexGrow) column.width = '7.5em';
    for (const box of find('paper-checkbox.hparam-checkbox')) {
      const name = text(box).replace(' (log10)', '');
      if (name === text(box) || logs.has(name)) continue;
      logs.add(name);
      if (box.checked) box.click();
    }
  };
  const arrangeAxes = () => {
    const isObjective = (box) => / \\((min|max)\\)(, mean)?$/.test(text(box));
    const metrics = find('paper-checkbox.metric-checkbox');
    if (arranged || !metrics.length) return;
    arranged = true;
    for (const box of metrics.some(isObjective) ? metrics : [])
      if (box.checked && !isObjective(box)) box.click();
    setTimeout(() => {
      for (const name of logs)
        for (const button of find(`[id="logScaleButton_${CSS.escape(name)}"]`)) button.click();
    }, 700);
  };
  const arrange = () => {
    arrangeTable();
    if (find('tf-hparams-parallel-coords-plot').some((plot) => plot.offsetWidth)) arrangeAxes();
  };
  setInterval(() => { if (location.hash.startsWith('#hparams')) arrange(); }, 400);
})();
""".replace("CHANGE_PATH", CHANGE_PATH.lstrip("/")).replace("POLL_MS", str(1000 * POLL_S))

_Environ = dict[str, Any]
_Start = Callable[..., Any]
_App = Callable[[_Environ, _Start], Iterable[bytes]]


def run_tensorboard() -> None:
    """Run TensorBoard with the arguments of this process, to its end."""
    from absl import app
    from tensorboard import default, main_lib, program

    def create_server(wsgi_app: _App, flags: Any) -> Any:
        with_script = add_page_script(wsgi_app, flags.logdir)
        return program.create_port_scanning_werkzeug_server(with_script, flags)

    main_lib.global_init()
    tensorboard = program.TensorBoard(default.get_plugins(), server_class=create_server)
    app.run(tensorboard.main, flags_parser=tensorboard.configure)


def add_page_script(app: _App, logdir: str) -> _App:
    """Return TensorBoard's WSGI application with the script in its page.

    Parameters
    ----------
    app : WSGI application
        TensorBoard's.
    logdir : str
        The log directory that is watched; an address (``s3://…``) is not.
    """
    started = time.time()

    def answer(environ: _Environ, start_response: _Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == SCRIPT_PATH:
            start = list_board_links("", logdir)[0].url
            script = SCRIPT.replace("START", start)
            return _answer(start_response, script.encode(), "text/javascript")
        if path == CHANGE_PATH:
            change = 0.0 if "://" in logdir else last_change(logdir)
            read = time.time() > max(started, change) + READ_S
            return _answer(start_response, f"{change} {read}".encode(), "text/plain")
        if path in ("", "/", "/index.html"):
            return _insert_script(app, environ, start_response)
        return app(environ, start_response)

    return answer


def _answer(start_response: _Start, body: bytes, kind: str) -> list[bytes]:
    headers = [
        ("Content-Type", f"{kind}; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response("200 OK", headers)
    return [body]


def _insert_script(app: _App, environ: _Environ, start_response: _Start) -> Iterable[bytes]:
    answer: list[Any] = []

    def keep(status: str, headers: list[tuple[str, str]], *error: Any) -> None:
        answer[:] = [status, headers, *error]

    body = b"".join(app(environ, keep))
    status, headers, *error = answer
    if environ.get("REQUEST_METHOD") == "GET":
        body = body.replace(b"<head>", b"<head>" + _TAG, 1)
        others = [(name, text) for name, text in headers if name.lower() != "content-length"]
        headers = [*others, ("Content-Length", str(len(body)))]
    start_response(status, headers, *error)
    return [body]
