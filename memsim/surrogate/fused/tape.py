"""Straight-line programs: what one step of a circuit computes, operation by operation.

A function that is called with the leaves of a tape instead of numbers leaves its arithmetic on the tape. Equal
operations are one node, operations on numbers alone are carried out at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from memsim.surrogate.elementwise import detached, select
from memsim.surrogate.fused.operations import OPERATIONS

LEAF = "leaf"


class Node:
    """One operation on a tape and its result; behaves like the number it stands for."""

    __slots__ = ("arguments", "operation", "tape")

    def __init__(self, tape: Tape, operation: str, arguments: tuple[Any, ...]) -> None:
        self.tape, self.operation, self.arguments = tape, operation, arguments

    @property
    def operands(self) -> tuple[Node, ...]:
        """Arguments that are nodes."""
        return tuple(a for a in self.arguments if isinstance(a, Node))

    def __add__(self, other: Node | float) -> Any:
        return apply("add", self, other)

    def __radd__(self, other: float) -> Any:
        return apply("add", self, other)

    def __sub__(self, other: Node | float) -> Any:
        return apply("sub", self, other)

    def __rsub__(self, other: float) -> Any:
        return apply("sub", other, self)

    def __mul__(self, other: Node | float) -> Any:
        return apply("mul", self, other)

    def __rmul__(self, other: float) -> Any:
        return apply("mul", self, other)

    def __truediv__(self, other: Node | float) -> Any:
        return apply("mul", self, apply("reciprocal", other))

    def __rtruediv__(self, other: float) -> Any:
        return apply("mul", apply("reciprocal", self), other)

    def __neg__(self) -> Any:
        return apply("neg", self)

    def __abs__(self) -> Any:
        return apply("abs", self)

    def __pow__(self, exponent: Node | float) -> Any:
        return power(self, exponent)

    def __lt__(self, other: Node | float) -> Any:
        return apply("lt", self, other)

    def __le__(self, other: Node | float) -> Any:
        return apply("le", self, other)

    def __gt__(self, other: Node | float) -> Any:
        return apply("lt", other, self)

    def __ge__(self, other: Node | float) -> Any:
        return apply("le", other, self)


class Tape:
    """The nodes of one program, each of them once."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[Any, ...], Node] = {}

    def leaf(self, name: str) -> Node:
        """The input of that name."""
        return self.node(LEAF, (name,))

    def node(self, operation: str, arguments: tuple[Any, ...]) -> Node:
        """The node of an operation on nodes of this tape and numbers."""
        key = (operation, *(id(a) if isinstance(a, Node) else a for a in arguments))
        if key not in self._nodes:
            self._nodes[key] = Node(self, operation, arguments)
        return self._nodes[key]


@select.register
def _(test: Node, a: Any, b: Any) -> Any:
    return apply("where", test, a, b)


@detached.register
def _(value: Node) -> Any:
    return apply("detach", value)


def apply(operation: str, *arguments: Any) -> Any:
    """Result of an operation on nodes and numbers: a node, or a number where all arguments are."""
    tape = next((a.tape for a in arguments if isinstance(a, Node)), None)
    if tape is None:
        tensors = [torch.tensor(a, dtype=None if isinstance(a, bool) else torch.float64) for a in arguments]
        return OPERATIONS[operation].on_tensors(*tensors).item()
    short = _SHORTCUTS.get(operation, _none)(*arguments)
    return tape.node(operation, arguments) if short is None else short


def power(base: Any, exponent: Any) -> Any:
    """base**exponent; small whole exponents become products."""
    if isinstance(exponent, Node) or float(exponent) != int(exponent) or abs(exponent) > 8:
        return apply("power", base, exponent)
    result: Any = 1.0
    for _ in range(abs(int(exponent))):
        result = result * base
    return result if exponent >= 0 else apply("reciprocal", result)


def topological(roots: Iterable[Any]) -> list[Node]:
    """The nodes that `roots` are made of, arguments before results."""
    order: dict[Node, None] = {}
    stack: list[tuple[Node, Iterator[Node]]] = []
    for root in roots:
        if not isinstance(root, Node) or root in order:
            continue
        stack.append((root, iter(root.operands)))
        while stack:
            node, rest = stack[-1]
            following = next((n for n in rest if n not in order), None)
            if following is None:
                order[node] = None
                stack.pop()
            else:
                stack.append((following, iter(following.operands)))
    return list(order)


def depending_on(nodes: Sequence[Node], leaves: Iterable[Node]) -> set[Node]:
    """Those of `nodes`, which are in topological order, that depend on any of the leaves."""
    dependent = set(leaves)
    for node in nodes:
        if any(argument in dependent for argument in node.operands):
            dependent.add(node)
    return dependent


def evaluate(roots: Sequence[Any], leaves: Mapping[str, Any]) -> list[Any]:
    """Values of `roots`, with torch, for the values of the leaves by name.

    Results are tensors, except for roots that are numbers.
    """
    values: dict[Any, Any] = {}
    for node in topological(roots):
        if node.operation == LEAF:
            values[node] = torch.as_tensor(leaves[node.arguments[0]], dtype=_dtype(leaves[node.arguments[0]]))
        else:
            arguments = (values.get(a, a) for a in node.arguments)
            tensors = (torch.as_tensor(a, dtype=_dtype(a)) for a in arguments)
            values[node] = OPERATIONS[node.operation].on_tensors(*tensors)
    return [values.get(root, root) for root in roots]


def _dtype(value: Any) -> torch.dtype | None:
    return (
        value.dtype if isinstance(value, torch.Tensor) else None if isinstance(value, bool) else torch.float64
    )


def _none(*_: Any) -> None:
    return None


def _short_add(a: Any, b: Any) -> Any:
    return b if a == 0 else a if b == 0 else None


def _short_sub(a: Any, b: Any) -> Any:
    return a if b == 0 else -b if a == 0 else None


def _short_mul(a: Any, b: Any) -> Any:
    for one, other in ((a, b), (b, a)):
        if one in (0, 1, -1):
            return 0.0 if one == 0 else other if one == 1 else -other
    return None


def _short_neg(a: Node) -> Any:
    return a.arguments[0] if a.operation == "neg" else None


_SHORTCUTS: dict[str, Callable[..., Any]] = {
    "add": _short_add,
    "sub": _short_sub,
    "mul": _short_mul,
    "neg": _short_neg,
}
