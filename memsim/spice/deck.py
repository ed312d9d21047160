"""A circuit and its stimuli as the text of a stand-alone deck."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from memsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PySpice.Spice.Netlist import Circuit

    from memsim.circuits.stimuli import Stimulus

OPTIONS: Mapping[str, float | str] = {
    "reltol": 1e-5,
    "trtol": 1,
    "abstol": 1e-20,
    "chgtol": 1e-22,
    "vntol": 1e-8,
    "method": "gear",
}
"""Options of every deck, unless others are given.

The tolerances of ngspice itself (1e-12 A, 1e-14 C, 1e-6 V) are coarse beside a neuron of picoamperes, femtofarads and
millivolts. Its `trtol` of 7 lets an error pass that is seven times what `reltol` says: a VO2 oscillator of 53 spikes
then got 54 of them at steps from 0.1 to 1 us. With 1 it gets 53 at any step, the last within 2 % of a period, and the
errors of shipped circuits are 1 to 10 times smaller; a run takes 1.06 times as long (mean of 19 circuits), 1.8 times
for the oscillator. `reltol=1e-6` brings its spikes within 0.6 % for twice that time. `trap` would be more exact for the
same time, but stalls where the current of a voltage source fades into rounding.
"""
# From about 16 x 16 cells on the matrix factorisation shows; ngspice without KLU ignores the option.
KLU_ELEMENTS = 256
PLOTTED_NODES = 8


def deck(
    circuit: Circuit,
    *,
    stimuli: Mapping[str, Stimulus] | None = None,
    stop: float,
    step: float,
    options: Mapping[str, float | str | bool | None] | None = None,
    save: Iterable[str] | None = None,
    plot: Sequence[str] | None = None,
) -> str:
    """Text of a transient analysis: equal circuits give equal text, in ASCII and lower case.

    The deck runs with plain `ngspice -b -r out.raw file.cir` and plots when run interactively. With `plot` and
    without `save`, plain `ngspice -b file.cir` prints what would be plotted.

    Args:
        circuit: PySpice circuit.
        stimuli: stimulus for each voltage or current source to be replaced, by name of the element.
        stop: end time [s], positive.
        step: largest internal time step [s], positive and below `stop`.
        options: ngspice options over the defaults `OPTIONS`; True writes a flag, None leaves a default out.
        save: variables to keep, e.g. `v(mem)`; all node voltages and source currents when not given.
        plot: expressions to plot in an interactive run; up to eight node voltages when not given.

    Raises:
        InputError: a time is not positive and finite, a stimulus has no source, or a name is not ASCII.
    """
    _check_times(stop, step)
    body = _body(circuit, stimuli or {})
    saved = sorted({name.lower() for name in save}) if save is not None else ["all"]
    shown = list(plot) if plot is not None else _plotted(circuit, saved)
    lines = [
        *body,
        _options_card(options or {}, len(circuit.elements)),
        _output_card(saved, plot),
        f".tran {_text(step)} {_text(stop)} 0 {_text(step)} uic",
        *(".control", "if $?batchmode", "else", "run"),
        "plot " + " ".join(shown),
        *("end", ".endc", ".end", ""),
    ]
    return _ascii("\n".join(lines))


def _check_times(stop: float, step: float) -> None:
    for name, value in (("stop", stop), ("step", step)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value} s, but it must be positive and finite; give it in seconds")
    if step > stop:
        raise InputError(
            f"step = {step} s is longer than stop = {stop} s; give the largest time step in seconds"
        )


def _body(circuit: Circuit, stimuli: Mapping[str, Stimulus]) -> list[str]:
    """Title, sub-circuits and elements in lower case, with the stimuli in place of their sources."""
    waiting = {name.lower(): stimulus for name, stimulus in stimuli.items()}
    lines: list[str] = []
    depth = 0
    for line in str(circuit).splitlines():
        words = line.lower().split()
        if not words:
            continue
        depth += words[0] == ".subckt"
        depth -= words[0] == ".ends"
        if depth == 0 and words[0] in waiting and words[0][0] in "vi":
            lines += waiting.pop(words[0]).netlist_lines(words[0], words[1], words[2])
        elif words[0].startswith((".inc", ".lib")):
            lines.append(line)
        else:
            lines.append(line.lower() if lines else _title(line))
    if waiting:
        sources = [element.name.lower() for element in circuit.elements if element.name[0].lower() in "vi"]
        raise InputError(
            f"stimuli name {sorted(waiting)}, but the sources of the circuit are {sources}; "
            "use the name with its letter, e.g. `iin`"
        )
    return lines


def _title(line: str) -> str:
    return line.encode("ascii", "replace").decode()


def _options_card(options: Mapping[str, float | str | bool | None], elements: int) -> str:
    chosen: dict[str, float | str | bool | None] = {**OPTIONS, **{k.lower(): v for k, v in options.items()}}
    if elements >= KLU_ELEMENTS:
        chosen.setdefault("klu", True)
    kept = sorted((name, value) for name, value in chosen.items() if value is not None and value is not False)
    return " ".join(
        [".options", *(name if value is True else f"{name}={_text(value)}" for name, value in kept)]
    )


def _output_card(saved: Sequence[str], plot: Sequence[str] | None) -> str:
    """Without any `.print`, plain `ngspice -b` does not simulate; beside `.save all` it warns, and needs none."""
    if plot and list(saved) == ["all"]:
        return ".print tran " + " ".join(plot)
    return ".save " + " ".join(saved)


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else repr(float(value))


def _plotted(circuit: Circuit, saved: Sequence[str]) -> list[str]:
    """The first saved voltages, or those of the first nodes."""
    if saved != ["all"]:
        return ([name for name in saved if name.startswith("v(")] or list(saved))[:PLOTTED_NODES]
    nodes = {str(node).lower() for element in circuit.elements for node in element.nodes} - {"0", "gnd"}
    return [f"v({node})" for node in sorted(nodes)][:PLOTTED_NODES]


def _ascii(text: str) -> str:
    try:
        return text.encode("ascii").decode()
    except UnicodeEncodeError as cause:
        around = text[max(0, cause.start - 20) : cause.end + 20]
        raise InputError(
            f"the netlist has a character outside ASCII near `{around}`; ngspice would replace it by `_`, "
            "which can make two names equal: rename the element or node"
        ) from cause
