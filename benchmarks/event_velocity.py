"""Velocity of scenes from their events: columns of one bit beside columns of five bits, trained as long.

    python benchmarks/event_velocity.py

The network and its training are benchmarks/studies/event-velocity.toml; columns of five bits differ in their card and
its gradient alone, and share the stage in software. R^2 is that of scenes whose textures are not in training, in
software, and on chips that training never saw; on held-out scenes it is that of chip 0, which training looks at, with
the averages of normalisation of training, which are of all chips, and with those of this one. Results are saved in
benchmarks/results/event_velocity.json. A run that was interrupted goes on where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adcless_recipe import COLUMNS, judged
from common import save_result
from staged import share_stages, told

from memsim.learn import Run, load_study, make_study, train
from memsim.learn.checkpoint import STUDY

STUDY_FILE = Path(__file__).parent / "studies" / "event-velocity.toml"
RUNS = Path("runs/benchmark-event-velocity")
CHIPS = 2


def trained(columns: str) -> Run:
    """The network on columns of that kind."""
    entries = load_study(STUDY_FILE).model_dump(exclude_none=True)
    software, hardware = entries["stages"]
    hardware |= {"name": columns, **COLUMNS[columns]}
    study = make_study(**{**entries, "stages": (software, hardware)})
    folder, first = (Path(f"{RUNS}-{name.replace(' ', '-')}") for name in (columns, next(iter(COLUMNS))))
    share_stages(study, folder, first)
    return train(study, folder, resume=(folder / STUDY).exists(), progress=told, tell=print)


def main() -> None:
    """Train both, and save what came of each."""
    found: dict[str, Any] = {}
    for name in COLUMNS:
        found[name] = judged(trained(name), CHIPS)
        print(name, found[name], flush=True)
        result = {"study": STUDY_FILE.read_text(), "results": found}
        if len(found) == len(COLUMNS):
            # the mean square error is 1 - R^2 of what the same targets vary by
            one, five = (_chips(found[each]) for each in COLUMNS)
            result["error_ratio"] = ((1 - one) / (1 - five)) ** 0.5
        save_result("event_velocity", "python benchmarks/event_velocity.py", result)


def _chips(result: dict[str, Any]) -> float:
    """Mean R^2 on unseen chips, with the averages of each."""
    return sum(chip["r_squared_averages_per_chip"] for chip in result["chips"]) / len(result["chips"])


if __name__ == "__main__":
    main()
