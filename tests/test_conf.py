"""The files of conf/: Spark takes them, and the scripts speak its language."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONF = Path(__file__).parent.parent / "conf"
DEFAULTS = sorted(CONF.glob("spark-defaults-*.conf"))
SCRIPTS = sorted(CONF.glob("*.sh"))
# Targets that no machine of ours has.
NOT_RUN = ("yarn", "kubernetes", "databricks", "emr", "dataproc", "sagemaker")
# Spark builds these keys from names (of resources, of variables) and has no entry for each.
BUILT_KEYS = re.compile(
    r"spark\.(master"
    r"|(worker|executor|task)\.resource\.gpu\.(amount|discoveryScript|vendor)"
    r"|kubernetes\.executor\.volumes\.persistentVolumeClaim\.\w+\.(mount\.path|options\.claimName)"
    r"|(executorEnv|yarn\.appMasterEnv)\.[A-Z_]+)"
)
# Runs under spark-submit: what the session has, and which keys Spark has no entry for.
PROBE = """
import json, sys
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
jvm = spark._jvm
# The keys of YARN and Kubernetes are known once these objects are loaded.
jvm.java.lang.Class.forName('org.apache.spark.deploy.yarn.config.package$')
jvm.java.lang.Class.forName('org.apache.spark.deploy.k8s.Config$')
find = jvm.org.apache.spark.internal.config.ConfigEntry.findEntry
settings = dict(spark.sparkContext.getConf().getAll())
answer = {
    'settings': settings,
    'log_level': str(spark._jvm.org.apache.logging.log4j.LogManager.getRootLogger().getLevel()),
    'unknown': [key for key in json.loads(sys.argv[1]) if find(key) is None],
    'ran': spark.range(4).count(),
}
spark.stop()
print(json.dumps(answer))
"""


def read_defaults(path: Path) -> dict[str, str]:
    """Return the settings of a file, as spark-submit reads them."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    pairs = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs), "a line is not a key and a value"
    settings = {key: value.strip() for key, value in pairs}
    assert len(settings) == len(pairs), "a key comes twice"
    return settings


def run_script(script: Path, tmp_path: Path, **environment: str) -> list[str]:
    """Run a discovery script with only our tools on the PATH; return the addresses."""
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        [script],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env={"PATH": path, **environment},
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    found = json.loads(done.stdout)
    assert found["name"] == "gpu"
    assert set(found) == {"name", "addresses"}
    return found["addresses"]


