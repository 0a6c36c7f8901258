"""Summaries of TensorBoard's plugins, some of which have no writer without TensorFlow.

Each function adds to a summary, so that what belongs together is one record of an event file:
a driver that is killed leaves all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkexp.tracking.tensorboard.events import add_scalar, is_plottable, replace_surrogates

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

__all__ = [
    "Band",
    "Chart",
    "Lines",
    "add_histogram",
    "add_image",
    "add_layout",
    "add_scalars",
    "add_text",
    "make_summary",
]

HISTOGRAM_BUCKETS = 20


@dataclass(frozen=True)
class Lines:
    """A chart of Custom Scalars: all tags that match one of the regular expressions."""

    title: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Band:
    """A chart of Custom Scalars: a line, and the band between two others."""

    title: str
    value: str
    lower: str
    upper: str


Chart = Lines | Band


def make_summary() -> Summary:
    """Return an empty summary."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary()


def add_scalars(
    summary: Summary, values: Mapping[str, float], describe: Callable[[str], str]
) -> None:
    """Add a scalar per tag; what isn't finite is left out.

    Parameters
    ----------
    summary : Summary
        The summary.
    values : Mapping[str, float]
        By tag.
    describe : callable
        Returns a tag's description in Markdown.
    """
    for tag, value in values.items():
        if is_plottable(value):
            add_scalar(summary, tag, value, describe(tag))


def add_histogram(
    summary: Summary, tag: str, values: Sequence[float], describe: Callable[[str], str]
) -> None:
    """Add a histogram, unless there are no values."""
    import numpy as np
    from tensorboard.plugins.histogram.summary_v2 import histogram_pb

    finite = [value for value in values if is_plottable(value)]
    if finite:
        data = np.array(finite)
        summary.MergeFrom(
            histogram_pb(replace_surrogates(tag), data, HISTOGRAM_BUCKETS, describe(tag))
        )


def add_text(summary: Summary, tag: str, markdown: str, description: str = "") -> None:
    """Add a text in Markdown."""
    from tensorboard.plugins.text.summary_v2 import text_pb

    summary.MergeFrom(text_pb(tag, replace_surrogates(markdown), description))


def add_image(
    summary: Summary, tag: str, png: bytes, size_px: tuple[int, int], description: str
) -> None:
    """Add a picture."""
    from tensorboard.plugins.image import metadata

    # The plugin's form: width, height, then the pictures of a batch.
    strings = [str(size_px[0]).encode(), str(size_px[1]).encode(), png]
    _add_strings(
        summary,
        replace_surrogates(tag),
        strings,
        metadata.create_summary_metadata(tag, description),
    )


def add_layout(summary: Summary, categories: Mapping[str, Sequence[Chart]]) -> None:
    """Add the layout of the page Custom Scalars: charts by the category that they are in."""
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata

    layout = layout_pb2.Layout()
    for title, charts in categories.items():
        category = layout.category.add(title=title)
        for chart in charts:
            drawn = category.chart.add(title=chart.title)
            if isinstance(chart, Lines):
                drawn.multiline.tag.extend(chart.tags)
            else:
                drawn.margin.series.add(value=chart.value, lower=chart.lower, upper=chart.upper)
    strings = [layout.SerializeToString()]
    _add_strings(
        summary, metadata.CONFIG_SUMMARY_TAG, strings, metadata.create_summary_metadata(), rank=0
    )


def _add_strings(
    summary: Summary, tag: str, strings: list[bytes], summary_metadata: object, rank: int = 1
) -> None:
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    dims = [TensorShapeProto.Dim(size=len(strings))] * rank
    tensor = TensorProto(
        dtype=DT_STRING, string_val=strings, tensor_shape=TensorShapeProto(dim=dims)
    )
    summary.value.add(tag=tag, tensor=tensor, metadata=summary_metadata)
