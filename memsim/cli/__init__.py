"""The `memsim` command."""

from memsim.cli.command import app, main

__all__ = ["app", "main"]
