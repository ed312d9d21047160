"""Batch normalisation through time, and how many of its steps are worth taking."""

from memsim.methods.bntt.exits import accuracies, last_step, weights_of_steps

__all__ = ["accuracies", "last_step", "weights_of_steps"]
