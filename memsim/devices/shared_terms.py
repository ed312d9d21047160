"""Terms of a long model that its ngspice sub-circuit computes once, as voltages of nodes of their own.

ngspice interprets the text of a behavioural source together with the texts of its derivatives, and both repeat a term
wherever it occurs. A node holds its term in units of a power of ten near its largest value, because voltages are held
to an absolute tolerance. What reads a node takes no more than 100 such units: an iteration of Newton's method may leave
a node at any value, and the power of such a value ends the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from memsim.devices.base import Device
from memsim.devices.functions import clip
from memsim.devices.numeric import generate

PROBES = 200  # points that tell how large a term becomes
LARGEST_PROBE = 2.0  # V
LARGEST = 100  # units that a term is taken for at the most


@dataclass(frozen=True)
class SharedTerms:
    """A model's current and rates written with shared terms.

    Args:
        symbols: one for each node.
        terms: what each node holds, in order: a term may contain earlier symbols.
        outputs: the current and the rates.
        whole: the same terms without symbols of nodes.
    """

    symbols: tuple[sp.Symbol, ...]
    terms: tuple[sp.Expr, ...]
    outputs: tuple[sp.Expr, ...]
    whole: tuple[sp.Expr, ...]


def share(model: type[Device], worth: Callable[[sp.Expr, tuple[sp.Symbol, ...]], bool]) -> SharedTerms:
    """Give a node to each term that repeats and is worth one.

    Args:
        model: the device class.
        worth: whether to share a term, given the symbols of the nodes there are already.
    """
    form = model().expressions
    repeated, outputs = sp.cse([form.current, *form.rates], symbols=sp.numbered_symbols("_repeated"))
    written: dict[sp.Symbol, sp.Expr] = {}
    meant: dict[sp.Symbol, sp.Expr] = {}
    symbols: list[sp.Symbol] = []
    terms, whole = [], []
    for placeholder, expression in repeated:
        term, original = expression.xreplace(written), expression.xreplace(meant)
        meant[placeholder] = original
        if not worth(term, tuple(symbols)):
            written[placeholder] = term
            continue
        unit = _unit(model, original)
        symbol = sp.Symbol(f"q{len(symbols) + 1}", real=True, nonnegative=original.is_nonnegative)
        written[placeholder] = unit * clip(symbol, LARGEST)
        symbols.append(symbol)
        terms.append(term / unit)
        whole.append(original / unit)
    return SharedTerms(
        tuple(symbols), tuple(terms), tuple(output.xreplace(written) for output in outputs), tuple(whole)
    )


def at_rest(device: Device, shared: SharedTerms) -> list[float]:
    """What the nodes hold at zero voltage and in the initial state."""
    function = _function(type(device), shared.whole)
    return [
        float(value) for value in function(0.0, list(device.initial.values()), list(device.values.values()))
    ]


def _unit(model: type[Device], term: sp.Expr) -> sp.Expr:
    """Power of ten nearest to the largest value of a term."""
    device, random = model(), np.random.default_rng(0)
    v = random.uniform(-LARGEST_PROBE, LARGEST_PROBE, PROBES)
    x = [random.uniform(s.low, s.high, PROBES) for s in device.states.values()]
    (values,) = _function(model, (term,))(v, x, list(device.values.values()))
    power = round(float(np.log10(np.abs(values).max())))
    return sp.Float(10.0**power) if power else sp.Integer(1)


@cache
def _function(model: type[Device], terms: tuple[sp.Expr, ...]) -> Callable[..., list[Any]]:
    form = model().expressions
    return generate((form.voltage, form.states, form.parameters), terms, "numpy")
