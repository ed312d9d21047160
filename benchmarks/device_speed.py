"""Speed of a batch of device transients in torch, beside SciPy and ngspice one device after another.

    python benchmarks/device_speed.py [CARD ...]

Times are CPU times on one thread. The batch takes Strang steps, which leave no state outside of its range however long
they are; how far it is from SciPy's solution is given beside, and again for ten times the steps.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from common import RESULTS, save_result
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Circuit
from scipy.integrate import solve_ivp

from memsim import spice
from memsim.circuits import DeviceSubCircuit, Sine, device_bench
from memsim.devices import Card, load_card, numeric
from memsim.devices.switching import exact_step
from memsim.surrogate import CompiledCircuit

Array = NDArray[np.float64]
SPEED_CARDS = ("ag-chalcogenide", "yakopcic-oblea", "vteam-memtorch")
DEVICES, STEPS, SAMPLE = 1000, 1000, 20


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of a piece of work, child processes included."""

    def now() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    began = now()
    work()
    return now() - began


def varied(card: Card) -> dict[str, Array]:
    """A thousand devices: every parameter that is not a smoothing scattered by 5 %."""
    random = np.random.default_rng(2)
    fixed = ("smoothing", "window", "temperature", "x_p", "x_n", "alpha_on", "alpha_off")
    return {
        name: np.full(DEVICES, value) if name in fixed else value * random.normal(1, 0.05, DEVICES)
        for name, value in card.device.values.items()
    }


def speed(name: str) -> dict[str, float]:
    """CPU seconds of a batch in torch, and of one device after another in SciPy and in ngspice."""
    card = load_card(name)
    drive = card.drive
    assert drive is not None
    wave, values = Sine(drive.amplitude, drive.frequency), varied(card)
    times = np.arange(STEPS + 1) / STEPS / drive.frequency
    circuit = Circuit("device at a source")
    circuit.subcircuit(DeviceSubCircuit(card.device))
    circuit.V("drive", "top", circuit.gnd, 0)
    circuit.X("m1", DeviceSubCircuit(card.device).name, "top", circuit.gnd)
    twin = CompiledCircuit(circuit, inputs=("vdrive",), stepper="strang", record=("v(xm1.x)",))
    parameters = {f"xm1.{key}": torch.as_tensor(value) for key, value in values.items()}
    inputs = torch.as_tensor(wave(times))[:, None].expand(-1, DEVICES)
    batch: list[Array] = []

    def torch_batch() -> None:
        with torch.no_grad():
            batch.append(twin(inputs, dt=float(times[1]), parameters=parameters)[0]["v(xm1.x)"].numpy())

    model = numeric(card.device)
    alone: list[Array] = []

    def scipy_loop() -> None:
        for k in range(SAMPLE):
            p = [value[k] for value in values.values()]
            solution = solve_ivp(
                lambda t, x, p=p: model.rates(wave(t), x, p),
                (0, times[-1]), [card.device.initial["x"]], t_eval=times, method="LSODA", rtol=1e-6, atol=1e-9,
                max_step=float(times[20]),
            )  # fmt: skip
            alone.append(solution.y[0])

    def ngspice_loop() -> None:
        for k in range(SAMPLE):
            device = card.device.with_values(**{key: float(value[k]) for key, value in values.items()})
            bench = device_bench(device, series_resistance=1e-3)
            spice.simulate(bench, stimuli={"vdrive": wave}, stop=float(times[-1]), step=float(times[1]))

    torch_batch()
    seconds = {"torch": min(cpu_seconds(torch_batch) for _ in range(3))}
    seconds |= {"scipy": cpu_seconds(scipy_loop) / SAMPLE * DEVICES}
    seconds |= {"ngspice": cpu_seconds(ngspice_loop) / SAMPLE * DEVICES}
    finer = np.arange(10 * STEPS + 1) / (10 * STEPS) / drive.frequency
    with torch.no_grad():
        few = {key: value[:SAMPLE] for key, value in parameters.items()}
        drawn = torch.as_tensor(wave(finer))[:, None].expand(-1, SAMPLE)
        fine = twin(drawn, dt=float(finer[1]), parameters=few)[0]["v(xm1.x)"].numpy()[::10]
    exact = np.stack(alone, axis=1)
    result = {f"{engine}_cpu_seconds": value for engine, value in seconds.items()}
    result |= {f"{engine}_over_torch": seconds[engine] / seconds["torch"] for engine in ("scipy", "ngspice")}
    result |= {
        "largest_difference_of_state_from_scipy": float(np.abs(batch[-1][:, :SAMPLE] - exact).max()),
        "the_same_at_ten_times_the_steps": float(np.abs(fine - exact).max()),
    }
    if name == "ag-chalcogenide":
        tensors = {key: torch.as_tensor(value) for key, value in values.items()}

        def exact() -> None:
            x = torch.full((DEVICES,), card.device.initial["x"], dtype=torch.float64)
            for v in inputs[:-1]:
                x = exact_step(card.device, v, x, float(times[1]), parameters=tensors)

        result |= {"exact_step_cpu_seconds": min(cpu_seconds(exact) for _ in range(3))}
    return result


def run_speed(names: list[str]) -> None:
    """Measure the cards named, or all, print and save."""
    torch.set_num_threads(1)
    shape = {"devices": DEVICES, "steps": STEPS, "devices_run_one_by_one": SAMPLE}
    path = RESULTS / "device_speed.json"
    rows = json.loads(path.read_text())["devices"] if path.exists() else {}
    for name in names or SPEED_CARDS:
        rows[name] = speed(name)
        print(name, {key: f"{value:.4g}" for key, value in rows[name].items()}, flush=True)
        save_result("device_speed", "python benchmarks/device_speed.py", {"shape": shape, "devices": rows})


if __name__ == "__main__":
    run_speed(sys.argv[1:])
