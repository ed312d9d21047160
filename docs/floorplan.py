"""The floorplan of the gesture network on adcless-64, into docs/howto/floorplan.png.

python docs/floorplan.py
"""

from __future__ import annotations

from pathlib import Path

from memsim import plots
from memsim.imc import load_hardware
from memsim.imc.cost import cost
from memsim.imc.workloads import load_workload


def main() -> None:
    """Cost, draw, save."""
    made = cost(load_workload("gesture"), load_hardware("adcless-64"))
    print(plots.save(plots.floorplan(made), Path(__file__).parent / "howto" / "floorplan.png"))


if __name__ == "__main__":
    main()
