"""Device cards: published parameter sets as TOML files with their citation.

model = "vteam"
description = "what it is"
source = "where the numbers come from"
[parameters]      # SI units, names of the model
[initial]         # initial states
[drive]           # a sine that shows the device: amplitude, offset [V], frequency [Hz], series_resistance [ohm]
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from memsim.devices.base import Device, Parameter, positive
from memsim.devices.ion_drift import (
    BiolekIonDrift,
    FreeIonDrift,
    JoglekarIonDrift,
    ProdromakisIonDrift,
    StrukovIonDrift,
)
from memsim.devices.jart import JartVcm
from memsim.devices.memdiode import Memdiode
from memsim.devices.metastable_switch import MetastableSwitch, SchottkyMetastableSwitch
from memsim.devices.mott import MottSwitch
from memsim.devices.pcm import PhaseChange
from memsim.devices.spread_switch import SpreadSwitch
from memsim.devices.stanford import Sky130Reram, StanfordPku
from memsim.devices.threshold_switch import BidirectionalThresholdSwitch, ThresholdSwitch
from memsim.devices.tiox import TitaniumOxide
from memsim.devices.vo2 import ThermalNeuristor
from memsim.devices.vteam import Team, Vteam
from memsim.devices.wox import TungstenOxide
from memsim.devices.yakopcic import TwoBranchYakopcic, Yakopcic
from memsim.errors import InputError
from memsim.toml import read_shipped, shipped_names
from memsim.units import format_si

MODELS: dict[str, type[Device]] = {
    model.model: model
    for model in (
        MetastableSwitch,
        SchottkyMetastableSwitch,
        SpreadSwitch,
        ThresholdSwitch,
        BidirectionalThresholdSwitch,
        Vteam,
        Team,
        Yakopcic,
        TwoBranchYakopcic,
        FreeIonDrift,
        StrukovIonDrift,
        JoglekarIonDrift,
        BiolekIonDrift,
        ProdromakisIonDrift,
        StanfordPku,
        Sky130Reram,
        JartVcm,
        TungstenOxide,
        TitaniumOxide,
        Memdiode,
        MottSwitch,
        ThermalNeuristor,
        PhaseChange,
    )
}
_CARDS = resources.files("memsim.devices") / "cards"


@dataclass(frozen=True)
class Drive:
    """A sine voltage, behind a series resistor, that takes a device through its hysteresis loop."""

    amplitude: float
    frequency: float
    series_resistance: float = 1.0
    offset: float = 0.0

    def __str__(self) -> str:
        around = f" around {format_si(self.offset, 'V')}" if self.offset else ""
        return (
            f"sine of {format_si(self.amplitude, 'V')}{around} at {format_si(self.frequency, 'Hz')} "
            f"behind {format_si(self.series_resistance, 'Ω')}"
        )


_DRIVE = {
    "amplitude": positive(1.0, "V", "peak of the sine"),
    "frequency": positive(100.0, "Hz", "frequency of the sine"),
    "series_resistance": positive(1.0, "ohm", "resistance between source and device"),
    "offset": Parameter(0.0, "V", "mean of the sine"),
}


@dataclass(frozen=True)
class Card:
    """A named parameter set of a model, with its source, and how to drive the device where the card says so."""

    name: str
    description: str
    source: str
    device: Device
    drive: Drive | None = None


def card_names() -> list[str]:
    """Names of the cards that ship with memsim."""
    return shipped_names(_CARDS)


def load_card(name: str | Path) -> Card:
    """Read a card by name, or from a path that ends in `.toml`.

    Raises:
        InputError: no such card, not a TOML file, unknown model, or a value out of range.
    """
    return _parse(*read_shipped(name, _CARDS, "device card"))


def load_device(name: str | Path) -> Device:
    """The device of a card; see `load_card`."""
    return load_card(name).device


def _parse(name: str, content: dict[str, Any]) -> Card:
    unknown = set(content) - {"model", "description", "source", "parameters", "initial", "drive"}
    if unknown:
        raise InputError(
            f"device card {name!r} has an unknown entry {min(unknown)!r}; "
            "allowed: model, description, source, [parameters], [initial], [drive]"
        )
    for entry in ("description", "source"):
        if not isinstance(content.get(entry, ""), str):
            raise InputError(
                f'device card {name!r} gives {entry} = {content[entry]!r}; write text in "quotes"'
            )
    model = content.get("model")
    if not isinstance(model, str) or model not in MODELS:
        raise InputError(f"device card {name!r} names model {model!r}; known models: {', '.join(MODELS)}")
    for table in ("parameters", "initial", "drive"):
        if not isinstance(content.get(table, {}), dict):
            raise InputError(
                f"device card {name!r} gives {table} = {content[table]!r}; write a table [{table}] instead"
            )
    parameters = content.get("parameters", {})
    unknown = set(parameters) - set(MODELS[model].parameters)
    if unknown:
        raise InputError(
            f"device card {name!r} has a parameter {min(unknown)!r}; {model} has: {', '.join(MODELS[model].parameters)}"
        )
    device = MODELS[model](initial=content.get("initial", {}), **parameters)
    drive = _parse_drive(name, content["drive"]) if "drive" in content else None
    return Card(name, content.get("description", ""), content.get("source", ""), device, drive)


def _parse_drive(name: str, table: dict[str, Any]) -> Drive:
    unknown, missing = set(table) - set(_DRIVE), {"amplitude", "frequency"} - set(table)
    if unknown or missing:
        raise InputError(
            f"device card {name!r} has a [drive] of {', '.join(table) or 'nothing'}; "
            "give amplitude and frequency, and series_resistance and offset if there are any"
        )
    return Drive(**{key: _DRIVE[key].check(f"{name}.drive.{key}", value) for key, value in table.items()})
