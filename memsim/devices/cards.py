"""Device cards: published parameter sets as TOML files with their citation.

model = "vteam"
description = "what it is"
source = "where the numbers come from"
[parameters]      # SI units, names of the model
[initial]         # initial states
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from memsim.devices.base import Device
from memsim.devices.metastable_switch import MetastableSwitch
from memsim.devices.threshold_switch import ThresholdSwitch
from memsim.devices.vteam import Vteam
from memsim.devices.yakopcic import Yakopcic
from memsim.errors import InputError

MODELS: dict[str, type[Device]] = {
    model.model: model for model in (MetastableSwitch, ThresholdSwitch, Vteam, Yakopcic)
}
_CARDS = resources.files("memsim.devices") / "cards"


@dataclass(frozen=True)
class Card:
    """A named parameter set of a model, with its source."""

    name: str
    description: str
    source: str
    device: Device


def card_names() -> list[str]:
    """Names of the cards that ship with memsim."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in _CARDS.iterdir() if entry.name.endswith(".toml")
    )


def load_card(name: str | Path) -> Card:
    """Read a card by name, or from a path that ends in `.toml`.

    Raises:
        InputError: no such card, not a TOML file, unknown model, or a value out of range.
    """
    if str(name).endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise InputError(
                f"device card {str(path)!r} does not exist; give the path of a TOML card "
                f"or one of: {', '.join(card_names())}"
            )
        return _parse(path.stem, path.read_text(encoding="utf-8"))
    if str(name) not in card_names():
        raise InputError(
            f"unknown device {str(name)!r}; known cards: {', '.join(card_names())}; or give the path of a .toml card"
        )
    return _parse(str(name), (_CARDS / f"{name}.toml").read_text(encoding="utf-8"))


def load_device(name: str | Path) -> Device:
    """The device of a card; see `load_card`."""
    return load_card(name).device


def _parse(name: str, text: str) -> Card:
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"device card {name!r} is not valid TOML: {error}") from None
    unknown = set(content) - {"model", "description", "source", "parameters", "initial"}
    if unknown:
        raise InputError(
            f"device card {name!r} has an unknown entry {min(unknown)!r}; "
            "allowed: model, description, source, [parameters], [initial]"
        )
    model = content.get("model")
    if model not in MODELS:
        raise InputError(f"device card {name!r} names model {model!r}; known models: {', '.join(MODELS)}")
    for table in ("parameters", "initial"):
        if not isinstance(content.get(table, {}), dict):
            raise InputError(
                f"device card {name!r} gives {table} = {content[table]!r}; write a table [{table}] instead"
            )
    device = MODELS[model](initial=content.get("initial", {}), **content.get("parameters", {}))
    return Card(name, content.get("description", ""), content.get("source", ""), device)
