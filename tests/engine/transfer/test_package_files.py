from __future__ import annotations

import os
import socket
import sysconfig
import zipfile
from pathlib import Path

import pytest
from pyspark import SparkFiles

from sparkexp.engine.transfer import shipping
from sparkexp.engine.transfer.executor_modules import find_own, kind_of_python
from sparkexp.engine.transfer.package_files import module_names, package_files
from sparkexp.engine.transfer.shipping import ship
from sparkexp.engine.transfer.user_modules import find_user_modules, read_module_files
from tests.engine.transfer.test_shipping import names, project, scratch

__all__ = ["project", "scratch"]  # fixtures

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"
CERTIFICATE = "-----BEGIN CERTIFICATE-----"


@pytest.fixture(autouse=True)
def nothing_sent_before(tmp_path_factory, monkeypatch):
    """A Spark session of another test in this process may have sent the same package."""
    root = str(tmp_path_factory.mktemp("files"))
    monkeypatch.setattr(SparkFiles, "getRootDirectory", lambda: root)


def sent(folder: Path, name: str = "p") -> set[str]:
    return {file.name for file in package_files(folder, name)}


def write(folder: Path, *paths: str, text: str = "") -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_data_files_belong_to_a_package(tmp_path):
    theirs = [
        "__init__.py",
        "config.json",
        "vocab/words.txt",
        "a-b/x.j2",
        "lib/libp.so",
        "py.typed",
    ]
    write(tmp_path, *theirs, "tokenizer.json", "secrets/__init__.py", "credentials.py")
    expected = {*theirs, "tokenizer.json", "secrets/__init__.py", "credentials.py"}
    assert sent(tmp_path) == {f"p/{path}" for path in expected}


@pytest.mark.parametrize(
    "path",
    [
        *(".env", "prod.env", ".git/config", ".ssh/known_hosts", ".aws/config", ".hidden.json"),
        *("id_rsa", "id_ed25519.pub", "tls.key", "credentials.json", "secrets.yaml"),
        *("gcp_credentials.json", "client_secret_1.json", "sub/secrets/db.txt", "store.jks"),
        *("__pycache__/x.pyc", ".ipynb_checkpoints/a.ipynb", "node_modules/a/b.js"),
        *("venv/pyvenv.cfg", "venv/lib/x.py", "site-packages/x.py", ".mypy_cache/x.json"),
    ],
)
def test_what_lies_about_stays(tmp_path, path):
    write(tmp_path, "__init__.py", path)
    if path.startswith("venv"):
        write(tmp_path, "venv/pyvenv.cfg")
    assert sent(tmp_path) == {"p/__init__.py"}


def test_a_private_key_stays_under_any_name(project):
    folder = project({"users_keys/__init__.py": f"EXAMPLE = '{KEY}'"})
    write(folder / "users_keys", "notes.txt", "both.pem", text=f"{CERTIFICATE}\n{KEY}\nabc")
    write(folder / "users_keys", "server.PEM", text="MIIEow")
    write(folder / "users_keys", "authorities.pem", text=CERTIFICATE)
    assert [name for name, _ in read_module_files("users_keys")] == [
        "users_keys/__init__.py",
        "users_keys/authorities.pem",
    ]


def test_links_pipes_and_sockets_hold_nobody_up(tmp_path, monkeypatch):
    package = write(tmp_path / "p", "__init__.py", "sub/x.py", "sub/deep/y.txt", "real.txt")
    outside = write(tmp_path / "outside", "id", "data/z.bin")
    common = write(tmp_path / "common", "__init__.py", "c.txt")
    for name, target in {
        "again": ".", "more": ".", "up": "..", "sub/top": "..", "sub/deep/over": "../../sub",
        "self": "self", "one": "two", "two": "one", ".#x.py": "user@host.1", "lost.py": "nowhere",
        "lost": "nowhere/at/all", "alias.txt": "real.txt", "key": str(outside / "id"),
        "data": str(outside / "data"), "common": str(common), "null.py": "/dev/null",
    }.items():  # fmt: skip
        (package / name).symlink_to(target)
    os.mkfifo(package / "pipe.py")
    monkeypatch.chdir(package)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.py")
        found = sent(package)
    assert found == {
        *("p/__init__.py", "p/sub/x.py", "p/sub/deep/y.txt", "p/real.txt", "p/alias.txt"),
        *("p/common/__init__.py", "p/common/c.txt"),
    }


