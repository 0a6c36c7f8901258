from __future__ import annotations

import pytest

from sparkexp.tracking.tensorboard.links import find_overview_directory, list_board_links

URL = "http://127.0.0.1:6006/"


@pytest.mark.parametrize("name", ["evolution", "search"])
def test_links_tick_the_run_that_is_there(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / "trials").mkdir()
    links = list_board_links(URL, tmp_path)
    assert all(link.url.startswith(URL) for link in links)
    ticked = [link for link in links if "regexInput" in link.url]
    lines = "(%2F(best%7Cmean%7Cworst))%3F"
    assert f"regexInput=%5E{name}{lines}%24" in ticked[0].url
    assert all(f"regexInput=%5E{name}%24" in link.url for link in ticked[1:])
    assert any("hparams" in link.url for link in links)
    # A search without generations has no distributions over them.
    assert any("distributions" in link.url for link in links) is (name == "evolution")
    assert find_overview_directory(tmp_path) == tmp_path / name


@pytest.mark.parametrize("name", ["evolution", "search"])
def test_the_overview_alone_is_a_run_without_name(tmp_path, name):
    (tmp_path / name).mkdir()
    links = list_board_links(URL, tmp_path / name)
    assert not any("hparams" in link.url for link in links)
    assert "regexInput=%5E(%5C.%7Cbest%7Cmean%7Cworst)%24" in links[0].url
    assert "regexInput=%5E%5C.%24" in links[1].url


def test_before_the_first_trial_ended_any_name_is_ticked(tmp_path):
    assert find_overview_directory(tmp_path) is None
    assert "evolution%7Csearch" in list_board_links(URL, tmp_path)[0].url
    assert "evolution%7Csearch" in list_board_links(URL, "s3://bucket/run")[0].url
