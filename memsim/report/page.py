"""One self-contained HTML page per run: no network, no script, readable on a phone, in light and in dark."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

import memsim
from memsim import plots
from memsim.errors import InputError
from memsim.files import write_text

__all__ = ["Section", "write_report"]

Table = tuple[Sequence[str], Sequence[Sequence[object]]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a report.

    Attributes:
        heading: plain text.
        text: plain text; an empty line starts a new paragraph.
        tables: each a header and rows of the same length; the first cell of a row names it.
        figures: each a caption, which people who do not see the figure are told, and the figure.
        command: what to type to make this part again.
    """

    heading: str
    text: str = ""
    tables: Sequence[Table] = ()
    figures: Sequence[tuple[str, Figure]] = ()
    command: str = ""

    def __post_init__(self) -> None:
        for header, rows in self.tables:
            wrong = next((list(row) for row in rows if len(row) != len(header)), None)
            if wrong is not None:
                raise InputError(
                    f"a row of a table in section {self.heading!r} has {len(wrong)} cells, its header {len(header)}: "
                    f"{wrong}; give every row one cell per column"
                )
        if any(not caption.strip() for caption, _ in self.figures):
            raise InputError(
                f"a figure in section {self.heading!r} has no caption; say in words what it shows"
            )

    @property
    def paragraphs(self) -> list[str]:
        return [paragraph.strip() for paragraph in self.text.split("\n\n") if paragraph.strip()]

    @property
    def images(self) -> list[tuple[str, str]]:
        """Captions, and the figures as PNG in base64."""
        return [(caption, base64.b64encode(plots.png(figure)).decode()) for caption, figure in self.figures]


def write_report(path: str | Path, title: str, sections: Sequence[Section]) -> Path:
    """Write a report as one HTML file.

    Args:
        path: of the file; missing folders are made.
        title: plain text.
        sections: in the order of the page.

    Returns:
        The path.

    Raises:
        InputError: the folder cannot be written to.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("memsim", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2").render(
        title=title, sections=sections, version=memsim.__version__, made=datetime.now(UTC)
    )
    path = Path(path)
    write_text(path, page)
    return path
