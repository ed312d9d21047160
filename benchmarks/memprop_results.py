"""What the parts of memprop.py share: the data sets, the stages, and their saved results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from common import RESULTS

TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
PUBLISHED = {"mnist": 0.9758, "fashion-mnist": 0.7526}
"""SPICEprop, arXiv:2203.01426, abstract."""
STAGES = ("train", "references", "aware", "robust", "verify")


def result_path(stage: str, data: str) -> Path:
    """Where the result of a stage is saved."""
    return RESULTS / f"memprop-{stage}-{data}.json"


def load_rows(stage: str, data: str) -> dict[str, Any]:
    """Rows of a saved result; none where there is no such result yet."""
    path = result_path(stage, data)
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else {}
