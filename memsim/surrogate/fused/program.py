"""One time step of a circuit as a straight-line program, and its adjoint.

What depends on parameters and the step size alone is computed once a run, by torch, so that autograd carries
gradients from there to the parameters. The rest is the program that a kernel repeats for every step and sample.
Where steps differ in size, a step takes its own from one more input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memsim.surrogate.fused.adjoint import pull_back
from memsim.surrogate.fused.functions import TAPE_FUNCTIONS
from memsim.surrogate.fused.tape import LEAF, Node, Tape, apply, depending_on, evaluate, topological
from memsim.surrogate.steppers import Stepper
from memsim.surrogate.system import BoundSystem, System

STEP_SIZE = "h"


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


class StepProgram:
    """The program of one step of `stepper` for a circuit.

    Args:
        original: the circuit.
        stepper: one time step.
        equal_steps: whether all steps of a run have one size.

    Attributes:
        y, u, u_next: leaves for the unknowns and inputs at the start, and the inputs at the end. The last of `u` is
            the size of the step [s] unless steps are equal; it is not in `u_next`.
        constants: leaves for what holds for a whole run.
        result: the unknowns at the end, nodes or numbers.
    """

    def __init__(self, original: System, stepper: Stepper, *, equal_steps: bool = True) -> None:
        system, tape = System(original.equations, TAPE_FUNCTIONS, original.record), Tape()
        self._names = [f"k{index}" for index in range(system.constants)]
        y = [tape.leaf(f"y{index}") for index in range(system.size)]
        u = [tape.leaf(f"u{index}") for index in range(len(system.equations.inputs))]
        u_next = [tape.leaf(f"v{index}") for index in range(len(system.equations.inputs))]
        bound = BoundSystem(system, [tape.leaf(name) for name in self._names])
        # the steppers take numbers; a leaf behaves like one
        h: Any = tape.leaf(STEP_SIZE)
        step = stepper.step(bound, y, u=u, u_next=u_next, h=h)
        if not equal_steps:
            u.append(h)
        self._tape = Tape()
        copies = {leaf: self._tape.leaf(leaf.arguments[0]) for leaf in (*y, *u, *u_next)}
        self._uniform = _copy(step, copies, self._tape)
        self.y, self.u, self.u_next = ([copies[leaf] for leaf in group] for group in (y, u, u_next))
        self.constants = [copies[node] for node in self._uniform]
        self.result = [copies.get(node, node) for node in step]

    def uniform(self, constants: Sequence[Any], h: float | None) -> list[Any]:
        """Values for `constants`, tensors, from the constants of a bound system and the size [s] of equal steps."""
        return evaluate(self._uniform, {**dict(zip(self._names, constants, strict=True)), STEP_SIZE: h})

    def adjoint(self, *, inputs: bool, constants: Sequence[int]) -> Adjoint:
        """The adjoint step, with gradients by the inputs if wanted and by the numbered constants."""
        seeds = [self._tape.leaf(f"s{index}") for index in range(len(self.y))]
        u, u_next = (self.u, self.u_next) if inputs else ([], [])
        chosen = [self.constants[index] for index in constants]
        gradients = iter(pull_back(self.result, seeds, [*self.y, *u, *u_next, *chosen]))
        return Adjoint(seeds, *([next(gradients) for _ in group] for group in (self.y, u, u_next, chosen)))


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
