"""Energy, latency and area of a network on in-memory computing hardware.

An operation is a multiplication or a sum: two for each weight at each position and time step, whether its input spikes
or not. TOPS/W are operations over the energy of an inference; of the macro, over that of arrays, converters and
drivers alone. TOPS/mm2 are operations over the period of the pipeline and the area of the chip.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from memsim.errors import InputError
from memsim.imc.cost.accounting import COMPLETE, Accounting
from memsim.imc.cost.energy import (
    COMPONENTS,
    digital_energy,
    energies,
    memory_bits,
    programming_energy,
    traffic,
)
from memsim.imc.cost.floorplan import Floorplan, LayerPlan, floorplan
from memsim.imc.cost.latency import digital_seconds, programming_seconds, seconds
from memsim.imc.cost.remarks import Currents, currents, remarks
from memsim.imc.cost.technology import Technology, load_technology
from memsim.imc.hardware import HardwareCard
from memsim.imc.workloads import LayerShape, Workload

MACRO = ("array", "converters", "drivers")


@dataclass(frozen=True)
class LayerCost:
    """Of one layer on arrays, for each inference.

    Attributes:
        name: of the layer.
        arrays: that it takes, with all copies.
        copies: of the layer.
        utilisation: share of the cells of its arrays that hold weights.
        energy: of each component [J].
        latency: [s].
    """

    name: str
    arrays: int
    copies: int
    utilisation: float
    energy: dict[str, float]
    latency: float

    @property
    def total_energy(self) -> float:
        """[J]."""
        return sum(self.energy.values())


@dataclass(frozen=True)
class PartCost:
    """Of what is computed beside the arrays, for each inference.

    Attributes:
        name: of the part.
        does: what, in words.
        energy: [J].
        latency: [s].
    """

    name: str
    does: str
    energy: float
    latency: float


@dataclass(frozen=True)
class Programming:
    """Of all cells of a network.

    Attributes:
        energy: once [J].
        time: once [s].
        passes: times that the chip is programmed in each inference; 1 where it holds the network, and is not.
    """

    energy: float
    time: float
    passes: int


@dataclass(frozen=True)
class Cost:
    """Of a network, for each inference.

    Attributes:
        workload, card, technology, accounting: what was costed, by name.
        layers: on arrays, one by one.
        parts: beside arrays, one by one.
        shared: energy of components that belong to no layer [J].
        area: of each component [m2].
        leakage_power: [W].
        period: between two inferences of the pipeline [s].
        inference_time: of one inference that has the chip for itself [s].
        operations: of an inference; of those, `array_operations` on arrays.
        utilisation: share of the cells of the chip that hold weights.
        programming: of the cells; None where the card does not say how they are written.
        currents: of the largest reads.
        plan: of the chip.
        remarks: what should be known before these numbers are used.
    """

    workload: str
    card: str
    technology: str
    accounting: str
    layers: tuple[LayerCost, ...]
    parts: tuple[PartCost, ...]
    shared: dict[str, float]
    area: dict[str, float]
    leakage_power: float
    period: float
    inference_time: float
    operations: float
    array_operations: float
    utilisation: float
    programming: Programming | None
    currents: Currents
    plan: Floorplan
    remarks: tuple[str, ...]

    @property
    def energy(self) -> dict[str, float]:
        """Of each component [J]."""
        digital = sum(part.energy for part in self.parts)
        return {
            name: sum(layer.energy.get(name, 0.0) for layer in self.layers)
            + self.shared.get(name, 0.0)
            + (digital if name == "digital" else 0.0)
            for name in COMPONENTS
        }

    @property
    def total_energy(self) -> float:
        """[J]."""
        return sum(self.energy.values())

    @property
    def macro_energy(self) -> float:
        """Of arrays, converters and drivers [J]."""
        return sum(self.energy[name] for name in MACRO)

    @property
    def efficiency(self) -> float:
        """Operations over energy [1/J]; 1e12 of them are 1 TOPS/W."""
        return self.operations / self.total_energy

    @property
    def macro_efficiency(self) -> float:
        """Operations on arrays over the energy of the macro [1/J]."""
        return self.array_operations / self.macro_energy

    @property
    def throughput(self) -> float:
        """Operations over period [1/s]."""
        return self.operations / self.period

    @property
    def density(self) -> float:
        """Throughput over area [1/(s m2)]; 1e18 of them are 1 TOPS/mm2."""
        return self.throughput / self.total_area

    @property
    def total_area(self) -> float:
        """[m2]."""
        return sum(self.area.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON, in SI units."""
        return {
            "workload": self.workload,
            "card": self.card,
            "technology": self.technology,
            "accounting": self.accounting,
            "energy_joule": self.total_energy,
            "period_second": self.period,
            "inference_second": self.inference_time,
            "area_square_metre": self.total_area,
            "leakage_watt": self.leakage_power,
            "operations": self.operations,
            "operations_per_joule": self.efficiency,
            "operations_per_joule_of_macro": self.macro_efficiency,
            "operations_per_second": self.throughput,
            "operations_per_second_and_square_metre": self.density,
            "utilisation": self.utilisation,
            "programming": None if self.programming is None else vars(self.programming),
            "currents_ampere": vars(self.currents),
            "remarks": list(self.remarks),
            "energy_of_components": self.energy,
            "area_of_components": self.area,
            "layers": [
                {
                    "name": layer.name,
                    "arrays": layer.arrays,
                    "copies": layer.copies,
                    "utilisation": layer.utilisation,
                    "latency_second": layer.latency,
                    "energy_of_components": layer.energy,
                }
                for layer in self.layers
            ],
            "digital_parts": [vars(part) for part in self.parts],
        }


