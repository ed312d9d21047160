"""Crossbars with wires as the text of stand-alone ngspice decks, of any size."""

from memsim.crossbar.netlist.cells import definitions
from memsim.crossbar.netlist.decks import crossbar_deck, crossbar_transient_deck
from memsim.crossbar.netlist.size import DeckSize, deck_size

__all__ = ["DeckSize", "crossbar_deck", "crossbar_transient_deck", "deck_size", "definitions"]
