"""Other programs as children: with limits, behind a wall where one is asked for, and never orphans."""

from memsim.processes.children import cores, end_all, execute
from memsim.processes.folders import MAKE_ROOM, private_folder, sweep_leftovers
from memsim.processes.limits import GB, Limits

__all__ = ["GB", "MAKE_ROOM", "Limits", "cores", "end_all", "execute", "private_folder", "sweep_leftovers"]