def test_many_links_that_go_round_take_no_time(tmp_path):
    for k in range(12):
        write(tmp_path, f"d{k}/x.txt")
        for other in range(12):
            (tmp_path / f"d{k}" / f"to{other}").symlink_to(f"../d{other}")
    assert len(sent(tmp_path)) < 12 * 12 + 12


def test_a_package_of_links_is_where_they_lead(tmp_path):
    cache = write(tmp_path / "cache" / "p", "__init__.py", "x.json", "sub/y.txt")
    for file in ("__init__.py", "x.json", "sub/y.txt"):
        (tmp_path / "p" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / file).symlink_to(cache / file)
    assert sent(tmp_path / "p") == {"p/__init__.py", "p/x.json", "p/sub/y.txt"}


def test_what_cannot_be_read_is_passed_over(project):
    folder = project({"users_some/__init__.py": ""})
    (folder / "users_some" / "memory.py").symlink_to("/proc/self/mem")
    assert [name for name, _ in read_module_files("users_some")] == ["users_some/__init__.py"]


def test_a_package_without_init_has_parts(tmp_path):
    write(tmp_path, "space/a.py", "space/inner/b.py", "space/data/x.csv", "whole/__init__.py")
    write(tmp_path, "whole/c.py", "one.py", f"fast{SUFFIX}", "x-1.0.dist-info/METADATA")
    (tmp_path / "space" / "round").symlink_to(".")
    assert module_names(tmp_path) == ["fast", "one", "space.a", "space.inner.b", "whole"]


class Session:
    """Takes what is sent, as a session does."""

    def __init__(self) -> None:
        self.python: list[Path] = []
        self.others: list[Path] = []

    def getTags(self) -> set[str]:  # noqa: N802
        return set()

    def addArtifacts(self, *paths: str, pyfile: bool = False, file: bool = False) -> None:  # noqa: N802
        (self.python if pyfile else self.others).extend(map(Path, paths))


def answering(found: dict[str, str], kind: str = ""):
    """Answers as an executor does that has modules."""
    import json

    return lambda function, schema: json.dumps({"kind": kind or kind_of_python(), "found": found})


def test_what_an_executor_has_is_not_sent(project):
    folder = project(
        {
            "users_same.py": "import users_lost",
            "users_lost.py": "",
            "users_other/__init__.py": "import users_unknown",
            "users_unknown.py": "",
        }
    )

    def train():
        import users_other
        import users_same

        return users_same, users_other

    session = Session()
    there = {"users_same": str(folder / "users_same.py"), "users_other": "/opt/o/__init__.py"}
    there[__name__.partition(".")[0]] = "/somewhere"
    shipment = ship(session, train, ask=answering(there))
    assert [path.name.partition("-")[0] for path in session.python] == ["sparkexp"]
    assert [path.name for path in session.others] == list(shipment.names)
    assert names(session.others[0]) == ["users_lost.py"]
    assert shipment.notes[0] == "sent to executors, which lack them: users_lost"
    assert (
        "users_other is not sent: executors have their own, /opt/o/__init__.py" in shipment.notes
    )


def test_nobody_is_asked_without_modules_of_the_user():
    def ask(function, schema):
        raise AssertionError

    space = {"__name__": "__main__"}
    exec("def train(x):\n    import json\n    return x", space)
    session = Session()
    assert ship(session, space["train"], ask=ask).names == () and session.others == []


def test_without_an_answer_all_is_sent(project):
    project({"users_a.py": "def train():\n    return 1\n"})
    import users_a

    assert find_user_modules(users_a.train) == {"users_a": True}
    shipment = ship(Session(), users_a.train, ask=lambda function, schema: None)
    assert shipment.has_modules


