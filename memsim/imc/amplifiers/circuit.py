"""A clocked sense amplifier as a sub-circuit of a deck, with handles at gate and channel of each transistor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from memsim.errors import InputError
from memsim.spice.lines import Line
from memsim.spice.subcircuits import subcircuit_lines
from memsim.units import parse_si

TERMINALS = ("vdd", "clk", "inp", "inn", "outp", "outn")
"""Supply, clock (decides while it is high), inputs and outputs; ground is 0."""
SHIPPED = "strongarm"


@dataclass(frozen=True)
class Transistor:
    """A MOS transistor of an amplifier.

    Attributes:
        name: of its element.
        nodes: drain, gate, source and bulk.
        rest: model and parameters.
        area: of its channel [m²].
    """

    name: str
    nodes: tuple[str, ...]
    rest: str
    area: float


@dataclass(frozen=True)
class AmplifierCircuit:
    """An amplifier.

    Attributes:
        name: of its sub-circuit.
        source: what was read.
        terminals: in the order of its definition.
        transistors: those of it.
        others: its other elements.
        around: models and parameters of the deck.
    """

    name: str
    source: str
    terminals: tuple[str, ...]
    transistors: tuple[Transistor, ...]
    others: tuple[str, ...]
    around: tuple[str, ...]

    def definition(self) -> list[str]:
        """Its sub-circuit, with parameters for each transistor T: threshold shift s_T [V], and a pulse of current.

        The pulse i_T [A] flows through the channel for `pulse_length` from `pulse_start` on, parameters both [s].
        """
        handles = [f"{kind}_{one.name}=0" for one in self.transistors for kind in ("s", "i")]
        lines = [
            f".subckt {self.name} {' '.join(self.terminals)} pulse_start=1 pulse_length=1p {' '.join(handles)}"
        ]
        for one in self.transistors:
            drain, gate, source, bulk = one.nodes
            pulse = "{pulse_start} 0.1p 0.1p {pulse_length} 1"
            lines += [
                f"{one.name} {drain} gate_{one.name} {source} {bulk} {one.rest}",
                # a gate that is lower by the shift is one whose threshold is higher
                f"vs_{one.name} {gate} gate_{one.name} {{s_{one.name}}}",
                f"ii_{one.name} {drain} {source} pulse(0 {{i_{one.name}}} {pulse})",
            ]
        return [*self.around, *lines, *self.others, ".ends"]

    def instance(self, name: str, nodes: Mapping[str, str], values: Mapping[str, float]) -> str:
        """One amplifier in a deck.

        Args:
            name: of the element.
            nodes: by terminal.
            values: of handles.
        """
        given = " ".join(f"{key}={value:.9e}" for key, value in values.items())
        return f"{name} {' '.join(nodes[one] for one in self.terminals)} {self.name} {given}"


def read_amplifier(place: str | Path, *, trust: bool = False) -> AmplifierCircuit:
    """An amplifier of a deck.

    Args:
        place: `FILE.cir:NAME`, `FILE.cir` that holds one sub-circuit, or `strongarm`, which ships with memsim.
        trust: let the deck include files of other folders.

    Raises:
        InputError: no such file or sub-circuit, other terminals than TERMINALS, or transistors whose sizes are no
            numbers.
        UntrustedDeckError: the deck wants more than to be simulated, and `trust` is False.
    """
    if str(place) == SHIPPED:
        place, trust = Path(str(resources.files("memsim.imc.amplifiers") / f"{SHIPPED}.cir")), True
    file, _, name = str(place).rpartition(":") if ".cir:" in str(place) else (str(place), "", "")
    lines = subcircuit_lines(Path(file), trust)
    name, body, around = _taken(file, lines, name.lower())
    words = body[0].words
    terminals = tuple(word for word in words[2:] if "=" not in word)
    if sorted(terminals) != sorted(TERMINALS):
        raise InputError(
            f"sub-circuit {name!r} of {file} has the terminals {', '.join(terminals)}; allowed: "
            f"{', '.join(TERMINALS)}, in any order"
        )
    elements = body[1:]
    if nested := [line for line in elements if line.text[0] in "x."]:
        raise InputError(f"{nested[0].place}: an amplifier is one sub-circuit of elements; write it flat")
    transistors = tuple(_transistor(line) for line in elements if line.text[0] == "m")
    if not transistors:
        raise InputError(
            f"sub-circuit {name!r} of {file} has no transistor (m...); give an amplifier of MOS transistors"
        )
    others = tuple(line.text for line in elements if line.text[0] != "m")
    return AmplifierCircuit(name, str(place), terminals, transistors, others, tuple(around))


def _taken(file: str, lines: Sequence[Line], wanted: str) -> tuple[str, list[Line], list[str]]:
    """Name and lines of the wanted sub-circuit, and models and parameters around it."""
    found: dict[str, list[Line]] = {}
    around, current = list[str](), list[Line]()
    for line in lines:
        head = line.words[0]
        if head == ".subckt":
            current = found.setdefault(line.words[1], [])
            current.append(line)
        elif head == ".ends":
            current = []
        elif current:
            current.append(line)
        elif head in {".model", ".param"}:
            around.append(line.own)
    if wanted not in found and (wanted or len(found) != 1):
        raise InputError(f"{file} has the sub-circuits {', '.join(found) or 'none'}; name one: {file}:NAME")
    name = wanted or next(iter(found))
    return name, found[name], around


def _transistor(line: Line) -> Transistor:
    words = line.words
    sizes = dict(word.split("=", 1) for word in words[6:] if "=" in word)
    try:
        width, length = (parse_si(sizes[key]) for key in ("w", "l"))
        many = parse_si(sizes.get("m", "1"))
    except (KeyError, InputError):
        raise InputError(
            f"{line.place}: mismatch follows from the area of a transistor; give w= and l= as numbers"
        ) from None
    return Transistor(words[0], tuple(words[1:5]), " ".join(words[5:]), width * length * many)
