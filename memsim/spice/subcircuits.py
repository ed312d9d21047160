"""Sub-circuits of decks as PySpice circuits: R, C, V, I, and devices as memsim writes them.

A device is a sub-circuit whose body is word for word what memsim writes for its parameters, so that the text that
ngspice reads and the equations that are trained are the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PySpice.Spice.Netlist import Circuit, Netlist, SubCircuit

from memsim.circuits.cell import SOURCE
from memsim.circuits.device import DeviceSubCircuit, StaticDeviceSubCircuit
from memsim.circuits.expressions import evaluate
from memsim.devices.cards import MODELS
from memsim.errors import InputError
from memsim.spice.lines import Line, expand, logical_lines, read_deck
from memsim.spice.trust import DECK, confined
from memsim.spice.trust.files import gather

_SPACED = re.compile(r"\{[^}]*\}|'[^']*'")
_GROUND = ("0", "gnd")
_TERMINALS = 2


@dataclass(frozen=True)
class DeckCell:
    """A sub-circuit of a deck with a current source into its first terminal.

    Attributes:
        circuit: its elements, with the input source.
        output: node of its last terminal.
        text: of the deck with all that it includes.
    """

    circuit: Circuit
    output: str
    text: str


@dataclass
class _Definition:
    """A sub-circuit as it stands in the deck."""

    name: str
    line: Line
    terminals: list[str]
    defaults: dict[str, str]
    body: list[Line] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """Of all its lines."""
        return [line.text for line in (self.line, *self.body)]


def read_subcircuit(path: Path, name: str, *, trust: bool = False) -> DeckCell:
    """A sub-circuit of a deck as a circuit that a current drives.

    Args:
        path: of the deck, or of a file of sub-circuits.
        name: of the sub-circuit. Its one terminal beside ground is input and output; of two, the first is the input.
        trust: let the deck run commands and include files of other folders.

    Raises:
        InputError: the file cannot be read, has no such sub-circuit, or one with other terminals or elements.
        UntrustedDeckError: the deck wants more than to be simulated, and `trust` is False.
        NetlistError: an included file does not exist.
    """
    lines = subcircuit_lines(path, trust)
    definitions, parameters = _definitions(lines)
    wanted = definitions.get(name.lower())
    if wanted is None:
        raise InputError(f"{path} has no sub-circuit {name!r}; it has: {', '.join(definitions) or 'none'}")
    terminals = [node for node in wanted.terminals if node not in _GROUND]
    if not 1 <= len(terminals) <= _TERMINALS:
        raise InputError(
            f"sub-circuit {name!r} of {path} has the terminals {', '.join(terminals) or 'none'} beside ground; give it "
            "one, which is input and output, or two, input and output"
        )
    circuit = Circuit(name)
    for key, value in {**parameters, **wanted.defaults}.items():
        circuit.parameter(key, value)
    reader = _Reader(definitions)
    reader.fill(circuit, wanted)
    for subcircuit in reader.known.values():
        circuit.subcircuit(subcircuit)
    if any(str(element.name).lower() == SOURCE for element in circuit.elements):
        raise InputError(
            f"sub-circuit {name!r} of {path} has an element {SOURCE!r}, as its input is called; rename it"
        )
    circuit.I(SOURCE[1:], circuit.gnd, terminals[0], 0)
    return DeckCell(circuit, terminals[-1], "\n".join(line.text for line in lines))


def subcircuit_lines(path: Path, trust: bool) -> list[Line]:
    """Lines of a deck, or of a file of sub-circuits, with those that it includes.

    Raises:
        InputError: the file cannot be read.
        UntrustedDeckError: the deck wants more than to be simulated, and `trust` is False.
    """
    try:
        text = read_deck(path)
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise InputError(f"deck {path} cannot be read ({reason}); give the path of a .cir file") from None
    if text.lstrip().startswith("."):
        text = f"* sub-circuits\n{text}"  # a file to include has no title
    if trust:
        return expand(text, path.parent)
    files = gather(text, path.parent, DECK)
    confined(files)
    return list(files[0].expanded())


def _definitions(lines: list[Line]) -> tuple[dict[str, _Definition], dict[str, str]]:
    """Sub-circuits by name, and parameters of the whole deck."""
    found: dict[str, _Definition] = {}
    parameters: dict[str, str] = {}
    current: _Definition | None = None
    for line in lines:
        words = _words(line)
        if line.control:
            continue
        if words[0] == ".subckt":
            if len(words) < 2:
                raise InputError(f"{line.place}: a sub-circuit has a name; give one after .subckt")
            _check_closed(current)
            current = _Definition(words[1], line, *_split(words[2:]))
        elif words[0] == ".ends":
            if current is not None:
                _add(current, found)
            current = None
        elif current is not None:
            current.body.append(line)
        elif words[0] == ".param":
            parameters |= _split(words[1:])[1]
    _check_closed(current)
    return found, parameters


def _check_closed(definition: _Definition | None) -> None:
    if definition is not None:
        raise InputError(
            f"{definition.line.place}: sub-circuit {definition.name!r} has no .ends before the next .subckt or the end "
            "of the deck; put one after its last element (sub-circuits within another are not read)"
        )


def _add(definition: _Definition, found: dict[str, _Definition]) -> None:
    """Keep a sub-circuit. Two that are the same word for word, of a file that is included twice, are one."""
    other = found.setdefault(definition.name, definition)
    if other.texts != definition.texts:
        raise InputError(
            f"{definition.line.place}: there is another sub-circuit {definition.name!r} before it, at "
            f"{other.line.place}, and simulators differ in which of them counts; rename one, or take it out"
        )


def _words(line: Line) -> list[str]:
    text = _SPACED.sub(lambda part: part[0].replace(" ", ""), line.text)
    return re.sub(r"\s*=\s*", "=", text).split()


def _split(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words without and with a value."""
    given = dict(word.split("=", 1) for word in words if "=" in word)
    return [word for word in words if "=" not in word and word not in {"params:", "params"}], given


