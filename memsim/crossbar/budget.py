"""Which effect of a crossbar's hardware costs how much of its precision."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from memsim.crossbar.grid import programmed
from memsim.crossbar.hardware import Hardware
from memsim.crossbar.nonidealities import PerArray, Transform
from memsim.errors import InputError


@dataclass(frozen=True)
class Share:
    """What one effect does to the currents, all in units of the root mean square of the ideal ones.

    Attributes:
        effect: its name.
        added: root mean square of the change that the effect makes, with those before it in place.
        total: root mean square of the error with it and those before it.
    """

    effect: str
    added: float
    total: float


@dataclass(frozen=True)
class Budget:
    """Errors of a crossbar's currents, effect by effect; prints as a table.

    Attributes:
        shares: in the order in which the effects were added.
        seed: of all draws.
    """

    shares: tuple[Share, ...]
    seed: int

    def as_dict(self) -> dict[str, dict[str, float]]:
        """{effect: {"added": ..., "total": ...}}."""
        return {share.effect: {"added": share.added, "total": share.total} for share in self.shares}

    def __str__(self) -> str:
        width = max(len(share.effect) for share in self.shares)
        rows = [f"{share.effect:<{width}}  {share.added:>9.3%}  {share.total:>9.3%}" for share in self.shares]
        return "\n".join([f"{'effect':<{width}}  {'added':>9}  {'total':>9}", *rows])


@torch.no_grad()
def budget(
    weight: Tensor, voltage: Tensor, *, hardware: Hardware, conductances: tuple[float, float], seed: int
) -> Budget:
    """Add the effects of some hardware to ideal arrays one after the other.

    Args:
        weight: [rows, columns], between -1 and 1.
        voltage: of the word lines, [..., rows] in V.
        hardware: levels, then each non-ideality, the law of the cells, read noise, and wires.
        conductances: lowest and highest of a cell [S].
        seed: of all draws: an effect draws the same whatever comes after it.

    Raises:
        InputError: ideal hardware, or voltages without any current.
    """
    if hardware.ideal:
        raise InputError(
            "this hardware is ideal and has no errors to share out; give it levels, noise or wires"
        )
    ideal = _currents(weight, voltage, Hardware(signs=hardware.signs), conductances, seed)
    size = float(ideal.square().mean().sqrt())
    if size == 0:
        raise InputError("these voltages give no current, so there is nothing to compare errors with")
    shares, before = [], ideal
    for effect, so_far in _stages(hardware):
        current = _currents(weight, voltage, so_far, conductances, seed)
        added, total = ((current - other).square().mean().sqrt() / size for other in (before, ideal))
        shares.append(Share(effect, float(added), float(total)))
        before = current
    return Budget(tuple(shares), seed)


def _stages(hardware: Hardware) -> Iterator[tuple[str, Hardware]]:
    """Each effect with hardware that has it and all before it."""
    so_far = Hardware(signs=hardware.signs)
    if hardware.levels is not None:
        so_far = replace(so_far, levels=hardware.levels, slices=hardware.slices)
        slices = f" x {hardware.slices} slices" if hardware.slices > 1 else ""
        yield f"{hardware.levels} levels{slices}", so_far
    for name, transform in zip(_names(hardware.nonidealities), hardware.nonidealities, strict=True):
        so_far = replace(so_far, nonidealities=(*so_far.nonidealities, transform))
        yield name, so_far
    if hardware.cell is not None:
        so_far = replace(so_far, cell=hardware.cell)
        yield "law of the cells", so_far
    if hardware.read_noise is not None:
        so_far = replace(so_far, read_noise=hardware.read_noise)
        yield "read noise", so_far
    if hardware.wired:
        yield "wires", hardware


def _names(transforms: tuple[Transform, ...]) -> list[str]:
    """Class names in words, those of the same class numbered."""
    names = [_words(transform) for transform in transforms]
    return [
        name if names.count(name) == 1 else f"{name} {names[: number + 1].count(name)}"
        for number, name in enumerate(names)
    ]


def _words(transform: Transform) -> str:
    if isinstance(transform, PerArray):
        return f"{_words(transform.transform)} per array"
    name = getattr(transform, "__name__", type(transform).__name__)
    return re.sub("(?<=[a-z])(?=[A-Z])|_", " ", name).strip().lower()


def _currents(
    weight: Tensor, voltage: Tensor, hardware: Hardware, conductances: tuple[float, float], seed: int
) -> Tensor:
    grid = programmed(weight, hardware.mapping(*conductances), hardware, seed)
    return grid.read(voltage, None, torch.Generator(weight.device).manual_seed(seed + 1))
