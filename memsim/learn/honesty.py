"""What the steps of a training run cost: the same examples at half the step, waveforms and gradients.

The estimate is that of `memsim.surrogate.estimate`. Waveforms are compared in units of the largest spike of their
layer, gradients of the loss by all weights as a whole: how far the two are apart, and the cosine between them.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from memsim.errors import ConvergenceError
from memsim.files import write_text
from memsim.learn.alive import at_rest
from memsim.learn.data import Split
from memsim.learn.losses import loss_of
from memsim.networks import Clock, MemristiveNetwork
from memsim.surrogate import step_error
from memsim.surrogate.steppers import stepper_named

ERROR_OF_STEPS = "step_error.json"
EXAMPLES = 32
WANTED = 0.01
"""Error for which a step is named."""
LARGE_GRADIENT_ERROR, LOW_COSINE = 0.3, 0.9
"""An estimate of a gradient's error is right to a factor, so that only large ones are worth a warning."""
SHORTEST_SHARE = 1e-4
"""Of the window, the shortest step that is tried."""
LARGE_ERROR = 0.05
"""Error of a waveform from which on a warning is due."""


@dataclass(frozen=True)
class TrainingError:
    """Estimated error of the steps of a network on some examples.

    Attributes:
        step: of the network [s].
        images: examples looked at.
        error: largest of any membrane potential, in units of the largest spike of its layer.
        step_for_one_percent: step [s] at which it would be 1 %.
        gradient_error: of the gradient of the loss by all weights, over its norm.
        gradient_cosine: between that gradient and the one at half the step.
        silent: layers whose potentials stay at rest, whose error is not one of steps.
    """

    step: float
    images: int
    error: float
    step_for_one_percent: float
    gradient_error: float
    gradient_cosine: float
    silent: tuple[str, ...] = ()

    @property
    def warning(self) -> str | None:
        """What is wrong, and what to do; None where nothing is."""
        if self.silent:
            return (
                f"potentials of {', '.join(self.silent)} stay at rest, so that nothing can be said of their steps; "
                "look at what leads there: the drive, mirror_ratio, delays"
            )
        if self.error > LARGE_ERROR:
            return (
                f"potentials are off by up to {self.error:.1%} of a spike at steps of {self.step:g} s; "
                f"use --step {self.step_for_one_percent:.2g} for 1 %, or --step auto"
            )
        if not self.gradient_error <= LARGE_GRADIENT_ERROR or not self.gradient_cosine >= LOW_COSINE:
            return (
                f"gradients change by {self.gradient_error:.0%} at half the step (cosine {self.gradient_cosine:.2f}); "
                f"shorten the step of {self.step:g} s"
            )
        return None


def error_of_steps(network: MemristiveNetwork, split: Split, images: int = EXAMPLES) -> TrainingError:
    """Estimate what the steps of a network cost on the first examples of a split.

    Args:
        network: the network.
        split: examples.
        images: how many of them to look at.
    """
    inputs, labels = split.batch(slice(images))
    device = next(network.parameters()).device
    inputs, labels = inputs.to(device), labels.to(device)
    step = network.clock.step
    coarse, slope = _run(network, inputs, labels, step, refined=False)
    fine, finer_slope = _run(network, inputs, labels, step / 2, refined=True)
    silent = tuple(at_rest(network, list(fine.values())))
    for name in silent:
        coarse[name] = fine[name][::2]
    found = step_error(coarse, fine, step=step, order=stepper_named(network.study.stepper).order)
    norms = float(slope.norm() * finer_slope.norm())
    return TrainingError(
        step=step,
        images=len(inputs),
        error=found.relative,
        step_for_one_percent=found.step_for(WANTED),
        gradient_error=float((slope - finer_slope).norm() / finer_slope.norm()) if norms else 0.0,
        gradient_cosine=float(slope @ finer_slope) / norms if norms else 1.0,
        silent=silent,
    )


def _run(
    network: MemristiveNetwork, inputs: Tensor, labels: Tensor, step: float, *, refined: bool
) -> tuple[dict[str, Tensor], Tensor]:
    """Membrane potentials by layer, and the gradient of the loss by all weights as one vector."""
    events = torch.Generator(inputs.device).manual_seed(0)
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    with torch.enable_grad():
        waves = network.waveforms(inputs, step=step, generator=events, refined=refined)
        gradients = torch.autograd.grad(loss_of(network.readout(waves[-1]), labels), weights)
    flat = torch.cat([gradient.reshape(-1).double() for gradient in gradients])
    return {layer.name: wave.detach() for layer, wave in zip(network.chain, waves, strict=True)}, flat


def shorten_steps(network: MemristiveNetwork, split: Split, error: float) -> bool:
    """Halve the steps of a network until their estimated error is no larger than that; whether that was needed.

    Raises:
        ConvergenceError: the error stays larger down to 1/10000 of the window.
    """
    before = network.clock.step
    while (found := error_of_steps(network, split).error) > error:
        step = network.clock.step / 2
        if step < SHORTEST_SHARE * network.clock.window:
            raise ConvergenceError(
                f"membrane potentials are off by {found:.1%} of a spike at steps of {2 * step:g} s",
                remedy=f"allow a step_error above {error:g}, or look at how the potentials run.",
            )
        network.clock = Clock(network.clock.window, step)
    return network.clock.step < before


def save_error(found: TrainingError, folder: Path) -> Path:
    """Write an estimate as JSON and return its path."""
    path = folder / ERROR_OF_STEPS
    finite = {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(found).items()
    }
    write_text(path, json.dumps(finite, indent=2) + "\n")
    return path
