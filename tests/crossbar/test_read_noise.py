"""Read noise drawn in output space, against published figures and draws per cell."""

from __future__ import annotations

import math
from time import process_time

import pytest
import torch

from memsim.crossbar import Crossbar, Hardware, Wires, column_currents, operating_point, presets
from memsim.crossbar.nonidealities import ReadNoise
from memsim.errors import InputError

G_MIN, G_MAX = 1e-6, 40e-6
DAY = 86400.0


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(conductance: float, count: int) -> torch.Tensor:
    return torch.full((count,), conductance, dtype=torch.float64)


@pytest.mark.parametrize(("time", "relative"), [(1.0, 0.053), (DAY, 0.070)])
def test_pcm_read_noise_is_the_published_one(time, relative):
    """5.3 % at 1 s and 7.0 % after a day at g = 0.5, two digits."""
    noise = presets.pcm_read_noise(time)
    assert noise.relative(same(12.5e-6, 1)).item() == pytest.approx(relative, abs=5e-4)
    # q is limited to 0.2, times the growth since programming
    assert noise.relative(same(0.0, 1)).item() == pytest.approx(noise.relative.high, rel=1e-12)


@pytest.mark.parametrize("noise", [ReadNoise(0.05), presets.pcm_read_noise(1.0)], ids=["number", "law"])
def test_read_noise_in_output_space_has_the_variance_of_draws_per_cell(noise):
    """Both estimates of the standard deviation carry 1 / sqrt(2 n): five of them, with their two in quadrature."""
    draws = 20_000
    g = G_MIN + (25e-6 - G_MIN) * torch.rand(12, 3, generator=generator(1), dtype=torch.float64)
    v = torch.randn(12, generator=generator(2), dtype=torch.float64)
    outputs = noise(v.expand(draws, 12), g, generator(3))
    relative = noise.relative if isinstance(noise.relative, float) else noise.relative(g)
    per_cell = torch.randn(draws, 12, 3, generator=generator(4), dtype=torch.float64)
    expected = torch.einsum("i,nij->nj", v, g * (1 + relative * per_cell))
    ratio = outputs.std(dim=0) / expected.std(dim=0)
    assert torch.allclose(ratio, torch.ones_like(ratio), atol=math.sqrt(2) * 5 / math.sqrt(2 * draws))
    standard_error = outputs.std(dim=0) / math.sqrt(draws)
    assert bool(((outputs.mean(dim=0) - v @ g).abs() < 5 * standard_error).all())
    # columns are independent, as their cells are
    assert torch.corrcoef(outputs.T).sub(torch.eye(3)).abs().max() < 5 / math.sqrt(draws)


