from __future__ import annotations

import importlib
import os
import stat
import subprocess
import sys
import tempfile
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

from sparkexp.engine.transfer import shipping
from sparkexp.engine.transfer.user_modules import find_user_modules, read_module_files
from sparkexp.errors import InvalidArgumentError


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files, of this test alone."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes a user's modules beside their notebook, and forgets them afterwards."""
    folder = tmp_path / "project"
    before = set(sys.modules)

    def write(modules: dict[str, str]) -> Path:
        for name, source in modules.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        importlib.invalidate_caches()
        return folder

    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield write
    for name in set(sys.modules) - before:
        if name.startswith("users_"):
            del sys.modules[name]


def package_archive() -> Path:
    members = shipping._own_members(files("sparkexp"), "sparkexp")
    return shipping._archive("sparkexp", members)


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def test_the_package_s_archive_holds_all_of_it_and_nothing_else():
    root = Path(str(files("sparkexp")))
    expected = {
        f"sparkexp/{path.relative_to(root).as_posix()}"
        for path in root.rglob("*")
        if path.suffix in (".py", ".typed") and "__pycache__" not in path.parts
    }
    found = names(package_archive())
    assert set(found) == expected and len(found) == len(expected)


def test_equal_contents_make_equal_archives(scratch, project):
    first = package_archive()
    written = first.stat().st_mtime_ns
    assert package_archive() == first and first.stat().st_mtime_ns == written
    folder = project({"helper.py": "X = 1\n"})
    one = shipping._archive("m", read_module_files("helper"))
    data = one.read_bytes()
    one.unlink()
    os.utime(folder / "helper.py", (1, 1))
    os.chmod(folder / "helper.py", 0o600)
    again = shipping._archive("m", read_module_files("helper"))
    assert (again, again.read_bytes()) == (one, data)
    with zipfile.ZipFile(again) as opened:
        assert {info.date_time for info in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    (folder / "helper.py").write_text("X = 2\n")
    changed = shipping._archive("m", read_module_files("helper"))
    assert changed != one and changed.read_bytes() != data
    assert not [path for path in scratch.rglob("*") if path.is_file() and path.suffix != ".zip"]


def test_the_package_runs_from_its_archive(tmp_path):
    archive = package_archive()
    code = """
import sys
sys.path.insert(0, sys.argv[1])
import sparkexp
assert sparkexp.__file__.startswith(sys.argv[1]), sparkexp.__file__
from sparkexp import experiment
result = experiment.launch(None, lambda x: x, {'x': [1, 2]}, engine='inline', progress=False)
print(result.best.value)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, archive],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.stdout.strip() == "2.0", done.stderr


def test_a_module_of_the_user_is_found(project):
    project({"users_model.py": "def build():\n    return 1\n"})
    import users_model

    def by_name():
        return users_model.build()

    def inside():
        from users_model import build

        return build()

    def in_a_comprehension():
        return [(lambda: users_model.build())() for _ in range(3)]

    helpers = users_model

    def in_a_closure():
        return helpers.build()

    for train in (by_name, inside, in_a_comprehension, in_a_closure, users_model.build):
        assert "users_model" in find_user_modules(train)
    assert names(shipping._archive("m", read_module_files("users_model"))) == ["users_model.py"]


def test_a_package_is_sent_whole(project):
    project(
        {
            "users_package/__init__.py": "",
            "users_package/model.py": "def build():\n    return 1\n",
            "users_package/deep/inner.py": "",
            "users_package/data.py": "",
            "users_package/weights.bin": "x",
            "users_package/templates-1/x.py": "",
            "users_package/__pycache__/model.py": "",
        }
    )
    from users_package.model import build

    assert "users_package" in find_user_modules(build)
    assert names(shipping._archive("m", read_module_files("users_package"))) == [
        "users_package/__init__.py",
        "users_package/data.py",
        "users_package/deep/inner.py",
        "users_package/model.py",
        "users_package/templates-1/x.py",
        "users_package/weights.bin",
    ]


def test_a_package_without_init(project):
    project({"users_space/model.py": "def build():\n    return 1\n"})
    from users_space.model import build

    assert "users_space" in find_user_modules(build)
    assert [name for name, _ in read_module_files("users_space")] == ["users_space/model.py"]


def test_modules_that_a_user_s_module_imports_are_found(project):
    project(
        {
            "users_a.py": "import users_b\n\ndef train(x):\n    return x\n",
            "users_b.py": "def late():\n    from nowhere import x\n    import users_c.x\n",
            "users_c/__init__.py": "from . import users_d\nfrom .users_d import x\n",
            "users_c/x.py": "import users_a\nimport numpy, json\n",
            "users_c/template.py": "import {{ users_d }}\n",
            "users_d.py": "",
        }
    )
    import users_a

    # Importing users_a, as unpickling its function does, imports users_b.
    assert set(find_user_modules(users_a.train)) == {"users_a", "users_b", "users_c"}


def test_installed_and_standard_modules_are_left_out(project):
    def train():
        import json
        import sys
        import xml.dom

        import cloudpickle
        import numpy
        import tqdm

        import sparkexp

        return json, sys, xml, numpy, tqdm, cloudpickle, sparkexp

    assert find_user_modules(train) == {__name__.partition(".")[0]: True}


def test_what_is_installed_elsewhere_is_left_out_too(tmp_path, monkeypatch):
    for folder in ("site-packages", "dist-packages"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"other_{folder[:4]}.py").write_text("")
        monkeypatch.syspath_prepend(tmp_path / folder)

    def train():
        import other_dist
        import other_site

        return other_dist, other_site

    assert "other_site" not in find_user_modules(train) and "other_dist" not in find_user_modules(
        train
    )


def test_a_module_that_nobody_has(project):
    def train():
        import no_such_module

        return no_such_module

    assert "no_such_module" not in find_user_modules(train)


def test_a_function_of_the_main_program():
    space = {"__name__": "__main__"}
    exec("def train(x):\n    return x", space)
    assert find_user_modules(space["train"]) == {}


def test_too_much_code_is_said():
    noise = ((f"m{k}.py", os.urandom(1_000_000 + k)) for k in range(52))
    largest = r"take 5\d MB, more than the 50 MB .* largest files are m51.py \(1.0 MB\), m50.py"
    with pytest.raises(InvalidArgumentError, match=largest):
        shipping._archive("m", noise)


def test_archives_are_kept_where_others_cannot_write(scratch):
    archive = package_archive()
    folder = archive.parent
    assert folder == scratch / f"sparkexp-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def prepare_link(folder: Path) -> None:
    target = folder.with_name("elsewhere")
    target.mkdir(mode=0o700)
    folder.symlink_to(target)


def prepare_open(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def prepare_foreign(folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)


@pytest.mark.parametrize("prepare", [prepare_open, prepare_foreign, prepare_link, Path.touch])
def test_somebody_else_s_folder_is_not_trusted(scratch, prepare):
    taken = scratch / f"sparkexp-{os.getuid()}"
    prepare(taken)
    archive = package_archive()
    assert archive.is_file() and archive.parent.parent == scratch
    assert archive.parent != taken and not archive.parent.is_symlink()
    assert stat.S_IMODE(archive.parent.stat().st_mode) == 0o700
    assert archive.parent.stat().st_uid == os.getuid()
