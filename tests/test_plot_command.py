"""`memsim plot`, and the pictures of sweeps, phase and spikes behind it."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from memsim import plots
from memsim.cli import app
from memsim.errors import InputError
from memsim.files import write_waves

MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
TIME = np.linspace(0, 1e-2, 400)


def oscillation() -> xr.Dataset:
    phase = 2 * np.pi * 500 * TIME
    waves = {"v(mem)": (0.05 * np.sin(phase), "V"), "v(mem2)": (0.05 * np.cos(phase), "V")}
    waves |= {"v(xm1.x)": (0.5 + 0.4 * np.cos(phase), "1"), "i(xm1)": (1e-6 * np.sin(phase - 1), "A")}
    columns = {name: ("time", values, {"units": unit}) for name, (values, unit) in waves.items()}
    return xr.Dataset(columns, coords={"time": ("time", TIME, {"units": "s"})})


def results(**sizes: int) -> xr.Dataset:
    """A sweep with axes of given lengths, whose rate is the sum of their numbers."""
    dims, shape = list(sizes), list(sizes.values())
    coords: dict = {name: (name, np.geomspace(1e-6, 1e-5, n), {"units": "A"}) for name, n in sizes.items()}
    if "corner" in sizes:
        coords["corner"] = ("corner", np.array(["slow", "fast"], dtype=object))
    rate = np.indices(shape).sum(0).astype(float)
    status = np.ones(shape, dtype=np.int8)
    status.flat[0], rate.flat[0] = 2, np.nan
    data = {
        "rate": (dims, rate, {"units": "Hz"}),
        "n": (dims, rate, {"units": "1"}),
        "status": (dims, status),
    }
    return xr.Dataset(data, coords=coords, attrs={"kind": "sweep"})


def command(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["plot", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.strip()


@pytest.fixture
def waves(tmp_path: Path) -> Path:
    write_waves(tmp_path / "waves.nc", oscillation())
    return tmp_path / "waves.nc"


@pytest.mark.parametrize("suffix", MAGIC)
@pytest.mark.parametrize(
    "options",
    [(), ("--kind", "raster"), ("--kind", "phase", "--x", "v(mem)", "--y", "v(xm1.x)"),
     ("--kind", "hysteresis", "--x", "v(mem)", "--y", "i(xm1)"), ("--show", "v(mem)", "--show", "i(xm1)")],
    ids=["waveforms", "raster", "phase", "hysteresis", "chosen"],
)  # fmt: skip
def test_pictures_of_waveforms(waves: Path, options: tuple[str, ...], suffix: str):
    out = waves.with_name(f"picture{suffix}")
    assert command(waves, *options, "--out", out) == str(out)
    assert out.read_bytes().startswith(MAGIC[suffix])


def test_a_picture_lies_beside_its_data(waves: Path):
    assert command(waves) == str(waves.with_suffix(".png"))


def test_what_can_not_be_drawn(waves: Path, tmp_path: Path):
    write_waves(tmp_path / "sweep.nc", results(a=3, b=3, c=3))

    def refused(*arguments: object) -> str:
        with pytest.raises(InputError) as error:
            CliRunner().invoke(app, ["plot", *map(str, arguments)], catch_exceptions=False)
        return str(error.value)

    assert "waveforms, not what --kind sweep draws" in refused(waves, "--kind", "sweep")
    assert "--x and --y" in refused(waves, "--kind", "phase")
    assert "v(nope)" in refused(waves, "--show", "v(nope)")
    assert "no such file" in refused(tmp_path / "none.nc")
    assert "--select name=value" in refused(tmp_path / "sweep.nc")
    assert "a, b, c" in refused(tmp_path / "sweep.nc", "--select", "d=1")
    command(tmp_path / "sweep.nc", "--select", "a=2u")


def test_spikes_are_where_potentials_rise_through_the_level():
    figure = plots.spike_raster(oscillation(), ["v(mem)", "v(mem2)"], 0.02)
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["v(mem)", "v(mem2)"]
    rows = [np.array(row.get_positions()) for row in axes.collections]
    assert [row.get_lineoffset() for row in axes.collections] == [0, 1]
    first = 1e3 * np.arcsin(0.4) / (1000 * np.pi)  # in ms, as the axis
    np.testing.assert_allclose(rows[0], first + 2 * np.arange(5), atol=1e-3)


def test_phase_portrait_has_units_and_goes_with_time():
    figure = plots.phase_portrait(oscillation(), "v(mem)", "v(xm1.x)")
    axes = figure.axes[0]
    assert axes.get_xlabel() == "potential v(mem) (mV)"
    assert axes.get_ylabel() == "state v(xm1.x)"
    assert figure.axes[1].get_ylabel() == "time (ms)"


def test_one_swept_parameter_is_a_curve_with_units():
    axes = plots.sweep(results(current=5), ["rate"]).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("current (µA)", "rate (Hz)")
    assert axes.get_xscale() == "log"
    np.testing.assert_allclose(axes.lines[0].get_xdata()[[0, -1]], [1, 10])
    assert axes.get_title(loc="right") == "1 of 5 points failed"


def test_a_parameter_without_unit_has_no_prefix():
    data = results(share=4)
    data["share"].attrs["units"] = "1"
    axes = plots.sweep(data, ["rate"]).axes[0]
    assert axes.get_xlabel() == "share"
    np.testing.assert_allclose(axes.lines[0].get_xdata(), data["share"])


def test_a_second_parameter_makes_a_family_and_then_a_map():
    family = plots.sweep(results(current=5, g=3), ["rate"]).axes
    assert len(family) == 1
    assert len(family[0].lines) == 3
    assert (
        len({(line.get_marker(), line.get_linestyle()) for line in family[0].lines}) == 3
    )  # also told in grey
    assert len(plots.sweep(results(current=5, g=9), ["rate"]).axes) == 2  # the map and its bar


def test_samples_become_median_and_band_or_a_histogram():
    axes = plots.sweep(results(corner=2, sample=9), ["rate"]).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["slow", "fast"]
    assert len(axes.containers) == 1
    histogram = plots.sweep(results(sample=50), ["rate"]).axes[0]
    assert sum(bar.get_height() for bar in histogram.patches) == 49  # one failed
    assert len(plots.sweep(results(sample=50)).axes) == 2  # rate and n


def test_a_sweep_without_any_value_and_an_unknown_measure():
    nothing = results(current=2)
    nothing["rate"][:] = np.nan
    with pytest.raises(InputError, match="no value at any point"):
        plots.sweep(nothing, ["rate"])
    with pytest.raises(InputError, match="no measure 'x'; it has: rate, n"):
        plots.sweep(nothing, ["x"])
    with pytest.raises(InputError, match="not the results of a sweep"):
        plots.sweep(oscillation())
