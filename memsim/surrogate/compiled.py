"""The differentiable twin of a circuit as a torch module."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from PySpice.Spice.Netlist import Netlist
from torch import Tensor, nn

from memsim.circuits.nodal import nodal_equations
from memsim.errors import InputError
from memsim.surrogate.plausible import check_resolved
from memsim.surrogate.run import Engine, Runner, State, Waveforms
from memsim.surrogate.steppers import DEFAULT_STEPPER, stepper_named
from memsim.surrogate.system import BoundSystem, System


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
        trainable: names of circuit parameters to hold as `nn.Parameter`, e.g. `("cmem", "xm1.v_on")`.
        record: waveforms to return; all node potentials and states where left out.
        engine: what runs the steps. `native`: generated C, on processors, needs a C compiler; `fused`: generated
            torch code with its own backward pass; `compile`: the same through torch.compile; `loop`: plain torch
            operations recorded by autograd, which alone can be differentiated twice. `auto`: native where it can
            be, else fused. All give the same waveforms and gradients, to rounding.
        segment: steps between stored states; the steps in between are computed again in the backward pass, which
            saves memory in long runs. All states are stored where left out.

    Raises:
        InputError: an unknown name, no input, or a circuit that has no unique equations.
    """

    def __init__(
        self,
        circuit: Netlist,
        *,
        inputs: Sequence[str],
        stepper: str = DEFAULT_STEPPER,
        trainable: Collection[str] = (),
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
        self.system = System(equations, record=record)
        self.values = equations.parameter_values()
        self.runner = Runner(self.system, self.stepper, engine, segment)
        _check_names("parameter", trainable, self.values)
        if self.system.equations.algebraic and not self.stepper.implicit:
            node = self.system.equations.unknowns[self.system.equations.algebraic[0]]
            raise InputError(
                f"{stepper} needs a capacitor at every node, and {node} has none; use an implicit stepper"
            )
        self.trained = nn.ParameterDict(
            {_key(name): torch.tensor(self.values[name], dtype=torch.float64) for name in trainable}
        )

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the entries of a state."""
        return tuple(symbol.name for symbol in self.system.equations.unknowns)

    def initial_state(self, *inputs: Tensor) -> State:
        """Where a run starts that begins with these values of the inputs, each [batch...], in their order."""
        return tuple(self._initial(self._bind(inputs[0], {}), list(inputs)))

    def on_numbers(self) -> BoundSystem:
        """The equations on plain numbers, with the present values of the parameters."""
        trained = {
            name: self.trained[_key(name)].item() for name in self.values if _key(name) in self.trained
        }
        return self.system.on_numbers().bind({**self.values, **trained})

    def forward(
        self,
        inputs: Tensor | Mapping[str, Tensor],
        state: State | None = None,
        *,
        dt: float | Tensor,
        parameters: Mapping[str, Tensor | float] | None = None,
    ) -> tuple[Waveforms, State]:
        """Run the circuit over the samples of its inputs.

        Args:
            inputs: [T, batch...] values of the one input [A or V], or such a tensor for each input by name.
            state: where to start, as returned by an earlier call; the circuit's initial state where left out.
                A run continues when the next call begins with the sample the last one ended with.
            dt: time between samples [s], a number or one for each step, [T - 1].
            parameters: circuit parameters to replace, numbers or tensors that broadcast over the batch.

        Returns:
            Recorded waveforms by name, each [T, batch...], and the state at the last sample.

        Raises:
            InputError: wrong names or shapes, dt not positive, or inputs that are not finite.
        """
        drive = self._drive(inputs)
        steps = _steps(dt, len(drive[0]))
        start = [signal[0] for signal in drive]
        system = self._bind(start[0], parameters or {})
        y = self._initial(system, start) if state is None else self._checked(state, start[0])
        run = self.runner(system, y, drive, steps)
        check_resolved(run, steps, self.runner.stepper.name)
        return run.waveforms, run.state

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
        trained = {
            name: self.trained[_key(name)].to(like) for name in self.values if _key(name) in self.trained
        }
        return self.system.bind({**self.values, **trained, **parameters})

    @staticmethod
    def _initial(system: BoundSystem, u: list[Tensor]) -> list[Tensor]:
        y = [torch.zeros_like(u[0]) + value for value in system.initial(u)]
        return system.settle(y, u)


def _key(name: str) -> str:
    """nn.ParameterDict takes no dots."""
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
