"""What a train function imports, where executors lack it and where they have their own."""

from __future__ import annotations

import _heapq
import os
import shutil
import sysconfig
from pathlib import Path

import pytest

from tests.spark.driving import run_driver
from tests.spark.watching import LOCAL

pytestmark = [pytest.mark.spark, pytest.mark.together("port 15002")]

SCRIPT = """
sys.path.insert(0, os.path.abspath("lib"))
from users_package.diary import Diary

def train(x):
    import importlib.metadata, importlib.resources, os, pathlib
    import users_own, users_shared, users_space.part
    from users_package import _heapq, load
    print("uses", users_own.__file__)
    heap = [3, 1, 2]
    _heapq.heapify(heap)
    files = importlib.resources.files("users_package")
    return {
        "value": x * load()["scale"],
        "smallest": heap[0],
        "words": len((files / "texts" / "words.txt").read_text().split()),
        "part": users_space.part.read(),
        "version": float(importlib.metadata.version("users-package")),
        "own": users_own.VERSION,
        "shared": users_shared.VERSION,
        "secrets": sum(name.name in (".env", "server.pem") for name in files.iterdir()),
        "tracked": float(os.environ["USERS_DIARY"]),
    }

result = experiment.launch(spark, train, {"x": [1, 2, 3]}, metric="value", logdir=logdir,
                           trackers=["tensorboard", Diary()])
with open("lib/users_package/config.json", "w") as file:
    file.write('{"scale": 50}')
again = experiment.launch(spark, train, {"x": [1]}, metric="value", logdir=logdir + "-again",
                          trackers=[Diary()])
answer([[r.value or r.error for r in result.trials], result.trials[0].metrics,
        again.best.value])
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize("conf", [LOCAL, {"spark.remote": "local[2]"}], ids=["classic", "connect"])
def test_packages_are_whole_and_executors_keep_their_own(
    tmp_path: Path, conf: dict[str, str]
) -> None:
    package = tmp_path / "lib" / "users_package"
    write(
        tmp_path,
        {
            "lib/users_package/__init__.py": "import json, pathlib\n"
            "def load():\n"
            "    return json.loads(pathlib.Path(__file__).with_name('config.json').read_text())\n",
            "lib/users_package/diary.py": "from sparkexp.tracking import Tracker, TrialTracker\n"
            "class Diary(Tracker):\n"
            "    def trial_tracker(self, search):\n"
            "        return Page()\n"
            "class Page(TrialTracker):\n"
            "    def start(self, attempt):\n"
            "        return {'USERS_DIARY': '7'}\n",
            "lib/users_package/config.json": '{"scale": 5}',
            "lib/users_package/texts/words.txt": "one two three",
            "lib/users_package/.env": "TOKEN=1",
            "lib/users_package/server.pem": "-----BEGIN PRIVATE KEY-----",
            "lib/users_package-1.5.dist-info/METADATA": "Name: users-package\nVersion: 1.5\n",
            "lib/users_space/part.py": "import pathlib\ndef read():\n"
            "    return float(pathlib.Path(__file__).with_name('number.txt').read_text())\n",
            "lib/users_space/number.txt": "8",
            "lib/users_own.py": "VERSION = 2\n",
            "there/users_own.py": "VERSION = 1\n",
            "there/users_shared.py": "VERSION = 3\n",
        },
    )
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    compiled = Path(_heapq.__file__)
    shutil.copy(compiled, package / f"_heapq{suffix}")
    os.mkfifo(package / "pipe.py")
    (package / "again").symlink_to(".")
    (package / ".#diary.py").symlink_to("user@host.1")
    environment = {"PYTHONPATH": str(tmp_path / "there")}
    values, metrics, again = run_driver(tmp_path, SCRIPT, conf, environment)
    assert values == [5, 10, 15]
    assert metrics == {
        **{"value": 5, "smallest": 1, "words": 3, "part": 8, "version": 1.5},
        **{"own": 1, "shared": 3, "secrets": 0, "tracked": 7},
    }
    assert again == 50  # as it is at the start of the search
    plan = (tmp_path / "driver.log").read_text()
    assert "sent to executors, which lack them: users_package (5 files, " in plan
    own = tmp_path / "there" / "users_own.py"
    assert f"users_own is not sent: executors have their own, {own}" in plan
