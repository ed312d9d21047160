"""How far a conclusion hangs on each constant: the advantage over a rival, with one constant varied at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from memsim.imc.cost.accounting import COMPLETE, Accounting
from memsim.imc.cost.model import cost
from memsim.imc.cost.technology import FACTOR, Constants, Technology, load_technology
from memsim.imc.hardware import HardwareCard
from memsim.imc.workloads import Workload

Quantity = Literal["energy", "latency"]
OF_CELLS = {"resistance_on": "Ω", "resistance_off": "Ω", "read_voltage": "V", "read_time": "s"}
"""Entries of cells that are varied too, by a factor of 2 either way, in both cards alike, and their units."""


@dataclass(frozen=True)
class Swing:
    """What one constant does.

    Attributes:
        constant: its name.
        low, high: values tried, in SI units.
        at_low, at_high: advantage there.
        nominal: advantage as the cards have it.
        unit: of the values; empty for a number.
        ranged: whether a source gives the range, and not a factor of 2.
    """

    constant: str
    low: float
    high: float
    at_low: float
    at_high: float
    nominal: float
    unit: str
    ranged: bool

    @property
    def span(self) -> float:
        """Largest advantage over smallest."""
        values = (self.at_low, self.at_high, self.nominal)
        return max(values) / min(values)


@dataclass(frozen=True)
class Case:
    """Two chips for one network.

    Attributes:
        workload: the network.
        card, rival: the hardware, and what it is compared with.
        technology: of both.
        accounting: what is charged.
    """

    workload: Workload
    card: HardwareCard
    rival: HardwareCard
    technology: Technology
    accounting: Accounting

    def advantage(self, quantity: Quantity) -> float:
        """Energy, or period of the pipeline, of the rival over that of the card."""
        own, other = (
            cost(self.workload, card, technology=self.technology, accounting=self.accounting)
            for card in (self.card, self.rival)
        )
        if quantity == "energy":
            return other.total_energy / own.total_energy
        return other.period / own.period


def sensitivity(
    workload: Workload,
    card: HardwareCard,
    rival: HardwareCard,
    quantity: Quantity,
    *,
    technology: Technology | None = None,
    accounting: Accounting = COMPLETE,
) -> list[Swing]:
    """Vary each constant over its range, or by a factor of 2 either way, and the share of spikes; widest swing first.

    Args:
        workload: the network.
        card: the hardware.
        rival: what it is compared with.
        quantity: energy, or latency as the period of the pipeline, of the rival over that of the card.
        technology: constants; those that the card names where left out.
        accounting: what is charged.
    """
    technology = load_technology(card.technology.card) if technology is None else technology
    case = Case(workload, card, rival, technology, accounting)
    nominal = case.advantage(quantity)
    swings = [
        Swing(
            constant=trial.name,
            low=trial.low,
            high=trial.high,
            at_low=trial.changed(trial.low).advantage(quantity),
            at_high=trial.changed(trial.high).advantage(quantity),
            nominal=nominal,
            unit=trial.unit,
            ranged=trial.name in technology.ranges,
        )
        for trial in _trials(case)
    ]
    return sorted(swings, key=lambda swing: swing.span, reverse=True)


@dataclass(frozen=True)
class _Trial:
    name: str
    low: float
    high: float
    unit: str
    changed: Callable[[float], Case]


def _trials(case: Case) -> Iterator[_Trial]:
    for name in Constants.model_fields:
        low, high = case.technology.span(name)
        yield _Trial(name, low, high, case.technology.unit(name), partial(_with_constant, case, name))
    for name, unit in OF_CELLS.items():
        value = getattr(case.card.cell, name)
        change = partial(_with_cell, case, name, value)
        yield _Trial(f"cell.{name}", value / FACTOR, value * FACTOR, unit, change)
    rate = case.workload.spike_rate
    yield _Trial("spike_rate", rate / FACTOR, min(rate * FACTOR, 1.0), "", partial(_with_rate, case))


def _with_constant(case: Case, name: str, value: float) -> Case:
    return replace(case, technology=case.technology.changed(name, value))


def _with_cell(case: Case, name: str, nominal: float, value: float) -> Case:
    card, rival = (
        card.changed({f"cell.{name}": getattr(card.cell, name) * value / nominal})
        for card in (case.card, case.rival)
    )
    return replace(case, card=card, rival=rival)


def _with_rate(case: Case, rate: float) -> Case:
    return replace(case, workload=case.workload.with_spike_rate(rate))