def test_read_noise_scales_with_voltage_and_vanishes_without():
    g = same(10e-6, 6).reshape(3, 2)
    v = torch.tensor([[0.1, 0.2, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    noise = ReadNoise(0.1)
    current = noise(v, g, generator())
    assert torch.allclose(noise(7 * v, g, generator()), 7 * current, rtol=1e-14, atol=0)
    assert torch.equal(current[1], torch.zeros(2, dtype=torch.float64))
    current.sum().backward()
    assert bool(v.grad.isfinite().all())


def test_read_noise_is_differentiable():
    """Against finite differences with the draw held."""
    g = G_MIN + G_MAX * torch.rand(4, 3, generator=generator(1), dtype=torch.float64)
    v = torch.rand(2, 4, generator=generator(2), dtype=torch.float64)
    noise = presets.pcm_read_noise(1.0)

    def scaled(v, g):
        return 1e6 * noise(v, 1e-6 * g, generator())

    assert torch.autograd.gradcheck(scaled, (v.requires_grad_(), (1e6 * g).requires_grad_()))


def test_voltages_that_do_not_fit():
    with pytest.raises(InputError, match=r"\[5\] does not fit cells of shape \[4, 3\]"):
        ReadNoise(0.1)(torch.ones(5), torch.ones(4, 3), generator())


WIRES = Wires(100.0, 150.0, driver=300.0, sense=200.0)  # take half of the voltage of 6 x 4 cells of 40 uS


def layer(signs: str, wires: Wires | None) -> Crossbar:
    weight = 2 * torch.rand(6, 2, generator=generator(5), dtype=torch.float64) - 1
    return Crossbar.from_weights(
        weight,
        g_min=G_MIN,
        g_max=G_MAX,
        generator=generator(6),
        hardware=Hardware(signs=signs, wires=wires, read_noise=ReadNoise(0.02)),
    )


def noisy_cells(made: Crossbar, draws: int) -> torch.Tensor:
    """The cells of an array as many reads see them: its lines side by side, then the reference."""
    cells = torch.stack(made.conductances(), -1).flatten(-2).detach()
    if made.mapping.references:
        cells = torch.cat([cells, torch.full_like(cells[:, :1], (G_MIN + G_MAX) / 2)], -1)
    return cells * (1 + 0.02 * torch.randn(draws, *cells.shape, generator=generator(7), dtype=torch.float64))


@pytest.mark.parametrize("wires", [None, WIRES], ids=["ideal", "wires"])
@pytest.mark.parametrize("signs", ["pairs", "reference"])
@pytest.mark.parametrize("direction", ["forward", "membrane", "transposed"])
def test_noise_of_a_layer_is_that_of_solving_it_with_draws_per_cell(signs, wires, direction):
    """Both deviations carry 1 / sqrt(2 n), five of them; the second order in noise of 2 % and wires is below 1e-3."""
    draws, made = 20_000, layer(signs, wires)
    cells = noisy_cells(made, draws)
    v = torch.randn(6, generator=generator(8), dtype=torch.float64)
    b = torch.randn(2, generator=generator(9), dtype=torch.float64)
    resistances = wires or Wires()
    with torch.no_grad():
        if direction == "transposed":
            found = made.transposed(b.expand(draws, 2))
            lines = made.mapping.spread(b)
            point = operating_point(cells, torch.zeros_like(v), resistances, bit_line_voltage=lines)
            expected = -point.row_current
        else:
            held = b if direction == "membrane" else torch.zeros_like(b)
            found = made(v.expand(draws, 6), held if direction == "membrane" else None)
            lines = column_currents(cells, v, resistances, bit_line_voltage=made.mapping.hold(held))
            expected = made.mapping.combine(lines)
    ratio = found.std(dim=0) / expected.std(dim=0)
    assert torch.allclose(ratio, torch.ones_like(ratio), atol=math.sqrt(2) * 5 / math.sqrt(2 * draws) + 1e-3)
    error = (found.mean(dim=0) - expected.mean(dim=0)).abs() / (found.std(dim=0) / math.sqrt(draws))
    assert float(error.max()) < 5 * math.sqrt(2) + 1e-3 * math.sqrt(draws)


def test_noise_of_a_layer_is_new_at_each_read():
    made, v = layer("pairs", None), torch.ones(3, 6, dtype=torch.float64)
    one, two = made(v), made(v)
    assert not torch.equal(one, two)
    assert not torch.equal(one[0], one[1])
    assert torch.equal(one, layer("pairs", None)(v))


@pytest.mark.bench
@pytest.mark.parametrize("signs", ["pairs", "reference"])
def test_noisy_layer_makes_50_000_products_a_second(signs):
    """256 x 256 weights, 256 vectors at a time, on one thread; best of some, for machines that stall."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = Crossbar(
        256,
        256,
        g_min=10e-6,
        g_max=40e-6,
        generator=generator(),
        hardware=Hardware(signs=signs, read_noise=ReadNoise(0.01)),
    )
    v = torch.rand(256, 256, generator=generator())
    best = math.inf
    with torch.no_grad():
        for _ in range(20):
            start = process_time()
            made(v)
            best = min(best, process_time() - start)
    torch.set_num_threads(threads)
    print(f"noisy 256 x 256 layer, {signs}: {256 / best:,.0f} products per CPU-second")  # noqa: T201
    assert 256 / best >= 50_000
