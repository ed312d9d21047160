"""Every number of every shipped card counts: it moves what a chip costs or computes, as it should, or it is refused."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator

import pytest
import torch
from pydantic import BaseModel
from torch import nn

from memsim.errors import InputError
from memsim.imc import HardwareCard, hardware_names, inference, load_hardware, map_to_imc
from memsim.imc.cost import COMPLETE, PUBLISHED, Constants, Cost, cost, load_technology, technology_names
from memsim.imc.workloads import Workload, load_workload

Metric = Callable[[Cost], float]
GESTURE = load_workload("gesture")
OUTPUTS = "outputs"


def energy_of(part: str) -> Metric:
    return lambda made: made.energy[part]


def area_of(part: str) -> Metric:
    return lambda made: made.area[part]


def programming(made: Cost) -> float:
    assert made.programming is not None
    return made.programming.energy


def period(made: Cost) -> float:
    return made.period


def alone(made: Cost) -> float:
    return made.inference_time


def total_area(made: Cost) -> float:
    return made.total_area


# another entry than those shipped, and the sign of what more of it does to a cost; or that it changes what is computed
ENTRIES: dict[str, tuple[float, Metric | str, int]] = {
    "array.rows": (128, energy_of("accumulators"), -1),
    "array.columns": (128, energy_of("drivers"), -1),
    "cell.bits": (2, energy_of("accumulators"), -1),
    "cell.resistance_on": (60e3, energy_of("array"), -1),
    "cell.resistance_off": (9e6, energy_of("array"), -1),
    "cell.read_voltage": (1.0, energy_of("array"), 1),
    "cell.read_time": (20e-9, energy_of("array"), 1),
    "cell.variation": (0.5, OUTPUTS, 0),
    "cell.stuck_rate": (0.3, OUTPUTS, 0),
    "cell.upset_rate": (0.3, OUTPUTS, 0),
    "cell.retained": (0.3, OUTPUTS, 0),
    "cell.read_noise": (0.5, OUTPUTS, 0),
    "cell.write_voltage": (3.0, programming, 1),
    "cell.write_time": (1e-6, programming, 1),
    "cell.write_pulses": (10.0, programming, 1),
    "wires.word_line": (100.0, OUTPUTS, 0),
    "wires.bit_line": (100.0, OUTPUTS, 0),
    "wires.driver": (1e4, OUTPUTS, 0),
    "wires.sense": (1e4, OUTPUTS, 0),
    "weights.bits": (5, energy_of("accumulators"), 1),
    "inputs.bits": (8, period, 1),
    "inputs.high": (7.0, OUTPUTS, 0),
    "converter.bits": (8, energy_of("accumulators"), 1),
    "converter.columns": (16, period, 1),
    "converter.step": (4.0, OUTPUTS, 0),
    "converter.threshold": (3.0, OUTPUTS, 0),
    "converter.offset": (3.0, OUTPUTS, 0),
    "converter.noise": (3.0, OUTPUTS, 0),
    "converter.hysteresis": (3.0, OUTPUTS, 0),
    "converter.metastable": (3.0, OUTPUTS, 0),
    "converter.decision_time": (50e-9, period, 1),
    "converter.inl": (3.0, OUTPUTS, 0),
    "converter.dnl": (3.0, OUTPUTS, 0),
    "accumulation.bits": (32, energy_of("accumulators"), 1),
    "tiles.arrays": (64, area_of("buffers"), -1),
    "tiles.buffer_bits": (10**6, area_of("buffers"), 1),
    "tiles.on_chip": (400, total_area, 1),
    "clock.digital_period": (100e-9, period, 1),
    "digital.lanes": (1000, alone, -1),
    "memory.energy": (20e-12, energy_of("memory"), 1),
    "memory.bandwidth": (1e11, alone, -1),
}


def numbers(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Dotted names of the entries of a card that are numbers."""
    for name, field in model.model_fields.items():
        for kind in _kinds(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from numbers(kind, f"{above}{name}.")
            elif kind in {int, float}:
                yield f"{above}{name}"


def _kinds(annotation: object) -> Iterator[object]:
    if typing.get_origin(annotation) in {types.UnionType, typing.Union, typing.Annotated}:
        for argument in typing.get_args(annotation):
            yield from _kinds(argument)
    else:
        yield annotation


def outputs(card: HardwareCard) -> torch.Tensor:
    """Of a small layer on a chip of this card."""
    torch.manual_seed(0)
    layer = nn.Linear(card.array.rows, 4, bias=False)
    chip = map_to_imc(nn.Sequential(layer), card, generator=torch.Generator().manual_seed(1)).eval()
    spikes = (torch.rand(100, card.array.rows) < 0.4).float()
    torch.manual_seed(2)
    with inference(chip, samples=1):
        return chip(spikes).detach()


def before(card: HardwareCard, entry: str) -> HardwareCard:
    """The card with what an entry needs beside it."""
    if entry.startswith("memory."):
        return card.changed({"memory": {"energy": 10e-12, "bandwidth": 1e10}})
    return card


def tried(card: HardwareCard, entry: str, value: float) -> tuple[HardwareCard | None, str]:
    """The card with another entry, or why it is refused."""
    try:
        return card.changed({entry: value}), ""
    except InputError as error:
        return None, str(error)


def entry_of(card: HardwareCard, entry: str) -> typing.Any:
    table, name = entry.split(".")
    return getattr(getattr(card, table), name)


@pytest.mark.parametrize("name", hardware_names())
@pytest.mark.parametrize("entry", sorted(set(numbers(HardwareCard))))
def test_every_entry_counts_or_is_refused(name: str, entry: str) -> None:
    card = before(load_hardware(f"{name}-64"), entry)
    value, metric, sign = ENTRIES[entry]
    changed, refusal = tried(card, entry, value)
    if changed is None:
        assert entry.partition(".")[2] in refusal
        return
    if isinstance(metric, str):
        assert not torch.equal(outputs(card), outputs(changed))
        return
    old, new = (metric(cost(GESTURE, one)) for one in (card, changed))
    more = entry_of(card, entry) is None or value > entry_of(card, entry)
    assert (sign if more else -sign) * (new - old) > 1e-6 * abs(old)


def test_few_entries_are_refused() -> None:
    card = load_hardware("hp-adc-64")
    refused = {
        entry
        for entry, (value, _, _) in ENTRIES.items()
        if tried(before(card, entry), entry, value)[0] is None
    }
    assert refused == {
        "inputs.bits",
        "inputs.high",
        "converter.threshold",
        "converter.hysteresis",
        "converter.metastable",
        "converter.decision_time",
    }


@pytest.mark.parametrize("coding", ["pulse-count", "bit-serial"])
def test_bits_of_inputs_take_time_and_energy(coding: str) -> None:
    few, many = (
        cost(GESTURE, load_hardware("adcless-64", {"inputs.coding": coding, "inputs.bits": bits}))
        for bits in (2, 8)
    )
    assert many.period > 2 * few.period
    for part in ("array", "drivers"):
        # 255 pulses for 3, or 8 reads for 2
        assert many.energy[part] >= 3.9 * few.energy[part]


def test_pulses_take_their_time() -> None:
    """With a read time far above all others, 255 pulses take 255 / 8 times as long as 8 reads."""
    times = [
        cost(
            GESTURE,
            load_hardware(
                "adcless-64",
                {
                    "inputs.coding": coding,
                    "inputs.bits": 8,
                    "cell.read_time": 1e-3,
                    "clock.kind": "decoupled",
                },
            ),
        ).period
        for coding in ("pulse-count", "bit-serial")
    ]
    # other parts take microseconds of these milliseconds
    assert times[0] / times[1] == pytest.approx(255 / 8, rel=1e-3)


def test_current_of_arrays_goes_with_the_square_of_the_voltage_and_with_time() -> None:
    def array(changes: dict[str, object]) -> float:
        return cost(GESTURE, load_hardware("adcless-64", changes)).energy["array"]

    low, high = (array({"cell.read_voltage": volts}) for volts in (0.2, 1.0))
    words = array({"cell.read_voltage": 1e-6})
    assert (high - words) / (low - words) == pytest.approx(25, rel=1e-6)
    short, long, longer = (array({"cell.read_time": seconds}) for seconds in (10e-9, 100e-9, 190e-9))
    assert longer - long == pytest.approx(long - short, rel=1e-9)


def test_buffers_that_are_too_small_spill() -> None:
    large, small = (
        cost(GESTURE, load_hardware("adcless-64", {"tiles.buffer_bits": bits})) for bits in (32768, 1024)
    )
    assert small.energy["interconnect"] > 1.1 * large.energy["interconnect"]
    assert any("tiles.buffer_bits = 1024" in remark for remark in small.remarks)
    assert not any("buffer_bits" in remark for remark in large.remarks)


def test_a_network_that_does_not_fit_is_programmed_in_each_inference() -> None:
    def on(tiles: int) -> Cost:
        return cost(GESTURE, load_hardware("adcless-64", {"tiles.on_chip": tiles}))

    whole, one_copy, passes = on(185), on(22), on(11)
    assert [made.energy["programming"] > 0 for made in (whole, one_copy, passes)] == [False, False, True]
    assert whole.period < one_copy.period < passes.period
    assert whole.area["array"] > one_copy.area["array"] > passes.area["array"]
    assert passes.programming is not None
    assert passes.programming.passes == 2
    assert passes.energy["programming"] == passes.programming.energy
    assert passes.period == passes.inference_time > 2 * passes.programming.time
    assert any("programmed 2 times" in remark for remark in passes.remarks)


def test_a_network_that_does_not_fit_needs_to_know_how_cells_are_written() -> None:
    card = load_hardware("adcless-64", {"tiles.on_chip": 11})
    bare = card.model_copy(
        update={"cell": card.cell.model_copy(update={"write_voltage": None, "write_time": None})}
    )
    with pytest.raises(InputError, match=r"tiles.on_chip = 11.*write_voltage"):
        cost(GESTURE, bare)


def test_memory_off_the_chip_counts_inputs_outputs_and_weights_that_are_loaded_anew() -> None:
    memory = {"energy": 14e-12, "bandwidth": 1e9}
    inputs, outputs = 2 * 64 * 64 * 20, 11 * 16
    resident, loaded = (
        cost(GESTURE, load_hardware("adcless-64", {"memory": memory, **extra}))
        for extra in ({}, {"tiles.on_chip": 11})
    )
    assert resident.energy["memory"] == pytest.approx(14e-12 * (inputs + outputs), rel=1e-12, abs=0)
    weights = 4 * sum(layer.weights for layer in GESTURE.layers)
    assert loaded.energy["memory"] == pytest.approx(14e-12 * (inputs + outputs + weights), rel=1e-12, abs=0)
    slow = cost(GESTURE, load_hardware("adcless-64", {"memory": {**memory, "bandwidth": 1e7}}))
    # the pipeline waits for its inputs
    assert slow.period == pytest.approx((inputs + outputs) / 1e7, rel=1e-12)
    assert slow.slowest == "memory"
    assert any("raise memory.bandwidth" in remark for remark in slow.remarks)


@pytest.mark.parametrize("changes", [{"memory": {"energy": 1e-12, "bandwidth": 1e9}}, {"tiles.on_chip": 400}])
def test_what_an_accounting_leaves_out_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="published accounting leaves out"):
        cost(GESTURE, load_hardware("adcless-64", changes), accounting=PUBLISHED)


