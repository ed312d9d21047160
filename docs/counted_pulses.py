"""The picture of cells under counted pulses, into docs/howto/counted-pulses.png: what the page's own lines draw.

python docs/counted_pulses.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path

PAGE = Path(__file__).parent / "howto" / "counted-pulses.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def main() -> None:
    """Run the page where its picture is to be."""
    os.chdir(PAGE.parent)
    names: dict[str, object] = {}
    for lines in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        exec(compile(lines, str(PAGE), "exec"), names)  # noqa: S102 - our own documentation


if __name__ == "__main__":
    main()
