"""A neuron that tires: a spike opens a leak to ground, which takes tens of milliseconds to close."""

from dataclasses import dataclass

from PySpice.Spice.Netlist import Netlist

from memsim.circuits import IntegrateAndFire
from memsim.devices import Device, load_device

FAST = load_device("mif-set1")
SLOW = FAST.with_values(tau=20e-3, r_on=5e3, v_on=50e-3)


@dataclass(frozen=True)
class TiringCell(IntegrateAndFire):
    """Integrate-and-fire with a third, slow volatile device to ground."""

    devices: tuple[Device, ...] = (FAST, FAST, SLOW)
    membrane_capacitance: float = 1e-9

    def _connect(self, netlist: Netlist) -> None:
        super()._connect(netlist)
        self._connect_device(netlist, 3, netlist.gnd)
