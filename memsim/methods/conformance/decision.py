"""Two memristive neurons decide which of two Poisson inputs comes at the higher rate.

    input k --- g ------> mem_k        charges of current C V', in slots that hold a Poisson number of events each
    mem_j --- line ---> -G --> mem_k   each inhibits the other by G x_j, tau_line x_j' = v_j - x_j

Below their thresholds potentials add to a sum that settles and a difference that grows where G R > 1:

    C D' = i_1 - i_2 + (G - 1 / R) D

so that the circuit collects evidence until one neuron reaches its threshold, fires again and again, and holds the
other one down: Wang, Neuron 36, 2002, in one capacitor and one threshold switch a neuron. Memsim's own circuit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PySpice.Spice.Netlist import Circuit
from torch import Tensor

from memsim.circuits.network import CrossbarLayer, PairArray, membrane, network_circuit
from memsim.errors import InputError
from memsim.networks import CircuitNeuron
from memsim.networks.drives import Drive
from memsim.networks.named_cells import load_cell
from memsim.spice import simulate

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
UNDECIDED = -1
CELL, LEVEL = 25e-6, 0.1
"""Conductance of a cell [S], and voltage of a word line on which one event comes [V]."""


@dataclass(frozen=True)
class Decision:
    """The circuit and its trials.

    Attributes:
        neuron: name of a cell that fires by itself.
        inhibition: current into one neuron over the potential of the line of the other [S].
        current: mean of an input of zero contrast [A].
        tau: time constant of the lines between the neurons [s].
        window: time of a trial [s].
        slots: of the trial, in each of which events come together.
        events: mean in a slot of an input of zero contrast.
    """

    neuron: str = "threshold-switching-b"
    inhibition: float = 4e-6
    current: float = 200e-9
    tau: float = 0.2e-3
    window: float = 40e-3
    slots: int = 400
    events: float = 1.0

    @property
    def drive(self) -> Drive:
        """What events are on a word line."""
        return Drive(pulse="held", voltage=LEVEL, window=self.window, slots=self.slots)

    def trials(
        self, number: int, contrast: float, generator: torch.Generator
    ) -> tuple[Tensor, NDArray[np.int64]]:
        """Events [trials, slots, 2], and which of the two rates is the higher one [trials].

        Rates are events (1 + contrast) and events (1 - contrast) in a slot.

        Raises:
            InputError: a contrast outside 0 to 1.
        """
        if not 0 <= contrast <= 1:
            raise InputError(f"contrast = {contrast!r} is out of range; allowed: 0 to 1")
        higher = torch.randint(2, (number,), generator=generator)
        signs = 2.0 * torch.nn.functional.one_hot(higher, 2).double() - 1
        rates = (self.events * (1 + contrast * signs))[:, None].expand(-1, self.slots, -1)
        return torch.poisson(rates, generator=generator), higher.numpy()

    def potentials(self, events: Tensor, step: float = 20e-6) -> tuple[Array, Array]:
        """Times [s], and potentials of both neurons [time, trials, 2] in V, in the twin."""
        times = np.arange(0, self.window + step / 2, step)
        cross = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
        with torch.no_grad():
            waves, _ = CircuitNeuron(self.neuron, 2)(
                self.drive(events).voltages(times) * self._transfer,
                dt=step,
                coupling=(-self.inhibition * cross, self.tau),
            )
        return times, waves.numpy()

    def circuit(self) -> Circuit:
        """The same for ngspice, with a source for each input: `Vdrive0` and `Vdrive1`."""
        none, cross = np.zeros((2, 2)), np.array([[0.0, CELL], [CELL, 0.0]])
        inhibiting = PairArray(none, cross, self.inhibition / CELL, tau=self.tau)
        layer = CrossbarLayer(np.diag([CELL, CELL]), none, self._transfer / CELL, others=[(1, inhibiting)])
        return network_circuit([layer], load_cell(self.neuron).circuit, 2, title="winner takes all")

    def potentials_in_ngspice(self, events: Tensor) -> tuple[Array, Array]:
        """Times [s], and potentials of both neurons [time, 2] in V, of one trial [slots, 2] in ngspice."""
        lines = self.drive(events[None]).stimuli()
        names = [f"v({membrane(1, number)})" for number in range(2)]
        waves = simulate(
            self.circuit(),
            stimuli={f"vdrive{number}": line for number, line in enumerate(lines)},
            stop=self.window,
            step=self.window / self.slots / 5,
            save=names,
        )
        return waves["time"].to_numpy(), np.stack([waves[name].to_numpy() for name in names], axis=-1)

    def spikes(self, potentials: Array) -> Counts:
        """How often potentials [time, ...] rise through the level of the neuron."""
        cell = load_cell(self.neuron)
        level = cell.rest + cell.regime.level
        return ((potentials[:-1] < level) & (potentials[1:] >= level)).sum(axis=0)

    @property
    def _transfer(self) -> float:
        """Current into a neuron over the voltage of its word line [S]."""
        return self.current / (self.events * LEVEL)


def winners(counts: Counts) -> NDArray[np.int64]:
    """Which of two neurons has fired more [trials], of spikes [trials, 2]; UNDECIDED where none has."""
    return np.where(counts[:, 0] == counts[:, 1], UNDECIDED, counts.argmax(axis=1))
