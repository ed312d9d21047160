"""A picture of every device model, drawn into docs/models; run again when a model or card changes.

python docs/pictures.py [MODEL ...]

Two panels each, by ngspice. Most show the loop of one card under its own drive, the first of two periods pale, and
beside it what their field looks at: the loop at higher frequencies, its logarithm, pulses or oscillations.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import views
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from memsim import plots
from memsim.devices import Card, load_card
from memsim.plots.style import columns, styled
from memsim.units import format_si

FOLDER = Path(__file__).parent / "models"


@dataclass(frozen=True)
class View:
    """One panel: what draws it, and its title, `{drive}` standing for the card's drive."""

    draw: Callable[[Axes, Card], None]
    words: str


@dataclass(frozen=True)
class Scene:
    """The picture of a model: one card, two views."""

    card: str
    left: View
    right: View


LOOP = View(views.draw_loop, "{drive}")
FREQUENCIES = View(views.draw_frequencies, "the same at higher frequencies")
LOGARITHM = View(views.draw_logarithm, "the same on a logarithmic scale")


def oscillation(name: str, source: float, resistance: float, capacitance: float, stop: float) -> View:
    """A device that oscillates beside a capacitor."""
    feed = (source, resistance, capacitance)
    return View(partial(views.draw_over_time, name=name, feed=feed, stop=stop), _fed_words(*feed))


def _fed_words(source: float, resistance: float, capacitance: float) -> str:
    parts = format_si(source, "V"), format_si(resistance, "Ω"), format_si(capacitance, "F")
    return "fed by {} over {} beside {}".format(*parts)


NEURISTOR = (12.0, 12e3, 145.346e-12)
SCENES = {
    "metastable-switch": Scene("ag-chalcogenide", LOOP, FREQUENCIES),
    "schottky-metastable-switch": Scene("gst", LOOP, FREQUENCIES),
    "spread-switch": Scene("knowm-sdc-m1", LOOP, FREQUENCIES),
    "threshold-switch": Scene("threshold-a", LOOP, oscillation("v(xm1)", 0.5, 100e3, 100e-9, 20e-3)),
    "bidirectional-threshold-switch": Scene(
        "vo2-switch", LOOP, oscillation("v(xm1)", 5.0, 47e3, 1e-9, 80e-6)
    ),
    "vteam": Scene("vteam-memtorch", LOOP, FREQUENCIES),
    "team": Scene("team-pickett", LOOP, FREQUENCIES),
    "yakopcic": Scene("yakopcic-oblea", LOOP, FREQUENCIES),
    "yakopcic-2020": Scene("yakopcic-srtio3", LOOP, LOGARITHM),
    "ion-drift": Scene("hp-tio2", LOOP, FREQUENCIES),
    "ion-drift-strukov": Scene("hp-tio2-strukov", LOOP, FREQUENCIES),
    "ion-drift-joglekar": Scene("hp-tio2-joglekar", LOOP, FREQUENCIES),
    "ion-drift-biolek": Scene("biolek-16nm", LOOP, FREQUENCIES),
    "ion-drift-prodromakis": Scene("hp-tio2-prodromakis", LOOP, FREQUENCIES),
    "stanford-pku": Scene("stanford-pku", LOOP, LOGARITHM),
    "sky130-reram": Scene("sky130-reram", LOOP, LOGARITHM),
    "jart-vcm-v1b": Scene("jart-vcm-v1b", LOOP, LOGARITHM),
    "wox": Scene("wox", LOOP, FREQUENCIES),
    "tiox-pulse": Scene(
        "tiox-pulse",
        LOOP,
        View(
            partial(views.draw_pulse_train, amplitudes=(1.1, 1.3, 1.5), widths=(5e-6, 0.5e-6)),
            "25 negative pulses of 5 µs and 25 positive ones of 0.5 µs",
        ),
    ),
    "memdiode": Scene("memdiode", LOOP, LOGARITHM),
    "mott-core": Scene("mott-nbo2", LOOP, oscillation("v(xm1)", 3.2, 20e3, 1e-12, 120e-9)),
    "vo2-neuristor": Scene(
        "vo2-neuristor",
        oscillation("i(xm1)", *NEURISTOR, 16e-6),
        View(
            partial(views.draw_resistance_over_temperature, feed=NEURISTOR, stop=16e-6),
            "its cycle through the transition",
        ),
    ),
    "pcm": Scene(
        "pcm-gst",
        View(partial(views.draw_programming, width=1e-6), "one pulse of 1 µs"),
        View(views.draw_drift, "drift at zero voltage"),
    ),
}


@styled
def picture(scene: Scene) -> Figure:
    """Both views of a card side by side."""
    card = load_card(scene.card)
    figure, panels = columns(2, (8.6, 3.7))
    for axes, view in zip(panels, (scene.left, scene.right), strict=True):
        view.draw(axes, card)
        axes.set_title(view.words.format(drive=card.drive), fontsize=8.5)
    figure.suptitle(card.name, fontsize=10)
    return figure


def caption(model: str) -> str:
    """What the picture of a model shows."""
    scene = SCENES[model]
    card = load_card(scene.card)
    left, right = (view.words.format(drive=card.drive) for view in (scene.left, scene.right))
    return f"{card.name}. Left: {left}. Right: {right}. Of two periods the first is pale."


def main() -> None:
    """Draw every model, or those named."""
    for model in sys.argv[1:] or SCENES:
        print(plots.save(picture(SCENES[model]), FOLDER / f"{model}.png"), flush=True)


if __name__ == "__main__":
    main()
