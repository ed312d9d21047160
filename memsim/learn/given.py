"""What training was given in Python, which no study holds: a run names it, and asks for it where it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tomli_w

from memsim.errors import CheckpointError
from memsim.files import write_text
from memsim.tables import Table
from memsim.toml import checked, read_toml

GIVEN = "given.toml"


class Given(Table):
    """Names of objects; of metrics those that they were given under."""

    rule: str | None = None
    loss: str | None = None
    metrics: tuple[str, ...] = ()

    @classmethod
    def of(cls, rule: object, loss: object, metrics: Mapping[str, object] | None) -> Given:
        """The names of these objects."""
        return cls(rule=_name(rule), loss=_name(loss), metrics=tuple(metrics or ()))

    def save(self, folder: Path) -> None:
        """Note them in the folder of a run, if there are any."""
        if self != Given():
            write_text(folder / GIVEN, tomli_w.dumps(self.model_dump(exclude_none=True)))

    def check(self, folder: Path) -> None:
        """Refuse to go on with others than a run began with.

        Raises:
            CheckpointError: the first that differs.
        """
        path = folder / GIVEN
        before = checked(Given, read_toml(path, "record"), str(path)) if path.exists() else Given()
        for name, was in before:
            now = getattr(self, name)
            if now != was:
                told = f"{name} = {was} was given in Python" if was else f"no {name} was given in Python"
                raise CheckpointError(
                    f"{folder}: {told} when the run began, and {now or 'none'} is now; give {name}= as it was, or "
                    "train anew (a study may name it: FILE.py:NAME)"
                )


def _name(given: object) -> str | None:
    return None if given is None else str(getattr(given, "__name__", type(given).__name__))
