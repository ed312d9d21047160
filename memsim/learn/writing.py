"""Weights that are cells, written in place after each update: the optimiser says the change, pulses make what they can.

What fills the gradients, and what steps along them, are rule and optimiser as ever: a writer stands behind both. After
an update the weights of the network are those that the cells hold, by which the next batch is read, the other way
round, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import AfterValidator
from torch import Tensor, nn

from memsim.crossbar import Cells, Crossbar, DifferentialPairs
from memsim.crossbar.in_place import WRITERS, Pairs, Writer
from memsim.devices import load_device
from memsim.errors import InputError
from memsim.networks.described import Entry, described

if TYPE_CHECKING:
    from memsim.learn.study import Study

PULSES, ENERGY, MOST = "pulses", "write_energy", "most_pulses"
FIGURES = (PULSES, ENERGY, MOST)
"""Columns of a history: pulses so far, their energy without wires [J], and those of the cell that got most."""


def writer_of(entry: Any) -> Writer:
    """The writer that a study describes: a table with `kind` and what it takes.

    Raises:
        InputError: an unknown writer, or settings that it does not have.
    """
    return described(entry, WRITERS, Writer, "training.writing")  # type: ignore[type-abstract] # protocols will do


def _known(entry: Any) -> Any:
    if entry is not None:
        writer_of(entry)
    return entry


WriterEntry = Annotated[Entry, AfterValidator(_known)]
"""An entry of a table that describes a writer."""


def check_writing(study: Study) -> None:
    """Raise ValueError where cells of a study cannot be written in place."""
    synapses, training = study.synapses, study.training
    whole = (synapses.conductance_min, synapses.conductance_max) == (None, None)
    needs = {
        'writes cells, and weights are plain; give synapse = "crossbar"': study.on_crossbars,
        "writes cells of crossbars, and stages have cards; leave one of them out": not any(
            stage.card for stage in study.stages
        ),
        'leaves no way back to the cells of an earlier epoch; leave keep = "best" out': training.keep
        == "last",
        "takes cells through all of their range; leave conductance_min and conductance_max out": whole,
        "is of arrays without resistance of wires; leave wire_resistance out": not synapses.wire_resistance,
        "has a variation of its own; leave nonidealities.train out": study.nonidealities.train
        == type(study.nonidealities.train)(),
    }
    for what, there in needs.items():
        if not there:
            raise ValueError(f"training.writing {what}")


def check_processes(study: Study, processes: int) -> None:
    """Raise InputError where processes would each write cells of their own."""
    if study.training.writing is not None and processes > 1:
        raise InputError(
            f"training.writing draws what pulses do in one process, and there are {processes}; leave --devices out"
        )


class Arrays:
    """The cells of a network's weights.

    Args:
        network: whose crossbars are written.
        writer: how.
        device: of the cells, by the name of its card.

    Raises:
        InputError: weights that are no pairs of such cells, or no cells at all.
    """

    def __init__(self, network: nn.Module, writer: Writer, device: str) -> None:
        self.writer, self.pairs = writer, Pairs(Cells(load_device(device)))
        self.crossbars = {name: one for name, one in network.named_modules() if isinstance(one, Crossbar)}
        self._check(network)
        self._kept: dict[str, dict[str, Tensor]] = {}
        for name, crossbar in self.crossbars.items():
            state = self.pairs.states(crossbar.weight.detach())
            self._kept[name] = {
                "state": state,
                "left": torch.zeros_like(crossbar.weight.detach()),
                "pulses": torch.zeros_like(state, dtype=torch.int64),
                "energy": state.new_zeros((), dtype=torch.float64),
            }

    def _check(self, network: nn.Module) -> None:
        cells = {f"{name}.weight" for name in self.crossbars}
        others = [
            name for name, one in network.named_parameters() if name.endswith("weight") and one.requires_grad
        ]
        for name in others:
            if name not in cells:
                raise InputError(
                    f"training.writing writes cells, and {name!r} is none; put its layer on a crossbar, or leave "
                    "writing out"
                )
        for name, crossbar in self.crossbars.items():
            ends = torch.tensor([crossbar.g_min, crossbar.g_max], dtype=torch.float64)
            # a bound written in decimal may miss the reciprocal of a resistance by rounding
            fits = torch.allclose(ends, ends.new_tensor(self.pairs.range), rtol=1e-6)
            if not (crossbar.hardware.ideal and isinstance(crossbar.mapping, DifferentialPairs) and fits):
                raise InputError(
                    f"training.writing is of ideal arrays of {self.pairs.cells.device.model} cells, in pairs with all "
                    f"of the range, {self.pairs.range[0]:.4g} to {self.pairs.range[1]:.4g} S, and {name!r} is "
                    "another one; use a device without series resistance or selector, and ideal hardware"
                )

    @torch.no_grad()
    def write(self, generator: torch.Generator | None = None) -> None:
        """Let the cells follow weights that an update has changed, and the weights be what the cells then hold.

        Raises:
            ConvergenceError: pulses that the device model or the counter cannot follow.
        """
        for name, crossbar in self.crossbars.items():
            kept = self._kept[name]
            change = crossbar.weight - self.pairs.weights(kept["state"])
            found, kept["left"] = self.writer.write(
                self.pairs, kept["state"], change + kept["left"], generator
            )
            kept["state"] = found.state
            kept["pulses"] += found.pulses
            kept["energy"] += found.energy.sum(dtype=torch.float64)
            crossbar.weight.copy_(self.pairs.weights(found.state).clamp(-1, 1))

    @property
    def figures(self) -> dict[str, float]:
        """What writing has taken so far, see FIGURES."""
        pulses = [kept["pulses"] for kept in self._kept.values()]
        return {
            PULSES: float(sum(int(one.sum()) for one in pulses)),
            ENERGY: float(sum(float(kept["energy"]) for kept in self._kept.values())),
            MOST: float(max(int(one.max()) for one in pulses)),
        }

    def states(self) -> dict[str, Tensor]:
        """Of the cells of each crossbar, [2, rows, columns]."""
        return {name: kept["state"] for name, kept in self._kept.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """All that is kept, by name."""
        return {f"{name}.{what}": one for name, kept in self._kept.items() for what, one in kept.items()}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Take it back.

        Raises:
            KeyError: something is missing.
        """
        for name, kept in self._kept.items():
            self._kept[name] = {what: tensors[f"{name}.{what}"].to(one) for what, one in kept.items()}
