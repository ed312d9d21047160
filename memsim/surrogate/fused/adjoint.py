"""Reverse-mode differentiation of a tape, onto the same tape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memsim.surrogate.fused.slopes import SLOPES
from memsim.surrogate.fused.tape import Node, depending_on, topological


def pull_back(results: Sequence[Any], seeds: Sequence[Node], wanted: Sequence[Node]) -> list[Any]:
    """Gradients by the leaves in `wanted` of sum_i seeds[i] results[i], as nodes or numbers.

    Args:
        results: nodes or numbers.
        seeds: gradient by each result.
        wanted: leaves to differentiate by.
    """
    order = topological(results)
    dependent = depending_on(order, wanted)
    gradients: dict[Node, Any] = {}
    for result, seed in zip(results, seeds, strict=True):
        if result in dependent:
            gradients[result] = gradients.get(result, 0.0) + seed
    for node in reversed(order):
        if node not in gradients or node not in dependent:
            continue
        slopes = SLOPES[node.operation] if node.operands else ()
        for argument, slope in zip(node.arguments, slopes, strict=False):
            if argument in dependent and slope is not None:
                share = gradients[node] * slope(node, *node.arguments)
                gradients[argument] = gradients.get(argument, 0.0) + share
    return [gradients.get(leaf, 0.0) for leaf in wanted]
