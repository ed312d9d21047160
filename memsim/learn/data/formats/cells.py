"""What is written in a cell of a table: numbers, labels, gaps."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.raw import Array

GAPS = frozenset({"", "nan", "NaN", "NA", "N/A", "null"})
"""How a missing label is written."""
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_DECIMAL = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WITH_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?")


def is_number(text: str) -> bool:
    """Whether a cell is a number; digits are not grouped."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def number_of(path: Path, line: int, column: int, text: str) -> float:
    """The number in a cell; raises InputError where it is none."""
    if is_number(text):
        return float(text)
    where = f"{path}: line {line}, column {column}"
    _refuse_comma(where, text)
    raise InputError(
        f"{where} is {text[:40]!r}; allowed: a number. Fill or remove lines with gaps; give texts numbers"
    )


def as_labels(path: Path, texts: list[str]) -> Array:
    """Labels as whole numbers or numbers where all are written as these are, else as texts: 01 is not 1."""
    if all(map(_WHOLE.fullmatch, texts)):
        numbers = [int(text) for text in texts]
        small = all(-(2**63) <= number < 2**63 for number in numbers)
        return np.array(numbers if small else texts)
    if all(map(_DECIMAL.fullmatch, texts)) and not all(re.fullmatch(r"[+-]?[0-9]+", text) for text in texts):
        return np.array(texts).astype(np.float64)
    if all(is_number(text) or _WITH_COMMA.fullmatch(text) for text in texts):
        for text in texts:
            _refuse_comma(f"{path}: a label", text)
    return np.array(texts)


def _refuse_comma(where: str, text: str) -> None:
    if _WITH_COMMA.fullmatch(text):
        raise InputError(
            f"{where} is {text!r}, with a decimal comma; save numbers with a point: {text.replace(',', '.')}"
        )
