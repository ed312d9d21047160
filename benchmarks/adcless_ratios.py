"""ADC-less against high-precision converters: the published ratios from our cost model, and what they hang on.

    python benchmarks/adcless_ratios.py

Five networks on arrays of 32, 64 and 128 rows, with the published accounting, beside the table of
benchmarks/adcless_published.toml, which the model does not use. Then the same with what that accounting leaves out
(padding, sums of unshared converters, reference columns, neurons, leakage), with clocks that do not wait for
converters, and with sparse spikes; and how far each constant moves the ratios. Takes seconds. Writes
benchmarks/results/adcless_ratios.json and figures.
"""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import RESULTS, save_result
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from memsim.imc import load_hardware
from memsim.imc.cost import COMPLETE, PUBLISHED, Accounting, Cost, Quantity, cost, sensitivity
from memsim.imc.workloads import Workload, load_workload
from memsim.plots import save, tornado
from memsim.plots.style import COLOURS, styled

TABLE = Path(__file__).parent / "adcless_published.toml"
TITLES = {
    "gesture": "gesture",
    "resnet20": "ResNet20",
    "vgg16": "VGG16",
    "fireflownet": "FireFlowNet",
    "spike-flownet": "Spike-FlowNet",
}
WITHIN: dict[Quantity, float] = {"energy": 0.25, "latency": 0.35}
DECOUPLED: Mapping[str, object] = {"clock.kind": "decoupled"}
SPARSE = 0.1
DOMINANT = 5


