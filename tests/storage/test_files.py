"""Files that train functions open: the same on every file system."""

from __future__ import annotations

import pytest

from sparkexp import storage
from sparkexp.errors import InvalidArgumentError, StorageError


def test_text_and_bytes_come_back(new_place):
    with storage.open(f"{new_place}/a/b.txt", "w") as file:
        file.write("Grüße\nzwei\n")
    with storage.open(f"{new_place}/a/b.txt") as file:
        assert list(file) == ["Grüße\n", "zwei\n"]
    with storage.open(f"{new_place}/a/b.txt", encoding="latin-1") as file:
        assert file.readline() == "GrÃ¼Ã\x9fe\n"
    content = bytes(range(256)) * 5000
    with storage.open(f"{new_place}/bytes", "wb") as file:
        for start in range(0, len(content), 1000):
            file.write(content[start : start + 1000])
    with storage.open(f"{new_place}/bytes", "rb") as file:
        assert file.read(10) == content[:10]
        assert file.seek(1_000_000) == 1_000_000
        assert file.read() == content[1_000_000:] and file.read() == b""


def test_what_is_missing_and_what_is_there(new_place):
    with pytest.raises(FileNotFoundError):
        storage.open(f"{new_place}/none", "rb")
    with storage.open(f"{new_place}/one", "x") as file:
        file.write("first")
    with pytest.raises(FileExistsError, match="one"):
        storage.open(f"{new_place}/one", "x")
    with storage.open(f"{new_place}/one", "w") as file:
        file.write("second")
    with storage.open(f"{new_place}/one") as file:
        assert file.read() == "second"


@pytest.mark.parametrize("mode", ["", "rw", "r+", "bt", "rbt", "q", None])
def test_wrong_modes(mode, tmp_path):
    with pytest.raises(InvalidArgumentError, match="mode must be"):
        storage.open(tmp_path / "file", mode)


def test_wrong_arguments(tmp_path):
    with pytest.raises(InvalidArgumentError, match="for text"):
        storage.open(tmp_path / "file", "rb", encoding="utf-8")
    with pytest.raises(StorageError, match="must"):
        storage.open("nosuch://file")


def test_hdfs_without_a_server_is_that_of_the_configuration(hdfs, monkeypatch):
    monkeypatch.setenv("HADOOP_CONF_DIR", str(hdfs.conf))
    with storage.open("hdfs:///here/file", "w") as file:
        file.write("one ")
    with storage.open("hdfs:///here/file", "a") as file:
        file.write("more")
    with storage.open(f"{hdfs.url}/here/file") as file:
        assert file.read() == "one more"
