"""Pulse trains and switching times."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from memsim.crossbar.cells import Cells
from memsim.crossbar.programming import Pulse, WriteVerify
from memsim.devices import MODELS, MetastableSwitch, load_device, numeric
from memsim.errors import InputError
from memsim.fit.pulse_device import Pulses, pulsed_device
from memsim.fit.pulses import fit_pulses
from memsim.fit.ramps import sort_ramps
from memsim.fit.results import write_card
from memsim.fit.switching_times import SwitchingTimes, fit_switching_times
from memsim.fit.tables import read_columns


@pytest.mark.parametrize("nu", [-2.0, 0.0, 3.0])
def test_the_law_is_found_through_noise(nu):
    s = np.linspace(0, 1, 100)
    h = s if nu == 0 else np.expm1(-nu * s) / np.expm1(-nu)
    rng = np.random.default_rng(1)
    ramps = (10e-6 + 40e-6 * h)[:, None] + 0.5e-6 * rng.standard_normal((100, 20))
    found = fit_pulses(ramps)
    low, high = found.uncertainty.intervals["nonlinearity"]
    assert low < nu < high
    assert high - low < 0.2
    # independent reads: a step holds two of them
    assert found.step_noise == pytest.approx(0.5e-6 * np.sqrt(2), rel=0.1, abs=0)
    assert abs(found.correlation) < 0.1


def test_ramps_of_different_length():
    ramps = np.linspace(1.0, 2.0, 50)[:, None] * np.ones(3)
    ramps[40:, 1] = np.nan
    assert fit_pulses(ramps).end == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize("ramps", [np.ones(20), np.array([1.0, 2.0]), np.array([1.0, np.inf, 2.0, 3.0])])
def test_pulses_that_cannot_be_fitted(ramps):
    with pytest.raises(InputError):
        fit_pulses(ramps)


MEASURED = pytest.mark.skipif("MEMSIM_DATA" not in os.environ, reason="MEMSIM_DATA is not set")


def measured(*names):
    folder = Path(os.environ["MEMSIM_DATA"]) / "devices"
    return sort_ramps([read_columns(folder / name) for name in names])


@pytest.fixture
def sandia():
    """Many ramps of a linear device, read at 0.1 V."""
    return measured("sandia-pulse-lut/set.csv", "sandia-pulse-lut/reset.csv").read_at(0.1)


@pytest.fixture
def gong():
    """1000 pulses up in one column, 1000 down in the next, normalised."""
    return measured("ibm-gong-reram/gong_et_al.csv")


@MEASURED
def test_measured_linear_device(sandia):
    assert (sandia.up.shape, sandia.down.shape) == ((192, 39), (153, 40))
    # published for an exponential with A = 1 / nonlinearity: 0.005 mS rms, A = -0.86 up and 4.9 down, to their digits
    for ramps, a, digit in ((sandia.up, -0.86, 0.01), (sandia.down, 4.9, 0.1)):
        found = fit_pulses(ramps)
        assert found.mean_error * found.span == pytest.approx(0.005e-3, abs=1e-6)
        assert 1 / found.nonlinearity == pytest.approx(a, abs=digit)


@MEASURED
def test_measured_noisy_device(gong):
    assert (gong.up.shape, gong.down.shape) == ((1000, 1), (1000, 1))
    # published step noise, to its digits
    for ramps, noise, rises in ((gong.up, 0.163, True), (gong.down, 0.169, False)):
        found = fit_pulses(ramps)
        assert found.step_noise == pytest.approx(noise, abs=1e-3)
        assert (found.end > found.start) == rises
        # a law without trend would leave 30 % of the span, the noise of single reads alone leaves 5 %
        assert found.mean_error < 0.07


@MEASURED
@pytest.mark.parametrize("name", ["sandia", "gong"])
def test_a_device_follows_measured_ramps(name, request):
    ramps = request.getfixturevalue(name)
    ramps = ramps if ramps.unit else ramps.spanning(5e-6, 50e-6)
    # the device's bent soft bounds are another law than the exponential: within a step or so of a 100
    assert max(pulsed_device(fit_pulses(ramps.up), fit_pulses(ramps.down), Pulses()).errors) < 0.01


def law(nu, low=10e-6, high=50e-6, pulses=100):
    s = np.linspace(0, 1, pulses)
    return low + (high - low) * (s if nu == 0 else np.expm1(-nu * s) / np.expm1(-nu))


@pytest.mark.parametrize(("up", "down"), [(3.0, 2.0), (0.0, 0.0), (-2.0, 1.0)])
def test_a_device_follows_the_law(up, down):
    laws = fit_pulses(law(up)), fit_pulses(60e-6 - law(down))
    found = pulsed_device(*laws, Pulses(up=1.2, up_width=2e-7, down=-0.8, down_width=1e-6))
    # as above
    assert max(found.errors) < 0.01


def test_write_and_verify_programs_the_device_of_a_card(tmp_path):
    found = pulsed_device(fit_pulses(law(2.0)), fit_pulses(60e-6 - law(1.0)), Pulses())
    write_card(tmp_path / "mine.toml", found.device, description="pulsed", source="test")
    target = torch.linspace(15e-6, 45e-6, 6, dtype=torch.float64).reshape(2, 3)
    write = WriteVerify(Pulse(1.0, 1e-6), Pulse(-1.0, 1e-6), tolerance=0.5e-6)
    programmed = write(Cells(load_device(tmp_path / "mine.toml")), target)
    assert bool(programmed.converged.all())
    # a ramp of 100 pulses from 10 to 50 uS
    assert int(programmed.set_pulses.max()) <= 100


def test_columns_are_sorted_by_direction():
    up, down = law(1.0), 60e-6 - law(1.0)
    counted = sort_ramps([np.column_stack([np.arange(100), up, down])])
    assert "counts the pulses" in counted.notes[0]
    turning = sort_ramps([np.concatenate([up, down])[:, None]])
    assert "where it turns" in turning.notes[0]
    for ramps in (counted, turning):
        np.testing.assert_array_equal(ramps.up[:, 0], up)
        np.testing.assert_array_equal(ramps.down[:, 0], down)


def test_ramps_with_decimal_commas(tmp_path):
    (tmp_path / "ramp.csv").write_text("1,5;2,5\n1,0;3,5\n0,5;4,5\n0,25;5,5\n")
    np.testing.assert_array_equal(read_columns(tmp_path / "ramp.csv")[:, 1], [2.5, 3.5, 4.5, 5.5])


@pytest.mark.parametrize("header", ["", "conductance\n"])
def test_a_file_of_one_column(tmp_path, header):
    (tmp_path / "ramp.csv").write_text(header + "1e-6\n2e-6\n3e-6\n4e-6\n")
    np.testing.assert_array_equal(read_columns(tmp_path / "ramp.csv")[:, 0], [1e-6, 2e-6, 3e-6, 4e-6])


def test_normalised_reads_become_conductances():
    ramps = sort_ramps([np.column_stack([np.linspace(-1, 1, 200), np.linspace(1, -1, 200)])])
    scaled = ramps.spanning(5e-6, 50e-6)
    # the running mean of the ends lies half its window of a twentieth inside
    assert scaled.up[0, 0] == pytest.approx(5e-6, rel=0.2, abs=0)
    assert scaled.up[-1, 0] == pytest.approx(50e-6, rel=0.02, abs=0)
    with pytest.raises(InputError, match="conductance_range"):
        ramps.spanning(0.0, 1e-6)
    with pytest.raises(InputError, match="read_voltage"):
        ramps.read_at(0.0)
    with pytest.raises(InputError, match="--conductance-range"):
        pulsed_device(fit_pulses(ramps.up), fit_pulses(ramps.down), Pulses())


def test_pulses_of_one_sign_are_refused():
    with pytest.raises(InputError, match="negative one down"):
        Pulses(1.0, 1e-6, 1.0, 1e-6)


@pytest.mark.parametrize(
    "column", [np.ones(20), np.array([1.0, 2.0]), np.array([1.0, np.inf, 2.0, 3.0, 4.0])]
)
def test_columns_that_are_no_ramps(column):
    with pytest.raises(InputError, match="cannot be a ramp"):
        sort_ramps([column[:, None]])


TRUE = MetastableSwitch(v_on=0.6, tau=1e-6, v_off=-0.3, ideality=1.3)


def times(voltage, end=0.9):
    node, weight = np.polynomial.legendre.leggauss(200)
    x, rates = end / 2 * (node + 1), numeric(MetastableSwitch).rates
    p = list(TRUE.values.values())
    return np.array([(weight * end / 2 / rates(v, [x], p)[0]).sum() for v in voltage])


def test_kinetics_are_found_from_switching_times():
    voltage = np.linspace(0.3, 0.8, 12)
    noise = 0.05 * np.random.default_rng(1).standard_normal(12)
    measured = SwitchingTimes(voltage, times(voltage) * 10**noise, 0.0, 0.9)
    found = fit_switching_times(measured, MetastableSwitch, starts=16)
    assert found.decades < 0.06
    for name in ("v_on", "tau", "ideality"):
        low, high = found.uncertainty.intervals[name]
        assert low < TRUE.values[name] < high
    assert "v_off" in found.uncertainty.undetermined


def test_times_that_cannot_be_fitted():
    voltage = np.array([0.3, 0.4, 0.5])
    with pytest.raises(InputError, match="at least 3"):
        SwitchingTimes(voltage[:2], voltage[:2], 0.0, 0.9)
    with pytest.raises(InputError, match="above 0 s"):
        SwitchingTimes(voltage, voltage - 0.3, 0.0, 0.9)
    two_states = next(model for model in MODELS.values() if len(model.states) != 1)
    with pytest.raises(InputError, match="states"):
        fit_switching_times(SwitchingTimes(voltage, voltage, 0.0, 0.9), two_states)
