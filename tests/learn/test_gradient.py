"""The gradient that training follows is the derivative of the circuit equations, with no surrogate in it."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from memsim.learn import build, make_study
from memsim.networks import MemristiveNetwork, realised
from memsim.networks.tables import NonidealityTable

# The difference of two losses of about 2.3, each rounded at 1e-15 over a thousand operations, divided by 2 eps, is off
# by 1e-10, and the next term of its expansion is eps^2 = 1e-10 times a third derivative. 1e-5 of slopes of 1e-2, the
# smallest here, is a thousand times either.
EPS = 1e-5
RELATIVE = 1e-5
SMALLEST_SLOPE = 1e-2
IMAGES = 4
DIRECTIONS = 20

BASE = {"hidden": (6,), "step": 500e-6, "stepper": "strang", "seed": 3}
# A threshold switch turns on within microseconds, and what comes before decides when: such steps are resolved, with
# currents at which most neurons fire. Third derivatives are a million times those above, so eps is smaller.
SWITCH = {
    "neuron": "threshold-switching-b",
    "window": 0.3e-3,
    "step": 0.1e-6,
    "drive": {"pulse": "held", "slots": 1},
    "synapses": {"mirror_ratio": 2.0},
}
SWITCH_EPS = 1e-7
CASES = {
    "integrate and fire": {},
    "rosenbrock2": {"stepper": "rosenbrock2", "step": 100e-6, "window": 5e-3},
    "maximum": {"readout": {"kind": "maximum"}},
    "spike count": {"readout": {"kind": "spike-count"}},
    "first spike": {"readout": {"kind": "first-spike"}},
    "exponential pulses": {"drive": {"pulse": "exponential"}},
    "direct current": {"drive": {"pulse": "held", "slots": 1}},
    "rate": {"drive": {"encoding": "rate", "slots": 5}},
    "latency": {"drive": {"encoding": "latency", "slots": 5}},
    "convolution": {"hidden": ({"channels": 2, "kernel": 3, "stride": 2, "padding": 1}, 5)},
    "two hidden layers": {"hidden": (6, 5)},
    "neurons of their own": {
        "parameters": {"cmem": {"spread": 0.3}, "xm1.v_on": {}, "v1": {}, "xm2.r_off": {"spread": 0.1}}
    },
    "wires": {"synapses": {"wire_resistance": 20.0}},
}
READOUTS = ("mean", "maximum", "spike-count", "first-spike")
NONIDEAL = NonidealityTable(variation=0.2, stuck_rate=0.05, read_noise=0.05)


class Problem:
    """A network in float64 and the loss of a few images, the same at each call."""

    def __init__(self, **entries: object) -> None:
        self.network, data = build(make_study(**{**BASE, **entries}))
        self.network.double()
        images, self.labels = data.train.batch(slice(IMAGES))
        self.images = images.double()

    def loss(self) -> Tensor:
        events = torch.Generator().manual_seed(4)
        return cross_entropy(self.network(self.images, generator=events), self.labels)


def worst_difference(network: MemristiveNetwork, loss: Callable[[], Tensor], eps: float = EPS) -> float:
    """Largest difference of slope and central difference along random directions, over the mean slope.

    The mean is that of squares: what a slope differs by does not get smaller where it happens to be near zero.
    """
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(loss(), parameters)
    start = [p.detach().clone() for p in parameters]
    generator = torch.Generator().manual_seed(0)
    slopes, differences = [], []
    for _ in range(DIRECTIONS):
        direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
        slopes.append(float(sum((g * d).sum() for g, d in zip(gradients, direction, strict=True))))
        values = []
        with torch.no_grad():
            for sign in (1, -1):
                for p, s, d in zip(parameters, start, direction, strict=True):
                    p.copy_(s + sign * eps * d)
                values.append(float(loss()))
            for p, s in zip(parameters, start, strict=True):
                p.copy_(s)
        differences.append((values[0] - values[1]) / (2 * eps))
    mean = math.sqrt(sum(slope**2 for slope in slopes) / DIRECTIONS)
    assert mean > SMALLEST_SLOPE  # directions along which nothing changes would test nothing
    return max(abs(a - b) for a, b in zip(differences, slopes, strict=True)) / mean


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_gradient_of_the_loss_is_its_slope_in_random_directions(case: dict):
    problem = Problem(**case)
    assert all(p.requires_grad for p in problem.network.parameters())
    assert worst_difference(problem.network, problem.loss) < RELATIVE


@pytest.mark.parametrize("kind", READOUTS)
def test_gradient_through_neurons_that_fire_by_themselves(kind: str):
    problem = Problem(**SWITCH, readout={"kind": kind})
    with torch.no_grad():
        hidden = problem.network.waveforms(problem.images)[0]
    assert float(hidden.max()) > 0.1  # the switches reach their threshold of 110 mV, and turn on
    assert worst_difference(problem.network, problem.loss, SWITCH_EPS) < RELATIVE


def test_gradient_through_cells_that_vary_stick_and_are_noisy():
    problem = Problem()

    def loss() -> Tensor:
        with realised(problem.network, NONIDEAL, torch.Generator().manual_seed(1)):
            return problem.loss()

    noisy, again, ideal = (f().item() for f in (loss, loss, problem.loss))
    assert noisy == again  # each call draws the same cells and the same noise
    assert noisy != pytest.approx(ideal, rel=1e-3)
    assert worst_difference(problem.network, loss) < RELATIVE


def test_gradient_reaches_the_pixels_through_every_neuron():
    problem = Problem()
    pixels = problem.images.requires_grad_()
    (gradient,) = torch.autograd.grad(problem.loss(), pixels)
    direction = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    slope = float((gradient * direction).sum())
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            moved = pixels + sign * EPS * direction
            values.append(float(cross_entropy(problem.network(moved), problem.labels)))
    assert abs(slope) > SMALLEST_SLOPE
    assert (values[0] - values[1]) / (2 * EPS) == pytest.approx(slope, rel=RELATIVE)


def test_waveforms_converge_at_second_order_through_both_layers():
    problem = Problem(stepper="rosenbrock2")
    with torch.no_grad():
        waves = [problem.network.waveforms(problem.images, step=step)[-1] for step in (50e-6, 25e-6, 12.5e-6)]
    coarse, fine = (float((one - other[::2]).square().mean().sqrt()) for one, other in pairwise(waves))
    # within 0.15 of the order, as for every integrator; the pulses start on the grid, so no kink lies inside a step
    assert math.log2(coarse / fine) == pytest.approx(2, abs=0.15)