def published() -> dict[str, Any]:
    """The table that we compare with, one dictionary for each row."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    names = table["rows"].pop("names")
    rows = [
        {"workload": workload, **dict(zip(names, values, strict=True))}
        for workload in TITLES
        for values in table["rows"][workload]
    ]
    return {**table, "rows": rows}


def ratios(own: Cost, rival: Cost) -> dict[str, float]:
    """Energy and latency of the rival over ours."""
    return {
        "energy": rival.total_energy / own.total_energy,
        "latency": rival.period / own.period,
        "area": rival.total_area / own.total_area,
    }


def advantage(
    workload: Workload,
    size: int,
    rival: str,
    accounting: Accounting,
    changes: Mapping[str, object] | None = None,
    *,
    skip_events: bool = False,
) -> dict[str, float]:
    """Of ADC-less over a rival."""
    own, other = (
        cost(
            workload,
            load_hardware(f"{card}-{size}", changes),
            accounting=accounting,
            skip_events=skip_events,
        )
        for card in ("adcless", rival)
    )
    return ratios(own, other)


def measure(row: dict[str, Any]) -> dict[str, Any]:
    """Our figures for one row of the table."""
    workload, size = load_workload(row["workload"]), int(row["size"])
    own, rival = (
        cost(workload, load_hardware(f"{card}-{size}"), accounting=PUBLISHED)
        for card in ("adcless", "hp-adc")
    )
    table = {
        "energy": row["energy_hp_adc_uJ"] / row["energy_adcless_uJ"],
        "latency": row["latency_hp_adc_ms"] / row["latency_adcless_ms"],
    }
    ours = ratios(own, rival)
    errors = {name: ours[name] / table[name] - 1 for name in table}
    sparse = workload.with_spike_rate(SPARSE)
    return {
        "workload": row["workload"],
        "size": size,
        "energy_joule": {"adcless": own.total_energy, "hp-adc": rival.total_energy},
        "latency_second": {"adcless": own.period, "hp-adc": rival.period},
        "table": table,
        "table_sar": {"energy": row["energy_sar_ratio"], "latency": row["latency_sar_ratio"]},
        "ours": ours,
        "error": errors,
        "within": all(abs(errors[name]) <= WITHIN[name] for name in WITHIN),
        "sar": advantage(workload, size, "sar", PUBLISHED),
        "complete": advantage(workload, size, "hp-adc", COMPLETE),
        "complete, decoupled clock": advantage(workload, size, "hp-adc", COMPLETE, DECOUPLED),
        "complete, decoupled clock, SAR": advantage(workload, size, "sar", COMPLETE, DECOUPLED),
        "complete, decoupled clock, 10 % spikes, events": advantage(
            sparse, size, "hp-adc", COMPLETE, DECOUPLED, skip_events=True
        ),
    }


def variant(case: dict[str, Any]) -> dict[str, Any]:
    """Our figures for other settings over those of their re-run, less 1."""
    workload = load_workload(case["workload"])
    if "spike_rate" in case:
        workload = workload.with_spike_rate(case["spike_rate"])
    errors: dict[str, dict[str, float]] = {"energy": {}, "latency": {}}
    for card, microjoules in case["energy_uJ"].items():
        made = cost(workload, load_hardware(f"{card}-64", case.get("changes")), accounting=PUBLISHED)
        errors["energy"][card] = made.total_energy / (microjoules * 1e-6) - 1
        if card in case.get("latency_ms", {}):
            errors["latency"][card] = made.period / (case["latency_ms"][card] * 1e-3) - 1
    return {"name": case["name"], "error": errors}


def dominant(name: str, quantity: Quantity) -> list[dict[str, Any]]:
    """Constants that move a ratio most, at 64 rows."""
    swings = sensitivity(
        load_workload(name),
        load_hardware("adcless-64"),
        load_hardware("hp-adc-64"),
        quantity,
        accounting=PUBLISHED,
    )
    return [
        {
            "constant": s.constant,
            "low": s.low,
            "high": s.high,
            "ratio_at_low": s.at_low,
            "ratio_at_high": s.at_high,
        }
        for s in swings[:DOMINANT]
    ]


@styled
def figure(rows: list[dict[str, Any]], table: dict[str, Any]) -> Figure:
    """Ratios row by row, with the published range as a band and what we allow ourselves as bars."""
    drawn = Figure(figsize=(7.4, 5.6))
    panels = drawn.subplots(2, 1, sharex=True)
    for axes, quantity in zip(panels, WITHIN, strict=True):
        low, high = table[f"published_{quantity}_ratio"]
        axes.axhspan(low, high, color="0.9", label=f"published: {low:g} to {high:g}")
        _points(axes, rows, quantity)
        axes.set_yscale("log")
        axes.set_ylabel(f"{quantity}, over ADC-less")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
    panels[0].set_yticks([1, 2, 3, 5, 7, 10])
    panels[1].set_yticks([1, 2, 5, 10, 20, 30])
    panels[1].set_xticks(range(len(rows)), [str(row["size"]) for row in rows])
    for place, title in enumerate(TITLES.values()):
        panels[0].annotate(
            title, (3 * place + 1, 1.03), xycoords=("data", "axes fraction"), ha="center", fontsize=9
        )
    panels[1].set_xlabel("rows of an array")
    return drawn


def _points(axes: Axes, rows: list[dict[str, Any]], quantity: Quantity) -> None:
    places = range(len(rows))
    table = [row["table"][quantity] for row in rows]
    allowed = [WITHIN[quantity] * value for value in table]
    axes.errorbar(
        places,
        table,
        allowed,
        fmt="o",
        color="black",
        mfc="white",
        capsize=3,
        label="HP-ADC, settings re-run",
    )
    axes.plot(
        places,
        [row["ours"][quantity] for row in rows],
        "o",
        ms=4,
        zorder=5,
        color=COLOURS[0],
        label="HP-ADC, ours",
    )
    sar = [
        (place, row["table_sar"][quantity]) for place, row in enumerate(rows) if row["table_sar"][quantity]
    ]
    axes.plot(*zip(*sar, strict=True), "^", color="black", mfc="white", ms=7, label="SAR, settings re-run")
    axes.plot(
        places,
        [row["sar"][quantity] for row in rows],
        "^",
        ms=4,
        zorder=5,
        color=COLOURS[1],
        label="SAR, ours",
    )
    fair = [row["complete, decoupled clock"][quantity] for row in rows]
    axes.plot(places, fair, "x", ms=5, color=COLOURS[3], label="HP-ADC, all counted,\nclocks decoupled")
    for place in range(3, len(rows), 3):
        axes.axvline(place - 0.5, color="0.8", linewidth=0.8)


def main() -> None:
    """Compute, print, save."""
    table = published()
    rows = [measure(row) for row in table["rows"]]
    for row in rows:
        each = ", ".join(
            f"{q} {row['ours'][q]:.2f} (table {row['table'][q]:.2f}, {row['error'][q]:+.0%})" for q in WITHIN
        )
        print(f"{row['workload']:14}{row['size']:4}  {each}  {'within' if row['within'] else 'OUTSIDE'}")
    ranking = {f"{name}, {q}": dominant(name, q) for name in TITLES for q in WITHIN}
    for name, swings in ranking.items():
        listed = "; ".join(
            f"{s['constant']} {s['ratio_at_low']:.2f} to {s['ratio_at_high']:.2f}" for s in swings
        )
        print(f"{name:24} {listed}")
    variants = [variant(case) for case in table["variants"]]
    for case in variants:
        listed = ", ".join(f"{q} of {c} {e:+.0%}" for q, of in case["error"].items() for c, e in of.items())
        print(f"{case['name']}: {listed}")
    summary = {
        "rows_within": sum(row["within"] for row in rows),
        "worst_error": {q: max(abs(row["error"][q]) for row in rows) for q in WITHIN},
        "median": {
            case: {q: statistics.median(row[case][q] for row in rows) for q in WITHIN}
            for case in rows[0]
            if case in {"table", "ours", "sar"} or case.startswith("complete")
        },
    }
    print(summary)
    save_result(
        "adcless_ratios",
        "python benchmarks/adcless_ratios.py",
        {
            "within": WITHIN,
            "published": {q: table[f"published_{q}_ratio"] for q in WITHIN},
            "source_of_table": table["source"],
            **summary,
            "dominant_constants_at_64_rows": ranking,
            "rows": rows,
            "other_settings": variants,
        },
    )
    print(save(figure(rows, table), RESULTS / "adcless_ratios.png"))
    for quantity in WITHIN:
        cards = load_hardware("adcless-64"), load_hardware("hp-adc-64")
        widest = sensitivity(load_workload("gesture"), *cards, quantity, accounting=PUBLISHED)
        drawn = tornado(widest, f"gesture: {quantity}", "adcless-64", "hp-adc-64")
        print(save(drawn, RESULTS / f"adcless_tornado-{quantity}.png"))


if __name__ == "__main__":
    main()
