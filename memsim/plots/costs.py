from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from memsim.errors import InputError
from memsim.plots.style import COLOURS, columns, styled
from memsim.units import si_prefix

if TYPE_CHECKING:
    from memsim.imc.cost import Cost, Swing

# Light and dark in turn, and a hatch for each, so that neighbours differ in grey.
LOOKS = {
    "array": ("#0072B2", ""),
    "converters": ("#F0E442", "//"),
    "drivers": ("#000000", ""),
    "accumulators": ("#56B4E9", ".."),
    "buffers": ("#D55E00", "--"),
    "interconnect": ("#DDDDDD", "\\\\"),
    "neurons": ("#009E73", "++"),
    "digital": ("#CC79A7", "oo"),
    "memory": ("#E69F00", ""),
    "programming": ("#999999", "**"),
    "leakage": ("#FFFFFF", "xx"),
}
_LOW, _HIGH = COLOURS[0], COLOURS[5]
_MICRO = 1e-6


@styled
def cost_bars(costs: Sequence[Cost], accuracies: Sequence[float] | None = None) -> Figure:
    """Energy and area part by part, period of the pipeline, and accuracy where it is known, of chips beside each other.

    Args:
        costs: of one network on several chips.
        accuracies: of the same chips, 0 to 1.

    Raises:
        InputError: nothing to draw, or not one accuracy for each chip.
    """
    if not costs:
        raise InputError("there is no cost to draw; give at least one")
    if accuracies is not None and len(accuracies) != len(costs):
        raise InputError(f"{len(accuracies)} accuracies for {len(costs)} chips; give one for each")
    names = [cost.card for cost in costs]
    panels = 3 if accuracies is None else 4
    width = max(1.2, 0.38 * len(costs)) + 0.9
    figure, axes = columns(panels, (width * panels + 1.3, 3.4))
    scale, prefix = si_prefix(max(cost.total_energy for cost in costs))
    _stack(axes[0], names, [cost.energy for cost in costs], scale)
    axes[0].set_ylabel(f"energy per inference ({prefix}J)")
    scale, prefix = si_prefix(max(cost.period for cost in costs))
    axes[1].bar(names, [cost.period / scale for cost in costs], width=0.6, color="0.75", edgecolor="black")
    axes[1].set_ylabel(f"period ({prefix}s)")
    _stack(axes[2], names, [cost.area for cost in costs], _MICRO)
    axes[2].set_ylabel("area (mm²)")
    if accuracies is not None:
        percent = [100 * value for value in accuracies]
        axes[3].bar(names, percent, width=0.6, color="0.75", edgecolor="black")
        axes[3].set(ylabel="accuracy (%)", ylim=(0, 100))
    for one in axes:
        _tilt(one)
    _legend(figure, [*(cost.energy for cost in costs), *(cost.area for cost in costs)])
    return figure


@styled
def layer_bars(cost: Cost) -> Figure:
    """Energy of each layer part by part, and the time it takes: the slowest sets the pace of the pipeline."""
    figure = Figure(figsize=(max(4.5, 0.36 * len(cost.layers) + 2.6), 4.4))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    names = [layer.name for layer in cost.layers]
    scale, prefix = si_prefix(max(layer.total_energy for layer in cost.layers))
    _stack(above, names, [layer.energy for layer in cost.layers], scale)
    above.set_ylabel(f"energy per inference ({prefix}J)")
    above.tick_params("x", length=0)
    scale, prefix = si_prefix(max(layer.latency for layer in cost.layers))
    below.bar(
        names, [layer.latency / scale for layer in cost.layers], width=0.6, color="0.75", edgecolor="black"
    )
    below.set_ylabel(f"latency ({prefix}s)")
    _tilt(below)
    _legend(figure, [cost.energy])
    return figure


@styled
def tornado(swings: Sequence[Swing], quantity: str, card: str, rival: str, *, most: int = 10) -> Figure:
    """The constants that an advantage hangs on most, the widest swing on top; dark at the low end, light at the high.

    Args:
        swings: widest first.
        quantity: what the advantage is of, for the axis.
        card: name of the chip, for the axis.
        rival: name of what it is compared with.
        most: constants to draw.

    Raises:
        InputError: nothing to draw.
    """
    if not swings:
        raise InputError("there is no constant to draw; give at least one")
    drawn = list(swings[:most])[::-1]
    figure = Figure(figsize=(5.6, 0.29 * len(drawn) + 1.4))
    axes = figure.subplots()
    nominal = drawn[0].nominal
    for place, swing in enumerate(drawn):
        for value, dark in ((swing.at_low, True), (swing.at_high, False)):
            axes.barh(
                place,
                value - nominal,
                left=nominal,
                height=0.62,
                color=_LOW if dark else _HIGH,
                hatch="" if dark else "//",
                edgecolor="black",
                linewidth=0.6,
            )
    axes.axvline(nominal, color="black", linewidth=1)
    axes.set_xscale("log")
    _plain_ticks(axes)
    axes.set_yticks(range(len(drawn)), [_label(swing) for swing in drawn])
    axes.set_xlabel(f"{quantity} of {rival}\nover that of {card}")
    axes.plot([], [], "s", color=_LOW, markeredgecolor="black", label="at its low end")
    axes.plot([], [], "s", color=_HIGH, markeredgecolor="black", label="at its high end")
    figure.legend(
        loc="outside upper center", ncols=2, title="*: by a factor of 2, where no source gives a range"
    )
    return figure


def _tilt(axes: Axes) -> None:
    """Names that end below their bars."""
    for label in axes.get_xticklabels():
        label.set(rotation=45, ha="right", rotation_mode="anchor")


def _label(swing: Swing) -> str:
    power = 2 if swing.unit.endswith("²") else 1
    scale, prefix = si_prefix(swing.high ** (1 / power)) if swing.unit else (1.0, "")
    low, high = (value / scale**power for value in (swing.low, swing.high))
    unit = f" {prefix}{swing.unit}" if swing.unit else ""
    return f"{swing.constant}{'' if swing.ranged else '*'}: {low:.4g} to {high:.4g}{unit}"


def _plain_ticks(axes: Axes) -> None:
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _stack(axes: Axes, names: Sequence[str], parts: Sequence[Mapping[str, float]], scale: float) -> None:
    bottom = [0.0] * len(names)
    for part, (colour, hatch) in LOOKS.items():
        heights = [one.get(part, 0.0) / scale for one in parts]
        axes.bar(names, heights, 0.6, bottom, color=colour, hatch=hatch, edgecolor="black", linewidth=0.6)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_ylim(0, 1.05 * max(bottom))
    axes.margins(x=0.03)


def _legend(figure: Figure, parts: Sequence[Mapping[str, float]]) -> None:
    """In the order of the stacks, beside the panels."""
    shown = [name for name in LOOKS if any(one.get(name) for one in parts)][::-1]
    patches = [
        Patch(facecolor=LOOKS[name][0], hatch=LOOKS[name][1], edgecolor="black", linewidth=0.6)
        for name in shown
    ]
    figure.legend(handles=patches, labels=shown, loc="outside right upper")
