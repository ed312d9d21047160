"""`memsim imc`: a network on in-memory computing hardware, beside other chips."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from memsim.cli.train import TRUST
from memsim.errors import InputError

if TYPE_CHECKING:
    from memsim.imc import HardwareCard
    from memsim.imc.cost import Accounting
    from memsim.learn.chips import Chip
    from memsim.report import Table


class Charged(TypedDict):
    """What is charged."""

    accounting: Accounting
    skip_events: bool


class Judged(TypedDict):
    """What a network is judged by."""

    data_dir: Path | None
    images: int | None
    unseen: int
    trust: bool


def imc(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    run: Annotated[
        Path | None, typer.Argument(help="Folder of a run that was trained in stages (`memsim train`).")
    ] = None,
    workload: Annotated[
        str | None,
        typer.Option(
            help="Costs only, of layer shapes: gesture, resnet20, vgg16, fireflownet, spike-flownet, or a `.toml` file."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A network of yours that no run has: `FILE.pt2` of torch.export, or `FILE.py:NAME`; with --data."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Of a network of yours: a data set by name, or a file or folder.")
    ] = None,
    card: Annotated[
        str, typer.Option(help="Hardware: a card, with the side of its arrays behind it, or a `.toml` file.")
    ] = "adcless-64",
    compare: Annotated[
        list[str] | None, typer.Option(help="Hardware to compare with; give it again for more.")
    ] = None,
    accounting: Annotated[
        str, typer.Option(help="What is charged: `complete`, or `published` as in the ADC-less paper.")
    ] = "complete",
    technology: Annotated[
        str | None,
        typer.Option(
            help="Replace the technology of all cards: neurosim-65nm, scaled-45nm, or a `.toml` file."
        ),
    ] = None,
    clock: Annotated[
        str | None, typer.Option(help="Replace the clock of all cards: `synchronous` or `decoupled`.")
    ] = None,
    skip_events: Annotated[
        bool, typer.Option("--skip-events", help="Do not read arrays none of whose inputs spikes.")
    ] = False,
    spike_rate: Annotated[
        float | None, typer.Option(help="Replace the share of inputs that spike, of a workload; 0 to 1.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(help="Test images for the accuracy; all where left out.", min=1)
    ] = None,
    chips: Annotated[
        int | None,
        typer.Option(help="Chips of each card that training never saw, to judge by.", min=1),
    ] = None,
    hardware: Annotated[
        str | None,
        typer.Option(
            help='Entries of all cards that differ, as in a stage: `{ "converter.offset" = 0.5 }`.',
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data sets; MEMSIM_DATA where left out.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of what is written; RUN/imc, imc/WORKLOAD or imc/MODEL where left out."),
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help=f"{TRUST} Load --model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Accuracy, energy, latency and area of a network on in-memory computing hardware, beside other chips.

    Each chip gets the network of the stage that was trained for converters of its kind; where there is none, the last
    one before decisions is mapped without training, and called cold. Numbers, pictures and a page are written too.

    `--chips 3` judges a run on three chips of each card that its training never saw, with the averages of normalisation
    that training left, and with those of each chip.

    `--model net.pt2 --data digits --trust` maps a network of yours as it is, fits ranges of inputs, converters and
    decisions to training samples without labels, and judges it beside itself in software.

    Examples: `memsim imc runs/staged --card adcless-64 --compare hp-adc`,
    `memsim imc runs/staged --chips 3 --hardware '{ "converter.offset" = 0.5, "cell.variation" = 0.1 }'`,
    `memsim imc --workload vgg16 --compare hp-adc --compare sar --accounting published`,
    `memsim imc --workload gesture --clock decoupled --spike-rate 0.1 --skip-events --json`
    """
    from memsim.imc.cost import accounting_of
    from memsim.report.chips import beside_arrays, cards_of_layers, comparison, remarks, write_imc_report

    asked = {"a run": run, "--workload": workload, "--model": model}
    named = [name for name, value in asked.items() if value is not None]
    if len(named) != 1:
        raise InputError(
            "give the folder of a run, --workload with the name of one, or --model with a network of yours, and not "
            "both; "
            f"given: {' and '.join(named) or 'none'}"
        )
    _check_options(named[0], data=data, spike_rate=spike_rate, chips=chips, images=images, trust=trust)
    changes = _changes(technology, clock, hardware)
    cards = _cards(card, compare or [], changes)
    charged: Charged = {"accounting": accounting_of(accounting), "skip_events": skip_events}
    judged: Judged = {"data_dir": data_dir, "images": images, "unseen": chips or 0, "trust": trust}
    if run is not None:
        found, place, source = _of_run(run, cards, changes, judged, charged)
    elif model is not None:
        found, place, source = _of_model(model, str(data), cards, judged, charged)
    else:
        found, place, source = _of_workload(str(workload), spike_rate, cards, charged)
    folder = out or place
    told = [*(["--trust"] if trust else []), *([f"--chips {chips}"] if chips else [])]
    source = " ".join([source, *told])
    given = {
        "--accounting": accounting,
        "--technology": technology,
        "--clock": clock,
        "--spike-rate": spike_rate,
        "--images": images,
        "--hardware": None if hardware is None else shlex.quote(hardware),
    }
    options = [f"{name} {value}" for name, value in given.items() if value is not None]
    rivals = [f"--compare {name}" for name in compare or []]
    events = ["--skip-events"] if skip_events else []
    again = " ".join([f"memsim imc {source} --card {card}", *rivals, *options, *events])
    files = write_imc_report(found, folder, again)
    if as_json:
        typer.echo(json.dumps([chip.as_dict() for chip in found], indent=2))
        return
    typer.echo(f"{found[0].cost.workload}, {accounting} accounting, for one inference")
    typer.echo(_aligned(comparison(found)))
    if own := cards_of_layers(found[0]):
        typer.echo(_aligned(own))
    if digital := beside_arrays(found[0].cost):
        typer.echo(_aligned(digital))
    for remark in remarks(found):
        typer.echo(remark)
    typer.echo("\n".join(map(str, files)))


