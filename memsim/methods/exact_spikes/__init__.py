"""Exact gradients of multi-spike networks: their neurons as circuits."""

from memsim.methods.exact_spikes.circuit import Scale, deck, lines_of, times_in_ngspice

__all__ = ["Scale", "deck", "lines_of", "times_in_ngspice"]