def test_names_of_layers_are_free() -> None:
    names = ("memory", "digital unit", "memory")
    layers = [
        layer.model_copy(update={"name": name}) for layer, name in zip(GESTURE.layers, names, strict=False)
    ]
    same = GESTURE.model_copy(update={"layers": (*layers, *GESTURE.layers[3:])})
    made, usual = (cost(workload, load_hardware("adcless-64")) for workload in (same, GESTURE))
    assert (made.period, made.inference_time) == (usual.period, usual.inference_time)
    assert made.slowest == "digital unit"
    assert made.remarks == usual.remarks


def test_columns_that_carry_too_much_are_told() -> None:
    hot, cool = (
        cost(
            GESTURE,
            load_hardware("adcless-64", {"cell.resistance_on": ohm, "cell.resistance_off": 150 * ohm}),
        )
        for ohm in (6e3, 100e3)
    )
    # 64 rows, 47.5 % of them active, half of their cells on at 0.5 V
    assert hot.currents.column == pytest.approx(0.5 * 64 * 0.475 * (1 / 6e3 + 1 / 900e3) / 2, rel=1e-12)
    assert hot.currents.array == pytest.approx(64 * hot.currents.column)
    assert any(
        "carries 1.3 mA" in remark and "82 mA" in remark and "83 µA" in remark for remark in hot.remarks
    )
    assert cool.remarks == ()


