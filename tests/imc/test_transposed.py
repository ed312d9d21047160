"""Reads of the same cells the other way, for rules that send errors back through the arrays that they teach."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memsim.crossbar import Wires, column_currents
from memsim.errors import InputError
from memsim.imc import MappedLayer, load_hardware, map_to_imc
from memsim.imc.converters import SenseAmplifier, TernaryAmplifier

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
    assert mapped.transposed(errors(2, 5, 7)[1, 2]).shape == (40,)
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
    with pytest.raises(InputError, match=r"shape = \[3, 41\] is not that of .* inputs, \[3, 40\]"):
        layer("adcless-16", NO_WIRES).transposed(errors(3, 7), shape=(3, 41))
    convolution = layer("adcless-16", NO_WIRES, nn.Conv2d(2, 3, 3))
    with pytest.raises(InputError, match=r"is a convolution.*give shape of the inputs"):
        convolution.transposed(errors(1, 3, 4, 4))
    with pytest.raises(
        InputError, match=r"gives \[1, 3, 4, 4\] for inputs \[1, 2, 6, 6\]; errors have shape"
    ):
        convolution.transposed(errors(1, 3, 5, 5), shape=(1, 2, 6, 6))
    with pytest.raises(InputError, match="errors of shape"):
        convolution.transposed(errors(3, 5), shape=(1, 2, 6, 6))
    with pytest.raises(InputError, match="reads backwards have no order"):
        layer("adcless-16", NO_WIRES).transposed(errors(3, 7), converter=SenseAmplifier(hysteresis=1.0))


@pytest.mark.parametrize(
    ("given", "shape", "message"),
    [
        (
            errors(1, 6, 4, 4).int(),
            (1, 4, 6, 6),
            r"errors of torch\.int32; allowed: torch\.float64, as its weights",
        ),
        (errors(1, 6, 4, 4).float(), (1, 4, 6, 6), r"errors of torch\.float32; allowed: torch\.float64"),
        (errors(1, 6, 4, 4), 8, "shape = 8 is none"),
        (errors(1, 6, 4, 4), (1, 4, -6, 6), r"shape\[2\] = -6 is out of range; allowed: integers from 1"),
        (errors(1, 6, 4, 4), (1, 4, 6.0, 6), r"shape\[2\] = 6\.0 is out of range"),
        (errors(1, 6, 4, 4), (1, 6, 6, 6), "has 18 word lines; inputs have 27 values"),
    ],
)
def test_errors_and_shapes_that_fit_nothing_are_refused(
    given: torch.Tensor, shape: tuple[int, ...], message: str
) -> None:
    """By a convolution in groups as by one of one group, of half of the channels."""
    grouped = map_to_imc(nn.Conv2d(4, 6, 3, groups=2), load_hardware("adcless-16", NO_WIRES)).double().eval()
    with pytest.raises(InputError, match=message):
        grouped.transposed(given, shape=shape)


def test_scalars_and_channels_that_groups_do_not_share_are_refused() -> None:
    scalar = torch.tensor(1.0, dtype=torch.float64)
    with pytest.raises(InputError, match=r"gets errors of shape \[\]; allowed: a vector"):
        layer("adcless-16", NO_WIRES).transposed(scalar)
    with pytest.raises(InputError, match=r"gets inputs of shape \[\]; allowed: a vector"):
        layer("adcless-16", NO_WIRES)(scalar)
    grouped = map_to_imc(nn.Conv2d(4, 6, 3, groups=2), load_hardware("adcless-16", NO_WIRES)).double().eval()
    for given, shape in (
        (errors(1, 6, 4, 4), (1, 5, 6, 6)),
        (errors(1, 5, 4, 4), (1, 4, 6, 6)),
        (scalar, (4, 6, 6)),
    ):
        with pytest.raises(
            InputError, match="channels do not go into 2 groups; allowed: multiples of 2 at axis -3"
        ):
            grouped.transposed(given, shape=shape)


CONVOLUTIONS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "plain": (nn.Conv2d(2, 3, 3), (2, 2, 6, 5)),
    "one image": (nn.Conv2d(2, 3, 3), (2, 6, 5)),
    "strides that leave pixels": (nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 2, 8, 7)),
    "dilated": (nn.Conv2d(2, 3, (3, 2), dilation=2, padding=(2, 0)), (2, 2, 7, 6)),
    "around": (nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), (2, 2, 5, 5)),
    "mirrored": (nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 2, 5, 5)),
    "groups": (nn.Conv2d(4, 6, 3, groups=2, padding=1), (2, 4, 5, 5)),
    "one axis": (nn.Conv1d(3, 4, 3, stride=2), (2, 3, 9)),
    "transposed": (nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1), (2, 3, 4, 4)),
}


@pytest.mark.parametrize("case", sorted(CONVOLUTIONS))
def test_convolutions_backwards_are_the_matrix_that_they_are_forwards(case: str) -> None:
    """<e, W x> = <W' e, x> for all x: the gradient of torch's layer with the weights of this chip."""
    module, shape = CONVOLUTIONS[case]
    torch.manual_seed(0)
    numbers = {**REAL, "inputs.coding": "bit-serial", "inputs.bits": 2, "accumulation.bits": 30}
    mapped = map_to_imc(module, load_hardware("hp-adc-16", {**numbers, "converter.kind": "ideal"})).double()
    mapped.eval()
    inputs = torch.randint(0, 4, shape, generator=torch.Generator().manual_seed(1)).double() / 3
    with torch.no_grad():
        silent, outputs = mapped(torch.zeros(shape, dtype=torch.float64)), mapped(inputs)
    one = errors(*outputs.shape)
    back = mapped.transposed(one, shape=shape)
    assert back.shape == inputs.shape
    # sums of some hundred terms in another order
    torch.testing.assert_close((one * (outputs - silent)).sum(), (back * inputs).sum(), rtol=1e-9, atol=1e-9)
    assert float((back * inputs).sum().abs()) > 1e-2


@pytest.mark.parametrize("columns", [1, 3])
def test_word_lines_are_read_by_signs_and_by_signs_with_a_dead_zone(columns: int) -> None:
    """Arrays side by side decide for themselves, and their decisions are added."""
    torch.manual_seed(0)
    module = nn.Linear(40, 7 if columns == 1 else 24)
    mapped = layer("adcless-differential-64" if columns == 1 else "adcless-differential-48", REAL, module)
    assert mapped.column_tiles == columns
    one = errors(50, mapped.neurons)
    shares = [
        mapped.transposed(torch.zeros_like(one).index_copy(1, own, one[:, own]))
        for own in torch.arange(mapped.neurons).split(mapped.card.neurons)
    ]
    torch.testing.assert_close(sum(shares), mapped.transposed(one), rtol=1e-9, atol=1e-12)
    zone = 0.3 * float(mapped.transposed(one).std())
    for converter, decided in (
        (SenseAmplifier(), [torch.where(q > 0, 1.0, -1.0).double() for q in shares]),
        (TernaryAmplifier(threshold=zone), [q.sign() * (q.abs() > zone) for q in shares]),
    ):
        found = mapped.transposed(one, converter=converter)
        assert torch.equal(found, sum(decided))
        assert found.unique().numel() == columns * (1 if isinstance(converter, SenseAmplifier) else 2) + 1


def test_comparators_of_word_lines_are_those_of_the_chip() -> None:
    """One offset for each word line of a chip, whatever is read; another chip has others."""
    mapped, offset = layer("adcless-differential-64", NO_WIRES), 0.2
    amplifier, one = SenseAmplifier(offset=offset), errors(200, 7)
    quiet, found = mapped.transposed(one), mapped.transposed(one, converter=amplifier)
    assert torch.equal(found, mapped.transposed(one, converter=amplifier))
    source = torch.Generator().manual_seed(mapped.seed("word lines"))
    own = amplifier.made(1, 40, source)[0, 0].double()
    assert torch.equal(found, torch.where(quiet + own > 0, 1.0, -1.0).double())
    mapped.chip = 3
    assert not torch.equal(found, mapped.transposed(one, converter=amplifier))


def test_signs_of_desire_backpropagation() -> None:
    """The numbers of the method: q, and whether it is above 0.05 either way (arXiv:2211.05412)."""
    weights = [[0.2, -0.1, 0.05, 0.01], [0.1, 0.3, -0.2, 0.02], [-0.3, 0.1, 0.2, 0.0]]
    module = nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor(weights))
    fine = {**NO_WIRES, "weights.bits": 12, "accumulation.bits": 30, "converter.kind": "ideal"}
    mapped = layer("hp-adc-differential-64", fine, module)
    wrong = torch.tensor([[-1.0, 0.8125, 0.0]], dtype=torch.float64)
    expected = torch.tensor([[-0.11875, 0.34375, -0.2125, 0.00625]], dtype=torch.float64)
    # weights of 12 bits are within 1e-4
    torch.testing.assert_close(mapped.transposed(wrong), expected, rtol=0, atol=5e-4)
    wanted = mapped.transposed(wrong, converter=TernaryAmplifier(threshold=0.05))
    assert wanted.tolist() == [[-1.0, 1.0, -1.0, 0.0]]
