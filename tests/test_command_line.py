"""What every command shares: shell completion, exit codes, JSON for scripts, engineering notation, a quick start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memsim.cli import app

MEMSIM = str(Path(sys.executable).with_name("memsim"))
KICAD = """.title KiCad schematic
.save all
.probe alli
R1 /in /out 1k
C1 /out 0 1n
V1 /in 0 DC 0 SIN( 0 1 100k 0 0 0 )
.tran 100n 20u
.end
"""


def test_shells_complete_the_commands():
    words = {"_MEMSIM_COMPLETE": "complete_bash", "COMP_WORDS": "memsim sw", "COMP_CWORD": "1"}
    done = subprocess.run([MEMSIM], env={**os.environ, **words}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["sweep"]


def test_help_tells_the_exit_codes():
    text = CliRunner().invoke(app, ["--help"]).output
    for code in ("0 done", "1 a simulation", "2 bad input", "130 interrupted"):
        assert code in " ".join(text.split())


@pytest.mark.spice
def test_numbers_for_people_and_for_scripts():
    line = ["run", "pulses-knowm-sdc", "--stop", "0.1m"]
    printed = CliRunner().invoke(app, line).output
    assert "500 mV" in printed
    summary = json.loads(CliRunner().invoke(app, [*line, "--json"]).output)
    assert summary["waveforms"]["v(drive)"] == {"units": "V", "minimum": 0.0, "maximum": 0.5}
    assert summary["files"] == []


@pytest.mark.spice
def test_a_deck_as_kicad_writes_it(tmp_path: Path):
    (tmp_path / "kicad.cir").write_text(KICAD)
    result = CliRunner().invoke(app, ["run", str(tmp_path / "kicad.cir")])
    assert result.exit_code == 0, result.output
    assert "v(/out)" in result.output


@pytest.mark.parametrize("command", ["sweep", "plot"])
def test_help_of_a_command_shows_examples(command: str):
    text = CliRunner().invoke(app, [command, "--help"]).output
    assert "Examples: memsim " in " ".join(text.split())


def test_the_package_runs_as_the_command():
    found = subprocess.run(
        [sys.executable, "-m", "memsim", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "Simulate memristive circuits" in found.stdout