def test_chips_beyond_one_exposure_are_told() -> None:
    small, large = (cost(load_workload(name), load_hardware("adcless-64")) for name in ("gesture", "vgg16"))
    assert not any("mm²" in remark for remark in small.remarks)
    assert any("larger than the 858 mm²" in remark and "4 dies" in remark for remark in large.remarks)


# what a larger constant does, where it is not more energy, area or time by a tenth more
RISES = 1.1
PERIODS = {"sense_time_least", "sense_time_most", "sar_bit_time", "sharing_delay"}
OF_PUBLISHED = {"column_power", "sar_column_power", "settling_sense", "settling_flash", "settling_sar"}


def total(made: Cost) -> float:
    return made.total_energy


def leakage(made: Cost) -> float:
    return made.leakage_power


SPECIAL: dict[str, tuple[float, Metric, int]] = {
    "supply": (RISES, total, 1),
    "stated_supply": (RISES, total, -1),
    "threshold": (1.5, alone, 1),
    "buffer_size": (RISES, energy_of("buffers"), -1),
    "tree_length": (RISES, energy_of("interconnect"), 1),
    "wire_capacitance": (RISES, energy_of("array"), 1),
    "cell_pitch": (RISES, area_of("array"), 1),
    "wire_delay": (20.0, alone, 1),
    "adder_delay": (2.0, alone, 1),
    "digital_clock": (2.0, alone, -1),
    "bus_width": (RISES, alone, -1),
    "bank_bits": (16.0, alone, 1),
    "bank_width": (2.0, alone, -1),
    "speed_up": (0.5, period, 1),
    "layout": (RISES, total_area, 1),
    "line_current_most": (10.0, lambda made: len(made.remarks), -1),
}


