"""Crossbars with wires as the text of stand-alone ngspice decks, of any size."""

from memsim.crossbar.netlist.decks import crossbar_deck, crossbar_transient_deck

__all__ = ["crossbar_deck", "crossbar_transient_deck"]
