"""Files as instruments and programs write them, after public parsers and exports: the numbers come out the same."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from memsim.errors import InputError
from memsim.fit import Layout, read_record

TIME = np.arange(200) / 2e4
VOLTAGE = 0.5 * np.sin(2 * np.pi * 100 * TIME)
CURRENT = VOLTAGE / (2e3 + 1e3 * np.cos(2 * np.pi * 100 * TIME))
ROWS = list(zip(TIME, VOLTAGE, CURRENT, strict=True))


def comma(value: float) -> str:
    return f"{value:.9e}".replace(".", ",")


def table(title: str, separator: str = ",", scale: float = 1.0, number: Callable[[float], str] = repr) -> str:
    rows = (separator.join(map(number, map(float, (t, v, i * scale)))) for t, v, i in ROWS)
    return "\n".join([title, *rows, ""])


EASY_EXPERT = (
    "SetupTitle, I-V Sweep\nPrimitiveTest, I/V Sweep\nTestParameter, Channel.UnitType, SMU, SMU\n"
    "MetaData, TestRecord.Remarks,\nAnalysisSetup, Analysis.Setup.Vector.Graph.XAxis.Name, V1\n"
    "Dimension1, 200, 200, 200\nDimension2, 1, 1, 1\n"
    + table("Time, V1, I1", ", ").replace("\n", "\nDataValue, ").replace("Time, V1", "DataName, Time, V1", 1)
)
TEXTS: dict[str, tuple[bytes, str]] = {
    "Keysight EasyEXPERT": (EASY_EXPERT.removesuffix("DataValue, ").encode(), "loop.csv"),
    "Keithley 4200": (table("Time(1),AV(1),AI(1)").encode(), "loop.csv"),
    "Keithley KickStart": (
        b"Model,2450\nSerial Number,1\n\n"
        + table("SMU-1 Time (s),SMU-1 Voltage (V),SMU-1 Current (A)").encode(),
        "loop.csv",
    ),
    "LTspice text export": (table("time\tV(n001)\tI(R1)", "\t").encode(), "loop.txt"),
    "ngspice wrdata": (table("time v(in) i(v1)", " ").encode(), "loop.data"),
    "memsim's own CSV": (table("time [s],v(in) [V],i(xm1) [A]").encode(), "loop.csv"),
    "LabVIEW, UTF-16 with tabs": (
        table("Time (s)\tVoltage (V)\tCurrent (A)", "\t").encode("utf-16"),
        "loop.lvm",
    ),
    "German, semicolons": (table("Zeit (s);Spannung (V);Strom (A)", ";", number=comma).encode(), "loop.csv"),
    "German, tabs and decimal commas": (
        table("Zeit\tSpannung\tStrom", "\t", number=comma).encode(),
        "loop.txt",
    ),
    "blanks and decimal commas": (table("", " ", number=comma).lstrip().encode(), "loop.txt"),
    "Latin-1 micro sign": (table("t [s],V [V],I [µA]", scale=1e6).encode("latin-1"), "loop.csv"),
    "units in words": (table("elapsed time in s,voltage in V,current in mA", scale=1e3).encode(), "loop.csv"),
    "Drain Current (mA)": (
        table("Time (s),Drain Voltage (V),Drain Current (mA)", scale=1e3).encode(),
        "loop.csv",
    ),
    "French": (table("temps (s),tension (V),courant (A)").encode(), "loop.csv"),
    "exponents of Fortran": (
        table("time voltage current", " ", number=lambda x: f"{x:.12e}".replace("e", "D")).encode(),
        "loop.dat",
    ),
    "cells with units": (
        "\n".join(
            ["time,voltage,current", *(f"{t}s,{1e3 * v}mV,{1e6 * i}uA" for t, v, i in ROWS), ""]
        ).encode(),
        "loop.csv",
    ),
    "packed": (gzip.compress(table("time,voltage,current").encode()), "loop.csv.gz"),
    "carriage returns alone": (table("time,voltage,current").replace("\n", "\r").encode(), "loop.csv"),
}


def check(path: Path, layout: Layout | None = None) -> tuple[str, ...]:
    record = read_record(path, layout)
    np.testing.assert_allclose(record.time - record.time[0], TIME, atol=1e-12)
    np.testing.assert_allclose(record.drive, VOLTAGE, atol=1e-8)  # nine digits where commas part decimals
    np.testing.assert_allclose(record.current, CURRENT, atol=1e-11)
    return record.notes


@pytest.mark.parametrize("name", TEXTS)
def test_a_format_is_read_to_the_right_numbers(tmp_path: Path, name: str):
    content, file = TEXTS[name]
    (tmp_path / file).write_bytes(content)
    check(tmp_path / file)


def test_a_spreadsheet(tmp_path: Path):
    frame = pd.DataFrame({"Time (s)": TIME, "Voltage (V)": VOLTAGE, "Current (A)": CURRENT})
    frame.to_excel(tmp_path / "loop.xlsx", index=False)
    check(tmp_path / "loop.xlsx")


def test_a_matlab_file(tmp_path: Path):
    savemat(tmp_path / "loop.mat", {"t": TIME, "voltage": VOLTAGE, "current": CURRENT, "comment": "a loop"})
    check(tmp_path / "loop.mat")


@pytest.mark.parametrize("name", ["loop.xlsx", "loop.mat", "loop.csv.gz"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"PK\x03\x04 nothing of the kind")
    with pytest.raises(InputError, match=name):
        read_record(tmp_path / name)


def test_binary_files_are_refused_without_their_bytes(tmp_path: Path):
    (tmp_path / "loop.dat").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(InputError, match="binary file"):
        read_record(tmp_path / "loop.dat")


@pytest.mark.parametrize("code", [9.91e37, 9.9e37, -9.9e37, 1e38])
def test_over_range_codes_are_no_currents(tmp_path: Path, code: float):
    rows = [f"{t},{v},{code if 20 <= k < 39 else i}" for k, (t, v, i) in enumerate(ROWS)]
    (tmp_path / "loop.csv").write_text("\n".join(["time [s],voltage [V],current [A]", *rows]))
    record = read_record(tmp_path / "loop.csv")
    assert len(record.time) == len(TIME) - 19
    assert np.abs(record.current).max() < 1e-3
    assert f"19 of them with {code:.3g}, out of range" in record.notes[0]


def test_rows_that_are_lost_keep_their_time(tmp_path: Path):
    rows = ["OVRFLW,OVRFLW" if 30 <= k < 60 else f"{v},{i}" for k, (_, v, i) in enumerate(ROWS)]
    (tmp_path / "loop.csv").write_text("\n".join(["voltage [V],current [A]", *rows]))
    record = read_record(tmp_path / "loop.csv", Layout(sample_time=1 / 2e4))
    np.testing.assert_allclose(record.drive, np.interp(record.time, TIME, VOLTAGE), atol=1e-12)


@pytest.mark.parametrize(
    ("change", "word"), [(np.negative, "reversed"), (np.abs, "absolute value"), (np.positive, None)]
)
def test_a_current_gets_the_sign_of_the_voltage(
    tmp_path: Path, change: Callable[[float], float], word: str | None
):
    rows = [f"{t},{v},{change(i)}" for t, v, i in ROWS]
    (tmp_path / "loop.csv").write_text("\n".join(["time [s],voltage [V],current [A]", *rows]))
    notes = check(tmp_path / "loop.csv")
    assert any(word in note for note in notes) if word else notes == ()


def test_a_current_of_either_sign_at_random_is_refused(tmp_path: Path):
    signs = np.random.default_rng(0).choice([-1, 1], len(ROWS))
    rows = [f"{t},{v},{s * i}" for s, (t, v, i) in zip(signs, ROWS, strict=True)]
    (tmp_path / "loop.csv").write_text("\n".join(["time [s],voltage [V],current [A]", *rows]))
    with pytest.raises(InputError, match=r"opposite signs in \d\d % .*--current"):
        read_record(tmp_path / "loop.csv")


def test_what_is_told_wins_over_what_is_found(tmp_path: Path):
    (tmp_path / "loop.csv").write_text(table("time [s],voltage [V],current [A]"))
    record = read_record(tmp_path / "loop.csv", Layout(current="reversed"))
    np.testing.assert_allclose(record.current, -CURRENT, atol=1e-12)


def test_a_unit_that_is_none_is_refused(tmp_path: Path):
    (tmp_path / "loop.csv").write_text(table("time in s,voltage in V,current in kg"))
    with pytest.raises(InputError, match="'kg' is not a unit of current"):
        read_record(tmp_path / "loop.csv")


def test_columns_that_are_not_used_are_named(tmp_path: Path):
    rows = [f"{t},{v},{i},{v},{i}" for t, v, i in ROWS]
    (tmp_path / "loop.csv").write_text("\n".join(["time (s),V1 (V),I1 (A),V2 (V),I2 (A)", *rows]))
    assert "not used: 'V2 (V)', 'I2 (A)'" in check(tmp_path / "loop.csv")[0]


def test_a_preamble_is_skipped_by_its_lines(tmp_path: Path):
    preamble = "run 1, 2, 3\n1, 2, 3\n4, 5, 6\n"
    (tmp_path / "loop.csv").write_text(preamble + table("time (s),voltage (V),current (A)"))
    check(tmp_path / "loop.csv", Layout(skip_lines=3))
