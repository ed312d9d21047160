"""PySpice's own sources of sines, pulses and straight lines, as the stimuli that every engine takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from PySpice.Spice.BasicElement import CurrentSource, VoltageSource
from PySpice.Spice.HighLevelElement import PieceWiseLinearMixin, PulseMixin, SinusoidalMixin
from PySpice.Spice.Netlist import Element as PySpiceElement
from PySpice.Spice.Netlist import Netlist

from memsim.circuits.expressions import evaluate
from memsim.circuits.flatten import Element, flatten
from memsim.circuits.samples import Samples
from memsim.circuits.stimuli import PulseTrain, Sine, Stimulus
from memsim.errors import InputError


def is_driven(source: PySpiceElement) -> bool:
    """Whether a source says itself what it does over time: its class writes its part of the line in its own way."""
    own_line = type(source).format_spice_parameters is not PySpiceElement.format_spice_parameters
    return own_line and isinstance(source, VoltageSource | CurrentSource)


def all_stimuli(circuit: Netlist, stimuli: Mapping[str, Stimulus], *, step: float) -> dict[str, Stimulus]:
    """Stimuli of a run: those of the circuit's own sources, and over them those that are given, as in ngspice.

    Args:
        circuit: PySpice circuit.
        stimuli: by name of the source, in upper or lower case.
        step: time step of the run [s].

    Raises:
        InputError: as in `own_stimuli`.
    """
    given = {name.lower(): stimulus for name, stimulus in stimuli.items()}
    return {**own_stimuli(circuit, step=step, overridden=given), **given}


def warn_of_steps(circuit: Netlist, stimuli: Mapping[str, Stimulus], *, step: float) -> None:
    """Warn where the step of a run of ngspice decides what a source does: edges of zero, and sines that are too fast.

    Pulses and samples have break points, between which ngspice chooses its own steps.
    """
    known = {name.lower(): stimulus for name, stimulus in stimuli.items()}
    for element in driven_sources(circuit):
        if element.name not in known:
            with suppress(InputError):  # ngspice may know what has no stimulus
                known[element.name] = _stimulus(element, step)
    for name, stimulus in known.items():
        if isinstance(stimulus, Sine) and stimulus.shortest < step:
            warnings.warn(
                f"{name}: a quarter of the sine takes {stimulus.shortest:g} s, less than the step of {step:g} s, so "
                "that ngspice may pass over its peaks; shorten the step",
                stacklevel=2,
            )


def own_stimuli(circuit: Netlist, *, step: float, overridden: Collection[str] = ()) -> dict[str, Stimulus]:
    """What the sources of a circuit do that PySpice makes functions of time, by hierarchical name.

    Args:
        circuit: PySpice circuit.
        step: time step of the run [s]; ngspice takes it for edges of zero, with a warning.
        overridden: names of sources to leave out.

    Raises:
        InputError: a source whose waveform or argument has no stimulus.
    """
    return {
        element.name: _stimulus(element, step)
        for element in driven_sources(circuit)
        if element.name not in overridden
    }


def driven_sources(circuit: Netlist) -> list[Element]:
    """Independent sources that are functions of time."""
    return [element for element in flatten(circuit) if is_driven(element.source)]


def _stimulus(element: Element, step: float) -> Stimulus:
    for kind, make in _MAKERS.items():
        if isinstance(element.source, kind):
            try:
                return make(element, step)
            except InputError as cause:
                raise InputError(f"{element.name}: {cause}") from cause
    raise InputError(
        f"{element.name} is a {type(element.source).__name__}, which the torch and SciPy engines do not understand; "
        "give a stimulus for it, or simulate with ngspice"
    )


def _value(element: Element, name: str) -> float:
    return evaluate(getattr(element.source, name), element.values, name)


def _refuse(element: Element, *names: str) -> None:
    """Refuse arguments that are set and have no counterpart."""
    for name in names:
        given = getattr(element.source, name)
        if given is not None and float(given) != 0:
            raise InputError(
                f"{name} = {given} is not understood by the torch and SciPy engines; give a stimulus for the source, "
                "or simulate with ngspice"
            )


def _sine(element: Element, _: float) -> Stimulus:
    _refuse(element, "delay", "damping_factor")
    return Sine(_value(element, "amplitude"), _value(element, "frequency"), _value(element, "offset"))


def _pulses(element: Element, step: float) -> Stimulus:
    _refuse(element, "phase")
    if not _value(element, "pulse_width"):
        raise InputError("pulse_width = 0, for which ngspice takes the whole run; give the width in seconds")
    return PulseTrain(
        _value(element, "pulsed_value"),
        _value(element, "pulse_width"),
        _value(element, "period"),
        _edge(element, "rise_time", step),
        _edge(element, "fall_time", step),
        _value(element, "initial_value"),
        _value(element, "delay_time"),
    )


def _edge(element: Element, name: str, step: float) -> float:
    edge = _value(element, name)
    if not edge:
        warnings.warn(
            f"{element.name}: {name} = 0, for which SPICE takes the time step of {step:g} s; give it in seconds",
            stacklevel=2,
        )
    return edge or step


def _lines(element: Element, _: float) -> Stimulus:
    _refuse(element, "repeat_time", "delay_time")
    values = [evaluate(value, element.values, "values") for value in element.source.values]
    return Samples(values[::2], values[1::2])


_MAKERS: Mapping[type, Callable[[Any, float], Stimulus]] = {
    SinusoidalMixin: _sine,
    PulseMixin: _pulses,
    PieceWiseLinearMixin: _lines,
}
