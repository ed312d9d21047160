"""Pulse trains and switching times."""

import os
from pathlib import Path

import numpy as np
import pytest

from memsim.devices import MODELS, MetastableSwitch, numeric
from memsim.errors import InputError
from memsim.fit.pulses import fit_pulses
from memsim.fit.switching_times import SwitchingTimes, fit_switching_times


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


@pytest.mark.skipif("MEMSIM_DATA" not in os.environ, reason="MEMSIM_DATA is not set")
def test_measured_potentiation_and_depression():
    folder = Path(os.environ["MEMSIM_DATA"]) / "devices" / "sandia-pulse-lut"
    for name in ("set", "reset"):
        ramps = np.genfromtxt(folder / f"{name}.csv", delimiter=",", skip_header=1) / 0.1
        # 0.005 mS of a span near 0.9 mS is what an exponential reaches on these ramps
        assert fit_pulses(ramps).mean_error < 0.01


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
