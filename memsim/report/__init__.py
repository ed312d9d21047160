"""Self-contained HTML pages: of runs, of chips, of files of data, and of what else has sections."""

from memsim.report.page import Section, Table, write_report

__all__ = ["Section", "Table", "write_report"]
