"""The array and its sense amplifiers in ngspice decide as the torch model does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from memsim import spice
from memsim.errors import InputError
from memsim.imc import MappedLayer, load_hardware, map_to_imc
from memsim.imc.netlist import decision_times, metastable_window, read_deck
from memsim.imc.order import InOrder, Memory

READS = 200
# 16 rows and 8 bit lines: 4 weights of 1 + 1 bits on twin lines, or 2 weights of 4 bits beside a reference column
ARRAYS = {
    "adcless-differential": {"weights.bits": 2},
    "adcless": {"weights.bits": 4},
}
REAL = {
    "array.rows": 16,
    "array.columns": 8,
    "wires.word_line": 3.0,
    "wires.bit_line": 3.0,
    "cell.variation": 0.2,
    "converter.offset": 1.0,
}


def chip(card: str, hysteresis: float = 0.0) -> MappedLayer:
    hardware = load_hardware(card, {**REAL, **ARRAYS[card], "converter.hysteresis": hysteresis})
    torch.manual_seed(3)
    layer = map_to_imc(nn.Linear(16, hardware.neurons), hardware, chip=7).eval()
    assert isinstance(layer, MappedLayer)
    with torch.no_grad():
        layer.trim.uniform_(-1, 1)
    return layer


@pytest.mark.spice
@pytest.mark.parametrize("card", sorted(ARRAYS))
@pytest.mark.parametrize("hysteresis", [0.0, 1.5])
def test_ngspice_decides_as_the_model_does(card: str, hysteresis: float) -> None:
    layer = chip(card, hysteresis)
    assert layer.columns == 8
    inputs = (torch.rand(READS, 16, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    waves = spice.simulate(read_deck(layer, inputs), timeout=120)
    lines = layer.neurons * layer.card.slices
    times = decision_times(READS).numpy()
    latched = np.array([waves[f"v(q{line})"].interp(time=times).values for line in range(lines)]).T
    with torch.no_grad():
        sums = layer.partial_sums(inputs)
        decided = layer.read(sums, order=InOrder(Memory(samples=1), digits=1, steps=READS))[0]
        last = torch.cat([torch.full_like(decided[:1], -1), decided[:-1]])
        d = sums[0] + (layer.thresholds() - layer.reference()) + hysteresis * last
    # beyond what the latch resolves, the two engines' sums differ by float32 and ngspice's reltol: 1e-3 of a cell
    clear = d.abs() > metastable_window() + 1e-3
    assert clear.float().mean() > 0.99
    assert torch.equal(torch.from_numpy(latched).sign()[clear].float(), decided[clear])
    assert 0.1 < (decided > 0).float().mean() < 0.9
    if hysteresis:
        with torch.no_grad():
            forgetful = chip(card).read(sums)[0]
        assert (forgetful != decided).float().mean() > 0.02


@pytest.mark.parametrize("entry", ["converter.noise", "converter.metastable", "cell.read_noise"])
def test_what_is_drawn_for_each_read_is_in_no_deck(entry: str) -> None:
    layer = chip("adcless")
    layer.card = layer.card.changed({entry: 0.25})
    with pytest.raises(InputError, match=f"{entry} = 0.25 is drawn for each read"):
        read_deck(layer, torch.ones(1, 16))


def test_a_deck_is_of_one_array() -> None:
    wide = map_to_imc(nn.Linear(16, 9), load_hardware("adcless", REAL))
    with pytest.raises(InputError, match="one array"):
        read_deck(wide, torch.ones(1, 16))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="reads"):
        read_deck(chip("adcless"), torch.ones(1, 15))
