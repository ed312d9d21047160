"""Measures of waveforms whose numbers are known."""

import numpy as np
import pytest
import xarray as xr

from memsim.errors import InputError
from memsim.sweep.measures import crossings, measure
from memsim.sweep.study import Measure

TIME = np.concatenate([np.linspace(0, 0.2, 700), np.linspace(0.2, 1.0, 900)[1:]])  # uneven, as ngspice's


@pytest.fixture
def waves() -> xr.Dataset:
    sine = 0.5 + 2 * np.sin(2 * np.pi * 5 * TIME)
    columns = {"v(a)": sine, "i(a)": 1e-3 * sine, "v(b)": np.zeros_like(TIME)}
    return xr.Dataset({name: ("time", values) for name, values in columns.items()}, coords={"time": TIME})


# name: (what, more, value, tolerance); grids of 0.3 ms and 0.9 ms put 1.4e-4 of the amplitude between samples
EXPECTED = {
    "peak": ("peak", {}, 2.5, 1e-3),
    "minimum": ("minimum", {}, -1.5, 1e-3),
    "peak-to-peak": ("peak-to-peak", {}, 4.0, 2e-3),
    "mean": ("mean", {}, 0.5, 1e-3),
    "rms": ("rms", {}, np.sqrt(0.25 + 2), 1e-3),
    "final": ("final", {}, 0.5, 1e-9),
    "spike-count": ("spike-count", {"level": 2.0}, 5, 0),
    "spike-count, later": ("spike-count", {"level": 2.0, "after": 0.4}, 3, 0),
    "first-spike": ("first-spike", {"level": 2.0}, np.arcsin(0.75) / (10 * np.pi), 1e-5),
    "period": ("period", {"level": 2.0}, 0.2, 1e-5),
    "frequency": ("frequency", {"level": 2.0}, 5.0, 1e-3),
    "energy": ("energy", {"current": "i(a)"}, 2.25e-3, 2e-6),
}


@pytest.mark.parametrize(("what", "more", "value", "tolerance"), EXPECTED.values(), ids=EXPECTED)
def test_numbers_of_a_sine(waves: xr.Dataset, what: str, more: dict, value: float, tolerance: float):
    found = measure(waves, {"m": Measure(of="v(a)", what=what, **more)})
    assert found["m"] == pytest.approx(value, abs=tolerance, rel=0)


def test_a_silent_neuron_has_a_frequency_but_no_period(waves: xr.Dataset):
    kinds = ("spike-count", "frequency", "period", "first-spike")
    found = measure(waves, {kind: Measure(of="v(b)", what=kind, level=1.0) for kind in kinds})
    assert (found["spike-count"], found["frequency"]) == (0, 0)
    assert np.isnan([found["period"], found["first-spike"]]).all()


def test_what_a_run_does_not_have(waves: xr.Dataset):
    with pytest.raises(InputError, match=r"'v\(c\)'.*v\(a\), i\(a\), v\(b\)"):
        measure(waves, {"m": Measure(of="v(c)", what="peak")})
    with pytest.raises(InputError, match=r"begins at 2 s.*ends at 1 s"):
        measure(waves, {"m": Measure(of="v(a)", what="peak", after=2.0)})


def test_crossings_are_where_straight_lines_cross():
    np.testing.assert_allclose(
        crossings(np.array([0.0, 1, 2, 3]), np.array([0.0, 4, 0, 1]), 1.0), [0.25, 3.0], rtol=1e-15
    )
