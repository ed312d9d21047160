"""Waveforms of any engine as one xarray.Dataset: `time`, `v(node)`, `v(xm1.x)`, with units."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Netlist

from memsim.circuits.flatten import flatten
from memsim.devices import numeric


def dataset(
    times: NDArray[np.floating], signals: Mapping[str, NDArray[np.floating]], states: Collection[str] = ()
) -> xr.Dataset:
    """Collect signals over time.

    Args:
        times: [T] in seconds.
        signals: [T] each, by waveform name.
        states: names of signals that are device states (unit 1) rather than potentials.
    """
    data = xr.Dataset(coords={"time": ("time", times, {"units": "s", "long_name": "time"})})
    for name, values in signals.items():
        units = "1" if name in states else ("A" if name.startswith("i(") else "V")
        kind = {"1": "state", "A": "current", "V": "potential"}[units]
        data[name] = ("time", np.asarray(values), {"units": units, "long_name": f"{kind} {name}"})
    return data


def with_device_currents(circuit: Netlist, data: xr.Dataset) -> xr.Dataset:
    """Add voltage, current and conductance of every device, computed from potentials and states.

    Adds `v(xm1)` [V], `i(xm1)` [A] from the positive to the negative terminal, and `g(xm1)` [S], the current over
    the voltage (its limit where the voltage is zero).
    """
    result = data.copy()
    for element in flatten(circuit):
        if element.subcircuit is None:
            continue
        device = element.subcircuit.device
        model, form = numeric(device), device.expressions
        plus, minus = (data[f"v({node})"].values if node != "0" else 0.0 for node in element.nodes)
        v = np.asarray(plus - minus, dtype=float)
        x = [data[f"v({element.name}.{state.name})"].values for state in form.states]
        p = [np.asarray(element.values[symbol.name]) for symbol in form.parameters]
        current = model.current(v, x, p)
        slope = model.jacobian(np.zeros_like(v), x, p)[0]
        conductance = np.where(v == 0, slope, current / np.where(v == 0, 1.0, v))
        dims = data[next(iter(data.data_vars))].dims
        result[f"v({element.name})"] = (
            dims,
            v,
            {"units": "V", "long_name": f"voltage across {element.name}"},
        )
        result[f"i({element.name})"] = (
            dims,
            current,
            {"units": "A", "long_name": f"current of {element.name}"},
        )
        result[f"g({element.name})"] = (
            dims,
            conductance,
            {"units": "S", "long_name": f"conductance of {element.name}"},
        )
    return result
