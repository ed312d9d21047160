"""Compact device models, written once as sympy expressions, and everything derived from them."""

from memsim.devices.base import Device, Expressions, Parameter, State, positive
from memsim.devices.cards import MODELS, Card, Drive, card_names, load_card, load_device
from memsim.devices.latex import latex
from memsim.devices.metastable_switch import MetastableSwitch
from memsim.devices.numeric import NumericModel, numeric
from memsim.devices.threshold_switch import ThresholdSwitch
from memsim.devices.verilog_a import verilog_a
from memsim.devices.vteam import Vteam
from memsim.devices.yakopcic import Yakopcic

__all__ = [
    "MODELS",
    "Card",
    "Device",
    "Drive",
    "Expressions",
    "MetastableSwitch",
    "NumericModel",
    "Parameter",
    "State",
    "ThresholdSwitch",
    "Vteam",
    "Yakopcic",
    "card_names",
    "latex",
    "load_card",
    "load_device",
    "numeric",
    "positive",
    "verilog_a",
]