class _Reader:
    """Sub-circuits of a deck as PySpice has them, each made once.

    Attributes:
        known: those that were used, by name.
    """

    def __init__(self, definitions: Mapping[str, _Definition]) -> None:
        self.known: dict[str, Netlist] = {}
        self._definitions = definitions

    def fill(self, netlist: Netlist, definition: _Definition) -> None:
        """Add the elements of a sub-circuit to a circuit."""
        places: dict[str, str] = {}
        for line in definition.body:
            name = _words(line)[0]
            if name in places:
                raise InputError(
                    f"{line.place}: sub-circuit {definition.name!r} has another element {name!r}, at {places[name]}; "
                    "rename one"
                )
            places[name] = line.place
            self._add(netlist, line)

    def _add(self, netlist: Netlist, line: Line) -> None:
        (name, *plain), given = _split(_words(line))
        if name[0] == "x":
            *nodes, target = plain
            self._define(target, line)
            netlist.X(name[1:], target, *nodes, **given)
            return
        value = [word for word in plain[2:] if word != "dc"]
        known = {"ic"} if name[0] == "c" else set()
        if name[0] not in "rcvi" or len(value) != 1 or not known >= set(given):
            raise InputError(
                f"{line.place}: a neuron is made of resistors, capacitors, constant sources and devices as "
                "`memsim netlist device NAME` writes them"
            )
        add = {"r": netlist.R, "c": netlist.C, "v": netlist.V, "i": netlist.I}[name[0]]
        extra = {"initial_condition": given["ic"]} if given else {}
        add(name[1:], *plain[:2], value[0], **extra)

    def _define(self, name: str, line: Line) -> None:
        if name in self.known:
            return
        definition = self._definitions.get(name)
        if definition is None:
            raise InputError(
                f"{line.place}: sub-circuit {name!r} is not defined; the deck has: {', '.join(self._definitions)}"
            )
        device = _device(name, definition)
        if device is not None:
            self.known[name] = device
            return
        made = SubCircuit(name, *definition.terminals, **definition.defaults)
        self.fill(made, definition)
        self.known[name] = made


def _device(name: str, definition: _Definition) -> DeviceSubCircuit | StaticDeviceSubCircuit | None:
    """The device that memsim writes as this sub-circuit; None where it is none."""
    given = definition.defaults
    for model in MODELS.values():
        starts = {f"{state}_0": state for state in model.states}
        for kind, states in (
            (DeviceSubCircuit, starts),
            (StaticDeviceSubCircuit, dict.fromkeys(model.states)),
        ):
            if set(given) != {*model.parameters, *states}:
                continue
            numbers = {key: evaluate(text, {}, f"{name}.{key}") for key, text in given.items()}
            device = model(
                initial={state or key: numbers[key] for key, state in states.items()},
                **{key: numbers[key] for key in model.parameters},
            )
            for portable in (False, True):
                made = kind(device, name, portable=portable)
                if _same(made, definition):
                    return made
    return None


def _same(made: DeviceSubCircuit | StaticDeviceSubCircuit, definition: _Definition) -> bool:
    written, *body = logical_lines(str(made), title=False)
    body = [line for line in body if not line.text.startswith(".ends")]
    terminals = _split(_words(written)[2:])[0]
    return terminals == definition.terminals and [_words(a) for a in body] == [
        _words(b) for b in definition.body
    ]
