"""The jars of a Hadoop server, from the one Python package that carries them."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

SOURCE = "pyspark==2.4.8"
SHA256 = "3a19b71b8dc8dd91ebc943604a05e1ab01bce052456d42937035632d852d78dc"
# What a NameNode and a DataNode load, of 220 jars.
_NEEDED = re.compile(
    r"/jars/(hadoop-(annotations|auth|common|hdfs)|commons-|guava|protobuf-java|log4j|slf4j|jetty|"
    r"javax\.|hk2|validation|jersey-|jsp-api|htrace|xmlenc|netty|jackson-(core|mapper)-asl|"
    r"leveldbjni|xercesImpl|jsr305|apacheds|api-|zookeeper|curator|gson)"
    r"[^/]*\.jar$"
)


def hadoop_jars() -> Path:
    """Return the directory of the jars; they are downloaded where it is missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sparkexp-tests"
    jars = cache / "hadoop-2.7.3"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                _download(Path(folder)).rename(jars)
    return jars


def _download(folder: Path) -> Path:
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{SOURCE} --hash=sha256:{SHA256}\n")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps",
            "--no-binary=pyspark", "--no-build-isolation", "--dest", str(folder),
            "--requirement", str(wanted),
        ],
        check=True,
    )  # fmt: skip
    (archive,) = folder.glob("pyspark-*.tar.gz")
    jars = folder / "jars"
    jars.mkdir()
    with tarfile.open(archive) as content:
        for member in content:
            if member.isfile() and _NEEDED.search(member.name):
                file = content.extractfile(member)
                assert file is not None
                (jars / Path(member.name).name).write_bytes(file.read())
    return jars
