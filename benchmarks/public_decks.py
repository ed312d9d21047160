"""Decks that other people published: each runs as in ngspice itself, or is refused for a reason.

    python benchmarks/public_decks.py FOLDER        # writes results/public_decks.json

FOLDER holds checked-out repositories with decks (`.cir`, `.sp`, `.spice`, `.net`, `.ckt`); none is part of memsim. Each
deck runs untrusted, in ngspice's own reading, and as plain `ngspice -b` runs it, with its results written at its end.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np
from common import save_result

from memsim import spice
from memsim.errors import MemsimError
from memsim.spice.analyses import by_kind
from memsim.spice.rawfile import read_plots

ENDINGS = (".cir", ".sp", ".spice", ".net", ".ckt")
SECONDS = 60
ROUNDING = 1e-9
"""Runs of one deck are equal bit for bit; only what a deck fits by itself, such as a measure, is not."""
WRITING = [
    "set filetype=binary",
    "set appendwrite",
    "foreach p $plots",
    "setplot $p",
    "write plain.raw",
    "end",
]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    decks = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    rows = {str(deck.relative_to(folder)): verdict(deck) for deck in decks}
    for name, found in rows.items():
        print(f"{name:70} {found}")
    equal = sum(found == "equal" for found in rows.values())
    save_result("public_decks", "python benchmarks/public_decks.py FOLDER", {"equal": equal, "decks": rows})


def verdict(deck: Path) -> str:
    """`equal`, or how memsim and ngspice differ, or why each refuses."""
    plain = in_ngspice(deck)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = spice.run_deck(deck, timeout=SECONDS)
    except MemsimError as error:
        reason = " ".join(str(error).split())[:160]
        return f"refused; {'ngspice runs it' if plain else 'ngspice gives nothing'}: {reason}"
    if not plain:
        return "runs; plain ngspice gives nothing"
    return differences(found, plain) or "equal"


def in_ngspice(deck: Path) -> dict:
    """Its analyses as ngspice gives them without memsim; empty where it gives none."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "decks"
        shutil.copytree(deck.parent, folder, ignore=shutil.ignore_patterns(".git"))
        text = deck.read_bytes().decode("latin-1").replace("\r", "")
        lines = text.split("\n")
        ends = [k for k, line in enumerate(lines) if line.strip().lower() == ".endc"]
        if ends:
            lines[ends[-1] : ends[-1]] = WRITING
        (folder / "plain.cir").write_bytes("\n".join(lines).encode("latin-1"))
        output = [] if ends else ["-r", "plain.raw"]
        command = ["ngspice", "-n", "-b", *output, "-o", "plain.log", "plain.cir"]
        try:
            subprocess.run(command, cwd=folder, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603
            return by_kind(
                [plot for plot in read_plots((folder / "plain.raw").read_bytes()) if len(plot.data)]
            )
        except (OSError, MemsimError, subprocess.TimeoutExpired):
            return {}


def differences(found: dict, plain: dict) -> str:
    """What of the waveforms of ngspice is not equal, number for number."""
    for kind, waves in plain.items():
        if kind not in found:
            return f"no {kind}"
        for name in waves.variables:
            if name not in found[kind].variables:
                return f"no {name} of {kind}"
            ours, theirs = found[kind][name].values, waves[name].values
            if ours.shape != theirs.shape:
                return f"{name}: {ours.shape} for {theirs.shape}"
            if not np.allclose(ours, theirs, rtol=ROUNDING, atol=0, equal_nan=True):
                return f"{name}: off by {np.abs(ours - theirs).max():.2g}"
    return ""


if __name__ == "__main__":
    main()
