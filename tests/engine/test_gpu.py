from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sparkexp.engine.gpu import (
    VISIBLE_DEVICES,
    list_gpus,
    local_gpus,
    pin_gpus,
    share_out,
    visible_devices,
)
from sparkexp.errors import EnvironmentUnfitError


@pytest.mark.parametrize(
    ("addresses", "inherited", "expected"),
    [
        (["1"], None, "1"),
        (["0", "1"], None, "0,1"),
        (["GPU-5f2b"], None, "GPU-5f2b"),
        (["0"], "", "0"),
        (["1"], "4,6,7", "6"),
        (["2", "0"], "4,6,7", "7,4"),
        (["1"], "4, 6 ,7", "6"),
        # The index counts within the list, also where the number is in it.
        (["1"], "1,0", "0"),
        (["1"], "GPU-aa,GPU-bb", "GPU-bb"),
        (["GPU-bb"], "GPU-aa,GPU-bb", "GPU-bb"),
        (["MIG-1", "MIG-0"], "MIG-0,MIG-1", "MIG-1,MIG-0"),
    ],
)
def test_addresses_become_devices(addresses, inherited, expected):
    assert visible_devices(addresses, inherited) == expected


@pytest.mark.parametrize(
    ("addresses", "inherited"), [(["3"], "4,6,7"), (["4"], "4,6,7"), (["GPU-cc"], "GPU-aa,GPU-bb")]
)
def test_an_address_outside_of_what_the_worker_sees(addresses, inherited):
    with pytest.raises(EnvironmentUnfitError) as caught:
        visible_devices(addresses, inherited)
    message = str(caught.value)
    assert addresses[0] in message and f"{VISIBLE_DEVICES}='{inherited}'" in message
    assert "0 to n-1" in message


@pytest.mark.parametrize(
    ("listed", "expected"),
    [("0,1", ("0", "1")), (" 3 , GPU-aa ", ("3", "GPU-aa")), ("", ()), ("-1", ()), ("2,", ("2",))],
)
def test_the_variable_lists_the_machine_s_gpus(listed, expected):
    assert local_gpus({VISIBLE_DEVICES: listed}) == expected


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Puts a program of that name, and no other, on the PATH."""

    def install(script: str) -> None:
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!{sys.executable}\n{script}")
        path.chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path))
    return install


def test_nvidia_smi_lists_them_otherwise(nvidia_smi):
    nvidia_smi("import sys\nprint('0\\n1\\n', *[] if '--query-gpu=index' in sys.argv else '?')")
    assert local_gpus({}) == ("0", "1")


def test_no_nvidia_smi_no_gpus(nvidia_smi):
    assert local_gpus({}) == ()


def test_an_nvidia_smi_that_fails(nvidia_smi):
    nvidia_smi("print('NVIDIA-SMI has failed')\nraise SystemExit(9)")
    assert local_gpus({}) == ()


def test_the_process_s_own_variable_is_the_default(monkeypatch):
    monkeypatch.setenv(VISIBLE_DEVICES, "5")
    assert local_gpus() == ("5",)


@pytest.mark.parametrize("n_gpus", range(1, 9))
@pytest.mark.parametrize("n_slots", range(1, 9))
def test_gpus_are_shared_only_where_there_are_too_few(n_gpus, n_slots):
    gpus = [str(k) for k in range(n_gpus)]
    slots = share_out(gpus, n_slots)
    assert len(slots) == n_slots and all(slots)
    uses = [sum(gpu in slot for slot in slots) for gpu in gpus]
    if n_gpus >= n_slots:
        assert max(uses) == 1, "two slots share a GPU"
        assert len({len(slot) for slot in slots}) == 1
    else:
        assert all(len(slot) == 1 for slot in slots)
        assert max(uses) - min(uses) <= 1, "shared unevenly"


def test_no_gpus_to_share():
    assert share_out([], 3) == [(), (), ()]


@pytest.mark.parametrize("before", [None, "7"])
def test_pin_gpus_restores_what_was(monkeypatch, before):
    monkeypatch.delenv(VISIBLE_DEVICES, raising=False)
    if before is not None:
        monkeypatch.setenv(VISIBLE_DEVICES, before)
    with pytest.raises(KeyError), pin_gpus("0,1"):
        assert os.environ[VISIBLE_DEVICES] == "0,1"
        raise KeyError
    assert os.environ.get(VISIBLE_DEVICES) == before
    with pin_gpus(""):
        assert os.environ[VISIBLE_DEVICES] == ""
    with pin_gpus(None):
        assert os.environ.get(VISIBLE_DEVICES) == before


@pytest.mark.parametrize("before", [None, "7"])
def test_pin_gpus_allows_a_train_function_that_unsets_it(monkeypatch, before):
    monkeypatch.delenv(VISIBLE_DEVICES, raising=False)
    if before is not None:
        monkeypatch.setenv(VISIBLE_DEVICES, before)
    with pin_gpus("0"):
        del os.environ[VISIBLE_DEVICES]
    assert os.environ.get(VISIBLE_DEVICES) == before


def test_no_program_is_asked_where_the_variable_is_set(nvidia_smi, tmp_path):
    nvidia_smi(f"open({str(tmp_path / 'asked')!r}, 'w')")
    assert local_gpus({VISIBLE_DEVICES: "0"}) == ("0",)
    assert not Path(tmp_path, "asked").exists()
    local_gpus({})
    assert Path(tmp_path, "asked").exists()


LISTED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 1g.5gb      Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-11aa0000-d33d-2b2c-524d-9e3d8d2b8a77)
"""


def test_gpus_that_nvidia_smi_lists_are_there(tmp_path, monkeypatch):
    (program := tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho '{LISTED}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    names = [name.partition("-")[2][:4] for name in list_gpus() if not name.isdecimal()]
    assert names == ["5d5b", "c6d4", "11aa"]
    assert [name for name in list_gpus() if name.isdecimal()] == ["0", "1"]


def test_gpus_with_device_files_are_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert list_gpus(tmp_path) == ("2", "10")
    assert list_gpus(tmp_path / "none") == ()
