"""The space kit: studies that differ in faults alone, and what a temperature does to cells and what not."""

from __future__ import annotations

import math

import pytest

from memsim.devices import load_device
from memsim.devices.constants import BOLTZMANN_OVER_CHARGE
from memsim.devices.retention import retention
from memsim.learn import load_study
from memsim.methods import load_method
from memsim.networks import build_network

STUDIES = load_method("space-kit").studies
FAULTS = {"cell.upset_rate", "cell.stuck_rate"}


def test_studies_differ_in_faults_of_the_last_stage_alone() -> None:
    one, two = (load_study(STUDIES[name]).model_dump() for name in ("space-kit", "space-kit-faults"))
    added = two["stages"][-1]["hardware"].keys() - one["stages"][-1]["hardware"].keys()
    assert added == FAULTS
    for name in FAULTS:
        del two["stages"][-1]["hardware"][name]
    assert one == two


def test_neurons_hear_themselves_and_are_lowered_by_their_spikes() -> None:
    network = build_network((2, 16, 16), 1, load_study(STUDIES["space-kit"]))
    patches, hidden, last = network.chain
    assert [layer.recurrent is not None for layer in network.chain] == [False, True, False]
    for layer in (patches, hidden):
        (slow,) = layer.neuron.compartments
        assert slow.driven_by == "spike"
        assert slow.weight.value() < 0
    assert not last.neuron.spiking


@pytest.mark.parametrize("celsius", [85.0, 105.0, 125.0])
def test_cells_forget_at_the_thermally_activated_rate(celsius: float) -> None:
    cell = load_device("pd-wo3-w").with_values(temperature=273.15 + celsius)
    p, k = cell.values, BOLTZMANN_OVER_CHARGE * (273.15 + celsius)
    rate = sum(1 / (1 + math.exp(volts / k)) for volts in (p["v_on"], -p["v_off"])) / p["tau"]
    # the integrator's tolerance is 1e-8
    assert retention(cell) == pytest.approx(1 / rate, rel=1e-5)


def test_currents_of_cells_do_not_depend_on_temperature_and_they_keep_ten_years_in_the_cold() -> None:
    cold, hot = (load_device("pd-wo3-w").with_values(temperature=273.15 + one) for one in (-40.0, 125.0))
    assert "temperature" not in {str(symbol) for symbol in cold.expressions.current.free_symbols}
    assert math.isinf(retention(cold))
    assert retention(hot) < 3.156e7