def put_nvidia_smi(tmp_path: Path, script: str) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def submit(script: Path, *arguments: str, defaults: Path, cwd: Path, **conf: str) -> str:
    """Run a script by spark-submit, as from an activated virtual environment."""
    binaries = Path(sys.executable).parent
    command = [str(binaries / "spark-submit"), "--properties-file", str(defaults)]
    command += [f"--conf={key}={value}" for key, value in conf.items()]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYSPARK_", "SPARK_"))}
    environment["PATH"] = f"{binaries}:{environment['PATH']}"
    done = subprocess.run(
        [*command, str(script), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_discovery_scripts_are_executable_and_print_what_spark_reads(script, tmp_path):
    put_nvidia_smi(tmp_path, "exit 9")
    assert os.access(script, os.X_OK)
    addresses = run_script(script, tmp_path)
    assert addresses == (["0", "1"] if script.name == "fake_gpus.sh" else [])


def test_gpu_discovery_announces_what_nvidia_smi_lists(tmp_path):
    put_nvidia_smi(tmp_path, 'test "$*" = "--query-gpu=index --format=csv,noheader" && seq 0 11')
    addresses = run_script(CONF / "gpu_discovery.sh", tmp_path)
    assert addresses == [str(k) for k in range(12)]


def test_gpu_discovery_announces_nothing_where_the_driver_is_missing(tmp_path):
    put_nvidia_smi(tmp_path, 'echo "NVIDIA-SMI has failed: no driver, error 12"; exit 9')
    assert run_script(CONF / "gpu_discovery.sh", tmp_path) == []


@pytest.mark.parametrize(
    ("visible", "addresses"),
    [("", []), ("-1", []), ("3", ["0"]), ("2,5", ["0", "1"]), ("GPU-1b2c,GPU-77aa", ["0", "1"])],
)
def test_gpu_discovery_counts_within_the_visible_devices(visible, addresses, tmp_path):
    put_nvidia_smi(tmp_path, "seq 0 7")
    environment = {"CUDA_VISIBLE_DEVICES": visible}
    assert run_script(CONF / "gpu_discovery.sh", tmp_path, **environment) == addresses


@pytest.mark.parametrize("path", DEFAULTS, ids=lambda path: path.name)
def test_defaults_say_why(path):
    settings = read_defaults(path)
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert ("spark.master" in settings) == ("databricks" not in path.name)
    assert len(comments) > len(settings)


def test_there_is_a_file_for_each_target():
    targets = {path.stem.removeprefix("spark-defaults-") for path in DEFAULTS}
    assert targets == {"local", "standalone-gpu", *NOT_RUN}


@pytest.mark.parametrize("target", NOT_RUN)
def test_defaults_that_never_ran_say_so(target):
    head = (CONF / f"spark-defaults-{target}.conf").read_text().partition("\nspark.")[0]
    assert re.search("has not run on", head)


@pytest.mark.parametrize("path", DEFAULTS, ids=lambda path: path.name)
def test_defaults_of_a_local_master_ask_for_no_gpu(path):
    """A local master has no executors to announce any: its tasks would wait for ever."""
    settings = read_defaults(path)
    if settings.get("spark.master", "").startswith("local"):
        assert not [key for key in settings if "gpu" in key]


@pytest.mark.parametrize("target", ["standalone-gpu", "yarn", "kubernetes", "emr", "dataproc"])
def test_cluster_defaults_give_a_trial_a_gpu_and_an_executor(target):
    settings = read_defaults(CONF / f"spark-defaults-{target}.conf")
    assert settings["spark.task.cpus"] == settings["spark.executor.cores"]
    assert settings["spark.task.resource.gpu.amount"] == "1"
    assert settings["spark.executor.resource.gpu.amount"] == "1"
    scripts = [Path(v).name for k, v in settings.items() if k.endswith("discoveryScript")]
    assert scripts == ["gpu_discovery.sh"]


@pytest.mark.spark
def test_spark_submit_takes_the_local_defaults_and_knows_all_keys(tmp_path):
    script = tmp_path / "probe.py"
    script.write_text(PROBE)
    keys = sorted({key for path in DEFAULTS for key in read_defaults(path)})
    keys.append("spark.no.such.key")
    defaults = CONF / "spark-defaults-local.conf"
    answer = json.loads(submit(script, json.dumps(keys), defaults=defaults, cwd=tmp_path))
    expected = read_defaults(defaults)
    assert {key: answer["settings"].get(key) for key in expected} == expected
    assert answer["log_level"] == "ERROR"
    assert answer["ran"] == 4
    unknown = {key for key in answer["unknown"] if not BUILT_KEYS.fullmatch(key)}
    assert unknown == {"spark.no.such.key"}


@pytest.mark.spark
def test_log4j2_properties_quieten_the_console(tmp_path):
    script = tmp_path / "level.py"
    script.write_text(
        "from pyspark.sql import SparkSession\n"
        "spark = SparkSession.builder.master('local[1]').getOrCreate()\n"
        "log4j = spark._jvm.org.apache.logging.log4j.LogManager\n"
        "print(log4j.getRootLogger().getLevel())\n"
        "print(log4j.getLogger('org.apache.spark.scheduler.TaskSetManager').getLevel())\n"
        "spark.stop()\n"
    )
    option = f"-Dlog4j2.configurationFile=file:{CONF / 'log4j2.properties'}"
    empty = tmp_path / "empty.conf"
    empty.write_text("spark.ui.enabled false\n")
    conf = {"spark.driver.extraJavaOptions": option}
    assert submit(script, defaults=empty, cwd=tmp_path, **conf).split() == ["ERROR", "WARN"]
