"""Energy, latency and area of a network on in-memory computing hardware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memsim.imc.cost.accounting import PUBLISHED, Accounting
from memsim.imc.cost.energy import COMPONENTS, energies, traffic
from memsim.imc.cost.floorplan import Floorplan, LayerPlan, floorplan
from memsim.imc.cost.latency import seconds
from memsim.imc.cost.technology import Technology, load_technology
from memsim.imc.hardware import HardwareCard
from memsim.imc.workloads import Workload


@dataclass(frozen=True)
class LayerCost:
    """Of one layer, for each inference.

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
class Cost:
    """Of a network, for each inference.

    Attributes:
        workload, card, technology, accounting: what was costed, by name.
        layers: layer by layer.
        area: of each component [m2].
        leakage_power: [W].
    """

    workload: str
    card: str
    technology: str
    accounting: str
    layers: tuple[LayerCost, ...]
    area: dict[str, float]
    leakage_power: float

    @property
    def energy(self) -> dict[str, float]:
        """Of each component [J]."""
        return {part: sum(layer.energy[part] for layer in self.layers) for part in COMPONENTS}

    @property
    def total_energy(self) -> float:
        """[J]."""
        return sum(self.energy.values())

    @property
    def latency(self) -> float:
        """Of one inference in the pipeline: that of its slowest layer [s]."""
        return max(layer.latency for layer in self.layers)

    @property
    def latency_alone(self) -> float:
        """Of an inference that has the chip for itself: of all layers, one after the other [s]."""
        return sum(layer.latency for layer in self.layers)

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
            "latency_second": self.latency,
            "latency_alone_second": self.latency_alone,
            "area_square_metre": self.total_area,
            "leakage_watt": self.leakage_power,
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
        }


def cost(
    workload: Workload,
    card: HardwareCard,
    *,
    technology: Technology | None = None,
    accounting: Accounting = PUBLISHED,
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
        InputError: the card names an unknown technology.
    """
    technology = load_technology(card.technology.card) if technology is None else technology
    plan = floorplan(workload, card, technology.constants, accounting)
    flows = [
        traffic(plan, layer, workload.rate(layer.shape), skip_events=skip_events) for layer in plan.layers
    ]
    times = [seconds(plan, layer, flow) for layer, flow in zip(plan.layers, flows, strict=True)]
    power = _leakage(plan)
    leaked = max(times) * power if accounting.leakage else 0.0
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
    return Cost(
        workload.name, card.name, technology.name, accounting.name, tuple(layers), _areas(plan), power
    )


def _utilisation(plan: Floorplan, layer: LayerPlan) -> float:
    array = plan.card.array
    cells = layer.row_tiles * array.rows * layer.column_tiles * array.columns
    return layer.shape.weights * plan.card.lines / cells


def _neuron_circuits(plan: Floorplan) -> float:
    """One for each output of a copy of a layer."""
    return sum(layer.shape.neurons * layer.copies for layer in plan.layers) * plan.accounting.neurons


def _areas(plan: Floorplan) -> dict[str, float]:
    c = plan.constants
    parts = {name: area * plan.tiles for name, area in plan.tile_areas.items()}
    parts["buffers"] += plan.global_buffer_bits * c.flip_flop_area
    return {**parts, "neurons": _neuron_circuits(plan) * c.neuron_area}


def _leakage(plan: Floorplan) -> float:
    c = plan.constants
    flip_flops = plan.tiles * plan.flip_flops + plan.global_buffer_bits
    return flip_flops * c.flip_flop_leakage + _neuron_circuits(plan) * c.neuron_leakage
