"""Writing the shipped circuits as stand-alone decks, and the device models as Verilog-A."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from memsim.circuits.catalogue import CATALOGUE, load_bench
from memsim.devices import MODELS, verilog_a
from memsim.files import ensure_folder, write_text
from memsim.spice import deck


def bench_deck(name: str) -> str:
    """Deck of a shipped circuit: runs in batch, plots when run interactively."""
    bench = load_bench(name)
    return deck(bench.circuit, stimuli=bench.stimuli, stop=bench.stop, step=bench.step, plot=bench.show)


def write_netlists(folder: Path, names: Sequence[str] | None = None) -> Iterable[Path]:
    """Write decks into `folder` and yield their paths.

    Args:
        folder: made when missing.
        names: circuits by name; where left out, all of them, and a Verilog-A file per device model.

    Raises:
        InputError: an unknown circuit, or a folder that cannot be written.
    """
    decks = {name: bench_deck(name) for name in names or CATALOGUE}
    files = {f"{name}.cir": text for name, text in decks.items()}
    if names is None:
        files |= {f"{name}.va": verilog_a(model()) for name, model in MODELS.items()}
    ensure_folder(folder)
    for file, text in files.items():
        write_text(folder / file, text)
        yield folder / file