def expected(name: str) -> tuple[float, Metric, int]:
    if name in SPECIAL:
        return SPECIAL[name]
    if name.endswith("_leakage"):
        return RISES, leakage, 1
    if name.endswith("_area"):
        return RISES, total_area, 1
    if name in PERIODS or name.startswith("settling"):
        return RISES, period, 1
    return RISES, total, 1


@pytest.mark.parametrize("name", list(Constants.model_fields))
def test_every_constant_moves_what_it_should(name: str) -> None:
    technology = load_technology("neurosim-65nm")
    if name == "threshold":
        technology = technology.changed("supply", 0.9)
    factor, metric, sign = expected(name)
    changed = technology.changed(name, factor * technology.value(name))
    kind = "sar" if name.startswith("sar") or name == "settling_sar" else "hp-adc"
    least = name in {"sense_time_least", "settling_sense"}
    accounting = PUBLISHED if name in OF_PUBLISHED or name == "bank_width" else COMPLETE
    card = load_hardware("adcless-64" if least or name == "line_current_most" else f"{kind}-64")
    network: Workload = load_workload("spike-flownet") if metric is alone else GESTURE
    if name == "mac_energy":
        first = GESTURE.layers[0].model_copy(update={"digital": True})
        network = GESTURE.model_copy(update={"layers": (first, *GESTURE.layers[1:])})
    old, new = (
        metric(cost(network, card, technology=one, accounting=accounting)) for one in (technology, changed)
    )
    assert sign * (new - old) > 0