def cost(
    workload: Workload,
    card: HardwareCard,
    *,
    technology: Technology | None = None,
    accounting: Accounting = COMPLETE,
    skip_events: bool = False,
) -> Cost:
    """Energy, latency and area of a network on hardware.

    Args:
        workload: the network.
        card: the hardware.
        technology: constants; those that the card names where left out.
        accounting: what is charged.
        skip_events: whether arrays without any spike are not read, and spikes travel as addresses.

    Raises:
        InputError: the card names an unknown technology, or has too few tiles and does not say how cells are written.
    """
    technology = load_technology(card.technology.card) if technology is None else technology
    plan = floorplan(workload, card, technology.constants.at_supply(), accounting)
    flows = [
        traffic(plan, layer, workload.rate(layer.shape), skip_events=skip_events) for layer in plan.layers
    ]
    times = [seconds(plan, layer, flow) for layer, flow in zip(plan.layers, flows, strict=True)]
    parts = _parts(plan, workload)
    programming = _programming(plan)
    bits = memory_bits(plan, workload) if card.memory and accounting.surroundings else 0.0
    period, inference_time = _times(plan, times, parts, bits, programming)
    power = _leakage(plan)
    leaked = period * power if accounting.leakage else 0.0
    layers = [
        LayerCost(
            name=layer.shape.name,
            arrays=layer.row_tiles * layer.column_tiles * layer.copies,
            copies=layer.copies,
            utilisation=_utilisation(plan, layer),
            energy={**energies(plan, layer, flow), "leakage": leaked * plan.tile_share(layer)},
            latency=time,
        )
        for layer, flow, time in zip(plan.layers, flows, times, strict=True)
    ]
    rewritten = programming.energy if programming and programming.passes > 1 else 0.0
    area = _areas(plan)
    currents_ = currents(plan, [flow.rate for flow in flows])
    return Cost(
        workload=workload.name,
        card=card.name,
        technology=technology.name,
        accounting=accounting.name,
        layers=tuple(layers),
        parts=parts,
        shared={"memory": bits * card.memory.energy if card.memory else 0.0, "programming": rewritten},
        area=area,
        leakage_power=power,
        period=period,
        inference_time=inference_time,
        operations=_operations(plan, workload.layers),
        array_operations=_operations(plan, workload.on_arrays),
        utilisation=_cells_in_use(plan),
        programming=programming,
        currents=currents_,
        plan=plan,
        remarks=remarks(plan, flows, currents_, sum(area.values())),
    )


def _parts(plan: Floorplan, workload: Workload) -> tuple[PartCost, ...]:
    if not plan.digital:
        return ()
    return tuple(
        PartCost(part.name, part.does, digital_energy(plan, part), digital_seconds(plan, part))
        for part in workload.digital_parts()
    )


def _programming(plan: Floorplan) -> Programming | None:
    energy, time = programming_energy(plan), programming_seconds(plan)
    if energy is not None and time is not None:
        return Programming(energy, time, plan.passes)
    if plan.passes > 1:
        raise InputError(
            f"the network takes {plan.tiles_needed} tiles and {plan.card.name} has tiles.on_chip = {plan.tiles}, so "
            "that cells are written in each inference; give cell.write_voltage and cell.write_time, or more tiles"
        )
    return None


def _times(
    plan: Floorplan,
    layers: Sequence[float],
    parts: Sequence[PartCost],
    bits: float,
    programming: Programming | None,
) -> tuple[float, float]:
    """Period of the pipeline, and time of one inference alone."""
    memory = bits / plan.card.memory.bandwidth if plan.card.memory else 0.0
    stages = [*layers, sum(part.latency for part in parts), memory]
    if programming is None or programming.passes == 1:
        return max(stages), sum(stages)
    alone = sum(stages) + programming.passes * programming.time
    return alone, alone


def _operations(plan: Floorplan, layers: Iterable[LayerShape]) -> float:
    rule = plan.accounting.positions
    return 2 * plan.steps * sum(layer.positions(rule) * layer.weights for layer in layers)


def _utilisation(plan: Floorplan, layer: LayerPlan) -> float:
    array = plan.card.array
    cells = layer.row_tiles * array.rows * layer.column_tiles * array.columns
    return layer.shape.weights * plan.card.lines / cells


def _cells_in_use(plan: Floorplan) -> float:
    """Share of the cells of the chip; of the part that it holds at a time, where it is programmed anew."""
    array = plan.card.array
    held = sum(layer.shape.weights * plan.card.lines * layer.copies for layer in plan.layers) / plan.passes
    return held / (plan.tiles * plan.side**2 * array.rows * array.columns)


def _neuron_circuits(plan: Floorplan) -> float:
    """One for each output of a copy of a layer."""
    return sum(layer.shape.neurons * layer.copies for layer in plan.layers) * plan.accounting.neurons


def _areas(plan: Floorplan) -> dict[str, float]:
    c = plan.constants
    parts = {name: area * plan.tiles for name, area in plan.tile_areas.items()}
    parts["buffers"] += plan.global_buffer_bits * plan.buffer_area
    parts["neurons"] = _neuron_circuits(plan) * c.neuron_area
    return {**parts, "digital": plan.lanes * c.lane_area}


def _leakage(plan: Floorplan) -> float:
    c = plan.constants
    bits = plan.tiles * (plan.flip_flops + plan.buffer_bits) + plan.global_buffer_bits
    neurons = _neuron_circuits(plan) * c.neuron_leakage
    return bits * c.flip_flop_leakage + neurons + plan.lanes * c.lane_leakage
