"""Disjoint sets of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Groups:
    """Names that belong together, joined step by step (union by link, path halving)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def root(self, name: str) -> str:
        """The representative of the name's group; a new name is a group of its own."""
        parent = self._parent
        above = parent.setdefault(name, name)
        while above != name:
            parent[name] = parent[above]
            name = above
            above = parent[name]
        return name

    def join(self, names: Iterable[str]) -> None:
        """Put all the names into one group."""
        first: str | None = None
        for name in names:
            root = self.root(name)
            if first is None:
                first = root
            elif root != first:
                self._parent[root] = first

    def members(self, name: str) -> set[str]:
        """All names of the group of a name."""
        root = self.root(name)
        return {other for other in list(self._parent) if self.root(other) == root}
