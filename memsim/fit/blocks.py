"""What instruments wrap their rows in."""

from __future__ import annotations

import re

_NAMES = re.compile(r"^[ \t]*DataName[ \t]*,[ \t]*", re.IGNORECASE)
_VALUES = re.compile(r"^[ \t]*DataValue[ \t]*,[ \t]*", re.IGNORECASE)


def unframed(text: str) -> str:
    """Rows of Keysight's EasyEXPERT without the word that stands before each, and what describes its set-up.

    Its exports have a `DataName` line with the titles and a `DataValue` line for each sample; a file of several sweeps
    has the titles once more before each.
    """
    if "DataValue" not in text:
        return text
    titles: list[str] = []
    rows: list[str] = []
    for line in text.split("\n"):
        title = _NAMES.match(line)
        value = _VALUES.match(line)
        if title is not None:
            titles.append(line[title.end() :])
        elif value is not None:
            rows.append(line[value.end() :])
    return "\n".join([*titles[:1], *rows, ""]) if rows else text
