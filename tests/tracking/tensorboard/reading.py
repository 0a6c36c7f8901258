"""TensorBoard's own readers over a log directory, for tests: what would a browser show?

    from tests.tracking.tensorboard.reading import session_groups, scalars

The readers are bound to TensorBoard's stub for TensorFlow, for the tests' process alone and
without touching `tensorboard.compat`: tests of train functions import the real one beside them.
"""

from __future__ import annotations

import functools
import importlib
import os
from types import SimpleNamespace
from typing import Any
from unittest import mock

STATUSES = ("UNKNOWN", "SUCCESS", "FAILURE", "RUNNING")


def session_groups(logdir: str | os.PathLike[str], **request: Any) -> list[dict[str, Any]]:
    """Return the rows of the HParams table, by name, as the plugin's own handler lists them.

    Each has `name`, `runs` (names of the sessions' runs), `hparams` (by name), `status` (of the
    last session; UNKNOWN is a running one), `metrics` (by tag, or group/tag), `started` and
    `ended`. Keywords are fields of the plugin's ListSessionGroupsRequest.
    """
    tb = _readers()
    api = tb.api_pb2
    request = {"allowed_statuses": range(len(STATUSES)), "slice_size": 10_000, **request}
    handler = tb.list_session_groups.Handler(
        tb.RequestContext(), _hparams(logdir), "", api.ListSessionGroupsRequest(**request)
    )
    return [_row(group) for group in handler.run().session_groups]


def experiment(logdir: str | os.PathLike[str]) -> Any:
    """Return the experiment (an api_pb2.Experiment) that the HParams plugin finds."""
    tb = _readers()
    handler = tb.get_experiment.Handler(
        tb.RequestContext(), _hparams(logdir), "", tb.api_pb2.GetExperimentRequest()
    )
    return handler.run()


def domains(logdir: str | os.PathLike[str]) -> dict[str, Any]:
    """Return each declared hyperparameter's data type and domain."""
    api = _readers().api_pb2
    found = {}
    for info in experiment(logdir).hparam_infos:
        kind = api.DataType.Name(info.type).removeprefix("DATA_TYPE_")
        if info.HasField("domain_interval"):
            domain: Any = (info.domain_interval.min_value, info.domain_interval.max_value)
        else:
            domain = list(info.domain_discrete)
        found[info.name] = (kind, domain)
    return found


def scalars(logdir: str | os.PathLike[str]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Return run → tag → [(step, value), ...] of all scalars below a log directory."""
    tb = _readers()
    multiplexer = _multiplexer(logdir)
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for run, tags in multiplexer.Runs().items():
        for tag in tags["tensors"]:
            plugin = multiplexer.SummaryMetadata(run, tag).plugin_data.plugin_name
            if plugin == "scalars":
                points = [
                    (event.step, float(tb.make_ndarray(event.tensor_proto)))
                    for event in multiplexer.Tensors(run, tag)
                ]
                found.setdefault(run, {})[tag] = points
    return found


def _row(group: Any) -> dict[str, Any]:
    session = group.sessions[-1]
    values = {name: getattr(v, v.WhichOneof("kind")) for name, v in group.hparams.items()}
    return {
        "name": group.name,
        "runs": [session.name for session in group.sessions],
        "hparams": values,
        "status": STATUSES[session.status],
        "metrics": {
            "/".join(filter(None, (metric.name.group, metric.name.tag))): metric.value
            for metric in group.metric_values
        },
        "started": session.start_time_secs,
        "ended": session.end_time_secs,
    }


def _hparams(logdir: str | os.PathLike[str]) -> Any:
    tb = _readers()
    provider = tb.MultiplexerDataProvider(_multiplexer(logdir), os.fspath(logdir))
    return tb.Context(tb.TBContext(data_provider=provider, logdir=os.fspath(logdir)))


def _multiplexer(logdir: str | os.PathLike[str]) -> Any:
    multiplexer = _readers().EventMultiplexer(
        # Everything, where the browser gets a sample.
        size_guidance={},
        tensor_size_guidance={"scalars": 0, "hparams": 0},
    )
    multiplexer.AddRunsFromDirectory(os.fspath(logdir))
    multiplexer.Reload()
    return multiplexer


@functools.cache
def _readers() -> SimpleNamespace:
    import tensorboard.compat
    from tensorboard.compat import tensorflow_stub

    events = "backend.event_processing"
    names = {
        "Context": "plugins.hparams.backend_context",
        "EventAccumulator": f"{events}.event_accumulator",
        "EventMultiplexer": f"{events}.plugin_event_multiplexer",
        "MultiplexerDataProvider": f"{events}.data_provider",
        "RequestContext": "context",
        "TBContext": "plugins.base_plugin",
        "api_pb2": "plugins.hparams",
        "get_experiment": "plugins.hparams",
        "list_session_groups": "plugins.hparams",
        "make_ndarray": "util.tensor_util",
    }
    found = SimpleNamespace()
    with mock.patch.object(tensorboard.compat, "tf", tensorflow_stub):
        for name, module in names.items():
            parent = importlib.import_module(f"tensorboard.{module}")
            if not hasattr(parent, name):
                importlib.import_module(f"tensorboard.{module}.{name}")
            setattr(found, name, getattr(parent, name))
    return found


def accumulator(directory: str | os.PathLike[str]) -> Any:
    """Return TensorBoard's EventAccumulator over one run, loaded."""
    loaded = _readers().EventAccumulator(os.fspath(directory))
    loaded.Reload()
    return loaded
