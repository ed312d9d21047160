"""Which layers of a network go to arrays, and to those of which card."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from torch import nn

from memsim.crossbar import Crossbar
from memsim.errors import InputError
from memsim.imc.convolutions import CONVOLUTIONS
from memsim.imc.hardware import HardwareCard
from memsim.imc.layers import MappedLayer

UNMAPPED = (
    nn.modules.conv._ConvNd,
    nn.RNNBase,
    nn.RNNCellBase,
    nn.MultiheadAttention,
    nn.Embedding,
    nn.Bilinear,
)
"""What cannot, beside the convolutions that do."""
LAYERS = (nn.Linear, *CONVOLUTIONS)
"""Of torch, that go to arrays."""
PLACED = (*LAYERS, Crossbar, MappedLayer)
"""What goes to arrays."""


@dataclass(frozen=True)
class Placement:
    """What is asked for, by names of modules: of layers, or of modules that hold some.

    Attributes:
        card: of layers that are not named.
        skip: modules whose layers are left out.
        cards: of layers in these modules; the innermost name counts.
    """

    card: HardwareCard
    skip: Collection[str] = ()
    cards: Mapping[str, HardwareCard] = field(default_factory=dict)

    def check(self, model: nn.Module) -> None:
        """See that each name changes something.

        Raises:
            InputError: a name that the network does not have, that holds no layer, or that cannot be as it says; one
                name alone instead of some.
        """
        if isinstance(self.skip, str):
            raise InputError(f"skip = {self.skip!r} is one name; give names in a list: [{self.skip!r}]")
        for entry, names in (("skip", self.skip), ("cards", self.cards)):
            for name in names:
                _check_name(model, entry, name)
        left = self.left_out(model)
        for name, module in model.named_modules():
            if isinstance(module, MappedLayer) and module in left:
                raise InputError(
                    f"skip leaves out {name}, which is on arrays already; map the network of before"
                )
        for name in self.cards:
            if all(part in left for part in model.get_submodule(name).modules() if isinstance(part, PLACED)):
                raise InputError(
                    f"cards gives {name!r} a card, and skip leaves it out; name it in one of them"
                )

    def left_out(self, model: nn.Module) -> set[nn.Module]:
        """Modules that stay as they are, wherever else they stand."""
        return {part for name in self.skip for part in model.get_submodule(name).modules()}

    def card_of(self, name: str) -> HardwareCard:
        """The card of the layer of a name."""
        within = [place for place in self.cards if place in {"", name} or name.startswith(f"{place}.")]
        return self.cards[max(within, key=len)] if within else self.card

    @property
    def every_card(self) -> list[HardwareCard]:
        """All that are asked for."""
        return [self.card, *self.cards.values()]


def _check_name(model: nn.Module, entry: str, name: str) -> None:
    try:
        named = model.get_submodule(name)
    except AttributeError:
        layers = [known for known, module in model.named_modules() if isinstance(module, PLACED)]
        raise InputError(
            f"{entry} names {name!r}, which the network does not have; its layers are {', '.join(layers)}"
        ) from None
    kinds = PLACED if entry == "cards" else (*PLACED, *UNMAPPED)
    if not any(isinstance(part, kinds) for part in named.modules()):
        raise InputError(
            f"{entry} names {name!r}, which holds no layer for arrays and stays digital anyway; leave it out"
        )
