"""Counted pulses against the device models that they stand for, integrated pulse by pulse."""

from __future__ import annotations

import math
from time import process_time
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from memsim.crossbar import Cells, CountedPulses, Pulse
from memsim.devices import Device, Yakopcic, load_device, numeric
from memsim.errors import InputError

SWITCH = load_device("pd-wo3-w")
WRITE = CountedPulses(Pulse(1.0, 20e-6), Pulse(-1.2, 20e-6))
OTHER = CountedPulses(Pulse(0.5, 1e-5), Pulse(-0.5, 1e-5))
MODELS = [(SWITCH, WRITE), (Yakopcic(), OTHER)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def states(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=generator(), dtype=torch.float64)


def counts(*shape: int, most: int = 12, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, most + 1, shape, generator=generator(seed))


def by_lsoda(device: Device, x: float, pulses: list[Pulse]) -> tuple[float, float]:
    """State and energy after pulses one by one."""
    model, p = numeric(device), list(device.values.values())
    energy = 0.0
    for pulse in pulses:
        v = np.float64(pulse.voltage)

        def slope(_: float, y: Any, v: Any = v) -> list[float]:
            state = [np.clip(y[0], 0.0, 1.0)]
            return [float(model.rates(v, state, p)[0]), float(v * model.current(v, state, p))]

        ends = solve_ivp(slope, (0, pulse.width), [x, 0.0], method="LSODA", rtol=1e-9, atol=[1e-11, 1e-25]).y[
            :, -1
        ]
        x, energy = float(np.clip(ends[0], 0, 1)), energy + float(ends[1])
    return x, energy


@pytest.mark.parametrize(("device", "writing"), MODELS, ids=lambda one: getattr(one, "model", ""))
def test_counts_are_pulses_of_the_device_model(device: Device, writing: CountedPulses) -> None:
    x, up, down = states(6), counts(6), counts(6, seed=2)
    found = writing(Cells(device), x, up, down)
    for number, (start, sets, resets) in enumerate(zip(x.tolist(), up.tolist(), down.tolist(), strict=True)):
        state, energy = by_lsoda(device, start, [writing.set_pulse] * sets + [writing.reset_pulse] * resets)
        # what the table promises: 1e-3 of the range and 1 % of the largest energy, for either kind
        assert found.state[number].item() == pytest.approx(state, abs=2e-3)
        assert found.energy[number].item() == pytest.approx(energy, rel=0.01)
    assert torch.equal(found.pulses, up + down)


def test_cells_without_pulses_stay_bit_for_bit() -> None:
    x, none = states(40, 30).float(), torch.zeros(40, 30, dtype=torch.int64)
    one = none.clone()
    one[3, 4] = 2
    found = WRITE(Cells(SWITCH), x, one, none)
    assert torch.equal(found.state[one == 0], x[one == 0])
    assert found.state[3, 4] > x[3, 4]
    assert not found.energy[one == 0].any()
    assert torch.equal(WRITE(Cells(SWITCH), x, none, none).state, x)


def test_two_calls_are_one_with_all_pulses() -> None:
    x, none = states(50), torch.zeros(50, dtype=torch.int64)
    cells, first, second = Cells(Yakopcic()), counts(50), counts(50, seed=2)
    between = OTHER(cells, x, first, none)
    last = OTHER(cells, between.state, second, none)
    whole = OTHER(cells, x, first + second, none)
    # each look-up is within 1e-3 of the range
    assert torch.allclose(last.state, whole.state, atol=2e-3)
    assert torch.allclose(last.energy + between.energy, whole.energy, rtol=0.02)


def test_cells_of_their_own_parameters_are_integrated() -> None:
    x, up, down = states(3, 4), counts(3, 4), counts(3, 4, seed=2)
    alike = WRITE(Cells(SWITCH), x, up, down)
    own = {"tau": torch.full_like(x, SWITCH.values["tau"])}
    same = WRITE(Cells(SWITCH, own), x, up, down)
    # the table of this smooth model is far within what it promises
    assert torch.allclose(same.state, alike.state, atol=1e-4)
    own["tau"][0] *= 2
    slower = WRITE(Cells(SWITCH, own), x, up, torch.zeros_like(down))
    moved = up[0] > 0
    assert ((slower.state - x)[0][moved] < (WRITE(Cells(SWITCH), x, up, 0 * down).state - x)[0][moved]).all()


def test_variation_is_that_of_independent_steps() -> None:
    number = 40_000
    x, up = torch.full((number,), 0.3), torch.full((number,), 9)
    noisy = CountedPulses(WRITE.set_pulse, WRITE.reset_pulse, variation=0.2)
    step = WRITE(Cells(SWITCH), x, up, 0 * up).state - x
    found = noisy(Cells(SWITCH), x, up, 0 * up, generator=generator()).state - x
    # sampling errors: 1 / sqrt(n) of the spread, and 1 / sqrt(2 n) of it; five of them
    spread = 0.2 * float(step[0]) / math.sqrt(9)
    assert float(found.mean()) == pytest.approx(float(step[0]), abs=5 * spread / math.sqrt(number))
    assert float(found.std()) == pytest.approx(spread, rel=5 / math.sqrt(2 * number))


def test_switches_scatter_as_in_one_long_pulse() -> None:
    number, cells = 40_000, Cells(SWITCH, switches=50)
    x, up = torch.full((number,), 0.4, dtype=torch.float64), torch.full((number,), 5)
    counted = WRITE(cells, x, up, 0 * up, generator=generator()).state
    voltage, width = torch.full_like(x, 1.0), torch.full_like(x, 5 * 20e-6)
    long, _ = cells.pulse(x, voltage, width, generator(1))
    error = 5 * float(long.std()) / math.sqrt(number)
    assert float(counted.mean()) == pytest.approx(float(long.mean()), abs=math.sqrt(2) * error)
    assert float(counted.std()) == pytest.approx(float(long.std()), rel=5 / math.sqrt(number))


def test_a_million_cells_take_a_moment() -> None:
    shape = (1_000, 1_000)
    x, up = torch.rand(*shape, generator=generator()), counts(*shape, most=8)
    down = torch.where(up > 0, 0, counts(*shape, most=8, seed=2))
    cells, times = Cells(SWITCH), []
    for _ in range(4):
        begun = process_time()
        WRITE(cells, x, up, down)
        times.append(process_time() - begun)
    # 31 ms where nothing else runs
    assert min(times) < 0.15


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"up": torch.full((2,), -1)}, "up is from -1 to -1 pulses; allowed: 0 to 1024"),
        ({"down": torch.full((2,), 2000)}, "down is from 2000 to 2000 pulses"),
        ({"up": torch.ones(2)}, r"up is torch.float32 of shape \[2\]; give integers"),
        (
            {"up": torch.ones(3, dtype=torch.int64)},
            r"shape \[3\]; give integers of the shape of the state, \[2\]",
        ),
        ({"state": torch.tensor([0.2, 1.5])}, "state is out of range"),
        ({"state": torch.tensor([0.2, 0.5]).half()}, "state is torch.float16; allowed: torch.float32"),
        ({"up": torch.ones(2, dtype=torch.bool)}, "up is torch.bool"),
        ({"generator": generator()}, "generator goes with variation or switches"),
        ({"writing": CountedPulses(WRITE.reset_pulse, WRITE.set_pulse)}, "does not raise the conductance"),
    ],
)
def test_what_cannot_be_written_is_told(changes: dict[str, Any], message: str) -> None:
    one = torch.ones(2, dtype=torch.int64)
    given = {
        "writing": WRITE,
        "state": torch.tensor([0.2, 0.5]),
        "up": one,
        "down": one,
        "generator": None,
        **changes,
    }
    writing = given.pop("writing")
    with pytest.raises(InputError, match=message):
        writing(Cells(SWITCH), **given)


def test_pulses_of_small_integers_are_counted() -> None:
    up, down = (torch.full((2,), 100, dtype=torch.int8) for _ in range(2))
    assert WRITE(Cells(SWITCH), torch.tensor([0.2, 0.5]), up, down).pulses.tolist() == [200, 200]


def test_variation_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match="variation"):
        CountedPulses(WRITE.set_pulse, WRITE.reset_pulse, variation=-0.1)
