"""A chip from above, to scale: its tiles by layer, and what one tile is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from memsim.plots.costs import LOOKS
from memsim.plots.style import styled

if TYPE_CHECKING:
    from memsim.imc.cost import Cost

_MILLI, _MICRO = 1e-3, 1e-6
_EXPOSURE = (26e-3, 33e-3)
_LABELLED, _SEEN = 0.025, 1e-3
_MOST_NAMES = 24
_OUTLINE = [withStroke(linewidth=2.0, foreground="white")]


class _Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    def scaled(self, unit: float) -> _Box:
        return _Box(*(side / unit for side in self))


@styled
def floorplan(cost: Cost) -> Figure:
    """Tiles of a chip coloured by their layers, blocks beside them, and the parts of one tile; all areas to scale.

    Within a tile, parts of an array stand where they fit; only their areas mean something.
    """
    figure = Figure(figsize=(10.4, 5.2))
    chip, tile = figure.subplots(1, 2)
    blocks = _chip(chip, cost)
    shown = _tile(tile, cost)
    handles = [_patch(name) for name in LOOKS if name in {*shown, *blocks}]
    figure.legend(
        handles=handles, labels=[str(h.get_label()) for h in handles], loc="outside lower center", ncols=5
    )
    return figure


def _chip(axes: Axes, cost: Cost) -> dict[str, _Box]:
    """Draw tiles row by row, every second row from the right, so that those of a layer stand together."""
    plan, side = cost.plan, cost.plan.tile_length
    columns = math.ceil(math.sqrt(plan.tiles))
    rows = math.ceil(plan.tiles / columns)
    owners = [k for k, layer in enumerate(plan.layers) for _ in range(layer.tiles)]
    colours = mpl.colormaps["viridis"].resampled(len(plan.layers))
    if plan.passes == 1:
        _key(axes, [layer.shape.name for layer in plan.layers], colours)
    places: dict[int, list[tuple[float, float]]] = {}
    for number in range(plan.tiles):
        row, turn = divmod(number, columns)
        column = turn if row % 2 == 0 else columns - 1 - turn
        box = _Box(column * side, (rows - 1 - row) * side, side, side)
        owner = owners[number] if plan.passes == 1 and number < len(owners) else None
        _draw(axes, box.scaled(_MILLI), "white" if owner is None else colours(owner), linewidth=0.25)
        if owner is not None:
            places.setdefault(owner, []).append((box.x + side / 2, box.y + side / 2))
    for owner, centres in places.items():
        if len(centres) >= max(_LABELLED * plan.tiles, 1):
            _label(axes, plan.layers[owner].shape.name, centres)
    blocks = _blocks(cost, columns * side, rows * side)
    for name, box in blocks.items():
        colour, hatch = LOOKS[name]
        _draw(axes, box.scaled(_MILLI), colour, hatch)
    width = columns * side + sum(box.width for box in blocks.values())
    _exposure(axes, cost, width, rows * side)
    axes.set(xlabel="mm", ylabel="mm", title=f"{cost.card}: {plan.tiles} tiles")
    _frame(axes, width / _MILLI, rows * side / _MILLI)
    return blocks


def _key(axes: Axes, names: list[str], colours: Colormap) -> None:
    """Colours of layers, the first on top."""
    scale = ScalarMappable(BoundaryNorm([k - 0.5 for k in range(len(names) + 1)], len(names)), colours)
    bar = axes.figure.colorbar(scale, ax=axes, location="left", fraction=0.06, aspect=30, pad=0.02)
    shown = range(0, len(names), math.ceil(len(names) / _MOST_NAMES))
    bar.set_ticks(list(shown), labels=[names[k] for k in shown])
    bar.ax.invert_yaxis()
    bar.ax.tick_params(length=0, labelsize=8)


def _blocks(cost: Cost, left: float, height: float) -> dict[str, _Box]:
    """Strips beside the tiles: what no tile has."""
    inside = cost.plan.tile_areas
    areas = {name: area - cost.plan.tiles * inside.get(name, 0.0) for name, area in cost.area.items()}
    strips = {}
    for name, area in areas.items():
        if area > _SEEN * cost.total_area:
            strips[name] = _Box(left, 0.0, area / height, height)
            left += area / height
    return strips


def _exposure(axes: Axes, cost: Cost, width: float, height: float) -> None:
    if cost.total_area <= math.prod(_EXPOSURE):
        return
    x, y = _EXPOSURE
    axes.add_patch(
        Rectangle(
            (0, 0), x / _MILLI, y / _MILLI, fill=False, linestyle="--", linewidth=1.6, edgecolor="#D55E00"
        )
    )
    axes.annotate(
        "one exposure, 26 mm × 33 mm",
        (min(x, width) / _MILLI / 2, min(y, height) / _MILLI),
        color="#D55E00",
        ha="center",
        va="bottom",
        fontsize=8,
        path_effects=_OUTLINE,
    )


def _tile(axes: Axes, cost: Cost) -> set[str]:
    """Draw arrays with their circuits, and the buffer of the tile below them."""
    plan, areas = cost.plan, dict(cost.plan.tile_areas)
    length, count = plan.tile_length, plan.side
    buffer = areas.pop("buffers") / length
    if buffer:
        colour, hatch = LOOKS["buffers"]
        _draw(axes, _Box(0, 0, length, buffer).scaled(_MICRO), colour, hatch)
    width, height = length / count, (length - buffer) / count
    shares = {name: area / count**2 for name, area in areas.items() if area > 0}
    for row in range(count):
        for column in range(count):
            place = _Box(column * width, buffer + row * height, width, height)
            for name, box in _squarified(shares, place):
                colour, hatch = LOOKS[name]
                _draw(axes, box.scaled(_MICRO), colour, hatch if count <= 4 else "", linewidth=0.3)
            axes.add_patch(
                Rectangle(
                    (place.x / _MICRO, place.y / _MICRO),
                    width / _MICRO,
                    height / _MICRO,
                    fill=False,
                    linewidth=1.0,
                    edgecolor="black",
                )
            )
    array = plan.card.array
    axes.set(
        xlabel="µm",
        ylabel="µm",
        title=f"one tile: {count} × {count} arrays of {array.rows} × {array.columns}",
    )
    _frame(axes, length / _MICRO, length / _MICRO)
    return {"buffers", *shares}


def _squarified(areas: Mapping[str, float], place: _Box) -> Iterator[tuple[str, _Box]]:
    """Rectangles of these areas that fill a place, near to squares (Bruls, Huizing and van Wijk, VisSym 2000)."""
    left = sorted(areas.items(), key=lambda item: item[1], reverse=True)
    while left:
        short = min(place.width, place.height)
        taken = 1
        while taken < len(left) and _worst(left[: taken + 1], short) <= _worst(left[:taken], short):
            taken += 1
        row, left = left[:taken], left[taken:]
        depth = sum(area for _, area in row) / short
        upright, start = place.width >= place.height, 0.0
        for name, area in row:
            along = area / depth
            if upright:
                yield name, _Box(place.x, place.y + start, depth, along)
            else:
                yield name, _Box(place.x + start, place.y, along, depth)
            start += along
        if upright:
            place = _Box(place.x + depth, place.y, place.width - depth, place.height)
        else:
            place = _Box(place.x, place.y + depth, place.width, place.height - depth)


def _worst(row: list[tuple[str, float]], short: float) -> float:
    """Largest ratio of sides in a row of rectangles along a side."""
    depth = sum(area for _, area in row) / short
    return max(max(depth**2 / area, area / depth**2) for _, area in row)


def _draw(axes: Axes, box: _Box, colour: Any, hatch: str = "", *, linewidth: float = 0.6) -> None:
    axes.add_patch(
        Rectangle(
            (box.x, box.y),
            box.width,
            box.height,
            facecolor=colour,
            hatch=hatch,
            edgecolor="black",
            linewidth=linewidth,
        )
    )


def _label(axes: Axes, name: str, centres: list[tuple[float, float]]) -> None:
    """At the tile of a layer that is nearest to the middle of all of them."""
    middle = [sum(values) / len(centres) for values in zip(*centres, strict=True)]
    x, y = min(centres, key=lambda place: math.dist(place, middle))
    axes.text(x / _MILLI, y / _MILLI, name, ha="center", va="center", fontsize=8, path_effects=_OUTLINE)


def _patch(name: str) -> Patch:
    colour, hatch = LOOKS[name]
    return Patch(facecolor=colour, hatch=hatch, edgecolor="black", linewidth=0.6, label=name)


def _frame(axes: Axes, width: float, height: float) -> None:
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_aspect("equal")
    axes.spines[["top", "right"]].set_visible(True)
