"""What training on arrays costs beside torch: CPU time, memory, and programming of arrays with wires.

    python benchmarks/imc_speed.py

One thread. Ratios are CPU times of forward and backward, the least of some repetitions, mapped layer and layer of
torch in turn within one run; memory is the peak of a process of its own above what it had before the step. Decisions
have the `impulse` gradient; `real` has offset, noise and varied cells on top. An epoch is as many steps as its samples
fill, at the time of one that was measured. Writes benchmarks/results/imc_speed.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from common import save_result
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from memsim.imc import load_hardware, map_to_imc, mapped_layers

ROUNDS, WIDTH, ACTIVE = 5, 4.0, 0.3
NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
REAL = {"converter.offset": 0.5, "converter.noise": 0.25, "cell.variation": 0.1}
CARDS = {
    "1-bit weights": ("adcless-64", {"weights.bits": 1}),
    "4-bit weights, differential": ("adcless-differential-64", {}),
    "4-bit weights, differential, real": ("adcless-differential-64", REAL),
    "4-bit weights, ternary": ("adcless-ternary-64", {}),
}
LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv 32-32 3x3, 64x64, 20 steps, 1 sample": (lambda: nn.Conv2d(32, 32, 3, padding=1), (20, 32, 64, 64)),
    "conv 48-64 3x3 s2, 7x7, T = 4, batch 64": (
        lambda: nn.Conv2d(48, 64, 3, stride=2, padding=1),
        (256, 48, 7, 7),
    ),
    "dense 512-10, T = 4, batch 64": (lambda: nn.Linear(512, 10), (256, 512)),
}
STEPS_ALONE = 2
STEPS, BATCH, SAMPLES = 20, 16, 1176
GESTURE = (2, *[32] * 10)
POOLED = (3, 5, 7, 9)
"""Convolutions of the gesture network behind which images are halved, counted from 1."""


def spikes(shape: tuple[int, ...]) -> Tensor:
    """Some zeros, some ones."""
    return (torch.rand(shape) < ACTIVE).float()


def on_arrays(model: nn.Module, card: str) -> nn.Module:
    """Mapped and in training, without wires."""
    name, changes = CARDS[card]
    hardware = load_hardware(name, {**NO_WIRES, **changes})
    mapped = map_to_imc(model, hardware, generator=torch.Generator().manual_seed(0)).train()
    for layer in mapped_layers(mapped).values():
        layer.trains_with("impulse", WIDTH)
    return mapped


def trained(model: nn.Module, x: Tensor) -> None:
    """Forward and backward."""
    y = model(x)
    y.backward(torch.ones_like(y))


def cpu_seconds(run: Callable[[], object]) -> float:
    """Of one call."""
    began = time.process_time()
    run()
    return time.process_time() - began


def ratios() -> dict[str, Any]:
    """CPU times of each layer, ms, and what a mapped one takes over that of torch."""
    found: dict[str, Any] = {}
    for name, (make, shape) in LAYERS.items():
        torch.manual_seed(0)
        layer, x = make(), spikes(shape).requires_grad_()
        models = {"torch": layer} | {card: on_arrays(layer, card) for card in CARDS}
        runs = {kind: partial(trained, model, x) for kind, model in models.items()}
        times = [{kind: cpu_seconds(run) for kind, run in runs.items()} for _ in range(ROUNDS)]
        best = {kind: min(row[kind] for row in times) for kind in runs}
        found[name] = {
            kind: {"cpu_ms": 1e3 * seconds, "over_torch": seconds / best["torch"]}
            for kind, seconds in best.items()
        }
        for kind, row in found[name].items():
            print(f"{name:45s} {kind:35s} {row['cpu_ms']:8.1f} ms   x {row['over_torch']:.2f}", flush=True)
    return found


class Leaky(torch.autograd.Function):
    """Spikes [steps, ...] of neurons that keep half of their voltage, with a slope of 1 near their threshold."""

    @staticmethod
    def forward(ctx: Any, currents: Tensor) -> Tensor:
        spikes, near = torch.empty_like(currents), torch.empty_like(currents, dtype=torch.bool)
        voltage, distance = torch.zeros_like(currents[0]), torch.empty_like(currents[0])
        for current, spike, close in zip(currents, spikes, near, strict=True):
            torch.gt(voltage.mul_(0.5).add_(current), 1, out=spike)
            torch.lt(torch.sub(voltage, 1, out=distance).abs_(), 1, out=close)
            voltage.addcmul_(voltage, spike, value=-1)
        ctx.save_for_backward(spikes, near)
        return spikes

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        spikes, near = ctx.saved_tensors
        of_currents, carried = torch.empty_like(gradient), torch.zeros_like(gradient[0])
        for number in reversed(range(len(gradient))):
            carried.addcmul_(carried, spikes[number], value=-1)
            torch.mul(gradient[number], near[number], out=of_currents[number]).add_(carried)
            torch.mul(of_currents[number], 0.5, out=carried)
        return of_currents


class GestureSized(nn.Module):
    """Ten convolutions of images [steps, batch, 2, 64, 64] with leaky neurons behind each."""

    def __init__(self) -> None:
        super().__init__()
        sides = pairwise(GESTURE)
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in sides)
        self.readout = nn.Linear(GESTURE[-1] * 16, 11)

    def forward(self, events: Tensor) -> Tensor:
        x = events
        for number, convolution in enumerate(self.convolutions, 1):
            currents = convolution(x.flatten(0, 1)).unflatten(0, x.shape[:2])
            x = Leaky.apply(currents)
            if number in POOLED:
                # a spike where any of four neurons fired
                x = (avg_pool2d(x.flatten(0, 1), 2).ceil()).unflatten(0, x.shape[:2])
        return self.readout(x.flatten(2)).mean(0)


def step(what: str, kind: str) -> Callable[[], None]:
    """A training step: of the gesture-sized network, or of a layer."""
    torch.manual_seed(0)
    if what == "gesture":
        model: nn.Module = GestureSized()
        x = spikes((STEPS, BATCH, 2, 64, 64))
    else:
        make, shape = LAYERS[what]
        model, x = make(), spikes(shape).requires_grad_()
    model = model if kind == "torch" else on_arrays(model, kind)
    return lambda: trained(model, x)


def resident(entry: str) -> float:
    """MiB of this process, `VmRSS` now or `VmHWM` at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(entry):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {entry}")


