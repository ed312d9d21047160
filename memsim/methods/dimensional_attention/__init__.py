"""Attention over time, and whether it finds the frames that show something."""

from memsim.methods.dimensional_attention.ranking import ranking, shares_of_frames

__all__ = ["ranking", "shares_of_frames"]
