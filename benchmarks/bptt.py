"""Backpropagation through time: a 784-256-10 network of memristive neurons beside snntorch.Leaky and bare products.

    python benchmarks/bptt.py

Forward and backward over 50 steps, float32, one thread. Contenders run in turn, several rounds; the clock is the
CPU time of the process, a ratio is the median over rounds of two times of the same round. Peak memory is what one
warm pass adds to the resident set, each contender in a process of its own. Needs the `bench` extra (snntorch).
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import snntorch
import torch
from common import save_result
from leaky import run_leaky
from torch import Tensor, nn

from memsim.circuits import IntegrateAndFire
from memsim.surrogate import CompiledCircuit

SIZES, STEPS, BATCHES, ROUNDS = (784, 256, 10), 50, (64, 128), 7
STEP = 200e-6
EULER_STEP = 10e-6
"""Explicit Euler is unstable at the training step; what a step costs does not depend on its length."""
MEMBRANE = "v(mem)"
UNGUARDED = "rosenbrock2, C"
FLOOR, LEAKY, EULER = "products alone", "snntorch.Leaky", "explicit Euler, plain torch"
MEMRISTIVE = {
    "guarded, C": ("guarded", "native"),
    "strang, C": ("strang", "native"),
    "rosenbrock2, C": ("rosenbrock2", "native"),
    "linear-implicit-euler, C": ("linear-implicit-euler", "native"),
    "strang, torch": ("strang", "fused"),
    "strang, plain torch": ("strang", "loop"),
    EULER: ("explicit-euler", "loop"),
}


class Products(nn.Module):
    """The two layers' weights, applied to all steps at once; `scale` turns sums of inputs into currents."""

    scale = 1.0

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = nn.Parameter(torch.randn(*SIZES[:2], generator=generator) / SIZES[0] ** 0.5)
        self.second = nn.Parameter(torch.randn(*SIZES[1:], generator=generator) / SIZES[1] ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Mean over time of the output [batch, classes] for inputs [time, batch, features]."""
        hidden = self.neurons(x @ (self.scale * self.first))
        return self.neurons(hidden @ (self.scale * self.second)).mean(dim=0)

    def neurons(self, current: Tensor) -> Tensor:
        """What neurons make of their currents, [time, batch, neurons]."""
        return current


class Leaky(Products):
    """Leaky neurons with surrogate gradients, stepped as snnTorch's tutorials do."""

    def __init__(self) -> None:
        super().__init__()
        self.neuron = snntorch.Leaky(beta=0.9)

    def neurons(self, current: Tensor) -> Tensor:
        return run_leaky(self.neuron, current)[0]


class Memristive(Products):
    """Memristive integrate-and-fire neurons: a capacitor and two devices each."""

    scale = 1e-6

    def __init__(self, stepper: str, engine: str) -> None:
        super().__init__()
        circuit = IntegrateAndFire.published(1).circuit()
        self.cell = CompiledCircuit(
            circuit, inputs=("iin",), stepper=stepper, engine=engine, record=(MEMBRANE,)
        )
        self.step = EULER_STEP if stepper == "explicit-euler" else STEP

    def neurons(self, current: Tensor) -> Tensor:
        waveforms, _ = self.cell(current, dt=self.step)
        return waveforms[MEMBRANE]


def network(name: str) -> Products:
    """A contender by name."""
    if name in MEMRISTIVE:
        return Memristive(*MEMRISTIVE[name])
    return Leaky() if name == LEAKY else Products()


def one_pass(contender: Products, batch: int) -> Callable[[], None]:
    """Forward and backward on inputs that are on one time in four."""
    x = (torch.rand(STEPS, batch, SIZES[0]) < 0.25).float()

    def run() -> None:
        contender.zero_grad()
        contender(x).square().mean().backward()

    return run


def cpu_seconds(run: Callable[[], None]) -> float:
    """CPU time of one pass."""
    began = time.process_time()
    run()
    return time.process_time() - began


def measure_times(batch: int) -> dict[str, dict[str, float]]:
    """Times and ratios of all contenders at one batch size."""
    names = [FLOOR, LEAKY, *MEMRISTIVE]
    runs = {name: one_pass(network(name), batch) for name in names}
    for run in runs.values():
        run()
    rounds = [{name: cpu_seconds(run) for name, run in runs.items()} for _ in range(ROUNDS)]
    neuron_steps = STEPS * batch * sum(SIZES[1:])

    def ratio(name: str, reference: str) -> float:
        return statistics.median(times[name] / times[reference] for times in rounds)

    def neurons_alone(name: str, reference: str) -> float:
        return statistics.median(
            (times[name] - times[FLOOR]) / (times[reference] - times[FLOOR]) for times in rounds
        )

    return {
        name: {
            "cpu_ms": 1e3 * statistics.median(times[name] for times in rounds),
            "over_products": ratio(name, FLOOR),
            "over_leaky": ratio(name, LEAKY),
            "neurons_over_explicit_euler": neurons_alone(name, EULER),
            "neurons_over_rosenbrock2": neurons_alone(name, UNGUARDED),
            "million_neuron_steps_per_cpu_second": neuron_steps
            / statistics.median(times[name] for times in rounds)
            / 1e6,
        }
        for name in names
    }


def peak_mebibytes(name: str, batch: int) -> float:
    """Memory that one warm pass needs, in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (name, batch))


def _peak(name: str, batch: int) -> float:
    torch.set_num_threads(1)
    contender = network(name)
    run = one_pass(contender, batch)
    run()
    contender.zero_grad()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _kibibytes("VmRSS")
    run()
    return (_kibibytes("VmHWM") - before) / 1024


def _kibibytes(entry: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(entry + ":"))


def main() -> None:
    """Measure, print a table and save the result."""
    torch.set_num_threads(1)
    result: dict[str, dict[str, dict[str, float]]] = {}
    for batch in BATCHES:
        rows = measure_times(batch)
        print(
            f"\nbatch {batch:20} {'ms':>8} {'/ products':>11} {'/ Leaky':>8} {'neurons / Euler':>16} "
            f"{'/ rosenbrock2':>14} {'MiB':>7}"
        )
        for name, row in rows.items():
            row["peak_mebibytes"] = peak_mebibytes(name, batch)
            print(
                f"{name:26} {row['cpu_ms']:8.1f} {row['over_products']:11.2f} {row['over_leaky']:8.2f} "
                f"{row['neurons_over_explicit_euler']:16.2f} {row['neurons_over_rosenbrock2']:14.2f} "
                f"{row['peak_mebibytes']:7.1f}"
            )
        result[f"batch {batch}"] = rows
    shape = {"sizes": SIZES, "steps": STEPS, "rounds": ROUNDS}
    save_result("bptt", "python benchmarks/bptt.py", {"shape": shape, "forward_and_backward": result})


if __name__ == "__main__":
    main()
