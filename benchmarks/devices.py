"""Device models: ngspice beside the torch twin, their loops in a picture, and the speed of a batch of transients.

    python benchmarks/devices.py agreement [CARD ...]
    python benchmarks/devices.py speed [CARD ...]

`agreement` drives one card of every model by a sine, a triangle and a pair of pulses at three amplitudes, halving the
twin's step until its current moves by less than 0.1 % of its peak. Results are saved card by card, and cards that are
saved already are skipped unless they are named. Times are CPU times on one thread.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from common import RESULTS, save_result
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Circuit
from scipy.integrate import solve_ivp

from memsim import spice
from memsim.circuits import DeviceSubCircuit, Samples, Sine, Stimulus, device_bench, triangle
from memsim.devices import Card, load_card, numeric
from memsim.devices.switching import exact_step
from memsim.errors import MemsimError
from memsim.plots import save
from memsim.surrogate import CompiledCircuit

Array = NDArray[np.float64]
CARDS = (
    "ag-chalcogenide", "knowm-sdc-schottky", "threshold-a", "vo2-switch", "vteam-memtorch", "team-pickett",
    "yakopcic-oblea", "yakopcic-srtio3", "hp-tio2", "hp-tio2-strukov", "hp-tio2-joglekar", "biolek-16nm",
    "hp-tio2-prodromakis", "stanford-pku", "sky130-reram", "jart-vcm-v1b", "wox", "tiox-pulse", "memdiode",
    "mott-nbo2", "pcm-gst",
)  # fmt: skip
SPEED_CARDS = ("ag-chalcogenide", "yakopcic-oblea", "vteam-memtorch")
SHARES = (0.5, 0.75, 1.0)
FEWEST_STEPS, MOST_STEPS = 2000, 32000
CONVERGED = 1e-3
DEVICES, STEPS, SAMPLE = 1000, 1000, 20


def drives(amplitude: float, frequency: float) -> dict[str, Stimulus]:
    """One period of each wave."""
    corners = np.array([0, 0.02, 0.4, 0.42, 0.5, 0.52, 0.9, 0.92, 1.0]) / frequency
    levels = amplitude * np.array([0, 1, 1, 0, 0, -1, -1, 0, 0])
    return {
        "sine": Sine(amplitude, frequency),
        "triangle": triangle(amplitude, frequency),
        "pulses": Samples(tuple(corners), tuple(levels)),
    }


@dataclass(frozen=True)
class Agreement:
    """How far the twin's current is from that of ngspice, over the peak current.

    `error` compares at equal times; `error_within_a_step` grants the twin one step of time, for edges that are shorter
    than a step.
    """

    wave: str
    amplitude: float
    steps: int
    error: float
    error_within_a_step: float


def twin_currents(
    card: Card, twin: CompiledCircuit, waves: list[Stimulus], steps: int
) -> tuple[Array, Array]:
    """Times [T] and device currents [T, waves] of the twin over one period."""
    drive = card.drive
    assert drive is not None
    times = np.arange(steps + 1) / steps / drive.frequency
    inputs = torch.as_tensor(np.stack([wave(times) for wave in waves], axis=1))
    with torch.no_grad():
        found, _ = twin({"vdrive": inputs}, dt=float(times[1]))
    states = [found[f"v(xm1.{state})"].numpy() for state in card.device.states]
    current = numeric(card.device).current(found["v(top)"].numpy(), states, list(card.device.values.values()))
    return times, current


def converged(card: Card, twin: CompiledCircuit, waves: list[Stimulus]) -> tuple[Array, Array]:
    """The twin at the first number of steps whose doubling moves no current by more than `CONVERGED` of its peak."""
    steps = FEWEST_STEPS
    times, current = twin_currents(card, twin, waves, steps)
    while steps < MOST_STEPS:
        finer_times, finer = twin_currents(card, twin, waves, 2 * steps)
        moved = np.abs(finer[::2] - current).max(axis=0) / np.abs(finer).max(axis=0)
        steps, times, current = 2 * steps, finer_times, finer
        if moved.max() <= CONVERGED:
            break
    return times, current


def compare(times: Array, current: Array, data: Any) -> tuple[float, float]:
    """Largest distance of the twin's current from ngspice's, plain and granted one step of time, over the peak."""
    exact_times, exact = data["time"].values, -data["i(vdrive)"].values
    shifts = np.linspace(-1, 1, 9) * (times[1] - times[0])
    near = np.array([np.interp(times + shift, exact_times, exact) for shift in shifts])
    peak = np.abs(exact).max()
    plain = np.abs(near[4] - current).max() / peak
    outside = np.maximum(near.min(axis=0) - current, current - near.max(axis=0)).max() / peak
    return float(plain), float(max(outside, 0.0))


def agreement(card: Card) -> list[Agreement]:
    """All waves and amplitudes of one card."""
    drive = card.drive
    assert drive is not None
    bench = device_bench(card.device, series_resistance=drive.series_resistance)
    twin = CompiledCircuit(bench, inputs=("vdrive",))
    rows = []
    for name in drives(1.0, drive.frequency):
        waves = [drives(share * drive.amplitude, drive.frequency)[name] for share in SHARES]
        times, currents = converged(card, twin, waves)
        for share, wave, current in zip(SHARES, waves, currents.T, strict=True):
            data = spice.simulate(bench, stimuli={"vdrive": wave}, stop=times[-1], step=times[1], timeout=600)
            plain, outside = compare(times, current, data)
            rows.append(Agreement(name, share * drive.amplitude, len(times) - 1, plain, outside))
            print(
                f"{card.name:22} {name:9} {share:4.2f} {len(times) - 1:6} {plain:9.2e} {outside:9.2e}",
                flush=True,
            )
    return rows


def run_agreement(names: list[str]) -> None:
    """Compare the cards that are not saved yet, or those named."""
    path = RESULTS / "device_agreement.json"
    saved = json.loads(path.read_text())["cards"] if path.exists() else {}
    for name in names or [name for name in CARDS if name not in saved]:
        try:
            saved[name] = [asdict(row) for row in agreement(load_card(name))]
        except MemsimError as error:
            saved[name] = [{"error_message": str(error)}]
            print(f"{name}: {error}", flush=True)
        rows = [row for card in saved.values() for row in card if "error" in row]
        worst = {key: max(row[key] for row in rows) for key in ("error", "error_within_a_step")}
        result = {
            "runs": len(rows),
            "worst": worst,
            "cards": {key: saved[key] for key in CARDS if key in saved},
        }
        save_result("device_agreement", "python benchmarks/devices.py agreement", result)
    draw_loops()


def draw_loops() -> None:
    """The loop of every card under its own sine, by the twin."""
    figure, axes = plt.subplots(3, 7, figsize=(16, 7), layout="constrained")
    for name, axis in zip(CARDS, axes.flat, strict=True):
        card = load_card(name)
        drive = card.drive
        assert drive is not None
        twin = CompiledCircuit(
            device_bench(card.device, series_resistance=drive.series_resistance), inputs=("vdrive",)
        )
        times = np.arange(8001) / 4000 / drive.frequency
        wave = Sine(drive.amplitude, drive.frequency)
        with torch.no_grad():
            found, _ = twin(torch.as_tensor(wave(times)), dt=float(times[1]))
        v = found["v(top)"].numpy()
        states = [found[f"v(xm1.{state})"].numpy() for state in card.device.states]
        current = numeric(card.device).current(v, states, list(card.device.values.values()))
        axis.plot(v[4000:], 1e3 * current[4000:], linewidth=1)
        axis.plot(v[:4001], 1e3 * current[:4001], linewidth=0.6, alpha=0.5)
        axis.set_title(f"{name}, {drive.frequency:g} Hz", fontsize=8)
        axis.tick_params(labelsize=6)
    figure.supxlabel("voltage of the device [V]")
    figure.supylabel("current [mA]")
    save(figure, RESULTS / "device_loops.png")


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
    twin = CompiledCircuit(circuit, inputs=("vdrive",), record=("v(xm1.x)",))
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
    differences = [np.abs(batch[-1][:, k] - alone[k]).max() for k in range(SAMPLE)]
    result = {f"{engine}_cpu_seconds": value for engine, value in seconds.items()}
    result |= {f"{engine}_over_torch": seconds[engine] / seconds["torch"] for engine in ("scipy", "ngspice")}
    result |= {"largest_difference_of_state_from_scipy": float(max(differences))}
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
        save_result("device_speed", "python benchmarks/devices.py speed", {"shape": shape, "devices": rows})


if __name__ == "__main__":
    if sys.argv[1:2] == ["speed"]:
        run_speed(sys.argv[2:])
    elif sys.argv[1:2] == ["agreement"]:
        run_agreement(sys.argv[2:])
    else:
        sys.exit(__doc__)
