"""Memristive neurons: a membrane capacitor and volatile devices, driven by a current into the membrane."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from PySpice.Spice.Netlist import Circuit, Netlist

from memsim.circuits.device import DeviceSubCircuit, subcircuit_name
from memsim.circuits.stimuli import check_finite, check_positive
from memsim.devices import Device, load_device
from memsim.errors import InputError

MEMBRANE = "mem"
"""Node name of the membrane in every neuron circuit."""


@dataclass(frozen=True)
class Neuron(ABC):
    """A neuron circuit around one membrane node.

    Attributes:
        devices: the memristive devices, in the order of their instances `xm1`, `xm2`, ...
        membrane_capacitance: from membrane to ground [F].
        initial_voltage: membrane potential at the start [V].
    """

    devices: tuple[Device, ...]
    membrane_capacitance: float
    initial_voltage: float = 0.0

    def __post_init__(self) -> None:
        check_positive("membrane_capacitance", self.membrane_capacitance)
        check_finite("initial_voltage", self.initial_voltage)

    @abstractmethod
    def _connect(self, netlist: Netlist) -> None:
        """Add what lies between membrane and ground besides the capacitor."""

    def _kinds(self) -> dict[str, Device]:
        """Distinct devices by sub-circuit name; devices that differ in their initial states alone share one."""
        kinds: dict[str, Device] = {}
        for device in self.devices:
            if not any(_same_kind(device, known) for known in kinds.values()):
                kinds[f"{subcircuit_name(device.model)}_{len(kinds) + 1}"] = device
        return kinds

    def _connect_device(self, netlist: Netlist, index: int, node: str) -> None:
        """Instance `Xm<index>` from the membrane to `node`, started in its own state."""
        device = self.devices[index - 1]
        name = next(name for name, known in self._kinds().items() if _same_kind(device, known))
        initial = {f"{state}_0": value for state, value in device.initial.items()}
        netlist.X(f"m{index}", name, MEMBRANE, node, **initial)

    def _connect_sources(self, netlist: Netlist, *potentials: float) -> None:
        """Instances `Xm1`, `Xm2`, ... from the membrane to DC sources `V1`, `V2`, ... of these potentials [V]."""
        for index, potential in enumerate(potentials, start=1):
            self._connect_device(netlist, index, f"e{index}")
            netlist.V(str(index), f"e{index}", netlist.gnd, potential)

    def _define_devices(self, circuit: Circuit) -> None:
        for name, device in self._kinds().items():
            circuit.subcircuit(DeviceSubCircuit(device, name))

    def _build(self, netlist: Netlist) -> None:
        start = self.initial_voltage
        netlist.C(MEMBRANE, MEMBRANE, netlist.gnd, self.membrane_capacitance, initial_condition=start)
        self._connect(netlist)

    def circuit(self, title: str = "memristive neuron") -> Circuit:
        """The neuron alone, with the current source `Iin` into the membrane."""
        circuit = Circuit(title)
        self._define_devices(circuit)
        self._build(circuit)
        circuit.I("in", circuit.gnd, MEMBRANE, 0)
        return circuit

    def starting_from(self, state: Mapping[str, float]) -> Self:
        """The same neuron, started from the unknowns of its `circuit()` as an equilibrium gives them."""
        devices = tuple(
            device.with_values(initial={name: state[f"v(xm{index}.{name})"] for name in device.states})
            for index, device in enumerate(self.devices, start=1)
        )
        return replace(self, devices=devices, initial_voltage=state[f"v({MEMBRANE})"])


def _same_kind(one: Device, other: Device) -> bool:
    return type(one) is type(other) and one.values == other.values


@dataclass(frozen=True)
class IntegrateAndFire(Neuron):
    """Membrane capacitor and two volatile memristors to two DC sources.

        Iin -> mem --+-- Cmem -- 0
                     +-- Xm1 --- e1 (below rest) -- V1 -- 0
                     +-- Xm2 --- e2 (above rest) -- V2 -- 0

    Fires one graded spike per alpha-shaped current pulse; under a constant current it settles.
    Source: Kang et al., IEEE TCAS-I 68(12):4837, 2021; topology as coded in jeshraghian/mem-IF.

    Attributes:
        e1: potential of the first source [V].
        e2: potential of the second source [V].
    """

    e1: float = -0.025
    e2: float = 0.025

    def __post_init__(self) -> None:
        super().__post_init__()
        check_finite("e1 and e2", self.e1, self.e2)

    def _connect(self, netlist: Netlist) -> None:
        self._connect_sources(netlist, self.e1, self.e2)

    @classmethod
    def published(cls, number: int = 1) -> IntegrateAndFire:
        """Parameter set 1 (1 kohm, 1 nF, 5 uA pulses), 2 (1 Mohm, 1 pF, 5 nA) or 3 (1 Gohm, 1 fF, 5 pA).

        Raises:
            InputError: any other number.
        """
        if number not in (1, 2, 3):
            raise InputError(f"parameter set {number!r} does not exist; the published sets are 1, 2 and 3")
        device = load_device(f"mif-set{number}")
        return cls((device, device), membrane_capacitance=1e-9 * impedance_scale(number))


def impedance_scale(number: int) -> float:
    """Factor of capacitances and currents of published set `number` against set 1; resistances scale inversely."""
    return 10.0 ** (-3 * (number - 1))


@dataclass(frozen=True)
class AfterHyperpolarising(Neuron):
    """The integrate-and-fire neuron with a third, slow volatile device to a source far below rest.

        Iin -> mem --+-- Cmem -- 0
                     +-- Xm1 --- e1 (below rest) ----- V1 -- 0
                     +-- Xm2 --- e2 (above rest) ----- V2 -- 0
                     +-- Xm3 --- e3 (far below rest) - V3 -- 0

    A spike switches Xm3 on, and while it switches off the membrane stays lower, and later spikes are.
    memsim's own circuit, not from a paper.

    Attributes:
        e1: potential of the first source [V].
        e2: potential of the second source [V].
        e3: potential of the third source [V].
    """

    e1: float = -0.025
    e2: float = 0.025
    e3: float = -0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        check_finite("e1, e2 and e3", self.e1, self.e2, self.e3)

    def _connect(self, netlist: Netlist) -> None:
        self._connect_sources(netlist, self.e1, self.e2, self.e3)

    @classmethod
    def set_1(cls) -> AfterHyperpolarising:
        """Parameter set 1 of the integrate-and-fire neuron, and a device that stays on for some 40 ms."""
        fast = load_device("mif-set1")
        slow = fast.with_values(tau=20e-3, r_on=20e3, v_on=90e-3, v_off=30e-3)
        return cls((fast, fast, slow), membrane_capacitance=1e-9)


@dataclass(frozen=True)
class ThresholdSwitching(Neuron):
    """Membrane capacitor and one threshold switch to ground: fires by itself under a constant current.

        Iin -> mem --+-- Cmem -- 0
                     +-- Xm1 --- 0

    memsim's own substitute for a self-firing neuron, not from a paper.
    """

    def _connect(self, netlist: Netlist) -> None:
        self._connect_device(netlist, 1, netlist.gnd)

    @classmethod
    def set_a(cls) -> ThresholdSwitching:
        """About 200 to 1300 spikes per second for 2.5 to 20 uA."""
        return cls((load_device("threshold-a"),), membrane_capacitance=100e-9)

    @classmethod
    def set_b(cls) -> ThresholdSwitching:
        """Ten times faster: about 1.6 to 13 kHz for 1.5 to 20 uA."""
        return cls((load_device("threshold-b"),), membrane_capacitance=10e-9)
