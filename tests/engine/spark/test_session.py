"""A missing or old Java is said in a sentence; `build_session` itself is among the Spark tests."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sparkexp.engine.spark.session import build_session, check_java
from sparkexp.errors import EnvironmentUnfitError


@pytest.fixture
def fake_java(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Puts a program that prints a version like Java, and no other, on the PATH."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()

    def install(said: str, status: int = 0, stream: str = "stderr") -> Path:
        java = tmp_path / "bin" / "java"
        java.write_text(
            f"#!{sys.executable}\nimport sys\nassert sys.argv[1:] == ['-version']\n"
            f"sys.{stream}.write({said!r})\nsys.exit({status})\n"
        )
        java.chmod(0o755)
        return java

    return install


OLD = 'openjdk version "11.0.22" 2024-01-16\nOpenJDK Runtime Environment (build 11.0.22+7)\n'
OLDER = 'java version "1.8.0_402"\nJava(TM) SE Runtime Environment (build 1.8.0_402-b08)\n'


@pytest.mark.parametrize(
    "said",
    [
        'openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment …\n',
        'openjdk version "21" 2023-09-19\n',
        'openjdk version "22-ea" 2024-03-19\n',
        'Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "17.0.1" 2021-10-19\n',
    ],
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_java_that_will_do(fake_java, said, stream):
    fake_java(said, stream=stream)
    check_java()


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (OLD, "is Java 11. "),
        (OLDER, "is Java 8. "),
        ('openjdk version "16.0.2" 2021-07-20\n', "is Java 16. "),
        ("The operation couldn't be completed.\n", "is The operation couldn't be completed.. "),
    ],
)
def test_one_that_will_not(fake_java, said, found):
    java = fake_java(said)
    with pytest.raises(EnvironmentUnfitError) as caught:
        check_java()
    message = str(caught.value)
    assert message.startswith("Spark needs Java 17 or newer (for example Debian's openjdk-17-jre-")
    assert f"{java} {found}" in message and message.endswith("let JAVA_HOME name it.")


def test_no_java(fake_java):
    with pytest.raises(EnvironmentUnfitError, match="there is no java on the PATH. Install it"):
        check_java()


def test_java_home_comes_first(fake_java, tmp_path, monkeypatch):
    fake_java(OLD)
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
    (home / "bin" / "java").chmod(0o755)
    with pytest.raises(EnvironmentUnfitError, match="is Java 11"):
        check_java()
    monkeypatch.setenv("JAVA_HOME", str(home))
    check_java()


@pytest.mark.parametrize("bad", ["missing", "not executable", "no program"])
def test_a_wrong_java_home(fake_java, tmp_path, monkeypatch, bad):
    fake_java('openjdk version "17.0.1"\n')
    home = tmp_path / "jdk"
    if bad != "missing":
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "java").write_text("\0")
        (home / "bin" / "java").chmod(0o644 if bad == "not executable" else 0o755)
    monkeypatch.setenv("JAVA_HOME", str(home))
    with pytest.raises(EnvironmentUnfitError) as caught:
        check_java()
    assert f"JAVA_HOME={home} can't be run: " in str(caught.value)
    assert str(caught.value).endswith("or correct JAVA_HOME.")


def test_a_broken_java_is_shown(fake_java):
    fake_java("libjvm.so: cannot open shared object file\n", status=127)
    with pytest.raises(EnvironmentUnfitError, match="libjvm.so: cannot open shared object file"):
        check_java()


def test_no_session_is_tried_without_java(fake_java):
    with pytest.raises(EnvironmentUnfitError, match="there is no java on the PATH"):
        build_session("tests")


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java here")
def test_the_java_of_this_machine():
    check_java()
