from __future__ import annotations

import functools
import os
import subprocess
import sys
from os import environ
from os import environ as renamed
from unittest import mock

import pytest

from sparkexp.engine.transfer.environment_writes import find_written_settings
from sparkexp.engine.transfer.import_settings import ANY, find_affected, find_readers
from sparkexp.engine.transfer.train_imports import HEAVY_MODULES

SETTINGS = {"KERAS_BACKEND": "jax", "WANDB_MODE": "offline"}
OWN = os.environ


def set_variable(name, value):
    os.environ[name] = value


def by_update():
    os.environ.update({"KERAS_BACKEND": "jax", "WANDB_MODE": "offline"})


def by_keyword():
    os.environ.update(KERAS_BACKEND="jax")


def by_union():
    os.environ |= {"KERAS_BACKEND": "jax"}


def by_replacement():
    os.environ = {**os.environ, "KERAS_BACKEND": "jax"}  # noqa: B003


def by_loop():
    for name, value in SETTINGS.items():
        os.environ[name] = value


def by_pairs():
    for name, value in [("KERAS_BACKEND", "jax"), ("WANDB_MODE", "offline")]:
        os.environ[name] = value


def by_import():
    from os import environ as inner

    inner.setdefault("KERAS_BACKEND", "jax")


def by_alias():
    inner = os.environ
    inner["KERAS_BACKEND"] = "jax"


def by_parameter(backend="jax"):
    os.environ["KERAS_BACKEND"] = backend


def by_condition():
    os.environ["KERAS_BACKEND"] = "jax" if os.environ.get("HF_HOME") else "torch"


def by_deletion():
    del os.environ["KERAS_BACKEND"]


def by_addition():
    os.environ["KERAS_BACKEND"] += "x"


def by_patch():
    with mock.patch.dict(os.environ, {"KERAS_BACKEND": "jax"}):
        pass


def by_inner_function():
    def inner():
        renamed["KERAS_BACKEND"] = "jax"

    inner()


class Model:
    def __call__(self):
        self.prepare()

    def prepare(self):
        environ["KERAS_BACKEND"] = "jax"


def by_class():
    Model().prepare()


def decorator(function):
    @functools.wraps(function)
    def wrapper(*args):
        OWN["KERAS_BACKEND"] = "jax"
        return function(*args)

    return wrapper


WRITING = [
    lambda: os.environ.setdefault("KERAS_BACKEND", "jax"),
    lambda: os.environ.pop("KERAS_BACKEND", None),
    lambda: os.environ.__setitem__("KERAS_BACKEND", "jax"),
    lambda: os.putenv("KERAS_BACKEND", "jax"),
    lambda: os.environ.update(SETTINGS),
    lambda: set_variable("KERAS_BACKEND", "jax"),
    functools.partial(set_variable, "KERAS_BACKEND", "jax"),
    by_update,
    by_keyword,
    by_union,
    by_replacement,
    by_loop,
    by_pairs,
    by_import,
    by_alias,
    by_parameter,
    by_condition,
    by_deletion,
    by_addition,
    by_patch,
    by_inner_function,
    by_class,
    decorator(max),
]


@pytest.mark.parametrize("train", WRITING)
def test_what_is_set(train):
    assert find_written_settings(train) == ("KERAS_BACKEND",)


def starts_a_program():
    env = dict(os.environ)
    env["KERAS_BACKEND"] = "jax"
    subprocess.run([sys.executable], env=env)


def fills_another_dict():
    threads = {"OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"]}
    threads["MPLBACKEND"] = os.environ.get("MPLBACKEND", "agg")
    return threads


def sets_what_is_read_later():
    os.environ["CUDA_VISIBLE_DEVICES"] = "0"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


READING = [
    lambda: os.environ["KERAS_BACKEND"],
    lambda: os.environ.get("KERAS_BACKEND", "HF_HOME"),
    lambda: os.getenv("KERAS_BACKEND"),
    lambda: "KERAS_BACKEND" in os.environ,
    lambda: "KERAS_BACKEND" not in environ and renamed["HF_HOME"],
    lambda: [{**os.environ}, sorted(os.environ), list(os.environ.items())],
    starts_a_program,
    fills_another_dict,
    sets_what_is_read_later,
    max,
]


@pytest.mark.parametrize("train", READING)
def test_what_is_only_read_or_read_late(train):
    assert find_written_settings(train) == ()


def reads_names_from_a_file():
    with open(".env") as file:
        for line in file:
            name, value = line.split("=")
            os.environ[name] = value


def test_names_that_the_code_does_not_tell():
    assert find_written_settings(reads_names_from_a_file) == (ANY,)
    assert set(find_affected([ANY])) == set(HEAVY_MODULES)


def test_modules_of_the_user_s_own(tmp_path, monkeypatch):
    package = tmp_path / "users_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text("from . import settings\n")
    (package / "settings.py").write_text("import os\nos.environ['KERAS_BACKEND'] = 'jax'\n")
    (package / "other.py").write_text("import os\nos.environ['HF_HOME'] = '/data'\n")
    (package / "broken.py").write_text("os.environ[ = \n")
    (tmp_path / "users_home.py").write_text(
        "import os\nos.environ['MPLBACKEND'] = 'agg'\n"
        "def train():\n    pass\n"
        "def main():\n    os.environ['HF_HOME'] = '/data'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def imports_a_module():
        from users_package import broken, models

        return models, broken

    def imports_by_name():
        return __import__("users_package.models")

    before = set(sys.modules)
    assert find_written_settings(imports_a_module) == ("KERAS_BACKEND",)
    assert find_written_settings(imports_by_name) == ("KERAS_BACKEND",)
    assert set(sys.modules) == before

    import users_home

    assert find_written_settings(users_home.train) == ("MPLBACKEND",)
    del sys.modules["users_home"]


@pytest.mark.parametrize(
    ("variable", "affected"),
    [
        ("KERAS_BACKEND", {"keras", "tensorflow", "transformers"}),
        ("MPLBACKEND", {"matplotlib"}),
        ("HF_HOME", {"transformers"}),
        ("TF_ENABLE_ONEDNN_OPTS", {"tensorflow", "keras", "tensorflow_datasets"}),
        ("JAX_PLATFORMS", {"jax"}),
        ("XLA_FLAGS", {"jax"}),
        ("OMP_NUM_THREADS", set(HEAVY_MODULES)),
        ("OPENBLAS_NUM_THREADS", set(HEAVY_MODULES)),
        ("NUMEXPR_MAX_THREADS", {"numexpr", "pandas"}),
    ],
)
def test_what_is_not_imported_before(variable, affected):
    assert affected <= set(find_affected([variable]))
    assert find_readers(variable)


@pytest.mark.parametrize("variable", ["PATH", "CUDA_VISIBLE_DEVICES", "WANDB_MODE", "TF_CONFIG"])
def test_what_holds_nothing_back(variable):
    assert find_affected([variable]) == ()