def test_supply_scales_energies_by_its_square_and_slows_gates() -> None:
    low = load_technology("neurosim-65nm").changed("supply", 0.88).constants.at_supply()
    full = load_technology("neurosim-65nm").constants.at_supply()
    for name in ("flip_flop_energy", "adder_energy", "wire_energy", "level_power", "mac_energy"):
        assert getattr(low, name) == pytest.approx(0.64 * getattr(full, name), rel=1e-12, abs=0)
    # gates slow down as they lose overdrive
    assert low.adder_delay / full.adder_delay == pytest.approx(0.8 * (0.6 / 0.38) ** 1.3, rel=1e-12)
    with pytest.raises(InputError, match="threshold"):
        load_technology("neurosim-65nm").changed("supply", 0.5)


def test_ranges_move_with_their_constants() -> None:
    low = load_technology("scaled-45nm").changed("supply", 0.9)
    assert low.span("supply") == pytest.approx((0.81, 0.99))
    assert low.span("sense_time_most") == (1e-9, 10e-9)
    assert (
        load_technology("neurosim-65nm").changed("sense_time_most", 1e-9).span("sense_time_most")[1] == 1e-9
    )


FITS = {  # a3, a2, a1, a0 of delay and b2, b1, b0 of energy, supply, area over that of 65 nm: tables of the paper
    130: ((-76.65, 334.9, -493.4, 275.8), (7.171, -6.709, 2.904), 1.3, 4.3),
    90: ((-60.34, 262.5, -384.2, 210.9), (4.762, -4.781, 2.092), 1.2, 1.9),
    65: ((-53.3, 230.4, -333.9, 178.6), (3.755, -4.398, 1.975), 1.1, 1.0),
    45: ((-501.6, 1567, -1619, 566.1), (1.018, -0.3107, 0.1539), 1.0, 0.66),
    32: ((-1047, 2982, -2797, 873.5), (0.8367, -0.4341, 0.1701), 0.9, 0.31),
}


@pytest.mark.parametrize("node", [130, 90, 45, 32])
def test_scaled_technologies_are_the_published_fits(node: int) -> None:
    def at(size: int) -> tuple[float, float, float]:
        delay, energy, volts, area = FITS[size]
        a3, a2, a1, a0 = delay
        b2, b1, b0 = energy
        return a3 * volts**3 + a2 * volts**2 + a1 * volts + a0, b2 * volts**2 + b1 * volts + b0, area

    base, scaled = load_technology("neurosim-65nm"), load_technology(f"scaled-{node}nm")
    assert scaled.constants.supply == FITS[node][2]
    wanted = [new / old for new, old in zip(at(node), at(65), strict=True)]
    found = [scaled.value(name) / base.value(name) for name in ("adder_delay", "adder_energy", "adder_area")]
    # factors stand in the cards with three digits
    assert found == pytest.approx(wanted, rel=5e-3)


def test_smaller_nodes_take_less_energy_and_area() -> None:
    sizes = (130, 90, 65, 45, 32, 22)
    assert set(technology_names()) == {f"{'neurosim' if n == 65 else 'scaled'}-{n}nm" for n in sizes}
    made = [
        cost(
            GESTURE,
            load_hardware("adcless-64", {"technology.card": f"{'neurosim' if n == 65 else 'scaled'}-{n}nm"}),
        )
        for n in sizes
    ]
    for values in ([m.total_energy for m in made], [m.total_area for m in made]):
        assert values == sorted(values, reverse=True)


def test_scaled_technologies_say_so() -> None:
    for name in technology_names():
        technology = load_technology(name)
        if name.startswith("scaled"):
            assert "Stillmaker" in technology.sources["adder_energy"]
            assert (
                technology.sources["column_power"] == load_technology("neurosim-65nm").sources["column_power"]
            )
