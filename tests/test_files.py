from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from memsim.errors import InputError
from memsim.files import ensure_folder, read_waves, replacing, write_bytes, write_csv, write_text, write_waves


def transient() -> xr.Dataset:
    time = np.linspace(0, 1e-6, 5)
    return xr.Dataset(
        {
            "v(mem)": ("time", np.sin(time * 3e6), {"units": "V", "long_name": "membrane"}),
            "v(xcell.xm1.x)": ("time", time / 3e-6, {"units": "1", "long_name": "state"}),
        },
        coords={"time": ("time", time, {"units": "s", "long_name": "time"})},
        attrs={"engine": "ngspice-39", "title": "one neuron", "wall_seconds": 0.25},
    )


def small_signal() -> xr.Dataset:
    frequency = np.array([1e3, 1e4, 1e5])
    return xr.Dataset(
        {"v(out)": ("frequency", 1 / (1 + 1j * frequency / 1e4), {"units": "V"})},
        coords={"frequency": ("frequency", frequency, {"units": "Hz"})},
        attrs={"engine": "ngspice-39"},
    )


def operating_point() -> xr.Dataset:
    return xr.Dataset({"v(mem)": ((), 0.25, {"units": "V"})}, attrs={"engine": "ngspice-39"})


@pytest.mark.parametrize("make", [transient, small_signal, operating_point])
def test_waves_come_back_as_they_were(tmp_path: Path, make) -> None:
    waves = make()
    write_waves(tmp_path / "run" / "waves.nc", waves)
    xr.testing.assert_identical(read_waves(tmp_path / "run" / "waves.nc"), waves)


def test_csv_has_units_and_every_digit(tmp_path: Path) -> None:
    waves = transient()
    write_csv(tmp_path / "waves.csv", waves)
    with (tmp_path / "waves.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["time [s]", "v(mem) [V]", "v(xcell.xm1.x) [1]"]
    columns = np.array(rows, dtype=float).T
    for name, column in zip(["time", "v(mem)", "v(xcell.xm1.x)"], columns, strict=True):
        np.testing.assert_array_equal(column, waves[name].values)


def test_csv_of_complex_waves_has_two_columns(tmp_path: Path) -> None:
    write_csv(tmp_path / "ac.csv", small_signal())
    header, first = (tmp_path / "ac.csv").read_text().splitlines()[:2]
    assert header == "frequency [Hz],re(v(out)) [V],im(v(out)) [V]"
    value = 1 / (1 + 0.1j)
    assert [float(cell) for cell in first.split(",")] == [1e3, value.real, value.imag]


def test_csv_of_an_operating_point_is_one_row(tmp_path: Path) -> None:
    write_csv(tmp_path / "op.csv", operating_point())
    assert (tmp_path / "op.csv").read_text() == "v(mem) [V]\n0.25\n"


def test_csv_refuses_a_second_dimension(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one dimension, these waveforms have"):
        write_csv(tmp_path / "many.csv", transient().expand_dims(batch=2))
    assert list(tmp_path.iterdir()) == []


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:  # noqa: PT012 - writing is part of it
        temporary.write_text("half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    write_text(path, "old")
    program = (
        "import os, signal, sys\n"
        "from memsim.files import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half of the n')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode < 0
    assert path.read_text() == "old"


@pytest.mark.parametrize("write", [lambda p: write_text(p, "x"), lambda p: write_waves(p, transient())])
def test_unusable_folder_is_named(tmp_path: Path, write) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot make the folder .*file.*choose a folder"):
        write(tmp_path / "file" / "result")
    with pytest.raises(InputError, match="cannot make the folder"):
        ensure_folder(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(
        InputError, match=r"cannot write result in the folder .*: permission denied; make the folder"
    ):
        write_bytes(tmp_path / "result", b"x")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs Linux's /proc")
def test_folder_that_refuses_files_is_named() -> None:
    # /proc refuses new files, even to root
    with pytest.raises(
        InputError, match=r"cannot write result in the folder /proc/self: .*choose another folder"
    ):
        write_bytes("/proc/self/result", b"x")


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    write_text(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "no such file"), (b"not netCDF", "not a netCDF file")]
)
def test_unreadable_waves_say_why(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "waves.nc").write_bytes(content)
    with pytest.raises(InputError, match=problem):
        read_waves(tmp_path / "waves.nc")


def test_names_with_slashes_come_back(tmp_path: Path) -> None:
    waves = xr.Dataset({name: ("time", [1.0, 2.0]) for name in ("v(/out)", "v(a%2F)", "v(100%)")})
    write_waves(tmp_path / "waves.nc", waves)
    assert sorted(read_waves(tmp_path / "waves.nc").data_vars) == sorted(waves.data_vars)
