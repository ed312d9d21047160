from __future__ import annotations

import os

import matplotlib as mpl
from hypothesis import settings

mpl.use("Agg")

# Shared machines stall for seconds: a deadline would test the machine. Derandomised, failures repeat.
settings.register_profile("memsim", deadline=None, derandomize=True)
settings.load_profile("memsim")

os.environ.setdefault("OMP_NUM_THREADS", "1")
