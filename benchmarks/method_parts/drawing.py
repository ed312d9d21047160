"""What the pictures of all methods share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

from memsim.learn import load_study
from memsim.methods import load_method

mpl.use("Agg")
import matplotlib.pyplot as plt

SIZE = (9, 3.4)


def entries(method: str, name: str) -> dict[str, Any]:
    """What a study of a method says of its network."""
    study = load_study(load_method(method).studies[name]).model_dump(exclude_none=True, exclude_defaults=True)
    return {key: value for key, value in study.items() if key not in {"stages", "training", "augmentation"}}


def saved(figure: plt.Figure, path: Path) -> Path:
    """Write a figure, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
