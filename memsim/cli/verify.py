"""`memsim verify`: is it the same in ngspice and in the torch twin? A trained network, or a single device."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from memsim.cli.train import TRUST
from memsim.errors import InputError, SimulationError
from memsim.text import meant

IMAGES = 50
"""Of a test that are simulated where nothing is said."""


def verify(  # noqa: PLR0917 - the options of the command
    subject: Annotated[
        str, typer.Argument(help="Folder of a trained run, or a device card by name or path (`.toml`).")
    ],
    images: Annotated[
        int | None, typer.Option(min=1, help="Test images to simulate; 50 where left out.")
    ] = None,
    whole: Annotated[
        bool | None,
        typer.Option(
            "--whole/--by-layer",
            help="One deck for each image, or layer by layer; whole where the network is small enough.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data sets of a run; MEMSIM_DATA where left out.")
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(help="Of a run with stages, the one whose network to verify; the last where left out."),
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help=TRUST)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Simulate a trained network or a device in ngspice and compare it with its torch twin.

    A network: waveforms, classes and energies of test images. Layer by layer is as exact as whole, because virtual
    grounds and buffers stand between layers: each is driven by what the layer before did in ngspice. Finished images
    are kept in the run's folder; the same command goes on where it was interrupted. Of a run with stages the network of
    the last one is verified, or that of --stage, into whose folder everything is written. Converters of a card are no
    circuit: neurons behind them are driven with the currents that they give.

    A device: its current under the drive of its card, as sine, triangle and pulses at three amplitudes; exit code 1
    where ngspice and torch differ by more than 0.5 % of the peak.

    Examples: `memsim verify runs/digits --images 50`, `memsim verify runs/mnist --images 100 --by-layer`,
    `memsim verify stanford-pku`, `memsim verify fit/vteam.toml`
    """
    if Path(subject).is_dir():
        count = IMAGES if images is None else images
        _network(Path(subject), count, whole, data_dir, stage=stage, trust=trust, as_json=as_json)
        return
    of_runs = {
        "--images": images,
        "--whole": whole,
        "--data-dir": data_dir,
        "--stage": stage,
        "--trust": trust or None,
    }
    idle = [option for option, value in of_runs.items() if value is not None]
    if idle:
        raise InputError(
            f"{idle[0]} is for runs; {subject!r} is no folder of one, and a device needs none: leave it out"
        )
    _device(subject, as_json=as_json)


def _network(
    folder: Path,
    images: int,
    whole: bool | None,
    data_dir: Path | None,
    *,
    stage: str | None,
    trust: bool,
    as_json: bool,
) -> None:
    from memsim.cli.progress import counting_progress
    from memsim.learn import load_run, load_study
    from memsim.learn.checkpoint import STUDY
    from memsim.learn.stages import stage_folder, stage_number
    from memsim.report.run import write_run_report
    from memsim.units import format_si
    from memsim.verify import save_verification
    from memsim.verify import verify as run_verification

    if stage is None:
        result = load_run(folder, data_dir, trust=trust)
    else:
        stages = load_study(folder / STUDY, trust=trust).stages
        number = stage_number(stages, stage)
        result = load_run(folder, data_dir, trust=trust, stages=number + 1)
        folder = stage_folder(folder, number, stages[number])
    with counting_progress("ngspice") as progress:
        evidence = run_verification(result, images=images, whole=whole, folder=folder, progress=progress)
    v = evidence.verification
    save_verification(v, folder)
    page = write_run_report(result, folder, evidence)
    if as_json:
        typer.echo(json.dumps({**asdict(v), "report": str(page)}))
        return
    if v.same_class is not None:
        typer.echo(f"{v.images} images: {v.same_class:.1%} same class as the torch twin")
    typer.echo(
        f"waveform error of the output layer: worst {v.worst_error:.2%}, mean {v.mean_error:.3%} of spike amplitude"
    )
    if v.not_circuits:
        typer.echo(
            f"no circuit, and not verified: the converters of {', '.join(v.not_circuits)}; the neurons behind them "
            "were driven with the currents that they give, and energies are those of the neurons"
        )
    what, form = ("accuracy", ".1%") if v.same_class is not None else ("R²", ".4f")
    typer.echo(f"{what} on these images: ngspice {v.ngspice_accuracy:{form}}, torch {v.twin_accuracy:{form}}")
    typer.echo(
        f"energy of one inference: ngspice {format_si(v.energy_ngspice, 'J')}, torch {format_si(v.energy_twin, 'J')}"
    )
    typer.echo(
        f"ngspice {v.seconds_ngspice:.1f} s ({'whole network' if v.whole else 'layer by layer'}), "
        f"torch {v.seconds_twin:.1f} s"
    )
    for part in v.gates:
        typer.echo(
            f"{part} is no circuit: ngspice got the currents that torch makes of it, and simulated all else"
        )
    typer.echo(page)


def _device(name: str, *, as_json: bool) -> None:
    from memsim.devices import card_names, load_card
    from memsim.units import format_si
    from memsim.verify.devices import PROMISE, Agreement, compare_device

    if not name.endswith(".toml") and name not in card_names():
        raise InputError(
            f"{name!r} is no folder of a trained run and no device card; `memsim devices` lists the cards"
            f"{meant(name, card_names())}"
        )
    card, rows = load_card(name), list[Agreement]()
    for row in compare_device(card):
        rows.append(row)
        if not as_json:
            typer.echo(
                f"{row.wave:8} {format_si(row.amplitude, 'V'):>8}   off by {row.error_within_a_step:.4%} of peak, "
                f"{row.error:.4%} at equal times"
            )
    worst = max(row.error_within_a_step for row in rows)
    if as_json:
        typer.echo(json.dumps({"card": card.name, "worst": worst, "runs": [asdict(row) for row in rows]}))
    if worst > PROMISE:
        raise SimulationError(
            f"ngspice and torch differ by {worst:.2%} of the peak current of {card.name!r}; allowed: {PROMISE:.1%}",
            remedy="look for a rate that jumps, and give it a width.",
        )