def _check_options(
    named: str,
    *,
    data: str | None,
    spike_rate: float | None,
    chips: int | None,
    images: int | None,
    trust: bool,
) -> None:
    """Raise InputError for options that change nothing of what is named."""
    if (data is None) == (named == "--model"):
        raise InputError(
            "--data names the data of a network of yours, which --model gives; "
            + ("give it, too" if data is None else "a run and a workload have their own, leave it out")
        )
    if spike_rate is not None and named != "--workload":
        raise InputError("--spike-rate is for workloads; a network has the spikes of its own images")
    if named != "--workload":
        return
    if chips is not None:
        raise InputError("--chips judges a trained run, or --model; a workload has no accuracy, leave it out")
    if images is not None:
        raise InputError("--images are for an accuracy; a workload has none, leave it out")
    if trust:
        raise InputError(
            "--trust is for runs, whose studies may name code, and for --model; a workload names none, leave it out"
        )


def _of_run(
    run: Path, cards: list[HardwareCard], changes: dict[str, Any], judged: Judged, charged: Charged
) -> tuple[list[Chip], Path, str]:
    """Chips, the folder to write to, and what to type."""
    from memsim.learn.chips import chips_of_run

    return chips_of_run(run, cards, changes=changes, **judged, **charged), run / "imc", str(run)


def _of_model(
    model: str, data: str, cards: list[HardwareCard], judged: Judged, charged: Charged
) -> tuple[list[Chip], Path, str]:
    """The same of a network of one's own."""
    from memsim.learn.foreign import chips_of_model

    place = Path("imc") / Path(model.rpartition(".py:")[0] or model).stem
    found = chips_of_model(model, data, cards, **judged, **charged)
    return found, place, f"--model {shlex.quote(model)} --data {shlex.quote(data)}"


def _of_workload(
    name: str, spike_rate: float | None, cards: list[HardwareCard], charged: Charged
) -> tuple[list[Chip], Path, str]:
    """The same of shapes."""
    from memsim.imc.workloads import load_workload
    from memsim.learn.chips import chips_of_workload

    shapes = load_workload(name)
    shapes = shapes if spike_rate is None else shapes.with_spike_rate(spike_rate)
    return chips_of_workload(shapes, cards, **charged), Path("imc") / shapes.name, f"--workload {name}"


def _cards(card: str, compare: Sequence[str], changes: dict[str, Any]) -> list[HardwareCard]:
    from memsim.imc import load_hardware
    from memsim.learn.chips import same_size

    own = load_hardware(card)
    cards = [own, *(same_size(name, own) for name in compare)]
    return [one.changed(changes) for one in cards] if changes else cards


def _changes(technology: str | None, clock: str | None, hardware: str | None) -> dict[str, Any]:
    """Entries that differ in all cards: those of an inline table of TOML, and those with options of their own."""
    try:
        found = tomllib.loads(f"hardware = {hardware or '{}'}")["hardware"]
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f'--hardware {hardware!r} is no table ({error}); give one such as {{ "converter.offset" = 0.5 }}'
        ) from None
    if not isinstance(found, dict):
        raise InputError(
            f'--hardware {hardware!r} is no table; give one such as {{ "converter.offset" = 0.5 }}'
        )
    named = {"technology.card": technology, "clock.kind": clock}
    return found | {name: value for name, value in named.items() if value is not None}


def _aligned(table: Table) -> str:
    """A table with its first column to the left and the others to the right."""
    header, rows = table
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(header))]
    lines = [
        [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        for row in cells
    ]
    return "\n".join("  ".join(line).rstrip() for line in lines)
