"""Files as people have them: the right record, or a message that says what to do."""

import numpy as np
import pytest

from memsim.errors import InputError
from memsim.fit import Layout, read_record

N = 200
TIME = np.arange(N) / (N * 100.0)
VOLTAGE = 0.8 * np.sin(2 * np.pi * 100 * TIME)
CURRENT = 1e-4 * VOLTAGE + 2e-5 * np.cos(2 * np.pi * 100 * TIME)
TIMED = np.column_stack([TIME, VOLTAGE, CURRENT])


def write(path, rows, header="time (s),voltage (V),current (A)", separator=","):
    lines = [header] if header else []
    lines += [separator.join("" if value is None else str(value) for value in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "loop.csv"


def same(record):
    np.testing.assert_allclose(record.time, TIME, atol=1e-12)
    np.testing.assert_allclose(record.drive, VOLTAGE, atol=1e-12)
    np.testing.assert_allclose(record.current, CURRENT, rtol=1e-9, atol=1e-15)
    return record


@pytest.mark.parametrize(
    ("header", "scales"),
    [
        ("time (s),voltage (V),current (A)", (1, 1, 1)),
        ("Time [ms],Voltage [mV],Current [uA]", (1e3, 1e3, 1e6)),
        ("t_ms,V_d (V),I_mA", (1e3, 1, 1e3)),
        ("t/s,U/V,I/µA", (1, 1, 1e6)),
    ],
)
def test_units_come_from_the_header(file, header, scales):
    same(read_record(write(file, TIMED * scales, header)))


def test_columns_are_found_by_name_and_others_left_out(file):
    rows = np.column_stack([np.arange(N), CURRENT * 1e3, VOLTAGE, TIME])
    same(read_record(write(file, rows, "index,current (mA),voltage (V),time (s)")))


@pytest.mark.parametrize(
    "header",
    [
        "Source meter 26\nDate: 2026-01-01\n\ntime (s),voltage (V),current (A)",
        "# a comment\nrun 3\nTime,V1,I1",
        "written, by hand\n1 of 3",
        "Time,Voltage,Current\ns,V,A",
    ],
)
def test_lines_above_the_table_are_skipped(file, header):
    same(read_record(write(file, TIMED, header)))


def test_a_row_of_units_counts(file):
    same(read_record(write(file, TIMED * [1e3, 1e3, 1e6], "time,voltage,current\nms,mV,uA")))


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
def test_separators(file, separator):
    same(read_record(write(file, TIMED, "", separator)))


def test_decimal_commas(file):
    rows = [[str(value).replace(".", ",") for value in row] for row in TIMED]
    same(read_record(write(file, rows, "time (s);voltage (V);current (A)", ";")))


def test_two_columns_without_a_header_and_a_known_frequency(file):
    same(read_record(write(file, TIMED[:, 1:], ""), Layout(frequency=100.0)))


def test_three_periods_are_counted(file):
    rows = np.tile(TIMED[:, 1:], (3, 1))
    record = read_record(write(file, rows, ""), Layout(frequency=100.0))
    assert record.time[1] == pytest.approx(TIME[1], rel=1e-9, abs=0)


def test_shuffled_rows_are_sorted(file):
    rows = TIMED[np.random.default_rng(0).permutation(N)]
    assert "sorted" in same(read_record(write(file, rows))).notes[0]


def test_rows_without_numbers_are_left_out(file):
    rows = TIMED.astype(object)
    rows[5] = [rows[5][0], "nan", ""]
    record = read_record(write(file, rows))
    assert len(record.time) == N - 1
    assert "1 rows without numbers" in record.notes[0]


def test_voltage_across_the_device_gives_the_drive(file):
    layout = Layout(frequency=100.0, series_resistance=5e3, voltage="device")
    record = read_record(write(file, TIMED[:, 1:], ""), layout)
    np.testing.assert_allclose(record.drive, VOLTAGE + 5e3 * CURRENT, rtol=1e-9)
    np.testing.assert_allclose(record.device_voltage, VOLTAGE, atol=1e-12)


def test_voltage_across_the_device_is_not_taken_for_that_of_the_source(file, loop):
    record = loop()
    rows = np.column_stack([record.device_voltage, record.current])
    layout = Layout(frequency=100.0, series_resistance=record.series_resistance, units={"current": "A"})
    with pytest.raises(InputError, match="--voltage device"):
        read_record(write(file, rows, ""), layout)


@pytest.mark.parametrize(
    ("name", "resistor"), [("5k_0.8V_100Hz_M1", "5k"), ("dev3 4.7kOhm 10Hz", "4.7k"), ("M1_10kHz", None)]
)
def test_a_resistor_in_the_name_is_asked_for(tmp_path, name, resistor):
    record = read_record(write(tmp_path / f"{name}.csv", TIMED))
    assert any(f"--series-resistance {resistor}" in note for note in record.notes) == (resistor is not None)
    same(record)


def test_an_isolated_outlier_is_marked(file):
    rows = TIMED.copy()
    rows[77, 2] += 1e-4
    record = read_record(write(file, rows))
    assert list(np.flatnonzero(~record.used)) == [77]


def test_a_switching_edge_is_no_outlier(file):
    rows = TIMED.copy()
    rows[100:, 2] += 1e-4
    assert read_record(write(file, rows)).used.all()


def test_samples_at_a_current_limit_are_marked(file):
    rows = TIMED.copy()
    rows[:, 2] = np.minimum(rows[:, 2], 4e-5)
    record = read_record(write(file, rows))
    assert record.limited.sum() == (CURRENT >= 4e-5).sum()


def test_a_sine_without_a_limit_has_no_limited_samples(file):
    assert not read_record(write(file, TIMED)).limited.any()


@pytest.mark.parametrize(
    ("rows", "header", "layout", "words"),
    [
        (TIMED[:, 1:], "", Layout(), ["no time column", "--frequency"]),
        (TIMED[:, 1:2], "voltage (V)", Layout(frequency=100.0), ["no current column", "--columns"]),
        (TIMED, "time,voltage,power", Layout(), ["no current column", "--columns"]),
        (np.hstack([TIMED, TIMED]), "", Layout(), ["6 columns", "--columns"]),
        (TIMED * [1, 1, 1e6], "", Layout(), ["does not name its unit", "--current-unit"]),
        (
            TIMED * [1, 1, 1e6],
            "time (s),voltage (V),current (A)",
            Layout(series_resistance=5e3),
            ["drops", "device"],
        ),
        (TIMED * [1, 0, 1], "", Layout(), ["voltage is constant at 0"]),
        (TIMED * [1, 1, 0], "", Layout(), ["current is constant at 0"]),
        (TIMED * [0, 1, 1], "", Layout(), ["time is constant at 0"]),
        (np.vstack([TIMED, TIMED]), "", Layout(), ["starts again at row 200", "--rows 0:200"]),
        (TIMED * [1, 1, np.nan], "", Layout(), ["200 of 200 rows hold no number"]),
        (TIMED[:4], "", Layout(), ["4 samples", "at least 8"]),
        (TIMED, "time (s),voltage (ohm),current (A)", Layout(), ["'ohm' is not a unit of voltage"]),
        (TIMED, "", Layout(columns=["time", "voltage"]), ["3 columns, but 2 are named"]),
        (TIMED[:, 1:], "", Layout(frequency=-1.0), ["frequency = -1.0", "above 0"]),
    ],
)
def test_bad_data_says_what_to_do(file, rows, header, layout, words):
    with pytest.raises(InputError) as caught:
        read_record(write(file, rows, header), layout)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_text_among_the_numbers(file):
    with pytest.raises(InputError, match="holds text, such as 'high'"):
        read_record(write(file, [["0", "high", "1e-6"]] * 20, "time (s),voltage (V),current (A)"))


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_record(tmp_path / "none.csv")


def test_many_rows_are_averaged_to_the_same_loop(loop):
    record = loop()
    times = 500
    fine = type(record)(
        "long",
        np.linspace(0, 1e-2, 100 * times, endpoint=False),
        np.repeat(record.drive, times),
        np.repeat(record.current, times),
        record.series_resistance,
    )
    thin = fine.thinned(100)
    np.testing.assert_allclose(thin.current, record.current, rtol=1e-12)
    assert thin.notes == ("50000 rows averaged in blocks of 500",)


def test_averaging_does_not_wash_out_a_fast_drive():
    from memsim.fit import Record

    time = np.arange(100_000) * 1e-6
    drive = np.sin(2 * np.pi * 1e4 * time)
    with pytest.raises(InputError, match="too many periods"):
        Record("fast", time, drive, 1e-4 * drive).thinned(250)


@pytest.mark.slow
def test_ten_million_rows(tmp_path):
    """About 300 MB of text; the right loop comes out."""
    path, block = tmp_path / "long.csv", 50_000
    with path.open("w") as file:
        file.write("time (s),voltage (V),current (A)\n")
        for row in range(N):
            steps = TIME[row] + np.arange(block) * TIME[1] / block
            file.writelines(f"{t:.10e},{VOLTAGE[row]:.6e},{CURRENT[row]:.6e}\n" for t in steps)
    record = read_record(path)
    assert len(record.time) == 10_000_000
    np.testing.assert_allclose(record.thinned(N).current, CURRENT, rtol=1e-5, atol=1e-11)
