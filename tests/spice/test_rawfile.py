"""Binary raw files: what ngspice writes is read exactly, what is damaged is said to be so."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import BadResultError, DeckWarning
from memsim.spice import read_raw, simulate
from memsim.spice.rawfile import choose, read_plots, to_dataset

DIVIDER = "v1 a 0 dc 1 ac 1\nr1 a b 1k\nr2 b 0 1k\nc1 b 0 1u\n"


def raw(
    rows, *, names=("time", "v(a)"), types=("time", "voltage"), points=None, flags="real", plot="Transient"
):
    """Bytes of a raw file as ngspice writes it."""
    variables = "".join(f"\t{i}\t{n}\t{t}\n" for i, (n, t) in enumerate(zip(names, types, strict=True)))
    count = len(rows) if points is None else points
    header = (
        f"Title: * t\nDate: Thu Jan  1 00:00:00  2026\nPlotname: {plot}\nFlags: {flags}\n"
        f"No. Variables: {len(names)}\nNo. Points: {count}       \nVariables:\n"
    )
    return (header + variables + "Binary:\n").encode() + np.asarray(rows).tobytes()


ROWS = np.array([[1e-9, 0.5], [2e-9, 0.25], [3e-9, -1.0]])


def write(tmp_path, content):
    path = tmp_path / "out.raw"
    path.write_bytes(content)
    return path


def test_transient(tmp_path):
    result = read_raw(write(tmp_path, raw(ROWS)))
    np.testing.assert_array_equal(result["time"], ROWS[:, 0])
    np.testing.assert_array_equal(result["v(a)"], ROWS[:, 1])
    assert result["v(a)"].attrs == {"units": "V", "long_name": "voltage of a"}
    assert result["time"].attrs["units"] == "s"
    assert result.attrs["analysis"] == "Transient"


def test_last_or_named_plot(tmp_path):
    sweep = raw(
        ROWS, names=("v(v-sweep)", "v(a)"), types=("voltage", "voltage"), plot="DC transfer characteristic"
    )
    path = write(tmp_path, sweep + raw(2 * ROWS))
    assert "time" in read_raw(path).coords
    assert "sweep" in read_raw(path, plot="dc").coords
    with pytest.raises(BadResultError, match="no plot `ac`"):
        read_raw(path, plot="ac")


def test_names_in_lower_case_and_once():
    names, types = ("time", "V(A)", "v(a)", "v()"), ("time", "voltage", "voltage", "voltage")
    result = to_dataset(read_plots(raw(np.ones((1, 4)), names=names, types=types))[0])
    assert list(result) == ["v(a)", "v()"]


def test_count_of_an_aborted_run_comes_from_the_file(tmp_path):
    """ngspice leaves `No. Points: 0` when it aborts or is killed, here in the middle of a row."""
    content = raw(ROWS, points=0) + struct.pack("<d", 4e-9)
    (plot,) = read_plots(content)
    np.testing.assert_array_equal(plot.data, ROWS)
    assert not plot.complete
    with pytest.raises(BadResultError, match="cut off") as caught:
        read_raw(write(tmp_path, content))
    assert caught.value.partial.sizes["time"] == 3


@pytest.mark.parametrize("lost", [1, 8, 16, 47])
def test_truncated_file_keeps_its_whole_rows(tmp_path, lost):
    with pytest.raises(BadResultError, match="cut off") as caught:
        read_raw(write(tmp_path, raw(ROWS)[:-lost]))
    assert caught.value.partial.sizes["time"] == (48 - lost) // 16


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello", "belong to no plot"),
        (raw(ROWS) + b"\x00" * 16, "belong to no plot"),  # what `.options interp` does
        (raw(ROWS)[:100], "header"),
        (raw(ROWS, points="many"), "whole number"),
        (raw(ROWS, points=-3), "whole number"),
        (raw(ROWS, flags="real unpadded"), "flags"),
        (raw(ROWS, flags="strange"), "flags"),
        (raw(ROWS).replace(b"Variables: 2", b"Variables: 3"), "3 variables and lists 2"),
        (raw(ROWS).replace(b"Variables: 2", b"Variables: 0"), "0 variables"),
        (raw(ROWS).replace(b"Binary:", b"Values:"), "header"),
    ],
)
def test_damaged_file(tmp_path, content, words):
    with pytest.raises(BadResultError, match=words):
        read_raw(write(tmp_path, content))


def test_missing_file(tmp_path):
    with pytest.raises(BadResultError, match="cannot be read"):
        read_raw(tmp_path / "nothing.raw")


@given(st.binary(max_size=400))
def test_any_bytes_are_data_or_a_bad_result(content):
    read_or_refuse(content)


@given(st.integers(0, 240), st.binary(min_size=1, max_size=12), st.booleans())
def test_any_change_of_a_good_file_is_data_or_a_bad_result(at, patch, replace):
    good = raw(ROWS) + raw(ROWS, points=0)
    read_or_refuse(good[:at] + patch + good[at + len(patch) * replace :])


def read_or_refuse(content):
    try:
        dataset = to_dataset(choose(read_plots(content)))
    except BadResultError:
        return
    assert all(values.dtype in (np.float64, np.complex128) for values in dataset.data_vars.values())


@pytest.mark.spice
def test_operating_point_gives_scalars():
    result = simulate(f"* op\n{DIVIDER}.op\n.end\n")
    assert result["v(b)"].ndim == 0
    assert float(result["v(b)"]) == pytest.approx(0.5, rel=1e-9)  # a linear circuit is solved to rounding


@pytest.mark.spice
def test_sweep():
    result = simulate(f"* dc\n{DIVIDER}.dc v1 -1 1 0.25\n.end\n")
    np.testing.assert_allclose(result["sweep"], np.linspace(-1, 1, 9), atol=1e-12)  # rounding of the sums
    np.testing.assert_allclose(result["v(b)"], result["sweep"] / 2, atol=1e-12)
    assert result["sweep"].attrs["units"] == "V"


@pytest.mark.spice
def test_complex_spectrum_against_the_closed_form():
    result = simulate(f"* ac\n{DIVIDER}.ac dec 5 1 100k\n.end\n")
    pole = 2j * np.pi * result["frequency"].values * 500.0 * 1e-6  # r1 parallel r2, times c1
    assert result["v(b)"].dtype == np.complex128
    np.testing.assert_allclose(result["v(b)"], 0.5 / (1 + pole), rtol=1e-9)  # linear: rounding only


@pytest.mark.spice
def test_several_analyses_give_the_last_in_the_file_and_a_warning():
    with pytest.warns(DeckWarning, match=r"2 analyses.*`tran`.*op"):
        result = simulate(f"* both\n{DIVIDER}.op\n.tran 1u 1m\n.end\n")
    assert "time" in result.coords
