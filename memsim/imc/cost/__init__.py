"""What a network costs on in-memory computing hardware."""

from memsim.imc.cost.accounting import COMPLETE, PUBLISHED, Accounting, accounting_of
from memsim.imc.cost.energy import COMPONENTS
from memsim.imc.cost.floorplan import Floorplan, LayerPlan
from memsim.imc.cost.model import cost
from memsim.imc.cost.remarks import RETICLE, Currents
from memsim.imc.cost.results import Cost, LayerCost, PartCost, Programming
from memsim.imc.cost.sensitivity import Quantity, Swing, sensitivity
from memsim.imc.cost.technology import Constants, Technology, load_technology, technology_names
from memsim.imc.cost.together import costs_of_cards, together

__all__ = [
    "COMPLETE",
    "COMPONENTS",
    "PUBLISHED",
    "RETICLE",
    "Accounting",
    "Constants",
    "Cost",
    "Currents",
    "Floorplan",
    "LayerCost",
    "LayerPlan",
    "PartCost",
    "Programming",
    "Quantity",
    "Swing",
    "Technology",
    "accounting_of",
    "cost",
    "costs_of_cards",
    "load_technology",
    "sensitivity",
    "technology_names",
    "together",
]
