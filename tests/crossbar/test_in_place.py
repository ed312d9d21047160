"""Pairs that are written in place, against the device model under the same pulses."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from memsim.crossbar import Cells, Pulse
from memsim.crossbar.in_place import REMAINDERS, ByCounts, ByVerifying, Pairs
from memsim.devices import load_device
from memsim.errors import ConvergenceError, InputError

PAIRS = Pairs(Cells(load_device("pd-wo3-w")))
SET, RESET = Pulse(1.0, 10e-6), Pulse(-1.2, 10e-6)
PULSES: dict[str, Any] = {
    "set_voltage": SET.voltage,
    "set_width": SET.width,
    "reset_voltage": RESET.voltage,
    "reset_width": RESET.width,
}


def source() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def weights(*shape: int) -> torch.Tensor:
    return 1.6 * torch.rand(*shape, generator=source(), dtype=torch.float64) - 0.8


def test_weights_are_what_states_hold() -> None:
    w = weights(5, 7)
    state = PAIRS.states(w)
    assert torch.allclose(PAIRS.weights(state), w, atol=1e-12)  # rounding of float64
    # both cells around the middle
    mean = PAIRS.cells.conductance(state, 0.1).mean(0)
    assert torch.allclose(mean, torch.full_like(mean, sum(PAIRS.range) / 2))


def test_changes_are_the_device_model_under_as_many_pulses() -> None:
    """The sum over many updates, to 1 % of how far the pairs went."""
    w, writer = weights(6, 6), ByCounts(**PULSES, remainder="nearest")
    step, state = writer.step(PAIRS), PAIRS.states(w)
    by_model, start = state.clone(), PAIRS.weights(state)
    draw = source()
    for _ in range(10):
        counts = torch.randint(-3, 6, w.shape, generator=draw)
        found = writer.write(PAIRS, state, counts * step, None)
        state = found.written.state
        assert torch.equal(found.written.pulses, counts.abs().expand(2, -1, -1))
        both = torch.stack([counts, -counts])
        for pulse, many in ((SET, both.clamp(min=0)), (RESET, (-both).clamp(min=0))):
            for number in range(int(many.max())):
                moved, _ = PAIRS.cells.pulse(
                    by_model, torch.full_like(state, pulse.voltage), torch.full_like(state, pulse.width)
                )
                by_model = torch.where(many > number, moved, by_model)
    way = (PAIRS.weights(by_model) - start).abs().max()
    assert float((PAIRS.weights(state) - PAIRS.weights(by_model)).abs().max()) < 0.01 * float(way)


def test_a_pulse_moves_a_pair_alike_both_ways_and_less_near_the_ends() -> None:
    writer = ByCounts(**PULSES)
    step = writer.step(PAIRS)

    def moved(w: float, way: int) -> float:
        state = PAIRS.states(torch.tensor([w], dtype=torch.float64))
        found = writer.write(PAIRS, state, torch.tensor([way * step], dtype=torch.float64), None)
        return float(PAIRS.weights(found.written.state)) - w

    # thresholds of set and reset pulses differ by less than a part in a thousand of a step at these voltages
    assert moved(0.0, -1) == pytest.approx(-moved(0.0, 1), rel=1e-3)
    assert moved(0.0, 1) == pytest.approx(step, rel=1e-3)
    assert 0 < moved(0.8, 1) < moved(0.0, 1) < -moved(0.8, -1)


def test_what_is_left_is_lost_drawn_or_kept() -> None:
    x = torch.full((20_000,), -1.3)
    assert [set(REMAINDERS[name](x, source())[0].tolist()) for name in REMAINDERS] == [{-1}, {-2, -1}, {-1}]
    counts, left = REMAINDERS["drawn"](x, source())
    # five standard errors of a share of 0.3
    assert float(counts.mean()) == pytest.approx(-1.3, abs=5 * (0.3 * 0.7 / len(x)) ** 0.5)
    assert not left.any()
    assert REMAINDERS["kept"](x, source())[1].tolist() == pytest.approx([-0.3] * len(x), abs=1e-6)


def test_small_changes_add_up_where_the_rest_is_kept() -> None:
    writer, w = ByCounts(**PULSES), torch.zeros(1, dtype=torch.float64)
    step, state, left = writer.step(PAIRS), PAIRS.states(w), torch.zeros(1, dtype=torch.float64)
    pulses = 0
    for _ in range(10):
        found = writer.write(PAIRS, state, 0.35 * step + left, None)
        state, left, pulses = found.written.state, found.left, pulses + int(found.written.pulses[0])
    assert pulses == 3
    assert float(left) == pytest.approx(0.5 * step)


def test_verified_cells_hold_what_is_wanted() -> None:
    w = weights(8, 8)
    writer, state = ByVerifying(**PULSES, tolerance=0.01), PAIRS.states(w)
    wanted = 0.3 * weights(8, 8).flip(0)
    found = writer.write(PAIRS, state, wanted, None)
    # each of two cells is within its tolerance
    assert float((PAIRS.weights(found.written.state) - w - wanted).abs().max()) <= 0.02
    assert torch.allclose(found.left, w + wanted - PAIRS.weights(found.written.state))


def test_more_pulses_than_are_counted_are_refused() -> None:
    writer, state = ByCounts(**PULSES), PAIRS.states(torch.zeros(2))
    with pytest.raises(ConvergenceError, match=r"asks for .* pulses of one cell, and 1024 are the most"):
        writer.write(PAIRS, state, torch.tensor([0.0, 1e3]), None)


def test_an_unknown_remainder_is_refused() -> None:
    with pytest.raises(InputError, match="remainder = 'spent' is unknown; allowed: nearest, drawn, kept"):
        ByCounts(**PULSES, remainder="spent")
