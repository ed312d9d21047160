"""An after-hyperpolarising neuron: a spike is followed by tens of milliseconds below rest."""

from dataclasses import dataclass

from PySpice.Spice.Netlist import Netlist

from memsim.circuits import IntegrateAndFire
from memsim.devices import Device, load_device

FAST = load_device("mif-set1")
SLOW = FAST.with_values(tau=20e-3, r_on=20e3, v_on=90e-3, v_off=30e-3)


@dataclass(frozen=True)
class AhpCell(IntegrateAndFire):
    """Integrate-and-fire with a third, slow volatile device to a source below rest."""

    devices: tuple[Device, ...] = (FAST, FAST, SLOW)
    membrane_capacitance: float = 1e-9
    e3: float = -0.05

    def _connect(self, netlist: Netlist) -> None:
        super()._connect(netlist)
        self._connect_device(netlist, 3, "e3")
        netlist.V("3", "e3", netlist.gnd, self.e3)