def alone(what: str, kind: str) -> dict[str, float]:
    """CPU seconds and peak memory of one step in a process of its own."""
    command = [sys.executable, __file__, "--step", what, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this file
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(what, kind, found, flush=True)
    return found


def measured_step(what: str, kind: str) -> dict[str, float]:
    """The same, in this process."""
    run = step(what, kind)
    before = resident("VmRSS")
    seconds = min(cpu_seconds(run) for _ in range(STEPS_ALONE))
    return {"cpu_seconds": seconds, "peak_mib": resident("VmHWM") - before}


def programming() -> dict[str, float]:
    """CPU seconds to program 4096 x 1000 weights of 4 bits into 64 x 64 arrays of 0.3 ohm a segment."""
    torch.manual_seed(0)
    layer = map_to_imc(nn.Linear(4096, 1000), load_hardware("adcless-64"))
    layer.train()
    found = {"training": cpu_seconds(layer._hardware)}
    layer.eval()
    found["evaluation"] = cpu_seconds(layer._hardware)
    print("programming", found, flush=True)
    return found


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--step", nargs=2, help="measure one step alone")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.step:
        print(json.dumps(measured_step(*given.step)))
        return
    largest = next(iter(LAYERS))
    kinds = ("torch", "1-bit weights", "4-bit weights, differential")
    batches = -(-SAMPLES // BATCH)
    gesture = {kind: alone("gesture", kind) for kind in kinds}
    for row in gesture.values():
        row["cpu_minutes_per_epoch"] = row["cpu_seconds"] * batches / 60
    save_result(
        "imc_speed",
        "python benchmarks/imc_speed.py",
        {
            "layers": ratios(),
            "peak_mib": {kind: alone(largest, kind)["peak_mib"] for kind in kinds},
            "gesture_sized": {"steps": STEPS, "batch": BATCH, "samples": SAMPLES, **gesture},
            "programming_cpu_seconds": programming(),
        },
    )


if __name__ == "__main__":
    main()
