"""`memsim amplifier`: a sense amplifier from its own circuit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from memsim.errors import InputError
from memsim.units import format_si, parse_si

RESULT, PICTURE = "amplifier.json", "decisions.png"


def amplifier(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    circuit: Annotated[
        str,
        typer.Argument(help="`FILE.cir:NAME` of a sub-circuit vdd clk inp inn outp outn; or `strongarm`."),
    ],
    matching: Annotated[
        str,
        typer.Option(help="A of thresholds [V m], whose deviation is A / sqrt(W L): `3.5n` is 3.5 mV um."),
    ],
    supply: Annotated[str, typer.Option(help="Of the amplifier and its clock [V].")] = "1.1",
    common: Annotated[str, typer.Option(help="Mean of the inputs [V].")] = "0.6",
    period: Annotated[str, typer.Option(help="Of the clock [s], half of it reset.")] = "2n",
    samples: Annotated[int, typer.Option(help="Amplifiers to draw.", min=2)] = 50,
    seed: Annotated[int, typer.Option(help="Of the draw.", min=0)] = 0,
    card: Annotated[
        str | None, typer.Option(help="Hardware card to write one with these amplifiers upon; needs --load.")
    ] = None,
    load: Annotated[
        str | None, typer.Option(help="What currents of bit lines become voltages in [ohm].")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of what is written.")] = Path("amplifier"),
    trust: Annotated[bool, typer.Option("--trust", help="Let the deck use files of other folders.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Offset, noise, hysteresis and decision time of a sense amplifier, from its transistors in ngspice.

    Example: `memsim amplifier strongarm --matching 3.5n --card adcless-64 --load 100`
    """
    import tomli_w

    from memsim import plots
    from memsim.files import ensure_folder, write_text
    from memsim.imc.amplifiers import Bench, card_of, characterise, read_amplifier

    if (card is None) != (load is None):
        raise InputError("--card and --load go together: a card counts in LSB, which are currents; give both")
    found = read_amplifier(circuit, trust=trust)
    bench = Bench(supply=parse_si(supply, "V"), common=parse_si(common, "V"), period=parse_si(period, "s"))
    spread = parse_si(matching)
    figures = characterise(found, bench, matching=spread, samples=samples, seed=seed)
    ensure_folder(out)
    plots.save(plots.amplifier(figures), out / PICTURE)
    content = {"circuit": circuit, "matching": spread, "seed": seed, **vars(bench), **figures.as_dict()}
    write_text(out / RESULT, json.dumps(content, indent=2) + "\n")
    written = [out / RESULT, out / PICTURE]
    if card is not None and load is not None:
        entries = card_of(
            figures, bench, base=card, load=parse_si(load, "Ohm"), source=circuit, matching=spread
        )
        written.append(out / f"{Path(card).stem}-{found.name}.toml")
        write_text(written[-1], tomli_w.dumps(entries))
    if as_json:
        typer.echo(json.dumps(content))
        return
    lines = {
        "offset": f"{format_si(figures.offset, 'V')} ± {format_si(figures.offset_error, 'V', 2)} over {samples} draws, "
        f"mean {format_si(figures.offset_mean, 'V')}",
        "noise": f"{format_si(figures.noise, 'V')} of a decision",
        "hysteresis": f"{format_si(figures.hysteresis, 'V')}, known to 5 µV",
        "decision time": f"{format_si(figures.time_offset, 's')} + {format_si(figures.time_constant, 's')} "
        f"ln({supply} V / overdrive), to {format_si(figures.time_error, 's', 2)}",
    }
    for name, text in lines.items():
        typer.echo(f"{name:14} {text}")
    typer.echo("\n".join(str(path) for path in written))
