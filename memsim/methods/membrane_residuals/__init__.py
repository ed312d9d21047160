"""Membrane residuals, and how gradients pass through many layers."""

from memsim.methods.membrane_residuals.gradients import gradient_norms

__all__ = ["gradient_norms"]
