"""One layer of a network: synapse, gate, neuron.

    i(t) = gate(norm(W x(t - d) + sum W' x')) + sum norm'(W'' x'') + R l,    y = neuron(i),    tau dl/dt = y - l

x is what the layer before gives, or a part of the input, or averages of windows of either, y its own outputs and l the
lines that they drive; lines of discrete neurons have the outputs of the step before, or traces of these. x' and x''
come by joins: what other layers give, or the currents i of these. Those of further joins are added to the outputs:
y + norm'(W'' x'') goes on; or they come before y, step after step. A join has no synapse or normalisation where it is
not said to: then x'' is added as it is. Layers over locations get x turned, see memsim.networks.scans.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks.delays import Delay
from memsim.networks.gates import Gate, Identity, passed
from memsim.networks.lines import Resampling
from memsim.networks.recurrence import recur
from memsim.networks.scans import TIME, Over
from memsim.networks.skips import CURRENT, SPIKE, STEPS, Kind, Place
from memsim.networks.stepwise import of_steps
from memsim.networks.synapses import Synapse


class Join(nn.Module):
    """What comes into a layer beside the outputs of the layer before.

    Args:
        source: name of the layer that it comes from, or `input`.
        synapse: that it passes; none where left out.
        of: `spike`: the outputs of that layer; `current`: what goes into its neurons.
        place: `current`: added in front of normalisation and gate; `membrane`: behind them; `spike`: to the outputs of
            the layer; `steps`: before these, step after step. Where left out, to the outputs without a synapse, else in
            front.
        norm: normalisation of its own.
        resampling: averages or copies of it, in front of the synapse.

    Raises:
        InputError: outputs that come before others, and not as they are.
    """

    def __init__(
        self,
        source: str,
        synapse: Synapse | None = None,
        *,
        of: Kind = SPIKE,
        place: Place | None = None,
        norm: nn.Module | None = None,
        resampling: Resampling | None = None,
    ) -> None:
        super().__init__()
        self.source, self.synapse, self.of = source, synapse, of
        self.place: Place = place or (SPIKE if synapse is None else CURRENT)
        if self.place == STEPS and (synapse, of, norm, resampling) != (None, SPIKE, None, None):
            raise InputError(
                f"a join from {source!r} passes a synapse, or comes before outputs; give one of them, and outputs as "
                "they are"
            )
        self.norm, self.resampling = norm, resampling

    def forward(self, values: Tensor) -> Tensor:
        """What it adds, [time, batch, neurons], behind its synapse."""
        return values if self.norm is None else passed(self.norm, values, 0)


class Layer(nn.Module):
    """Neurons and all that leads into them.

    Attributes:
        copied: whether other layers get the current into its neurons, too; its network says so.

    Args:
        synapse: from the layer before.
        neuron: from currents [time, batch, neurons] and a state to outputs of that shape and the state at the end.
        name: that joins of later layers know it by.
        norm: normalisation of the currents of all connections but its own, of discrete neurons; none where left out.
        gate: of these currents, or of the outputs; they stay what they are where left out.
        recurrent: synapse from its own outputs.
        tau: time constant of the lines between [s], or of traces of discrete neurons [steps].
        source: what leads to the synapse in the place of the layer before: a part of the input, or a layer.
        joins: from other layers.
        resampling: averages or copies of what comes from the layer before, which word lines follow.
        delay: of what comes on these word lines.
        over: what its neurons are stepped along, time or location.
        order: of the locations, numbers [locations] of the lines that come in; by number where left out.

    Raises:
        InputError: sizes that do not fit together, or an order of time.
    """

    def __init__(  # noqa: PLR0913 - the parts of a layer
        self,
        synapse: Synapse,
        neuron: nn.Module,
        *,
        name: str = "",
        norm: nn.Module | None = None,
        gate: Gate | None = None,
        recurrent: Synapse | None = None,
        tau: float | None = None,
        source: str | None = None,
        joins: Sequence[Join] = (),
        resampling: Resampling | None = None,
        delay: Delay | None = None,
        over: Over = TIME,
        order: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.synapse, self.neuron, self.name, self.source = synapse, neuron, name, source
        self.norm, self.gate = norm, Identity() if gate is None else gate
        self.recurrent, self.tau, self.resampling, self.delay = recurrent, tau, resampling, delay
        self.joins, self.copied, self.over = nn.ModuleList(joins), False, over
        self.order: Tensor | None
        self.register_buffer("order", order)
        if order is not None and over == TIME:
            raise InputError(f"layer {name!r} is stepped over time, which has one order; leave order out")
        others = [join.synapse for join in joins if join.synapse is not None]
        for other in [*others, *([recurrent] if recurrent is not None else [])]:
            if math.prod(other.shape) != self.neurons:
                raise InputError(
                    f"layer {name!r} has {self.neurons} neurons, and another connection leads to "
                    f"{math.prod(other.shape)}; they must be as many"
                )

    @property
    def neurons(self) -> int:
        """How many there are."""
        return math.prod(self.shape)

    @property
    def connections(self) -> list[Join]:
        """The joins, with their type."""
        return cast("list[Join]", list(self.joins))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the neurons: (neurons,) or (channels, height, width)."""
        return self.synapse.shape

    @property
    def locations(self) -> int | None:
        """That it is stepped over, where their order is known; None of time."""
        return None if self.order is None else len(self.order)

    @property
    def gate_name(self) -> str:
        """The gate, for messages."""
        return f"the gate {type(self.gate).__name__} of layer {self.name!r}"

    def gated(self, current: Tensor, first: int = 0) -> Tensor:
        """What normalisation and gate make of the current of all connections but its own.

        Args:
            current: [time, batch, neurons].
            first: number of its first step.

        Raises:
            InputError: currents of another shape.
        """
        normal = current if self.norm is None else passed(self.norm, current, first)
        return normal if self.gate.behind else self._through_gate(normal, first)

    def _through_gate(self, values: Tensor, first: int) -> Tensor:
        made = passed(self.gate, values, first)
        if made.shape != values.shape:
            raise InputError(
                f"{self.gate_name} makes {tuple(made.shape)} of {'outputs' if self.gate.behind else 'currents'} "
                f"{tuple(values.shape)}; it must keep their shape, [time, batch, neurons]"
            )
        return made

    def forward(self, current: Tensor, state: Any = None, **timing: Any) -> tuple[Tensor, Any]:
        """Outputs [time, batch, neurons], and the state at the end.

        Args:
            current: of all connections but its own, of that shape, in front of normalisation and gate.
            state: at the start; that of rest where left out.
            timing: what neurons of this kind want to know of time, as `dt` [s].

        Raises:
            InputError: a normalisation in front of circuits.
        """
        return self.fire(self.gated(current, getattr(state, "step", 0)), state, **timing)

    def fire(self, current: Tensor, state: Any = None, **timing: Any) -> tuple[Tensor, Any]:
        """The same for currents as they go into the neurons, behind normalisation and gate."""
        if self.norm is not None and "dt" in timing:
            raise InputError(
                f"layer {self.name!r} has a normalisation, which is of discrete neurons, and circuits get currents in "
                "A; leave norm out"
            )
        if not self.gate.behind:
            return self._stepped(current, state, **timing)
        if "dt" in timing:
            raise InputError(
                f"{self.gate_name} stands behind its neurons, and circuits give potentials in V; put it in front"
            )
        out, after = self._stepped(current, state, **timing)
        return self._through_gate(out, getattr(state, "step", 0)), after

    def _stepped(self, current: Tensor, state: Any, **timing: Any) -> tuple[Tensor, Any]:
        if self.recurrent is None:
            return self.neuron(current, state, **timing)
        return recur(self.neuron, self.recurrent, current, state, tau=self.tau, **timing)

    def fold_steps(self) -> None:
        """Make normalisation of single steps gains of steps and a threshold that follows a schedule, where it can be.

        Not a spike differs: see memsim.networks.stepwise. A current that others get, too, stays what it is.
        """
        if self.norm is None or self.copied or self.gate.behind:
            return
        found = of_steps(self.norm, self.gate, self.neuron)
        if found is not None:
            self.norm, self.gate = None, found.gains
            self.neuron.threshold = found.threshold
