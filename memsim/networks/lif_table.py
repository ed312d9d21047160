"""The table of a study that says what discrete neurons are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic import ValidationInfo, field_validator, model_validator

from memsim.errors import InputError
from memsim.networks.described import KIND, Entry, called, described
from memsim.networks.discrete import Coefficient, Compartment, Fixed, Learned, Reset, Spike
from memsim.networks.discrete.coefficients import COEFFICIENTS, GAINS, Shape
from memsim.networks.discrete.compartments import COMPARTMENTS, FIRST_ORDER, SPIKE
from memsim.networks.discrete.thresholds import THRESHOLDS
from memsim.networks.discrete_neurons import (
    FIRST_LEAK,
    FIRST_THRESHOLD,
    DiscreteNeuron,
    LeakyIntegrateAndFire,
)
from memsim.tables import Table

LEAK, THRESHOLD, GAIN = "leak", "threshold", "gain"
NUMBERS: Mapping[str, tuple[Mapping[str, Callable[..., Coefficient]], float]] = {
    LEAK: (COEFFICIENTS, FIRST_LEAK),
    THRESHOLD: (THRESHOLDS, FIRST_THRESHOLD),
    GAIN: (GAINS, 1.0),
}
"""Policies that each number may have, and the value that they begin with where none is said."""
OF_SPIKES = frozenset({THRESHOLD, "reset", "spike"})
"""Entries that say nothing of neurons that never fire."""


class LifTable(Table):
    """Discrete neurons: see memsim.networks.discrete.

    Each entry is a number, a name, or a table with the settings of what is named; `FILE.py:NAME` is a policy of the
    user's.

    Attributes:
        leak, threshold, gain: a number that stays, one for each column or neuron in a list, or a policy: fixed,
            learned, logistic; of a threshold also hoyer and scheduled, of a gain also complement.
        reset: its kind, or a table of what `Reset` takes.
        spike: its slope, or a table of what `Spike` takes.
        compartments: tables of what `Compartment` takes; with `kind = "alpha-kernel"` of what `alpha_kernel` takes.
    """

    leak: Entry = None
    threshold: Entry = None
    gain: Entry = None
    reset: Entry = None
    spike: Entry = None
    compartments: tuple[Entry, ...] = ()

    @field_validator(LEAK, THRESHOLD, GAIN)
    @classmethod
    def _is_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        _number(value, str(info.field_name), leak=Fixed(FIRST_LEAK))
        return value

    @field_validator("reset", "spike")
    @classmethod
    def _is_a_part(cls, value: Any, info: ValidationInfo) -> Any:
        _part(value, str(info.field_name))
        return value

    @field_validator("compartments")
    @classmethod
    def _are_compartments(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        DiscreteNeuron(compartments=_compartments(value))
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> LifTable:
        self.neurons(None)
        return self

    @property
    def given(self) -> dict[str, Any]:
        """What it says."""
        return self.model_dump(exclude_none=True, exclude_defaults=True)

    def over(self, others: LifTable) -> LifTable:
        """This table, with the entries of another where it leaves them out."""
        return LifTable(**{**others.given, **self.given})

    def silent(self) -> LifTable:
        """What is left of it in neurons that never fire: what neither fires nor is driven by spikes."""
        compartments = [one for one in self.compartments if not _hears_spikes(one, self.compartments)]
        kept = {name: value for name, value in self.given.items() if name not in OF_SPIKES}
        return LifTable(**{**kept, "compartments": compartments})

    def neurons(self, shape: Shape | None, *, spiking: bool = True) -> DiscreteNeuron:
        """A layer of such neurons, of that shape (channels, ...); they only add up where not spiking.

        Raises:
            InputError: numbers that do not fit to the shape.
        """
        if not self.given:
            return LeakyIntegrateAndFire(spiking=spiking)
        leak = _number(self.leak, LEAK) or Learned(FIRST_LEAK)
        made = DiscreteNeuron(
            leak,
            _number(self.threshold, THRESHOLD),
            gain=_number(self.gain, GAIN, leak=leak) or 1.0,
            reset=_part(self.reset, "reset"),
            spike=_part(self.spike, "spike"),
            compartments=_compartments(self.compartments),
            spiking=spiking,
        )
        return made if shape is None else made.shaped(shape)


def _number(entry: Any, name: str, **offered: Any) -> Coefficient | None:
    kinds, first = NUMBERS[name]
    return None if entry is None else _policy(entry, name, kinds, {"value": first, **offered})


def _policy(
    entry: Any,
    place: str,
    kinds: Mapping[str, Callable[..., Coefficient]] = COEFFICIENTS,
    offered: Mapping[str, Any] | None = None,
) -> Coefficient:
    if isinstance(entry, int | float | list) and not isinstance(entry, bool):
        entry = {KIND: "fixed", "value": entry}
    within = partial(_policy, offered=offered)
    return described(entry, kinds, Coefficient, place, offered=offered, nested={Coefficient: within})


def _part(entry: Any, name: str) -> Any:
    maker, first = {"reset": (Reset, KIND), "spike": (Spike, "slope")}[name]
    if entry is None:
        return None
    if isinstance(entry, str):
        entry = {first: entry}
    if not isinstance(entry, dict):
        raise InputError(f"{name} = {entry!r} cannot be used; give a {first}, or a table")
    return called(maker, entry, name)


def _compartments(entries: tuple[Any, ...]) -> tuple[Compartment, ...]:
    return tuple(part for number, one in enumerate(entries, start=1) for part in _made_of(one, number))


def _made_of(entry: Any, number: int) -> tuple[Compartment, ...]:
    place = f"compartment {number}"
    if isinstance(entry, dict):
        weight = entry.get("weight")
        if isinstance(weight, int | float) and weight == 0:
            raise InputError(
                f"{place} feeds nothing with weight = {weight!r}; give another weight, or leave the compartment out "
                '(feeds = "nothing" if another one is driven by it)'
            )
        entry = {KIND: FIRST_ORDER, **entry}
    made = described(entry, COMPARTMENTS, object, place, nested={Coefficient: _policy})
    several = made if isinstance(made, tuple) else (made,)
    if not all(isinstance(part, Compartment) for part in several):
        raise InputError(f"{place} is {type(made).__name__}; give one that makes compartments")
    return several


def _hears_spikes(entry: Any, entries: tuple[Any, ...]) -> bool:
    """Whether spikes drive a compartment, or one that drives it."""
    drives = {part.name: part.driven_by for part in _compartments(entries)}
    heard = {part.driven_by for part in _compartments((entry,))}
    while further := {drives[name] for name in heard if name in drives} - heard:
        heard |= further
    return SPIKE in heard
