"""What the process that sends and fetches trials' files accepts from other storage."""

from __future__ import annotations

import json

import pytest

from sparkexp.engine.delivery import Delivery


@pytest.fixture
def left(tmp_path):
    """A trial's directory with checkpoints, as it stands at a URL."""
    directory = tmp_path / "there/run/trial"
    (directory / "checkpoints").mkdir(parents=True)
    (directory / "checkpoints/weights").write_text("w")
    (tmp_path / "there/secret").write_text("s")
    return directory


def fetch(left, names, target):
    (left / "checkpoints.json").write_text(json.dumps(names))
    request = {"place": f"local://{left}", "listed": "checkpoints.json", "target": str(target)}
    delivery = Delivery()
    delivery._away = True  # wait for nothing
    return delivery.attempt("tree", request)


def test_checkpoints_are_fetched(left, tmp_path):
    assert fetch(left, ["checkpoints/weights"], tmp_path / "here") == {"found": True}
    assert (tmp_path / "here/checkpoints/weights").read_text() == "w"


def test_half_an_upload_is_none(left, tmp_path):
    assert fetch(left, ["checkpoints/weights", "checkpoints/bias"], tmp_path / "here") == {
        "found": False
    }


@pytest.mark.parametrize(
    "name", ["../../secret", "checkpoints/../../../secret", "/etc/hostname", ""]
)
def test_a_name_that_leads_elsewhere_is_refused(left, tmp_path, name):
    answer = fetch(left, ["checkpoints/weights", name], tmp_path / "here/below")
    assert "must lie below its directory" in answer["error"]
    assert not list((tmp_path / "here").rglob("*"))
