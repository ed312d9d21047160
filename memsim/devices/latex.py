"""LaTeX of a device's equations."""

from __future__ import annotations

import sympy as sp

from memsim.devices.base import Device


def latex(device: Device | type[Device]) -> list[str]:
    """One LaTeX equation for the current, then one per state: i = ... and dx/dt = ..."""
    form = (device() if isinstance(device, type) else device).expressions
    names = {symbol: _symbol_name(symbol.name) for symbol in form.parameters}
    pairs = zip(form.states, form.rates, strict=True)
    rates = [rf"\frac{{d{state}}}{{dt}} = {sp.latex(rate, symbol_names=names)}" for state, rate in pairs]
    return [f"i = {sp.latex(form.current, symbol_names=names)}", *rates]


def _symbol_name(name: str) -> str:
    r"""Words upright, single letters and Greek as sympy writes them: v_on -> v_{\mathrm{on}}."""
    stem, _, index = name.partition("_")
    symbol = sp.latex(sp.Symbol(stem))
    base = symbol if len(stem) == 1 or symbol != stem else rf"\mathrm{{{stem}}}"
    return rf"{base}_{{\mathrm{{{index}}}}}" if index else base
