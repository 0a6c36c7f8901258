from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from PIL import Image

from sparkexp.analysis.axes import Axis
from sparkexp.analysis.generations import Evolution, Generation
from sparkexp.analysis.specs import Interval, ParameterSpec
from sparkexp.objective import Objective
from sparkexp.tracking.tensorboard.panel import SIZE_PX, Panel
from sparkexp.tracking.tensorboard.pictures import draw_importance, draw_population, draw_scatter
from sparkexp.trial import State, Trial, TrialResult

RATE = Axis(ParameterSpec("rate", Interval(1e-5, 1.0), log=True))
NAMES = ["<script>alert(1)</script>", "日本語", "größe", "", "two\nlines", "x" * 200, "sgd"]
KIND = Axis(ParameterSpec("kind", tuple(NAMES)))


def trials(values: Sequence[float | None]) -> list[TrialResult]:
    return [
        TrialResult(
            Trial(k, {"rate": 10.0 ** -(k % 5), "kind": NAMES[k % len(NAMES)]}, generation=0),
            State.FAILED if value is None else State.SUCCEEDED,
            value,
        )
        for k, value in enumerate(values)
    ]


def generation(values: Sequence[float | None], axes: Sequence[Axis]) -> Generation:
    evolution = Evolution(axes, Objective())
    for result in trials(values):
        evolution.add(result)
    (closed,) = evolution.finish()
    return closed


def colourful(png: bytes, box: tuple[int, int, int, int]) -> int:
    """How many pixels in a box are neither grey nor white."""
    with Image.open(io.BytesIO(png)) as picture:
        part = picture.convert("RGB").crop(box)
    return sum(
        n for n, (r, g, b) in part.getcolors(2**20) or [] if max(r, g, b) - min(r, g, b) > 40
    )


def test_members_beyond_the_colours_stay_within_the_frame():
    # As of a search whose worst tenth shares a colour.
    picture = draw_population(generation([-1e6, 0.1, 0.5, 0.9], [RATE]), [RATE], {}, (0.1, 0.9))
    width, height = SIZE_PX
    below = colourful(picture.png, (0, height - 60, width, height))
    assert below == 0 < colourful(picture.png, (0, 0, width, height))


@pytest.mark.parametrize("axes", [[RATE, KIND], [KIND, RATE], [KIND]])
def test_odd_names_are_drawn(axes):
    values = [float(k) for k in range(20)]
    assert draw_population(generation(values, axes), axes, {}, (0.0, 19.0)).png
    assert draw_scatter(trials([*values, None]), axes[0], Objective()).png
    assert draw_importance({"größe": 0.5, "x" * 80: 0.1}).png


def test_labels_beside_the_plot_get_room_and_are_cut():
    short, long = Panel("", "", "", ["0.1", "0.2"]), Panel("", "", "", ["x" * 40])
    assert short._area[0] < long._area[0] < SIZE_PX[0] / 2
    cut = long._cut("x" * 40, 100)
    assert cut.endswith("x…") and long._measure_width(cut) <= 100
    assert long._cut("fits", 100) == "fits"


def test_numbers_below_the_plot_are_left_out_and_names_cut(monkeypatch):
    written: list[str] = []
    monkeypatch.setattr(Panel, "draw_text", lambda self, place, text, *rest: written.append(text))
    marks = [(k / 9, f"{k}00000") for k in range(10)]
    Panel("", "", "", []).draw_ticks(marks, [])
    assert written[3:] == ["000000", "400000", "800000"]
    written.clear()
    Panel("", "", "", []).draw_ticks([(k / 6, "adversarial training") for k in range(7)], [], True)
    assert len(written[3:]) == 7 and all(text.endswith("…") for text in written[3:])
