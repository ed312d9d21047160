"""What a network costs: in all, and layer by layer.

An operation is a multiplication or a sum: two for each weight at each position and time step, whether its input spikes
or not. TOPS/W are operations over the energy of an inference; of the macro, over that of arrays, converters and
drivers alone. TOPS/mm2 are operations over the period of the pipeline and the area of the chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memsim.imc.cost.energy import COMPONENTS
from memsim.imc.cost.floorplan import Floorplan
from memsim.imc.cost.remarks import Currents

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
        slowest: stage of the pipeline: a layer, the digital unit, or the memory.
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
    slowest: str
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
            "slowest_stage": self.slowest,
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
