"""The differentiable twin of a circuit as a torch module."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from itertools import accumulate
from typing import Any

import torch
from PySpice.Spice.Netlist import Netlist
from torch import Tensor, nn

from memsim.circuits.flatten import parameter_ranges
from memsim.circuits.nodal import nodal_equations
from memsim.devices.scalar import SCALAR_FUNCTIONS
from memsim.errors import InputError
from memsim.surrogate.bounded import Bounded, Bounds, bounds_of
from memsim.surrogate.coupling import Coupling
from memsim.surrogate.plausible import check_physical, check_resolved, limits_of
from memsim.surrogate.run import Engine, Run, Runner, State, Waveforms
from memsim.surrogate.steppers import DEFAULT_STEPPER, stepper_named
from memsim.surrogate.system import BoundSystem, System
from memsim.transforms import batched, left_to_python

_GENERATED = ("system", "runner", "_refined")
_SHORTER = (
    f"shorten the step, or take the stepper {DEFAULT_STEPPER!r}, which divides steps that are too long."
)


class CompiledCircuit(nn.Module):
    """A circuit as a function of its input sources, elementwise over any batch shape.

    Time comes first: sample k of an input is its value at k dt, and sample k of a waveform is the circuit at
    that instant, sample 0 being the initial state. T samples span (T - 1) dt seconds. Samples may also be unequally
    far apart, as `memsim.surrogate.time_grid` chooses them.

    Args:
        circuit: PySpice circuit of R, C, V, I and memsim devices.
        inputs: names of the sources that are driven, e.g. `("iin",)`.
        stepper: integrator: `guarded` (default), which divides steps that are too long; or `rosenbrock2`, `strang`,
            `linear-implicit-euler`, `explicit-euler`, which take them as they are.
        trainable: names of circuit parameters to train, e.g. `("cmem", "xm1.v_on")`, or their bounds by name,
            `{"cmem": (0.1e-9, 10e-9)}`. Without bounds of its own a parameter stays between a tenth and ten times its
            value (one of either sign, as a source: within twice its size from it), and within what its device may take.
            An optimiser sees unbounded numbers of order one, as `memsim.surrogate.bounded` says: Adam's learning rate
            is about the share by which a step moves a value. `trained_values` gives the values themselves.
        record: waveforms to return; all node potentials and states where left out.
        engine: what runs the steps. `native`: generated C, on processors, needs a C compiler; `fused`: generated
            torch code with its own backward pass; `compile`: the same through torch.compile; `loop`: plain torch
            operations recorded by autograd, which alone can be differentiated twice. `auto`: native where it can
            be, else fused. All give the same waveforms and gradients, to rounding.
        segment: steps between stored states; the steps in between are computed again in the backward pass, which
            saves memory in long runs. All states are stored where left out.

    Raises:
        InputError: an unknown name, no input, bounds that do not enclose a value, or a circuit that has no unique
            equations.
    """

    def __init__(
        self,
        circuit: Netlist,
        *,
        inputs: Sequence[str],
        stepper: str = DEFAULT_STEPPER,
        trainable: Collection[str] | Mapping[str, Bounds] = (),
        record: Collection[str] | None = None,
        engine: Engine = "auto",
        segment: int | None = None,
    ) -> None:
        super().__init__()
        if not inputs:
            raise InputError(
                "inputs names no source; name at least one, and drive it by a constant if need be"
            )
        self.inputs = tuple(inputs)
        self.stepper = stepper_named(stepper)
        equations = nodal_equations(circuit, inputs)
        _check_names("waveform", record or (), equations.waveforms)
        self.system, self.limits = System(equations, record=record), limits_of(circuit, equations)
        self.values = equations.parameter_values()
        self.runner = Runner(self.system, self.stepper, engine, segment)
        _check_names("parameter", trainable, self.values)
        if self.system.equations.algebraic and not self.stepper.implicit:
            node = self.system.equations.unknowns[self.system.equations.algebraic[0]]
            raise InputError(
                f"{stepper} needs a capacitor at every node, and {node} has none; use an implicit stepper"
            )
        chosen = trainable if isinstance(trainable, Mapping) else dict.fromkeys(trainable)
        allowed = parameter_ranges(circuit)
        self.trained = nn.ModuleDict(
            {
                _key(name): Bounded(
                    torch.tensor(self.values[name], dtype=torch.float64),
                    bounds_of(name, self.values[name], allowed[name], bounds),
                )
                for name, bounds in chosen.items()
            }
        )

    def __getstate__(self) -> dict[str, Any]:
        """Without what is generated from the equations, which no pickle takes."""
        return {name: value for name, value in self.__dict__.items() if name not in _GENERATED} | {
            "equations": self.system.equations,
            "options": (self.system.record, self.runner.engine, self.runner.segment),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        equations, (record, engine, segment) = state.pop("equations"), state.pop("options")
        super().__setstate__(state)
        self.system = System(equations, record=record)
        self.runner = Runner(self.system, self.stepper, engine, segment)

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledCircuit:
        """A twin with parameters of its own; what is generated is shared, it holds no values."""
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__ = {
            name: value if name in _GENERATED else deepcopy(value, memo)
            for name, value in self.__dict__.items()
        }
        return copied

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the entries of a state."""
        return tuple(symbol.name for symbol in self.system.equations.unknowns)

    def initial_state(self, *inputs: Tensor) -> State:
        """Where a run starts that begins with these values of the inputs, each [batch...], in their order."""
        return tuple(self._initial(self._bind(inputs[0], {}), list(inputs)))

    def observe(self, state: State) -> Waveforms:
        """Recorded waveforms, [batch...] each, of a state, with all inputs at zero."""
        u = [torch.zeros_like(state[0]) for _ in self.inputs]
        return self._bind(u[0], {}).waveforms(list(state), u)

    def on_numbers(self) -> BoundSystem:
        """The equations on plain numbers, with the present values of the parameters."""
        trained = {name: value.item() for name, value in self.trained_values().items()}
        return self.system.calling(SCALAR_FUNCTIONS).bind({**self.values, **trained})

    def trained_values(self) -> dict[str, Tensor]:
        """Present values of the trained parameters by name, in SI units; gradients flow through them."""
        return {name: self.trained[_key(name)]() for name in self.values if _key(name) in self.trained}

    @cached_property
    def _refined(self) -> Runner:
        return Runner(self.system, self.stepper.refined(), self.runner.engine, self.runner.segment)

    @left_to_python
    def forward(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        state: State | None = None,
        *,
        dt: float | Tensor,
        parameters: Mapping[str, Tensor | float] | None = None,
        refined: bool = False,
        coupling: Coupling | None = None,
    ) -> tuple[Waveforms, State]:
        """Run the circuit over the samples of its inputs.

        Args:
            inputs: [T, batch...] values of the one input [A or V], or such a tensor for each input by name.
            state: where to start, as returned by an earlier call; the circuit's initial state where left out.
                A run continues when the next call begins with the sample the last one ended with.
            dt: time between samples [s], a number or one for each step, [T - 1].
            parameters: circuit parameters to replace, numbers or tensors that broadcast over the batch.
            refined: divide steps twice as finely, as a run at half the step wants that is to show the error of another.
            coupling: currents that copies of the circuit, along the last axis of the batch, drive into each other's
                only input, as in a recurrent layer.

        Returns:
            Recorded waveforms by name, each [T, batch...], and the state at the last sample.

        Raises:
            InputError: wrong names or shapes, dt not positive, or inputs that are not finite.
        """
        run = self.run(inputs, state, dt=dt, parameters=parameters, refined=refined, coupling=coupling)
        if not self.stepper.checked:
            waves = {name: wave.detach() for name, wave in run.waveforms.items()}
            check_physical(waves, [0.0, *accumulate(run.h)], self.limits, remedy=_SHORTER)
        return run.waveforms, run.state

    def run(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        state: State | None = None,
        *,
        dt: float | Tensor,
        parameters: Mapping[str, Tensor | float] | None = None,
        refined: bool = False,
        coupling: Coupling | None = None,
    ) -> Run:
        """As a call, with how finely steps were divided, and whatever a stepper without a check of its own gives."""
        given = inputs.values() if isinstance(inputs, Mapping) else [inputs]
        if batched(*given, *(state or ()), *(parameters or {}).values()):
            raise InputError(
                "torch.vmap shows no values, which decide how a circuit is stepped; give the examples as an axis of "
                "its batch, and take derivatives with torch.func.jacrev, or with torch.autograd.grad, which is faster"
            )
        drive = self._drive(inputs)
        steps = _steps(dt, len(drive[0]))
        start = [signal[0] for signal in drive]
        system = self._bind(start[0], parameters or {})
        y = self._initial(system, start) if state is None else self._checked(state, start[0])
        if coupling is not None:
            self._check_coupling(coupling, drive)
        run = (self._refined if refined else self.runner)(system, y, drive, steps, coupling)
        check_resolved(run, self.stepper.name)
        return run

    def _check_coupling(self, coupling: Coupling, drive: list[Tensor]) -> None:
        if len(drive) != 1 or self.runner.segment is not None:
            raise InputError(
                f"coupling needs a circuit with one input and all states stored; this one has {len(drive)} inputs and "
                f"segment = {self.runner.segment}"
            )
        coupling.check(drive[0].shape[1:], self.unknowns)

    def _drive(self, inputs: Tensor | Mapping[str, Tensor]) -> list[Tensor]:
        named = {self.inputs[0]: inputs} if isinstance(inputs, Tensor) else dict(inputs)
        if set(named) != set(self.inputs):
            raise InputError(
                f"inputs {sorted(named)} do not match the circuit's inputs {sorted(self.inputs)}"
            )
        drive = [named[name] for name in self.inputs]
        if len({signal.shape for signal in drive}) != 1 or drive[0].dim() == 0 or not len(drive[0]):
            shapes = {name: tuple(signal.shape) for name, signal in named.items()}
            raise InputError(
                f"inputs have shapes {shapes}; give tensors of one shape, [time, batch...], time first"
            )
        for name, signal in named.items():
            # a sum is quicker than a look at every value, and finite only where they all are
            if not torch.isfinite(signal.detach().sum()) and not torch.isfinite(signal).all():
                where = tuple(torch.nonzero(~torch.isfinite(signal))[0].tolist())
                raise InputError(
                    f"input {name!r} is not finite at index {where}; clean the stimulus before simulating"
                )
        return drive

    def _checked(self, state: State, like: Tensor) -> list[Tensor]:
        shapes = [tuple(part.shape) for part in state]
        if shapes != [tuple(like.shape)] * self.system.size:
            raise InputError(
                f"state has parts of shapes {shapes}; give one of shape {tuple(like.shape)} for each of: "
                + ", ".join(self.unknowns)
            )
        return list(state)

    def _bind(self, like: Tensor, parameters: Mapping[str, Tensor | float]) -> BoundSystem:
        _check_names("parameter", parameters, self.values)
        trained = {name: value.to(like) for name, value in self.trained_values().items()}
        return self.system.bind({**self.values, **trained, **parameters})

    @staticmethod
    def _initial(system: BoundSystem, u: list[Tensor]) -> list[Tensor]:
        y = [torch.zeros_like(u[0]) + value for value in system.initial(u)]
        return system.settle(y, u)


def _key(name: str) -> str:
    """nn.ModuleDict takes no dots."""
    return name.replace(".", "__")


def _steps(dt: float | Tensor, samples: int) -> list[float]:
    """Sizes of the steps."""
    if not isinstance(dt, Tensor) or not dt.dim():
        if not 0 < dt < float("inf"):
            raise InputError(f"dt = {float(dt)!r} s is out of range; allowed: > 0")
        return [float(dt)] * (samples - 1)
    if dt.requires_grad:
        raise InputError("dt takes no gradient: the steps of a run are given; pass dt.detach()")
    if dt.shape != (samples - 1,):
        raise InputError(f"dt has shape {tuple(dt.shape)}; {samples} samples are {samples - 1} steps apart")
    sizes: list[float] = dt.tolist()
    for size in sizes:
        if not 0 < size < float("inf"):
            raise InputError(f"dt holds {size!r} s; allowed: > 0")
    return sizes


def _check_names(kind: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"the circuit has no {kind} {name!r}; it has: {', '.join(known)}")
