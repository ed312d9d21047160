"""The gradient that training follows is the derivative of the circuit equations, with no surrogate in it."""

import math
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import cross_entropy

from memsim.learn import MemristiveNetwork, build, make_study

# Central differences: a third derivative of about 1 times eps^2 / 6 is 2e-11, a rounding of the loss (1e-16 of
# 2.3, over 700 operations) divided by eps is 1e-10; 1e-5 of a slope of 1e-2 is a hundred times either.
EPS = 1e-5
RELATIVE = 1e-5
DIRECTIONS = 6


@pytest.fixture(scope="module")
def problem() -> tuple[MemristiveNetwork, torch.Tensor, torch.Tensor]:
    """Two layers of crossbars and neurons in float64 with eight images."""
    network, data = build(make_study(hidden=(6,), step=500e-6, seed=3))
    images, labels = data.train.batch(slice(8))
    return network.double(), images.double(), labels


def central_difference(loss, parameter: torch.Tensor, direction: torch.Tensor) -> float:
    start, values = parameter.detach().clone(), []
    with torch.no_grad():
        for sign in (1, -1):
            parameter.copy_(start + sign * EPS * direction)
            values.append(float(loss()))
        parameter.copy_(start)
    return (values[0] - values[1]) / (2 * EPS)


@pytest.mark.parametrize("layer", [0, 1])
def test_gradient_of_the_loss_is_its_slope_in_random_directions(layer: int, problem):
    network, images, labels = problem
    parameter = network.crossbars[layer].weight

    def loss() -> torch.Tensor:
        return cross_entropy(network(images), labels)

    (gradient,) = torch.autograd.grad(loss(), parameter)
    generator = torch.Generator().manual_seed(layer)
    for _ in range(DIRECTIONS):
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        slope = float((gradient * direction).sum())
        assert abs(slope) > 1e-3  # a direction along which nothing changes would test nothing
        assert central_difference(loss, parameter, direction) == pytest.approx(slope, rel=RELATIVE)


def test_gradient_reaches_the_pixels_through_every_neuron(problem):
    network, images, labels = problem
    pixels = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(network(pixels), labels), pixels)
    direction = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    slope = float((gradient * direction).sum())
    difference = central_difference(lambda: cross_entropy(network(pixels), labels), pixels, direction)
    assert difference == pytest.approx(slope, rel=RELATIVE)


def test_waveforms_converge_at_second_order_through_both_layers(problem):
    network, images, _ = problem
    with torch.no_grad():
        waves = [network.waveforms(images, step=step)[-1] for step in (50e-6, 25e-6, 12.5e-6)]
    coarse, fine = (float((one - other[::2]).square().mean().sqrt()) for one, other in pairwise(waves))
    # within 0.15 of the order, as for every integrator; the pulses start on the grid, so no kink lies inside a step
    assert math.log2(coarse / fine) == pytest.approx(2, abs=0.15)
