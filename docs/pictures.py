"""Hysteresis loop of one card of every device model, drawn into docs/models; run again when a model or card changes.

python docs/pictures.py [MODEL ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

from memsim import plots
from memsim.circuits import Sine, device_bench, with_device_currents
from memsim.devices import MODELS, card_names, load_card
from memsim.devices.cards import Card
from memsim.surrogate import reference

FOLDER = Path(__file__).parent / "models"
PERIODS, POINTS = 2, 1000


def shown_card(model: str) -> Card | None:
    """The first card of a model that says how to drive its device."""
    cards = (load_card(name) for name in card_names())
    return next((card for card in cards if card.device.model == model and card.drive), None)


def main() -> None:
    """Draw every model, or those named."""
    for model in sys.argv[1:] or MODELS:
        card = shown_card(model)
        if card is None or card.drive is None:
            print(f"{model}: no card with a drive")
            continue
        circuit = device_bench(card.device, series_resistance=card.drive.series_resistance)
        stop = PERIODS / card.drive.frequency
        stimuli = {"vdrive": Sine(card.drive.amplitude, card.drive.frequency)}
        waves = reference.simulate(circuit, stimuli=stimuli, stop=stop, step=stop / (PERIODS * POINTS))
        loops = with_device_currents(circuit, waves)
        print(plots.save(plots.hysteresis(loops, "v(xm1)", "i(xm1)"), FOLDER / f"{model}.png"), flush=True)


if __name__ == "__main__":
    main()
