"""Which host or executor is complained of, and how often."""

from __future__ import annotations

from sparkexp.driver.host_health import HostHealth
from sparkexp.trial import State, Trial, TrialResult


def heard(places: list[tuple[str, str]], bad: set[tuple[str, str]], rounds: int = 6) -> list[str]:
    """Return the warnings when trials go around the places, and fail on the bad ones."""
    health = HostHealth()
    said = []
    for number in range(rounds * len(places)):
        host, executor = place = places[number % len(places)]
        state = State.FAILED if place in bad else State.SUCCEEDED
        result = TrialResult(Trial(number, {}), state, host=host, executor=executor)
        said += health.check(result)
    return said


FOUR = [("a", "0"), ("a", "1"), ("b", "2"), ("b", "3")]


def test_one_bad_executor_is_named_once() -> None:
    (said,) = heard(FOUR, {("a", "1")})
    assert said.startswith(
        "Trials keep failing on executor 1 of host a: 3 of 3, elsewhere 0 of 3."
    )


def test_a_bad_host_is_named_with_its_executors() -> None:
    (said,) = heard(FOUR, {("a", "0"), ("a", "1")})
    assert said.startswith("Trials keep failing on host a (executor 0, 1): ")


def test_hosts_without_executors_are_named_alone() -> None:
    (said,) = heard([("a", ""), ("b", "")], {("b", "")})
    assert said.startswith("Trials keep failing on host b: 3 of 3")


def test_failures_everywhere_say_nothing_of_a_place() -> None:
    assert heard(FOUR, set(FOUR)) == []
    assert heard(FOUR, set()) == []
    assert heard([("a", "0")], {("a", "0")}) == []


def test_two_bad_executors_are_named_each() -> None:
    said = heard([*FOUR, ("a", "4"), ("b", "5")], {("a", "1"), ("b", "2")})
    assert sorted(text.split(":")[0].split(" on ")[1] for text in said) == [
        "executor 1 of host a",
        "executor 2 of host b",
    ]
