"""Elementwise Gaussian elimination of a small sparse matrix, the same plan for every sample of a batch.

The pattern is fixed by the circuit, so fill-in and the order of operations are found once. Pivots are taken on
the diagonal in the order of the unknowns, states first: nodal matrices need no row exchange.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

Entries = dict[tuple[int, int], Any]


class Elimination:
    """LU factors and solves for matrices with one sparsity pattern.

    Args:
        size: number of unknowns.
        pattern: (row, column) of the entries that may differ from zero.
    """

    def __init__(self, size: int, pattern: Collection[tuple[int, int]]) -> None:
        filled = set(pattern) | {(k, k) for k in range(size)}
        self._size = size
        self._updates: list[tuple[int, int, list[int]]] = []
        for k in range(size):
            columns = [j for j in range(k + 1, size) if (k, j) in filled]
            for i in range(k + 1, size):
                if (i, k) in filled:
                    self._updates.append((k, i, columns))
                    filled |= {(i, j) for j in columns}
        self._lower = [[j for j in range(i) if (i, j) in filled] for i in range(size)]
        self._upper = [[j for j in range(i + 1, size) if (i, j) in filled] for i in range(size)]

    def factor(self, matrix: Mapping[tuple[int, int], Any]) -> Entries:
        """LU factors, unit lower triangle.

        Args:
            matrix: entries, tensors of one batch shape or numbers.
        """
        lu = dict(matrix)
        for k, i, columns in self._updates:
            lu[i, k] = lu[i, k] / lu[k, k]
            for j in columns:
                product = lu[i, k] * lu[k, j]
                lu[i, j] = lu[i, j] - product if (i, j) in lu else -product
        return lu

    def solve(self, lu: Entries, right: Sequence[Any]) -> list[Any]:
        """Solution of the factored system for one right-hand side, a list of tensors or numbers."""
        solution = list(right)
        for i in range(self._size):
            for j in self._lower[i]:
                solution[i] = solution[i] - lu[i, j] * solution[j]
        for i in reversed(range(self._size)):
            for j in self._upper[i]:
                solution[i] = solution[i] - lu[i, j] * solution[j]
            solution[i] = solution[i] / lu[i, i]
        return solution
