"""One time step of a circuit as a straight-line program, and its adjoint.

What depends on parameters alone is computed once a run, by torch, so that autograd carries gradients from there to the
parameters. The rest is the program that a kernel repeats for every step and sample.

A step that is checked looks at the equations at its end, where the next step begins: what varies of them is carried on,
unless they depend on the slopes of the inputs, which change in between.

Where a circuit has nodes without a capacitor, a step has stages at whose ends their potentials have to be solved for.
The program says from where a kernel is to search, and takes what it finds as leaves. In the adjoint each of them is the
implicit function of the rest, by one Newton step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memsim.surrogate.fused.adjoint import pull_back
from memsim.surrogate.fused.functions import TAPE_FUNCTIONS
from memsim.surrogate.fused.tape import LEAF, Node, Tape, apply, depending_on, evaluate, topological
from memsim.surrogate.massless import newton_steps
from memsim.surrogate.steppers import Attempt, Stepper
from memsim.surrogate.system import BoundSystem, System, Values


@dataclass(frozen=True)
class Adjoint:
    """Gradients by what a step starts from, given `seeds`, the gradients by the unknowns at its end.

    Attributes:
        seeds: leaves, one for each unknown.
        y, u, u_next, constants: gradients by the leaves of those names, nodes or numbers; empty where not wanted.
    """

    seeds: list[Node]
    y: list[Any]
    u: list[Any]
    u_next: list[Any]
    constants: list[Any]


@dataclass(frozen=True)
class Search:
    """One iteration of Newton's method for the potentials of nodes without a capacitor.

    Attributes:
        y, u: leaves for all unknowns and the inputs.
        rows: the unknowns in question.
        steps: what Newton's method takes from each of them.
        residual: sum of the currents that are left over.
    """

    y: list[Node]
    u: list[Node]
    rows: list[int]
    steps: list[Any]
    residual: Any


@dataclass(frozen=True)
class _Trace:
    """A step as it was left on a tape."""

    attempt: Attempt
    guesses: list[list[Any]]
    solved: list[list[Node]]
    carry: _Carry


@dataclass(frozen=True)
class _Carry:
    """The equations around the start of a step, as leaves, as made of its unknowns, and around its end."""

    leaves: list[Node]
    begin: list[Any]
    end: list[Any]


class StepProgram:
    """The program of one step of `stepper` for a circuit.

    Attributes:
        y, u, u_next: leaves for the unknowns and inputs at the start, and the inputs at the end.
        h: leaf for the size of the step [s].
        constants: leaves for what holds for a whole run.
        guesses: for each stage, the unknowns at its end before massless potentials are solved for.
        solved: for each stage, leaves for those potentials.
        result: the unknowns at the end, nodes or numbers.
        error, pace: what the step says of itself, as in `Attempt`.
        search: how massless potentials are found; None where there are none.
        carry: leaves for what a step takes over from the one before.
        begin: the same as made of the unknowns and inputs at the start.
        carried: what it hands on to the next.
    """

    def __init__(self, original: System, stepper: Stepper) -> None:
        system = original.calling(TAPE_FUNCTIONS)
        self._names = [f"k{index}" for index in range(system.constants)]
        tape = Tape()
        y = [tape.leaf(f"y{index}") for index in range(system.size)]
        u = [tape.leaf(f"u{index}") for index in range(len(system.equations.inputs))]
        u_next = [tape.leaf(f"v{index}") for index in range(len(system.equations.inputs))]
        h = tape.leaf("h")

        def traced(*, forward: bool) -> _Trace:
            carries = forward and stepper.checked and not _sees_slopes(system)
            bound = _Traced(system, tape, self._names, carries=carries, implicit=not forward)
            attempt = stepper.attempt(bound, y, u=u, u_next=u_next, h=h)
            return _Trace(attempt, bound.guesses, bound.solved, bound.carry(attempt.y, u_next))

        forward, implicit = traced(forward=True), traced(forward=False)
        search = _search(system, tape, self._names) if forward.solved else None
        carry, final = forward.carry, Tape()
        leaves = [*y, *u, *u_next, h, *carry.leaves, *(node for stage in forward.solved for node in stage)]
        leaves += [*search.y, *search.u] if search else []
        copies = {leaf: final.leaf(leaf.arguments[0]) for leaf in dict.fromkeys(leaves)}
        guesses = [value for stage in forward.guesses for value in stage]
        found = [*search.steps, search.residual] if search else []
        made = [*forward.attempt.y, *guesses, *implicit.attempt.y, *found, *carry.begin, *carry.end]
        checked = stepper.checked
        made += [forward.attempt.error, forward.attempt.pace] if checked else []
        self._uniform = _copy(made, copies, final)

        def copied(values: Sequence[Any]) -> list[Any]:
            return [copies.get(value, value) for value in values]

        self._tape = final
        self.y, self.u, self.u_next, (self.h,) = (copied(group) for group in (y, u, u_next, [h]))
        self.constants = copied(self._uniform)
        self.result, self._implicit = copied(forward.attempt.y), copied(implicit.attempt.y)
        self.guesses = [copied(stage) for stage in forward.guesses]
        self.solved = [copied(stage) for stage in forward.solved]
        checks: list[Any] = copied(made[-2:]) if checked else [None, None]
        self.error, self.pace = checks
        self.carry, self.begin, self.carried = (
            copied(group) for group in (carry.leaves, carry.begin, carry.end)
        )
        self.search = search and Search(
            copied(search.y),
            copied(search.u),
            search.rows,
            copied(search.steps),
            copied([search.residual])[0],
        )

    @property
    def checked(self) -> bool:
        """Whether a step says whether it has failed."""
        return self.error is not None

    def uniform(self, constants: Sequence[Any]) -> list[Any]:
        """Values for `constants`, tensors, from the constants of a bound system."""
        return evaluate(self._uniform, dict(zip(self._names, constants, strict=True)))

    def adjoint(self, *, inputs: bool, constants: Sequence[int]) -> Adjoint:
        """The adjoint step, with gradients by the inputs if wanted and by the numbered constants."""
        seeds = [self._tape.leaf(f"s{index}") for index in range(len(self.y))]
        u, u_next = (self.u, self.u_next) if inputs else ([], [])
        chosen = [self.constants[index] for index in constants]
        gradients = iter(pull_back(self._implicit, seeds, [*self.y, *u, *u_next, *chosen]))
        return Adjoint(seeds, *([next(gradients) for _ in group] for group in (self.y, u, u_next, chosen)))


class _Traced(BoundSystem):
    """A system on a tape, that leaves the search for massless potentials to the kernels.

    Args:
        system: the circuit.
        tape: where it is traced.
        names: of the leaves of its constants.
        carries: whether the equations around the first point are carried over from the step before.
        implicit: whether the potentials found depend on everything else, as the adjoint wants it.
    """

    def __init__(
        self, system: System, tape: Tape, names: Sequence[str], *, carries: bool, implicit: bool
    ) -> None:
        super().__init__(system, [tape.leaf(name) for name in names])
        self.guesses: list[list[Any]] = []
        self.solved: list[list[Node]] = []
        self._tape, self._carries, self._implicit = tape, carries, implicit
        self._carried: dict[int, Node] = {}
        self._begin: list[Any] = []

    def linearised(self, y: Values, u: Values, du: Values) -> list[Any]:
        values = super().linearised(y, u, du)
        if not self._carries or self._carried:
            return values
        varying = depending_on(topological(values), [node for node in (*y, *u) if isinstance(node, Node)])
        slopes = range(len(y), 2 * len(y))
        numbers = [n for n, value in enumerate(values) if value in varying and n not in slopes]
        self._carried = {number: self._tape.leaf(f"q{number}") for number in numbers}
        self._begin = values
        return [self._carried.get(number, value) for number, value in enumerate(values)]

    def carry(self, y: Values, u: Values) -> _Carry:
        """What is carried on from a step that ends at these unknowns and inputs."""
        if not self._carried:
            return _Carry([], [], [])
        end = super().linearised(y, u, [0.0 for _ in u])
        return _Carry(
            list(self._carried.values()), *([v[n] for n in self._carried] for v in (self._begin, end))
        )

    def settle(self, y: Values, u: Values) -> list[Any]:
        if not self.algebraic:
            return list(y)
        leaves = {row: self._tape.leaf(f"p{len(self.solved)}_{row}") for row in self.algebraic}
        self.guesses.append(list(y))
        self.solved.append(list(leaves.values()))
        settled: list[Any] = [leaves.get(row, value) for row, value in enumerate(y)]
        if self._implicit:
            steps, _ = newton_steps(self, settled, u)
            settled = [value - steps[row] if row in steps else value for row, value in enumerate(settled)]
        return settled


def _sees_slopes(system: System) -> bool:
    """Whether the equations depend on the slopes of the inputs."""
    rates = set(system.equations.input_rates)
    return any(flow.free_symbols & rates for flow in system.equations.flow)


def _search(system: System, tape: Tape, names: Sequence[str]) -> Search:
    bound = BoundSystem(system, [tape.leaf(name) for name in names])
    y = [tape.leaf(f"y{index}") for index in range(system.size)]
    u = [tape.leaf(f"u{index}") for index in range(len(system.equations.inputs))]
    steps, residual = newton_steps(bound, y, u)
    return Search(y, u, list(steps), list(steps.values()), residual)


def _copy(results: Sequence[Any], copies: dict[Node, Node], tape: Tape) -> list[Node]:
    """Copy a program to another tape, extending `copies`; what does not depend on its leaves becomes a leaf.

    Returns:
        The nodes that became leaves.
    """
    order = topological(results)
    varying = depending_on(order, list(copies))
    uniform: list[Node] = []
    for node in order:
        if node not in varying or node.operation == LEAF:
            continue
        for argument in node.operands:
            if argument not in copies:
                copies[argument] = tape.leaf(f"c{len(uniform)}")
                uniform.append(argument)
        copies[node] = apply(node.operation, *(copies.get(a, a) for a in node.arguments))
    return uniform
