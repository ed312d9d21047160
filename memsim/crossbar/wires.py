"""Voltage drops along the wires of a crossbar.

A word line is driven at the left, before column 0; a bit line is sensed at the bottom, after the last row. The
cells take currents I_ij from word line i to bit line j. Segment j of a word line carries what all cells from
column j on take, so that the word line at column j lies below its driver by

    (K_w I)_j = sum_{k <= j} r_k sum_{l >= k} I_l  =  sum_l min(p_j, p_l) I_l,   p_j = sum_{k <= j} r_k

and a bit line, in the same way, above its sense end. Either is a running sum of a running sum: K = K_w + K_b is
never written down. With a second driver at the right of the same voltage, p_tot ohm away from the first,

    (K_w I)_j  ->  (K_w I)_j - p_j / p_tot (K_w I)_last.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from memsim.errors import InputError

# From this many elements on, a running sum over rows in blocks beats torch's, which strides through memory.
_BLOCKED_FROM = 2**15
_BLOCK = 16
# Up to this many lines, products with K_w and K_b as matrices take less time than running sums.
_MATRICES_UP_TO = 48


@dataclass(frozen=True, eq=False)
class Wires:
    """Resistances between the cells of a crossbar and at the ends of its lines [ohm], numbers or tensors.

    Attributes:
        word_line: each word line segment; one for all, or [..., rows, columns], segment j between cell j and
            the cell before it or the driver. With drivers on both sides one more column, the segment at the right.
        bit_line: each bit line segment; one for all, or [..., rows, columns], segment i between cell i and the
            cell below it or the sense end.
        driver: output resistance of the word line drivers; one for all, or [..., rows].
        sense: input resistance at the sense ends; one for all, or [..., columns]. Infinite where a bit line floats.
        driven_from_both_sides: whether each word line has a second, equal driver at the right.
    """

    word_line: Tensor | float = 0.0
    bit_line: Tensor | float = 0.0
    driver: Tensor | float = 0.0
    sense: Tensor | float = 0.0
    driven_from_both_sides: bool = False

    def __post_init__(self) -> None:
        for name in ("word_line", "bit_line", "driver", "sense"):
            given = getattr(self, name)
            if isinstance(given, float) and 0 <= given < torch.inf:
                continue
            value = torch.as_tensor(given).detach()
            bad = torch.isnan(value) | (value < 0) | (torch.isinf(value) & (name != "sense"))
            if bad.any():
                place = bad.nonzero()[0].tolist()
                allowed = "at least 0" if name == "sense" else "at least 0 and finite"
                raise InputError(
                    f"{name}{place or ''} = {value[tuple(place)].item()!r} ohm is out of range; allowed: {allowed}"
                )


@dataclass(frozen=True, eq=False)
class Drops:
    """The operator K of one crossbar: currents of the cells to voltages lost on their way.

    Attributes:
        word: word line segments with the driver in the first, [..., rows or 1, columns] in ohm.
        bit: bit line segments with the sense resistance in the last, [..., rows, columns or 1] in ohm.
        right: from the last column to a second driver and through it, [..., rows or 1, 1] in ohm; None with one.
        floating: bit lines without a sense end, [columns]; None where there are none.
    """

    word: Tensor
    bit: Tensor
    right: Tensor | None
    floating: Tensor | None

    @cached_property
    def share(self) -> Tensor | None:
        """p_j / p_tot, [..., rows or 1, columns]; None with one driver."""
        if self.right is None:
            return None
        position = self.word.cumsum(-1)
        total = position[..., -1:] + self.right
        # on an ideal wire nothing is lost, whichever driver the current comes from
        return torch.where(total > 0, position / torch.where(total > 0, total, 1), 0)

    @cached_property
    def _own(self) -> tuple[Tensor, Tensor]:
        """What the diagonal of K has from word lines and from bit lines, in ohm."""
        position = self.word.cumsum(-1)
        if self.share is not None:
            position = position * (1 - self.share)
        return position, self.bit.flip(-2).cumsum(-2).flip(-2)

    def diagonal(self) -> Tensor:
        """Diagonal of K in ohm, to be broadcast over [..., rows, columns]."""
        along_words, along_bits = self._own
        return along_words + along_bits

    @cached_property
    def matrices(self) -> tuple[Tensor, Tensor] | None:
        """K_w [columns, columns] and K_b [rows, rows], with K I = I K_w^T + K_b I, of a small array of equal lines."""
        rows, columns = self.bit.shape[-2], self.word.shape[-1]
        if (
            max(rows, columns) > _MATRICES_UP_TO
            or self.word.shape != (1, columns)
            or self.bit.shape != (rows, 1)
        ):
            return None
        _, position = self._own
        return self.word_line_matrix(0).mT, torch.minimum(position, position.mT)

    def __call__(self, current: Tensor) -> Tensor:
        """K I in V for cell currents [..., rows, columns] in A."""
        if torch.is_grad_enabled():
            return self.along_word_lines(current) + self.along_bit_lines(current)
        return self.overwrite(current.clone())

    def along_word_lines(self, current: Tensor) -> Tensor:
        drop = (self.word * current.flip(-1).cumsum(-1).flip(-1)).cumsum(-1)
        return drop if self.share is None else drop - self.share * drop[..., -1:]

    def along_bit_lines(self, current: Tensor) -> Tensor:
        return (self.bit * current.cumsum(-2)).flip(-2).cumsum(-2).flip(-2)

    def overwrite(self, current: Tensor) -> Tensor:
        """K I, where possible written over I; without gradients. Large arrays wait for memory, not for sums."""
        if self.matrices is not None:
            along_words, along_bits = self.matrices
            along = current @ along_words
            return (
                along.addmm_(along_bits, current) if current.ndim == 2 else along.add_(along_bits @ current)
            )
        word = current.flip(-1).cumsum_(-1).flip(-1).mul_(self.word).cumsum_(-1)
        if self.share is not None:
            word.addcmul_(self.share, word[..., -1:].clone(), value=-1)
        accumulate_rows_(current).mul_(self.bit)
        return accumulate_rows_(current, upwards=True).add_(word)

    def word_line_matrix(self, row: int) -> Tensor:
        """K_w of one word line, [..., columns, columns] in ohm."""
        row = min(row, self.word.shape[-2] - 1)
        position = self.word[..., row, :].cumsum(-1)
        matrix = torch.minimum(position[..., :, None], position[..., None, :])
        if self.share is None:
            return matrix
        return matrix - self.share[..., row, :, None] * position[..., None, :]


def drops(wires: Wires, rows: int, columns: int, like: Tensor) -> Drops:
    """The operator K for an array of this size, in the precision and on the device of `like`.

    Raises:
        InputError: a resistance has a shape that does not fit the array.
    """
    values = tuple(vars(wires).values())
    if any(isinstance(value, Tensor) for value in values):
        return _drops(wires, rows, columns, like)
    return _drops_of_numbers(values, rows, columns, like.dtype, like.device)


@lru_cache(maxsize=64)
def _drops_of_numbers(
    values: tuple[float, ...], rows: int, columns: int, dtype: torch.dtype, device: torch.device
) -> Drops:
    """As `drops`; the dozens of small operations in there would be a third of the time of solving a small array."""
    numbers: dict[str, Any] = dict(zip(Wires.__dataclass_fields__, values, strict=True))
    with torch.inference_mode(mode=False), torch.no_grad():
        made = _drops(Wires(**numbers), rows, columns, torch.empty(0, dtype=dtype, device=device))
        # kept now, so that it is not the first call that decides whether they are tensors of inference mode
        _ = made.matrices, made.diagonal()
        return made


def _drops(wires: Wires, rows: int, columns: int, like: Tensor) -> Drops:
    segments = columns + wires.driven_from_both_sides
    word = _fitted("word_line", wires.word_line, (rows, segments), like)
    bit = _fitted("bit_line", wires.bit_line, (rows, columns), like)
    driver = _fitted("driver", wires.driver, (rows,), like)
    sense = _fitted("sense", wires.sense, (columns,), like)
    floats = torch.isinf(sense.detach())
    if bool((floats != floats.reshape(-1, floats.shape[-1])[0]).any()):
        raise InputError(
            "sense is infinite in some arrays of a batch only; in all of them the same lines must float"
        )
    right = word[..., -1:] + driver[..., None] if wires.driven_from_both_sides else None
    word = _with_driver(word, driver, columns)
    bit = _add_to_end(bit, torch.where(floats, torch.zeros_like(sense), sense), rows)
    floating = floats.reshape(-1, floats.shape[-1])[0].expand(columns)
    return Drops(word, bit, right, floating if bool(floating.any()) else None)


def _with_driver(word: Tensor, driver: Tensor, columns: int) -> Tensor:
    word = word.expand(*torch.broadcast_shapes(word.shape[:-1], driver.shape), max(columns, word.shape[-1]))
    return torch.cat([word[..., :1] + driver[..., None], word[..., 1:columns]], -1)


def _add_to_end(bit: Tensor, sense: Tensor, rows: int) -> Tensor:
    last = bit[..., -1:, :] + sense[..., None, :]
    above = bit.expand(*bit.shape[:-2], rows, bit.shape[-1])[..., :-1, :]
    return torch.cat([above.expand(*last.shape[:-2], rows - 1, last.shape[-1]), last], -2)


def _fitted(name: str, value: Tensor | float, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """The value with at least the dimensions of `shape`, each of them 1 or full."""
    tensor = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    if tensor.ndim == 0:
        return tensor.reshape([1] * len(shape))
    if tensor.shape[-len(shape) :] != shape:
        raise InputError(
            f"{name} has shape {list(tensor.shape)}; this array needs one number, or [..., {str(shape)[1:-1]}]"
        )
    return tensor


def accumulate_rows_(field: Tensor, *, upwards: bool = False) -> Tensor:
    """Running sum over the rows of [..., rows, columns] in place, from above or from below."""
    rows = field.shape[-2]
    if field.numel() < _BLOCKED_FROM or rows < 2 * _BLOCK or field.device.type != "cpu":
        return field.copy_(field.flip(-2).cumsum_(-2).flip(-2)) if upwards else field.cumsum_(-2)
    order = range(rows)[::-1] if upwards else range(rows)
    spare = rows % _BLOCK
    blocks = field[..., spare:, :] if upwards else field[..., : rows - spare, :]
    blocks = blocks.unflatten(-2, (-1, _BLOCK))
    for before, row in pairwise(range(_BLOCK)[::-1] if upwards else range(_BLOCK)):
        blocks[..., row, :].add_(blocks[..., before, :])
    if upwards:
        blocks[..., :-1, :, :].add_(blocks[..., 1:, 0, :].flip(-2).cumsum_(-2).flip(-2)[..., None, :])
    else:
        blocks[..., 1:, :, :].add_(blocks[..., :-1, -1, :].cumsum(-2)[..., None, :])
    for before, row in pairwise(order[rows - spare - 1 :]):
        field[..., row, :].add_(field[..., before, :])
    return field
