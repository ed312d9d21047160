"""Reads of the same cells the other way, for rules that send errors back through the arrays that they teach."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memsim.crossbar import Wires, column_currents
from memsim.errors import InputError
from memsim.imc import MappedLayer, load_hardware, map_to_imc

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
REAL = {**NO_WIRES, "cell.variation": 0.2, "cell.stuck_rate": 0.02}
CARDS = ["ideal-16", "adcless-16", "adcless-differential-16", "hp-adc-16", "adcless-ternary-16"]


def layer(card: str, changes: dict[str, object], module: nn.Module | None = None) -> MappedLayer:
    torch.manual_seed(0)
    mapped = map_to_imc(
        module or nn.Linear(40, 7), load_hardware(card, changes), generator=torch.Generator().manual_seed(1)
    )
    assert isinstance(mapped, MappedLayer)
    return mapped.double().eval()


def errors(*shape: int) -> torch.Tensor:
    return torch.randint(-1, 2, shape, generator=torch.Generator().manual_seed(2)).double()


@pytest.mark.parametrize("card", CARDS)
def test_ideal_cells_give_the_transposed_weights(card: str) -> None:
    mapped = layer(card, NO_WIRES)
    weights = mapped.integers() * mapped.scale[:, None]
    found = mapped.transposed(errors(2, 5, 7))
    assert found.shape == (2, 5, 40)
    # conductances of cells in S are rounded in float64
    torch.testing.assert_close(found, errors(2, 5, 7) @ weights, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("card", ["adcless-16", "adcless-differential-16"])
def test_it_is_the_chip_that_is_read_forwards(card: str) -> None:
    """Input by input through the sums of tiles, and error by error the other way: the same matrix."""
    mapped = layer(card, REAL)
    one_by_one = torch.eye(40, dtype=torch.float64)
    sums = mapped.partial_sums(one_by_one) - mapped.reference()[:, None]
    digits = mapped.added(sums) @ torch.tensor(
        [2.0**k for k in range(mapped.card.slices)], dtype=torch.float64
    )
    forwards = digits * mapped.scale
    backwards = mapped.transposed(torch.eye(7, dtype=torch.float64))
    torch.testing.assert_close(backwards, forwards.mT, rtol=1e-9, atol=1e-9)
    ideal = mapped.integers() * mapped.scale[:, None]
    assert (backwards - ideal).abs().max() > 0.05 * ideal.abs().max()


def test_wires_transfer_the_same_currents_either_way() -> None:
    """What `transposed` says of wires, by the solver: bit lines driven where they were sensed, word lines sensed."""
    cells = torch.rand(12, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 1e-4 + 1e-6
    forwards = Wires(word_line=5.0, bit_line=2.0)
    # turned about a diagonal: drivers of bit lines at their lower ends, and word lines sensed at their left ends
    turned = cells.flip(0, 1).mT
    voltage = torch.rand(9, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    back = column_currents(turned, voltage.flip(0), Wires(word_line=2.0, bit_line=5.0)).flip(-1)
    matrix = torch.stack(
        [column_currents(cells, one, forwards) for one in torch.eye(12, dtype=torch.float64)]
    )
    torch.testing.assert_close(back, matrix @ voltage, rtol=1e-9, atol=1e-15)


def test_read_noise_is_that_of_the_cells() -> None:
    noisy, quiet = (layer("adcless-differential-16", {**NO_WIRES, "cell.read_noise": r}) for r in (0.05, 0.0))
    one = errors(1, 7).expand(20_000, 7)
    away = noisy.transposed(one) - quiet.transposed(one)
    shown = (one[0] * noisy.scale)[:, None] * torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    variance = noisy._hardware().lines.variance
    assert variance is not None
    expected = (shown.flatten().square() @ variance.mT).sqrt()
    # 20 000 draws: deviations are known to 0.5 %, of which this is five
    torch.testing.assert_close(away.std(0), expected.to(away.dtype), rtol=0.025, atol=0)


def test_what_cannot_be_read_backwards_is_told() -> None:
    mapped = layer("adcless-16", NO_WIRES)
    with pytest.raises(InputError, match="has 7 neurons; errors have 40 values"):
        mapped.transposed(errors(3, 40))
    with pytest.raises(InputError, match="new chip at each call in training mode"):
        mapped.train().transposed(errors(3, 7))
    with pytest.raises(InputError, match="is a convolution"):
        layer("adcless-16", NO_WIRES, nn.Conv2d(2, 3, 3)).transposed(errors(3, 3))
