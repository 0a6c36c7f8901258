"""What the process that sends and fetches trials' files accepts from other storage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sparkexp.engine.transfer.delivery import Delivery


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
    request = {
        "location": f"local://{left}",
        "list_name": "checkpoints.json",
        "target": str(target),
    }
    delivery = Delivery()
    delivery._unreachable = True  # wait for nothing
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


@pytest.mark.timeout(20)
def test_two_workers_of_a_host_share_one_copy_of_the_data(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sparkexp.engine.transfer.delivery.private_folder", lambda: tmp_path / "here"
    )
    (tmp_path / "here").mkdir()
    (tmp_path / "data.pickle").write_text("d")
    place = f"local://{tmp_path / 'data.pickle'}"
    first, second = Delivery(), Delivery()
    answer = first.attempt("data", {"location": place})
    # While the first one lives, which may be for as long as the search.
    assert second.attempt("data", {"location": place}) == answer
    copy = Path(answer["path"])
    first.close()
    assert copy.read_text() == "d"
    second.close()
    assert not list((tmp_path / "here").iterdir())
    # And anew, for a worker that comes later.
    third = Delivery()
    assert Path(third.attempt("data", {"location": place})["path"]).read_text() == "d"
    third.close()