def test_compiled_files_go_to_their_own_platform_only(project):
    folder = project(
        {
            "users_fast/__init__.py": "def train():\n    return 1\n",
            f"users_fast/here{SUFFIX}": "",
            "users_fast/there.cpython-311-darwin.so": "",
            "users_fast/old.cpython-37m-x86_64-linux-gnu.so": "",
            "users_fast/lib/libfast.so.1.2": "",
            "users_fast/windows.pyd": "",
        }
    )
    (folder / "users_fast" / "tool").write_bytes(b"\x7fELF1234")
    import users_fast

    ours = Session()
    ship(ours, users_fast.train, ask=answering({}))
    assert set(names(ours.others[0])) == {
        f"users_fast/{name}"
        for name in ("__init__.py", f"here{SUFFIX}", "lib/libfast.so.1.2", "tool", "windows.pyd")
    }
    theirs = Session()
    shipment = ship(theirs, users_fast.train, ask=answering({}, "linux-riscv64 .so"))
    assert names(theirs.others[0]) == ["users_fast/__init__.py"]
    assert "compiled files for another platform" in shipment.notes[1]


def test_data_beyond_the_limit_stays_and_is_named(project, monkeypatch, caplog):
    folder = project({"users_big/__init__.py": "def train():\n    return 1\n"})
    write(folder / "users_big", "small.json", text="{}")
    for name, size in {"weights.h5": 30_000_000, "train.npz": 40_000_000}.items():
        with (folder / "users_big" / name).open("wb") as file:
            file.truncate(size)
    import users_big

    session = Session()
    shipment = ship(session, users_big.train)
    assert names(session.others[0]) == [
        f"users_big/{name}" for name in ("__init__.py", "small.json", "weights.h5")
    ]
    assert "users_big/train.npz (40.0 MB)" in shipment.notes[1]
    assert "train.npz" in caplog.text


def test_modules_in_an_archive_are_sent(project, tmp_path, monkeypatch):
    archive = tmp_path / "lib.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("users_zipped/__init__.py", "def train():\n    return 1\n")
        opened.writestr("users_zipped/x.json", "{}")
        opened.writestr("other.py", "")
    monkeypatch.syspath_prepend(archive)
    import users_zipped

    session = Session()
    ship(session, users_zipped.train)
    assert names(session.others[0]) == ["users_zipped/__init__.py", "users_zipped/x.json"]


def test_an_executor_s_own_is_what_sessions_have_not_sent(tmp_path, monkeypatch):
    spark = write(tmp_path / "files", "sparkexp-modules-1/users_x.py", "users_sent.py")
    with zipfile.ZipFile(spark / "p.zip", "w") as opened:
        opened.writestr("users_zip.py", "")
    own = write(tmp_path / "files" / "environment", "users_x.py", "users_space/part.py")
    for entry in (own, spark, spark / "p.zip", spark / "sparkexp-modules-1"):
        monkeypatch.syspath_prepend(entry)
    wanted = ("users_x", "users_sent", "users_zip", "users_space.part", "users_space.no", "json.x")
    found = {name: find_own(name, str(spark)) for name in wanted}
    assert found.pop("json.x").endswith("json/__init__.py")
    assert found == {
        "users_x": str(own / "users_x.py"),
        "users_space.part": str(own / "users_space" / "part.py"),
        **dict.fromkeys(("users_sent", "users_zip", "users_space.no"), ""),
    }


def test_metadata_comes_along(project):
    folder = project({"users_dist/__init__.py": "def train():\n    return 1\n"})
    write(folder, "Users_Dist.egg-info/PKG-INFO", text="Name: users-dist\nVersion: 2.0\n")
    write(folder, "Users_Dist.egg-info/top_level.txt", text="users_dist\n")
    write(folder, "Users_Dist.egg-info/entry_points.txt", text="[x]\na = users_dist:train\n")
    import users_dist

    session = Session()
    ship(session, users_dist.train)
    assert names(session.others[0])[1:] == [
        f"users_dist-2.0.dist-info/{name}"
        for name in ("METADATA", "entry_points.txt", "top_level.txt")
    ]


def test_equal_packages_make_equal_archives(project):
    project({"users_eq/__init__.py": "def train():\n    return 1\n", "users_eq/x.json": "{}"})
    import users_eq

    first, second = Session(), Session()
    ship(first, users_eq.train)
    ship(second, users_eq.train)
    assert first.others == second.others
    assert shipping.MODULES in first.others[0].name
