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


def chip(card: str) -> MappedLayer:
    hardware = load_hardware(card, {**REAL, **ARRAYS[card]})
    torch.manual_seed(3)
    layer = map_to_imc(nn.Linear(16, hardware.neurons), hardware, chip=5).eval()
    assert isinstance(layer, MappedLayer)
    with torch.no_grad():
        layer.trim.uniform_(-1, 1)
    return layer


@pytest.mark.spice
@pytest.mark.parametrize("card", sorted(ARRAYS))
def test_ngspice_decides_as_the_model_does(card: str) -> None:
    layer = chip(card)
    assert layer.columns == 8
    inputs = (torch.rand(READS, 16, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    waves = spice.simulate(read_deck(layer, inputs), timeout=120)
    lines = layer.neurons * layer.card.slices
    times = decision_times(READS).numpy()
    latched = np.array([waves[f"v(q{line})"].interp(time=times).values for line in range(lines)]).T
    with torch.no_grad():
        d = layer.partial_sums(inputs)[0] + (layer.thresholds() - layer.reference())
        decided = layer.read(layer.partial_sums(inputs))[0]
    # beyond what the latch resolves, the two engines' sums differ by float32 and ngspice's reltol: 1e-3 of a cell
    clear = d.abs() > metastable_window() + 1e-3
    assert clear.float().mean() > 0.99
    assert torch.equal(torch.from_numpy(latched).sign()[clear].float(), decided[clear])
    assert 0.1 < (decided > 0).float().mean() < 0.9


def test_a_deck_is_of_one_array() -> None:
    wide = map_to_imc(nn.Linear(16, 9), load_hardware("adcless", REAL))
    with pytest.raises(InputError, match="one array"):
        read_deck(wide, torch.ones(1, 16))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="reads"):
        read_deck(chip("adcless"), torch.ones(1, 15))
