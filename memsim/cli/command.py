"""The `memsim` command.

Exit codes: 0 done, 1 a simulation or check failed, 2 bad input, 130 interrupted, 129 or 143 ended by a signal.
"""

from __future__ import annotations

import json
import signal
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from memsim.cli.amplifier import amplifier
from memsim.cli.doctor import doctor
from memsim.cli.fit import fit
from memsim.cli.imc import imc
from memsim.cli.methods import methods
from memsim.cli.netlist import app as netlist
from memsim.cli.plot import plot as plot_command
from memsim.cli.report import report
from memsim.cli.run import run
from memsim.cli.sweep import sweep
from memsim.cli.train import train
from memsim.cli.verify import verify
from memsim.errors import (
    CheckpointError,
    EngineNotFoundError,
    InputError,
    MemsimError,
    UntrustedDeckError,
    printable,
)
from memsim.processes import end_all, sweep_leftovers

BAD_INPUT = (InputError, CheckpointError, UntrustedDeckError, EngineNotFoundError)

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Numbers take engineering notation: `10k`, `5n`, `2.5meg`. "
    "Exit codes: 0 done, 1 a simulation or check failed, 2 bad input, 130 interrupted. "
    "`memsim --install-completion` teaches your shell the commands.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"memsim {version('memsim')}")
        raise typer.Exit


@app.callback()
def about(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Simulate memristive circuits in ngspice, train them in PyTorch, and get the same waveform from both."""


app.add_typer(netlist, name="netlist")
app.command()(run)
app.command()(train)
app.command()(methods)
app.command()(fit)
app.command()(imc)
app.command()(amplifier)
app.command()(sweep)
app.command(name="plot")(plot_command)
app.command()(report)
app.command()(verify)
app.command()(doctor)


@app.command()
def circuits() -> None:
    """List the circuits that ship with memsim, which `memsim run` simulates by name.

    Example: `memsim circuits`
    """
    from memsim.circuits.catalogue import CATALOGUE

    width = max(map(len, CATALOGUE))
    for name, make in CATALOGUE.items():
        typer.echo(f"{name:{width}}  {make().title}")


@app.command()
def devices(
    name: Annotated[str | None, typer.Argument(help="A card by name, or the path of a `.toml` card.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
    equations: Annotated[bool, typer.Option("--latex", help="Print the equations of NAME as LaTeX.")] = False,
) -> None:
    """List device cards with their models and how long they remember, or show one card in full.

    Examples: `memsim devices`, `memsim devices stanford-pku`
    """
    from memsim.devices import card_names, latex, load_card
    from memsim.devices.describe import describe, listing

    cards = [load_card(card) for card in ([name] if name else card_names())]
    if as_json:
        listed = {c.name: {"model": c.device.model, "parameters": dict(c.device.values)} for c in cards}
        typer.echo(json.dumps(listed, indent=2))
    elif equations and not name:
        raise InputError("--latex prints the equations of one card; name it")
    elif equations:
        typer.echo("\n".join(latex(cards[0].device)))
    else:
        typer.echo(describe(cards[0]) if name else listing(cards))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo"),
) -> None:
    """Netlists, ngspice, training, verification, pictures and a report, in minutes.

    Example: `memsim demo`
    """
    from memsim.cli.demo import run_demo

    run_demo(out)


def main() -> None:
    """Run the command; errors that memsim knows end in one clear message, and signals leave nothing behind."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # `nohup` ignores a hang-up
            signal.signal(number, _end)
    sweep_leftovers()
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    try:
        app()
    except MemsimError as error:
        typer.echo(f"memsim: {printable(str(error))}", err=True)
        sys.exit(2 if isinstance(error, BAD_INPUT) else 1)
    finally:
        sweep_leftovers()


def _show_warning(message: Warning | str, *_: object) -> None:
    """A sentence for people, without the place in the source."""
    typer.echo(f"memsim: {printable(str(message))}", err=True)


def _end(number: int, _frame: FrameType | None) -> None:
    """Kill the simulators, then leave as after an error, so that folders go and what is finished is kept."""
    end_all()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
