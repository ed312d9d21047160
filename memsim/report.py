"""One self-contained HTML page per run: text, tables, pictures and the commands that made them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment
from matplotlib.figure import Figure

from memsim.files import write_text

TEMPLATE = "report.html.j2"
Table = tuple[Sequence[str], Sequence[Sequence[object]]]
"""Column headers, and rows of as many cells."""


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        heading: its title.
        text: what the reader should know first.
        tables: each as headers and rows.
        figures: each as caption and figure; the caption also describes the picture to those who cannot see it.
        command: the command line that makes it.
    """

    heading: str
    text: str = ""
    tables: Sequence[Table] = ()
    figures: Sequence[tuple[str, Figure]] = ()
    command: str = ""


def write_report(path: str | Path, title: str, sections: Sequence[Section]) -> Path:
    """Write a page that needs no network and reads well on a phone.

    Raises:
        InputError: the folder cannot be written to.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["png"] = _png
    source = (resources.files("memsim") / TEMPLATE).read_text(encoding="utf-8")
    write_text(path, environment.from_string(source).render(title=title, sections=sections))
    return Path(path)


def _png(figure: Figure) -> str:
    """The figure as a data address."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
