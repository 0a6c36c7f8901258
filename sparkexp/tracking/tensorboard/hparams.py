"""The records of TensorBoard's HParams plugin, built from its protobufs.

An experiment declares the hyperparameters with their domains and the metrics; a session (one
trial) has a start with its values and an end with its status. TensorBoard's porcelain for this
refuses ints in a float interval and mixed choices, and has no session end without TensorFlow.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sparkexp.analysis.specs import Interval, Kind, ParameterSpec, kind_of
from sparkexp.trial import ParamValue, State

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

__all__ = [
    "ParameterSpec",
    "Interval",
    "Kind",
    "MetricSpec",
    "make_experiment_config",
    "make_session_end",
    "make_session_start",
]


@dataclass(frozen=True)
class MetricSpec:
    """A metric: a column of the HParams table.

    Parameters
    ----------
    tag : str
        Tag of the scalar; the column shows its last value.
    display_name : str
        Heading of the column; the tag by default.
    group : {'', 'train', 'validation'}
        Subdirectory of the trial that the scalar is written in (Keras's TensorBoard callback
        uses the two that are named); the trial's own directory by default.
    """

    tag: str
    display_name: str = ""
    group: Literal["", "train", "validation"] = ""


def make_experiment_config(
    specs: Iterable[ParameterSpec],
    metrics: Iterable[MetricSpec],
    *,
    unticked: Collection[str] = (),
    description: str = "",
    created: float | None = None,
) -> Summary:
    """Return the summary that declares hyperparameters and metrics.

    TensorBoard takes the first one that it finds in a log directory, and does not see a change of
    it in the same run: write it once.

    Parameters
    ----------
    specs : iterable of ParameterSpec
        The hyperparameters. TensorBoard sorts them by name, those that vary first.
    metrics : iterable of MetricSpec
        The metrics, in the order of the columns.
    unticked : collection of str
        Hyperparameters that go behind all others, where TensorBoard doesn't tick them by default.
    description : str
        Markdown.
    created : float, optional
        Unix time in seconds; now by default.
    """
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    experiment = api_pb2.Experiment(
        description=_replace_surrogates(description),
        time_created_secs=time.time() if created is None else created,
        hparam_infos=[_make_hparam_info(spec, spec.name in unticked) for spec in specs],
        metric_infos=[_make_metric_info(metric) for metric in metrics],
    )
    data = plugin_data_pb2.HParamsPluginData(experiment=experiment)
    return _make_summary(metadata.EXPERIMENT_TAG, data)


def make_session_start(
    params: Mapping[str, ParamValue], group_name: str, start_time: float | None = None
) -> Summary:
    """Return the summary that starts a session.

    Parameters
    ----------
    params : Mapping[str, int | float | str | bool]
        The hyperparameters; ints become floats, which is all that TensorBoard has.
    group_name : str
        Sessions of the same group are one row of the table; their metrics are averaged.
    start_time : float, optional
        Unix time in seconds; now by default.
    """
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    info = plugin_data_pb2.SessionStartInfo(
        group_name=_replace_surrogates(group_name),
        start_time_secs=time.time() if start_time is None else start_time,
    )
    for name, value in params.items():
        entry = info.hparams[_replace_surrogates(name)]
        kind = kind_of(value)
        if kind is Kind.BOOL:
            entry.bool_value = value
        elif kind is Kind.NUMBER:
            entry.number_value = value
        else:
            entry.string_value = _replace_surrogates(str(value))
    data = plugin_data_pb2.HParamsPluginData(session_start_info=info)
    return _make_summary(metadata.SESSION_START_INFO_TAG, data)


def make_session_end(state: State, end_time: float | None = None) -> Summary:
    """Return the summary that ends a session: success for SUCCEEDED and PRUNED, else failure."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    succeeded = state in (State.SUCCEEDED, State.PRUNED)
    info = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE,
        end_time_secs=time.time() if end_time is None else end_time,
    )
    data = plugin_data_pb2.HParamsPluginData(session_end_info=info)
    return _make_summary(metadata.SESSION_END_INFO_TAG, data)


def _replace_surrogates(text: str) -> str:
    """Replace what UTF-8, and so protobuf, can't encode (lone surrogates of odd file names)."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _make_hparam_info(spec: ParameterSpec, unticked: bool) -> Any:
    from tensorboard.plugins.hparams import api_pb2

    types = {
        Kind.NUMBER: api_pb2.DATA_TYPE_FLOAT64,
        Kind.STRING: api_pb2.DATA_TYPE_STRING,
        Kind.BOOL: api_pb2.DATA_TYPE_BOOL,
    }
    info = api_pb2.HParamInfo(name=_replace_surrogates(spec.name), type=types[spec.kind])
    if isinstance(spec.domain, Interval) and spec.optional:
        pass  # strings have no interval, and there are too many to be listed
    elif isinstance(spec.domain, Interval):
        info.domain_interval.min_value = min(spec.domain.low, spec.domain.high)
        info.domain_interval.max_value = max(spec.domain.low, spec.domain.high)
    else:
        values = dict.fromkeys(map(spec.coerce, spec.domain))
        info.domain_discrete.extend(
            _replace_surrogates(v) if isinstance(v, str) else v for v in values
        )
    # TensorBoard puts what doesn't vary last, and leaves it out where columns are limited.
    info.differs = spec.varies and not unticked
    return info


def _make_metric_info(metric: MetricSpec) -> Any:
    from tensorboard.plugins.hparams import api_pb2

    datasets = {"train": api_pb2.DATASET_TRAINING, "validation": api_pb2.DATASET_VALIDATION}
    return api_pb2.MetricInfo(
        name=api_pb2.MetricName(group=metric.group, tag=_replace_surrogates(metric.tag)),
        display_name=_replace_surrogates(metric.display_name),
        dataset_type=datasets.get(metric.group, api_pb2.DATASET_UNKNOWN),
    )


def _make_summary(tag: str, data: Any) -> Summary:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    summary = Summary()
    summary.value.add(
        tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR
    )
    return summary
