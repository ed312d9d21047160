"""Circuits behind arrays of tiles: what decisions count, what word lines present, and what reads mean."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor, nn

from memsim.crossbar import Crossbar
from memsim.errors import ConvergenceError, InputError
from memsim.imc import MappedLayer, calibrate, load_hardware, map_to_imc, mapped_layers
from memsim.imc.crossbars import MappedCrossbar
from memsim.imc.workloads import workload_of
from memsim.learn import build, make_study
from memsim.networks import Network

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
SERIAL = {**NO_WIRES, "inputs.coding": "bit-serial", "inputs.bits": 3}
PULSES = {**NO_WIRES, "inputs.coding": "pulse-count", "inputs.bits": 3}
ONE_BIT = "adcless-differential-32"


def inputs_of(coding: dict[str, object], shape: tuple[int, int], seed: int) -> Tensor:
    given = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return (given * 7).round() / 7 if "inputs.bits" in coding else (given < 0.4).float()


@pytest.mark.parametrize("coding", [NO_WIRES, SERIAL, PULSES], ids=["binary", "bit-serial", "pulse-count"])
def test_calibrated_decisions_come_closest_to_the_sums(coding: dict[str, object]) -> None:
    torch.manual_seed(1)
    layer, x = nn.Linear(128, 40), inputs_of(coding, (400, 128), 2)
    mapped = cast("MappedLayer", map_to_imc(layer, load_hardware(ONE_BIT, coding)).eval())
    exact = map_to_imc(layer, load_hardware("ideal", {**coding, "weights.bits": 4})).eval()

    def error(factor: float = 1.0) -> float:
        kept = mapped.gain.clone()
        mapped.gain.mul_(factor)
        found = float((mapped(x) - exact(x)).square().mean())
        mapped.gain.copy_(kept)
        return found

    with torch.no_grad():
        raw = error()
        calibrate(mapped, x)
        assert error() < 0.5 * raw
        # least squares: 4 tiles and 3 digits of one bit give more than half of the variance, and 3 % off is worse
        assert error() < 0.5 * float(exact(x).var())
        assert error() < min(error(0.97), error(1.03))


def driven(
    coding: dict[str, object], card: str = ONE_BIT, **table: object
) -> tuple[Network, Network, Tensor]:
    """A memristive network, and itself on a card."""
    network, data = build(make_study(hidden=(24,), window=4e-3, **table))
    inputs = data.test.inputs(slice(40))
    return network, cast("Network", map_to_imc(network, load_hardware(card, coding), sample=inputs)), inputs


def test_calibration_runs_to_its_end_and_the_supply_is_looked_at_again() -> None:
    _, mapped, inputs = driven(SERIAL)
    mapped.supply = 0.01
    with mapped.unlimited():
        calibrate(mapped, inputs)
    gains = [layer.gain for layer in mapped_layers(mapped).values()]
    assert all(bool((gain != 1).all()) for gain in gains)
    with pytest.raises(ConvergenceError, match=r"supply of 0\.01 V"):
        mapped.eval()(inputs)


def test_calibrated_decisions_give_the_currents_of_the_crossbars() -> None:
    network, mapped, inputs = driven(SERIAL)
    with mapped.unlimited(), torch.no_grad():
        calibrate(mapped, inputs)
        x = inputs[:, None]
        wanted = network.chain[0].synapse(x).flatten()
        found = mapped.eval().chain[0].synapse(x).flatten()
    # two tiles and three digits of weights and of inputs, each as one bit
    assert float(torch.corrcoef(torch.stack([wanted, found]))[0, 1]) > 0.85
    assert float(found.std() / wanted.std()) == pytest.approx(1, abs=0.25)


def test_silent_lines_cause_no_current_through_decisions() -> None:
    _, mapped, _ = driven(SERIAL)
    with torch.no_grad():
        synapse = mapped.eval().chain[1].synapse
        resting = synapse(torch.zeros(1, 24))
        below = synapse(torch.full((1, 24), -0.1))
    assert torch.equal(resting, below)


def test_what_lies_below_rest_is_cut_and_the_rest_stays() -> None:
    weights = torch.rand(12, 5, generator=torch.Generator().manual_seed(0)) - 0.5
    crossbar = Crossbar.from_weights(weights, g_min=1e-6, g_max=1e-4)
    fine = {"inputs.coding": "bit-serial", "inputs.bits": 8, "weights.bits": 12, "accumulation.bits": 32}
    sample = torch.linspace(-0.1, 0.3, 12)[None]
    mapped = map_to_imc(crossbar, load_hardware("ideal", fine), sample=sample).eval()
    assert isinstance(mapped, MappedCrossbar)
    voltage = torch.rand(50, 12, generator=torch.Generator().manual_seed(1)) * 0.3
    with torch.no_grad():
        before = mapped(voltage)
        mapped.cut_below_rest()
        after = mapped(voltage)
        largest = float(before.abs().max())
        # 8 bits of inputs, and 11 of weights and a sign, over sums of 12 products
        assert torch.allclose(before, crossbar(voltage), rtol=0, atol=5e-3 * largest)
        assert torch.allclose(after, before, rtol=0, atol=5e-3 * largest)
        assert torch.equal(mapped(-voltage), mapped(torch.zeros_like(voltage)))


def test_a_sample_below_rest_is_refused_for_decisions() -> None:
    crossbar = Crossbar.from_weights(torch.full((4, 2), 0.5), g_min=1e-6, g_max=1e-4)
    below = torch.full((1, 4), -0.1)
    map_to_imc(crossbar, load_hardware("ideal", SERIAL), sample=below)
    with pytest.raises(InputError, match="no voltage above rest"):
        map_to_imc(crossbar, load_hardware(ONE_BIT, SERIAL), sample=below)


def test_the_gradient_of_what_decisions_count_is_that_of_differences() -> None:
    _, mapped, inputs = driven(SERIAL)
    mapped, x = mapped.double().eval(), inputs.double()
    gain = mapped_layers(mapped)["layers.1.synapse.crossbar.layer"].gain
    with mapped.unlimited():
        calibrate(mapped, x)

        def loss() -> Tensor:
            return mapped(x).square().mean()

        (found,) = torch.autograd.grad(loss(), gain)
        for k, slope in enumerate(found.tolist()):
            h = 1e-4 * gain[k].item()
            ends = []
            for side in (1, -1):
                with torch.no_grad():
                    gain[k] += side * h
                    ends.append(float(loss()))
                    gain[k] -= side * h
            # circuits are smooth, and decisions before the last layer stay what they are
            assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-4)


def test_the_first_layer_is_read_for_each_pulse_and_others_at_every_sample() -> None:
    _, mapped, inputs = driven(SERIAL, drive={"slots": 1})
    with mapped.unlimited():
        first, second = workload_of(
            mapped, inputs, steps=mapped.samples(), inferences=len(inputs), name="digits"
        ).layers
    assert first.positions("padded") * mapped.samples() == pytest.approx(1)
    assert second.positions("padded") * mapped.samples() == pytest.approx(mapped.samples())
    digits = ((inputs.flatten(1) * 7).round().int()[..., None] >> torch.arange(3)) & 1
    assert first.spike_rate == pytest.approx(float(digits.double().mean()))
