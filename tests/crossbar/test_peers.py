"""Against badcrossbar: the same currents in a fraction of its time; what a gradient costs. Needs the `bench` extra."""

from __future__ import annotations

import statistics
import time

import numpy as np
import pytest
import torch

from memsim.crossbar import Wires, column_currents

pytestmark = pytest.mark.bench
ROUNDS = 5


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def arrays(rows, columns, vectors=1):
    draw = np.random.default_rng(rows)
    return draw.uniform(1e-6, 1e-4, (rows, columns)), draw.uniform(0, 0.2, (vectors, rows))


def with_memsim(g, v, ohm, method="auto"):
    return column_currents(torch.from_numpy(g), torch.from_numpy(v), Wires(ohm, ohm), method=method).numpy()


def with_badcrossbar(g, v, ohm):
    import badcrossbar

    return np.asarray(badcrossbar.compute(v.T, 1 / g, ohm).currents.output)


def median_ratio(slow, fast, *, repeat=1):
    """CPU time of one over that of the other, median over rounds of both in turn."""
    ratios = []
    slow(), fast()
    for _ in range(ROUNDS):
        start = time.process_time()
        slow()
        middle = time.process_time()
        for _ in range(repeat):
            fast()
        ratios.append((middle - start) * repeat / (time.process_time() - middle))
    return statistics.median(ratios)


@pytest.mark.parametrize("method", ["iterative", "lines", "direct"])
@pytest.mark.parametrize("shape", [(24, 24), (48, 10), (10, 48)])
@pytest.mark.parametrize("ohm", [0.1, 1.0, 10.0, 100.0])
def test_currents_are_those_of_badcrossbar(shape, ohm, method):
    g, v = arrays(*shape, vectors=3)
    np.testing.assert_allclose(
        with_memsim(g, v, ohm, method), with_badcrossbar(g, v, ohm), rtol=1e-8
    )  # promised


def test_one_vector_takes_a_twentieth_of_the_time_of_badcrossbar():
    g, v = arrays(256, 256)
    ratio = median_ratio(lambda: with_badcrossbar(g, v, 1.0), lambda: with_memsim(g, v, 1.0), repeat=5)
    assert ratio > 20


def test_lines_take_less_time_where_wires_weigh():
    g, v = arrays(512, 512)
    ratio = median_ratio(
        lambda: with_memsim(g, v, 10.0, "iterative"), lambda: with_memsim(g, v, 10.0, "lines")
    )
    assert ratio > 1.3


def test_many_vectors_take_less_time_than_with_badcrossbar():
    g, v = arrays(128, 128, vectors=256)
    assert median_ratio(lambda: with_badcrossbar(g, v, 1.0), lambda: with_memsim(g, v, 1.0)) > 2


@pytest.mark.parametrize(("size", "vectors"), [(32, 1), (128, 1), (64, 8), (64, 256), (128, 256)])
def test_a_gradient_costs_at_most_one_and_a_half_forward_passes_more(size, vectors):
    g, v = (torch.from_numpy(part).requires_grad_() for part in arrays(size, size, vectors))
    wires = Wires(1.0, 1.0)

    def forward():
        return column_currents(g, v, wires)

    assert median_ratio(lambda: forward().square().sum().backward(), forward) < 2.5
