"""What a file holds of its events, before it is known what their numbers mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from memsim.errors import InputError
from memsim.learn.data.raw import Array
from memsim.learn.data.recording_table import Unit

NAMES = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "x": ("x", "xs", "column"),
    "y": ("y", "ys", "row"),
    "p": ("p", "ps", "on", "pol", "polarity", "polarities"),
}
"""What time, column, row and polarity are called."""


@dataclass(frozen=True)
class Columns:
    """Events as a file has them.

    Attributes:
        values: time `t`, column `x`, row `y` and polarity `p` of each event, [n].
        unit: of time, where the file says it, and how it does.
        size: rows and columns of the camera, where the file says them.
        offset: that the file says is to be added to its times.
    """

    values: Mapping[str, Array]
    unit: tuple[Unit, str] | None = None
    size: tuple[int, int] | None = None
    offset: int = 0


def named(names: Iterable[str]) -> dict[str, str] | None:
    """Which of these names are t, x, y and p; None where one is missing.

    Raises:
        InputError: two names for one of them.
    """
    given = list(names)
    found = {key: [name for name in given if name.lower() in known] for key, known in NAMES.items()}
    if not all(found.values()):
        return None
    if twice := [each for each in found.values() if len(each) > 1]:
        raise InputError(
            f"{' and '.join(twice[0])} are two names for one column of events; remove or rename one"
        )
    return {key: one for key, (one,) in found.items()}


def chosen(places: Mapping[str, Mapping[str, Array]], place: str | None) -> tuple[str, Mapping[str, Array]]:
    """The events at a place in a file, or the only ones that it holds, by t, x, y and p.

    Raises:
        InputError: none, several, or none at that place.
    """
    known = ", ".join(name or "the top" for name in places)
    if not places:
        names = "; ".join(f"{key}: {', '.join(each)}" for key, each in NAMES.items())
        raise InputError(f"no events were found: arrays or fields with the names {names}")
    if place is None and len(places) > 1:
        raise InputError(f"events are at several places, {known}; say which with place")
    if place is not None and place.strip("/") not in places:
        raise InputError(f"place = {place!r} has no events; allowed: {known}")
    name = next(iter(places)) if place is None else place.strip("/")
    return name, places[name]
