"""The transient under a fit: against SciPy's integrator, and its derivatives against finite differences."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from memsim.devices import MetastableSwitch, Vteam, Yakopcic, numeric
from memsim.fit import Record, transient_current
from memsim.fit.grids import make_grid
from memsim.fit.transient import Batch, currents, simulate


def reference(device, record, capacitance):
    """The same circuit as an ODE in (v, x): the capacitance makes v a state."""
    model = numeric(device)
    p = list(device.values.values())

    def slope(t, y):
        drive = np.interp(t, record.time, record.drive)
        source = (drive - y[0]) / record.series_resistance
        return [(source - model.current(y[0], [y[1]], p)) / capacitance, *model.rates(y[0], [y[1]], p)]

    start = [record.drive[0], *device.initial.values()]
    found = solve_ivp(slope, record.time[[0, -1]], start, "LSODA", record.time, rtol=1e-7, atol=1e-10)
    return (record.drive - found.y[0]) / record.series_resistance


def test_current_converges_to_that_of_scipy(loop, true_device):
    record, c = loop(), 1e-9
    expected = reference(true_device, record, c)
    errors = [
        np.abs(transient_current(true_device, record, capacitance=c, substeps=s) - expected)[5:].max()
        / record.peak
        for s in (4, 16)
    ]
    # second order with a switching edge inside a few steps: four times the steps must gain well over four
    assert errors[1] < errors[0] / 6
    assert errors[1] < 2e-3


def batch_of(device):
    states = np.array([[[value]] for value in device.initial.values()])
    values = np.array([[value] for value in device.values.values()])
    return Batch(type(device), values, states, np.array([1e-9]), np.ones(1))


@pytest.mark.parametrize(
    "device",
    [
        MetastableSwitch(r_on=2e3, r_off=80e3, v_on=0.25, v_off=-0.15, tau=2e-4, initial={"x": 0.1}),
        Yakopcic(a_1=1e-3, a_2=1e-3, b=2.0, a_p=200.0, a_n=200.0, initial={"x": 0.2}),
        Vteam(r_on=2e3, r_off=8e4, v_on=-0.2, v_off=0.2, k_on=-1e-7, k_off=1e-7, initial={"x": 0.5}),
    ],
    ids=lambda device: device.model,
)
def test_derivatives_are_those_of_the_numerical_solution(loop, device):
    record = loop()
    grid, batch = make_grid([record], substeps=2), batch_of(device)
    names = list(device.parameters)
    _, exact = currents(grid, batch, simulate(grid, batch), names)

    def moved(column, sign):
        step = 1e-5 * sign
        if column < len(names):
            values = batch.parameters.copy()
            values[column] *= 1 + step
            changed = replace(batch, parameters=values)
        elif column == len(names):
            changed = replace(batch, capacitance=batch.capacitance * (1 + step))
        else:
            changed = replace(batch, initial=batch.initial * (1 + step))
        return currents(grid, changed, simulate(grid, changed), [])[0][:, 0]

    scales = [*batch.parameters[:, 0], batch.capacitance[0], batch.initial[0, 0, 0]]
    for column, scale in enumerate(scales):
        numerical = (moved(column, 1) - moved(column, -1)) / (2e-5 * scale)
        # differences of 1e-5 keep about five digits; Newton stops at 1e-6 of a volt
        size = max(np.abs(numerical).max(), 1e-4 * record.peak / scale)
        assert np.abs(numerical - exact[:, 0, column]).max() < 0.02 * size


def test_records_in_a_batch_do_not_touch_each_other(loop, true_device):
    slow, fast = loop(10.0), loop(1000.0)
    short = Record("short", fast.time[:60], fast.drive[:60], fast.current[:60], fast.series_resistance)
    grid = make_grid([slow, short], substeps=2)
    values = np.array([[value] for value in true_device.values.values()])
    both = Batch(type(true_device), values, np.full((1, 1, 2), 0.02), np.zeros(1), np.ones(1))
    y, _ = currents(grid, both, simulate(grid, both), [])
    np.testing.assert_allclose(
        y[:, 0], transient_current(true_device, slow, substeps=2), rtol=1e-4, atol=1e-9
    )
    np.testing.assert_allclose(
        y[:60, 1], transient_current(true_device, short, substeps=2), rtol=1e-4, atol=1e-9
    )


def test_swapped_terminals_mirror_the_loop(loop, true_device):
    record = loop()
    mirrored = replace(record, drive=-record.drive, current=-record.current)
    swapped = transient_current(true_device, mirrored, polarity=-1)
    np.testing.assert_allclose(-swapped, transient_current(true_device, record), rtol=1e-9, atol=0)


def test_a_limited_current_stays_at_its_limit(true_device):
    time = np.linspace(0, 10e-3, 200)
    drive = 0.8 * np.sin(np.pi * time / 10e-3)
    free = Record("sweep", time, drive, drive / 1e3)
    limit = 50e-6
    alone = transient_current(true_device, free)
    measured = np.minimum(alone, limit)
    record = Record("sweep", time, drive, measured, limited=alone > limit)
    limited = transient_current(true_device, record)
    assert alone.max() > 4 * limit
    assert limited.max() < 1.02 * limit
    # the device holds less of the voltage while limited, so it ends less switched on than without a limit
    assert 0 < limited[-20] <= alone[-20] * 1.001
