"""Speed of the neuron: forward and backward through time in torch, beside snntorch.Leaky, and in ngspice.

    python benchmarks/throughput.py

Contenders run in turn, several rounds, on one thread, by CPU time; a ratio is the median over rounds of the
contender over the reference in the same round. Needs the `bench` extra (snntorch).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import snntorch
import torch
from common import save_result
from leaky import run_leaky
from torch import Tensor

from memsim import spice
from memsim.circuits import AlphaTrain, IntegrateAndFire
from memsim.surrogate import STEPPERS, CompiledCircuit

STEPS, BATCH, NEURONS, ROUNDS = 50, 64, 256, 5
STEP = 200e-6
SPICE_POINTS = 10_000


def leaky() -> Callable[[Tensor], None]:
    """A plain loop over snntorch.Leaky, as its tutorials write it."""
    neuron = snntorch.Leaky(beta=0.9)

    def run(drive: Tensor) -> None:
        run_leaky(neuron, drive)[0].mean().backward()

    return run


def memristive(stepper: str) -> Callable[[Tensor], None]:
    """The compiled integrate-and-fire neuron with one of the steppers."""
    cell = CompiledCircuit(
        IntegrateAndFire.published(1).circuit(), inputs=("iin",), stepper=stepper, record=("v(mem)",)
    )
    # explicit Euler is unstable at the training step; its cost a step does not depend on the step
    step = 10e-6 if stepper == "explicit-euler" else STEP

    def run(drive: Tensor) -> None:
        waveforms, _ = cell(drive * 1e-6, dt=step)
        waveforms["v(mem)"].mean().backward()

    return run


def cpu_seconds(contender: Callable[[Tensor], None]) -> float:
    """CPU time of one forward and backward pass."""
    drive = torch.randn(STEPS, BATCH, NEURONS, requires_grad=True)
    began = time.process_time()
    contender(drive)
    return time.process_time() - began


def ngspice_seconds() -> float:
    """Median wall time of one neuron over 10 000 points in ngspice, process start included."""
    stop = 100e-3
    stimuli = {"iin": AlphaTrain(5e-6, 1e-3, tuple(float(t) for t in np.arange(10) * 10e-3))}
    circuit = IntegrateAndFire.published(1).circuit()
    runs = [
        spice.simulate(circuit, stimuli=stimuli, stop=stop, step=stop / SPICE_POINTS) for _ in range(ROUNDS)
    ]
    return statistics.median(run.attrs["wall_seconds"] / run.sizes["time"] * SPICE_POINTS for run in runs)


def main() -> None:
    """Measure, print a table and save the result."""
    torch.set_num_threads(1)
    contenders = {"snntorch.Leaky": leaky()} | {f"memsim {name}": memristive(name) for name in STEPPERS}
    for contender in contenders.values():
        cpu_seconds(contender)
    rounds = [{name: cpu_seconds(contender) for name, contender in contenders.items()} for _ in range(ROUNDS)]
    updates = STEPS * BATCH * NEURONS
    rows = {
        name: {
            "million_neuron_steps_per_cpu_second": updates / statistics.median(r[name] for r in rounds) / 1e6,
            "cpu_time_over_leaky": statistics.median(r[name] / r["snntorch.Leaky"] for r in rounds),
        }
        for name in contenders
    }
    for name, row in rows.items():
        print(
            f"{name:30} {row['million_neuron_steps_per_cpu_second']:8.2f} M/s {row['cpu_time_over_leaky']:8.2f} x Leaky"
        )
    seconds = ngspice_seconds()
    print(f"ngspice: {seconds:.3f} s per neuron and {SPICE_POINTS} points")
    shape = {"steps": STEPS, "batch": BATCH, "neurons": NEURONS, "rounds": ROUNDS}
    save_result(
        "throughput",
        "python benchmarks/throughput.py",
        {
            "shape": shape,
            "forward_and_backward": rows,
            "ngspice_seconds_per_neuron_and_10000_points": seconds,
        },
    )


if __name__ == "__main__":
    main()
