"""Gradients of the torch twin against central differences of ngspice runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memsim import spice
from memsim.circuits import AlphaTrain, IntegrateAndFire
from memsim.surrogate import CompiledCircuit

pytestmark = pytest.mark.spice

STIMULUS = AlphaTrain((5e-6, 8e-6), 1e-3, (0.0, 4e-3))
STOP = 8e-3
STEP = 10e-6
TIMES = np.arange(0.2e-3, STOP, 0.2e-3)
# A 1 % change moves the membrane by millivolts; ngspice at these tolerances repeats to 0.1 uV.
CHANGE = 0.01
OPTIONS = {"reltol": 1e-7, "abstol": 1e-15, "vntol": 1e-10, "chgtol": 1e-18}
PARAMETERS = ("cmem", "xm1.r_on", "xm1.v_on", "xm1.tau", "v2")


def circuit_with(name: str, factor: float):
    circuit = IntegrateAndFire.published().circuit()
    if name == "cmem":
        circuit["Cmem"].capacitance = circuit["Cmem"].capacitance * factor
    elif name == "v2":
        circuit["V2"].dc_value = circuit["V2"].dc_value * factor
    else:
        instance = circuit["Xm1"]
        key = name.partition(".")[2]
        instance.parameters[key] = IntegrateAndFire.published().devices[0].values[key] * factor
    return circuit


def ngspice_membrane(name: str, factor: float) -> np.ndarray:
    data = spice.simulate(
        circuit_with(name, factor), stimuli={"iin": STIMULUS}, stop=STOP, step=2e-6, options=OPTIONS
    )
    return np.interp(TIMES, data["time"], data["v(mem)"])


@pytest.fixture(scope="module")
def twin_sensitivity() -> dict[str, np.ndarray]:
    """dv(mem)/dp at every one of TIMES, in one backward pass through a batch of equal runs."""
    twin = CompiledCircuit(IntegrateAndFire.published().circuit(), inputs=("iin",))
    batch = len(TIMES)
    times = torch.arange(round(STOP / STEP) + 1) * STEP
    drive = torch.as_tensor(STIMULUS(times.numpy())).unsqueeze(1).expand(-1, batch)
    values = {
        name: torch.full((batch,), twin.values[name], dtype=torch.float64, requires_grad=True)
        for name in PARAMETERS
    }
    waveforms, _ = twin(drive, dt=STEP, parameters=values)
    samples = torch.as_tensor(np.rint(TIMES / STEP).astype(int))
    # run k is read at time k, so the gradient with respect to its own copy is the derivative there
    picked = waveforms["v(mem)"][samples, torch.arange(batch)]
    gradients = torch.autograd.grad(picked.sum(), list(values.values()))
    return {name: gradient.numpy() for name, gradient in zip(PARAMETERS, gradients, strict=True)}


@pytest.mark.parametrize("name", PARAMETERS)
def test_membrane_voltage_by_parameter(name, twin_sensitivity):
    """2 % of the largest derivative, at every time; the steps of 10 us leave a quarter of that."""
    value = CompiledCircuit(IntegrateAndFire.published().circuit(), inputs=("iin",)).values[name]
    difference = ngspice_membrane(name, 1 + CHANGE) - ngspice_membrane(name, 1 - CHANGE)
    expected = difference / (2 * CHANGE * value)
    error = np.abs(twin_sensitivity[name] - expected)
    assert np.max(error) <= 0.02 * np.max(np.abs(expected))
    assert np.linalg.norm(error) <= 0.02 * np.linalg.norm(expected)
